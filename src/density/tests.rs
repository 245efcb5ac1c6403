use nalgebra::{DMatrix, DVector};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::log_density::{log_density, log_density_with_control};
use crate::error::Error;
use crate::mixture::GaussianMixture;
use crate::process::{NoiseLevel, NoiseLevels};
use crate::score::{LogDensity, NumericalDivergence, ScoreModel};

fn line() -> GaussianMixture {
    let means = DMatrix::from_row_slice(2, 1, &[-2.0, 2.0]);
    GaussianMixture::spherical(DVector::from_vec(vec![0.3, 0.7]), means, 1.0).unwrap()
}

fn triangle() -> GaussianMixture {
    let means = DMatrix::from_row_slice(3, 2, &[0.0, 3.0, -2.6, -1.5, 2.6, -1.5]);
    GaussianMixture::spherical(DVector::from_vec(vec![0.5, 0.3, 0.2]), means, 1.0).unwrap()
}

fn ellipses() -> GaussianMixture {
    let means = DMatrix::from_row_slice(2, 2, &[-2.0, 0.0, 2.0, 1.0]);
    let covariances = vec![
        DMatrix::from_row_slice(2, 2, &[2.0, 0.9, 0.9, 0.5]),
        DMatrix::from_row_slice(2, 2, &[0.3, 0.0, 0.0, 2.0]),
    ];
    GaussianMixture::new(DVector::from_vec(vec![0.4, 0.6]), means, covariances).unwrap()
}

fn draws(law: &GaussianMixture, n: usize) -> DMatrix<f64> {
    let draws: Vec<DVector<f64>> = Xoshiro256PlusPlus::seed_from_u64(6).sample_iter(law).take(n).collect();
    DMatrix::from_fn(n, law.dim(), |row, column| draws[row][column])
}

fn levels(noisiest: f64) -> NoiseLevels {
    NoiseLevels::variance_exploding([noisiest, 1.0, 0.0]).unwrap()
}

fn root_mean_square(difference: DVector<f64>) -> f64 {
    (difference.norm_squared() / difference.len() as f64).sqrt()
}

#[test]
fn exact_scores_give_the_law_s_log_density() {
    for law in [line(), triangle(), ellipses()] {
        let points = draws(&law, 300);
        let exact = law.log_density(NoiseLevel::CLEAN, &points).unwrap();
        let exploding = log_density(&law, &levels(80.0), &points).unwrap();
        assert!(root_mean_square(&exploding - &exact) < 1e-3);
        // The same ratios with other signals, ended at a level that is not a = 1.
        let preserving = [80.0f64, 1.0, 0.0].map(|ratio| NoiseLevel::new(0.3, 0.3 * ratio).unwrap());
        let scaled = log_density(&law, &NoiseLevels::new(preserving).unwrap(), &points).unwrap();
        assert!((scaled - exploding).amax() < 1e-9);
    }
}

#[test]
fn without_a_component_width_it_is_the_quietest_noised_law() {
    struct Anonymous(GaussianMixture);
    impl ScoreModel for Anonymous {
        fn dim(&self) -> usize {
            self.0.dim()
        }
        fn score_into(
            &self,
            level: NoiseLevel,
            points: nalgebra::DMatrixView<'_, f64>,
            score: nalgebra::DMatrixViewMut<'_, f64>,
        ) -> crate::error::Result<()> {
            self.0.score_into(level, points, score)
        }
    }
    let points = draws(&line(), 200);
    let noises = NoiseLevels::variance_exploding([80.0, 0.2, 0.0]).unwrap();
    let found = log_density(&NumericalDivergence(Anonymous(line())), &noises, &points).unwrap();
    let exact = line().log_density(noises[1], &points).unwrap();
    // The start is probed here.
    assert!(root_mean_square(found - &exact) < 2e-3);
    let found = log_density_with_control(&NumericalDivergence(Anonymous(line())), &line(), &noises, &points);
    assert!(root_mean_square(found.unwrap() - exact) < 2e-3);
}

#[test]
fn a_control_takes_the_error_with_it() {
    // Where a Gaussian stands for the start, a noisiest level of 5 standard deviations costs .003 without a control.
    let points = draws(&triangle(), 300);
    let exact = triangle().log_density(NoiseLevel::CLEAN, &points).unwrap();
    let law = NumericalDivergence(triangle());
    let near = {
        let means = triangle().means() + DMatrix::from_row_slice(3, 2, &[0.1, -0.1, 0.0, 0.1, -0.1, 0.0]);
        GaussianMixture::spherical(DVector::from_vec(vec![0.45, 0.33, 0.22]), means, 1.05).unwrap()
    };
    let levels = levels(14.0);
    let plain = root_mean_square(log_density(&law, &levels, &points).unwrap() - &exact);
    let controlled =
        root_mean_square(log_density_with_control(&law, &near, &levels, &points).unwrap() - &exact);
    assert!(controlled < 1e-3 && controlled < 0.5 * plain, "{plain} {controlled}");
}

#[test]
fn blocks_do_not_show_and_far_points_are_finite() {
    let law = ellipses();
    let points = draws(&law, 600);
    let all = log_density(&law, &levels(30.0), &points).unwrap();
    let some = log_density(&law, &levels(30.0), &points.rows(100, 300).into_owned()).unwrap();
    assert!((some - all.rows(100, 300)).amax() < 1e-11);
    let far = DMatrix::from_row_slice(2, 2, &[1e8, -1e8, 1e3, 0.0]);
    let found = log_density(&law, &levels(30.0), &far).unwrap();
    assert!(found.iter().all(|value| value.is_finite()), "{found}");
    assert!(found[0] < found[1] && found[1] < all.min());
}

#[test]
fn invalid_points_are_rejected() {
    let nan = DMatrix::from_element(1, 1, f64::NAN);
    assert!(matches!(log_density(&line(), &levels(9.0), &nan), Err(Error::NotFinite { .. })));
    let wide = DMatrix::zeros(1, 2);
    assert!(matches!(log_density(&line(), &levels(9.0), &wide), Err(Error::ShapeMismatch { .. })));
    let control = log_density_with_control(&line(), &triangle(), &levels(9.0), &DMatrix::zeros(1, 1));
    assert!(matches!(control, Err(Error::ShapeMismatch { .. })));
}

#[cfg(feature = "rayon")]
#[test]
fn the_number_of_threads_does_not_show() {
    let points = draws(&ellipses(), 700);
    let evaluate = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| log_density(&ellipses(), &levels(30.0), &points).unwrap())
    };
    assert_eq!(evaluate(1), evaluate(4));
}
