use approx::assert_relative_eq;
use nalgebra::{DMatrix, DVector};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::GaussianMixture;
use crate::error::Error;
use crate::process::NoiseLevel;
use crate::score::{DifferentiableScore, LogDensity, ScoreModel};

fn matrix<const N: usize>(rows: [[f64; 2]; N]) -> DMatrix<f64> {
    DMatrix::from_row_slice(N, 2, rows.as_flattened())
}

fn general() -> GaussianMixture {
    let weights = DVector::from_vec(vec![1.0, 2.0, 1.0]);
    let means = matrix([[-2.0, 0.0], [1.0, 1.5], [3.0, -1.0]]);
    let covariances = vec![
        matrix([[1.0, 0.6], [0.6, 0.5]]),
        matrix([[0.3, 0.0], [0.0, 2.0]]),
        matrix([[0.7, -0.2], [-0.2, 0.4]]),
    ];
    GaussianMixture::new(weights, means, covariances).unwrap()
}

fn spherical() -> GaussianMixture {
    let weights = DVector::from_vec(vec![0.2, 0.5, 0.3]);
    GaussianMixture::spherical(weights, matrix([[-2.0, 0.0], [1.0, 1.5], [3.0, -1.0]]), 0.6).unwrap()
}

fn points() -> DMatrix<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    DMatrix::from_fn(300, 2, |_, _| rng.random_range(-5.0..5.0))
}

/// log p of Y by the textbook formula in two dimensions: determinant and inverse written out.
fn textbook_log_density(mixture: &GaussianMixture, level: NoiseLevel, x: f64, y: f64) -> f64 {
    let (a, s) = (level.signal(), level.noise());
    let density = |j: usize| {
        let c = mixture.covariance(j) * (a * a) + DMatrix::identity(2, 2) * (s * s);
        let (dx, dy) = (x - a * mixture.means()[(j, 0)], y - a * mixture.means()[(j, 1)]);
        let determinant = c[(0, 0)] * c[(1, 1)] - c[(0, 1)] * c[(1, 0)];
        let quadratic = (c[(1, 1)] * dx * dx - 2.0 * c[(0, 1)] * dx * dy + c[(0, 0)] * dy * dy) / determinant;
        mixture.weights()[j] * (-0.5 * quadratic).exp() / (2.0 * std::f64::consts::PI * determinant.sqrt())
    };
    (0..mixture.n_components()).map(density).sum::<f64>().ln()
}

#[test]
fn log_density_is_the_textbook_formula_at_every_level() {
    let points = points();
    for mixture in [general(), spherical()] {
        for level in
            [NoiseLevel::CLEAN, NoiseLevel::new(1.0, 0.7).unwrap(), NoiseLevel::new(0.6, 0.8).unwrap()]
        {
            let found = mixture.log_density(level, &points).unwrap();
            for (row, value) in points.row_iter().zip(found.iter()) {
                let expected = textbook_log_density(&mixture, level, row[0], row[1]);
                assert_relative_eq!(*value, expected, max_relative = 1e-10);
            }
        }
    }
}

#[test]
fn score_and_divergence_are_derivatives_of_the_log_density() {
    let (points, step) = (points(), 1e-4);
    let level = NoiseLevel::new(0.8, 0.4).unwrap();
    for mixture in [general(), spherical()] {
        let mut score = DMatrix::zeros(points.nrows(), 2);
        let mut divergence = vec![0.0; points.nrows()];
        mixture
            .score_and_divergence_into(level, points.as_view(), score.as_view_mut(), &mut divergence)
            .unwrap();
        assert_eq!(score, mixture.score(level, &points).unwrap());
        let middle = mixture.log_density(level, &points).unwrap();
        let mut laplacian = vec![0.0; points.nrows()];
        for axis in 0..2 {
            let shifted = |by: f64| {
                let mut moved = points.clone();
                moved.column_mut(axis).add_scalar_mut(by);
                mixture.log_density(level, &moved).unwrap()
            };
            let (up, down) = (shifted(step), shifted(-step));
            for row in 0..points.nrows() {
                let slope = (up[row] - down[row]) / (2.0 * step);
                assert_relative_eq!(score[(row, axis)], slope, epsilon = 1e-5, max_relative = 1e-5);
                laplacian[row] += (up[row] - 2.0 * middle[row] + down[row]) / (step * step);
            }
        }
        for row in 0..points.nrows() {
            assert_relative_eq!(divergence[row], laplacian[row], epsilon = 1e-4, max_relative = 1e-4);
        }
    }
}

#[test]
fn both_evaluations_agree_on_a_spherical_mixture() {
    let fast = spherical();
    // A perturbation of one covariance below rounding of any answer forces the general evaluation.
    let mut covariances: Vec<_> = (0..3).map(|j| fast.covariance(j)).collect();
    covariances[2][(0, 0)] *= 1.0 + 4.0 * f64::EPSILON;
    let slow = GaussianMixture::new(fast.weights().clone(), fast.means().clone(), covariances).unwrap();
    let (points, level) = (points(), NoiseLevel::new(0.5, 0.3).unwrap());
    let responsibilities = fast.responsibilities(level, &points).unwrap();
    assert_relative_eq!(responsibilities, slow.responsibilities(level, &points).unwrap(), epsilon = 1e-11);
    assert_relative_eq!(responsibilities.column_sum(), DVector::from_element(300, 1.0), epsilon = 1e-14);
    assert_relative_eq!(
        fast.score(level, &points).unwrap(),
        slow.score(level, &points).unwrap(),
        epsilon = 1e-11
    );
    // `new` finds the fast evaluation by itself.
    let same: Vec<_> = (0..3).map(|j| fast.covariance(j)).collect();
    let again = GaussianMixture::new(fast.weights().clone(), fast.means().clone(), same).unwrap();
    assert_relative_eq!(
        again.score(level, &points).unwrap(),
        fast.score(level, &points).unwrap(),
        epsilon = 1e-13
    );
}

#[test]
fn more_components_than_a_block_are_summed_alike() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let rows = DMatrix::from_fn(700, 3, |_, _| rng.random_range(-3.0..3.0));
    let kernel = GaussianMixture::kernel(&rows, 0.2).unwrap();
    let points = DMatrix::from_fn(150, 3, |_, _| rng.random_range(-4.0..4.0));
    let level = NoiseLevel::new(0.9, 0.1).unwrap();
    let responsibilities = kernel.responsibilities(level, &points).unwrap();
    let posterior_mean = responsibilities * &rows * 0.9;
    let variance = 0.18f64.powi(2) + 0.01;
    assert_relative_eq!(
        kernel.score(level, &points).unwrap(),
        (posterior_mean - &points) / variance,
        epsilon = 1e-9
    );
}

#[test]
fn answers_are_finite_at_every_finite_point() {
    for mixture in [general(), spherical()] {
        for far in [1e3, 1e8, 1e100, f64::MAX] {
            let points = matrix([[far, 0.0], [-far, far], [far, -far]]);
            let mut score = DMatrix::zeros(3, 2);
            let mut divergence = vec![0.0; 3];
            for level in [NoiseLevel::CLEAN, NoiseLevel::new(0.1, 1.0).unwrap()] {
                mixture
                    .score_and_divergence_into(level, points.as_view(), score.as_view_mut(), &mut divergence)
                    .unwrap();
                let log_density = mixture.log_density(level, &points).unwrap();
                let responsibilities = mixture.responsibilities(level, &points).unwrap();
                assert!(score.iter().chain(&divergence).all(|value| value.is_finite()), "{far} {score}");
                assert!(log_density.iter().chain(responsibilities.iter()).all(|value| value.is_finite()));
                assert!((0..3).all(|row| score.row(row).dot(&points.row(row).map(f64::signum)) < 0.0));
            }
        }
    }
}

#[test]
fn five_hundred_dimensions_neither_over_nor_underflow() {
    let dim = 500;
    let means = DMatrix::from_fn(2, dim, |j, _| j as f64);
    let covariances = vec![
        DMatrix::from_diagonal_element(dim, dim, 1e-4),
        DMatrix::from_fn(dim, dim, |i, j| if i == j { 2e-4 } else { 1e-4 }),
    ];
    let mixture = GaussianMixture::new(DVector::from_element(2, 0.5), means.clone(), covariances).unwrap();
    let log_density = mixture.log_density(NoiseLevel::CLEAN, &means).unwrap();
    let peak = -0.5 * dim as f64 * (2.0 * std::f64::consts::PI * 1e-4).ln() - 2.0f64.ln();
    assert_relative_eq!(log_density[0], peak, max_relative = 1e-12);
    // det(1e-4 (I + 11ᵀ)) = 1e-4^d (1 + d).
    assert_relative_eq!(log_density[1], peak - 0.5 * 501.0f64.ln(), max_relative = 1e-10);
    assert!(mixture.score(NoiseLevel::CLEAN, &means).unwrap().amax() < 1e-6);
}

#[test]
fn singular_covariances_need_noise() {
    let line = matrix([[1.0, 1.0], [1.0, 1.0]]);
    let mixture =
        GaussianMixture::new(DVector::from_element(1, 3.0), DMatrix::zeros(1, 2), vec![line]).unwrap();
    assert_eq!(mixture.component_std(), 0.0);
    let points = matrix([[1.0, -1.0]]);
    assert!(matches!(mixture.score(NoiseLevel::CLEAN, &points), Err(Error::NotPositiveDefinite { .. })));
    let score = mixture.score(NoiseLevel::new(1.0, 0.5).unwrap(), &points).unwrap();
    assert_relative_eq!(score, matrix([[-4.0, 4.0]]), epsilon = 1e-12);
}

#[test]
fn start_is_the_law_s_mean_and_covariance_and_draws_follow_it() {
    let mixture = general();
    let law = mixture.start(NoiseLevel::CLEAN).unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(8);
    let n = 40_000;
    let draws: Vec<DVector<f64>> = (&mut rng).sample_iter(&mixture).take(n).collect();
    let rows = DMatrix::from_fn(n, 2, |i, j| draws[i][j]);
    // Five standard errors, for the moments of a law of variance below 5 and small kurtosis.
    let error = 5.0 / (n as f64).sqrt();
    for i in 0..2 {
        assert!((rows.column(i).mean() - law.mean[i]).abs() < error * law.covariance[(i, i)].sqrt());
        for j in 0..2 {
            let product: f64 = draws.iter().map(|x| (x[i] - law.mean[i]) * (x[j] - law.mean[j])).sum();
            assert!(
                (product / n as f64 - law.covariance[(i, j)]).abs() < 2.0 * error * law.covariance.amax()
            );
        }
    }
    let noised = mixture.start(NoiseLevel::new(0.5, 2.0).unwrap()).unwrap();
    assert_relative_eq!(noised.mean, &law.mean * 0.5);
    assert_relative_eq!(noised.covariance, law.covariance * 0.25 + DMatrix::identity(2, 2) * 4.0);
}

#[test]
fn component_std_is_the_smallest_over_components() {
    assert_eq!(spherical().component_std(), 0.6);
    // Smallest eigenvalue of [[1, .6], [.6, .5]]: ¾ − √(1/16 + .36).
    assert_relative_eq!(general().component_std().powi(2), 0.75 - 0.4225f64.sqrt(), epsilon = 1e-12);
}

#[test]
fn invalid_parts_are_rejected() {
    let weights = DVector::from_element(1, 1.0);
    let zero = DMatrix::zeros(1, 2);
    let with = |covariance| {
        GaussianMixture::new(DVector::from_element(1, 1.0), DMatrix::zeros(1, 2), vec![covariance])
    };
    assert!(matches!(
        with(matrix([[1.0, 0.5], [0.2, 1.0]])),
        Err(Error::NotPositiveDefinite { index: 0, .. })
    ));
    assert!(matches!(with(matrix([[1.0, 2.0], [2.0, 1.0]])), Err(Error::NotPositiveDefinite { .. })));
    assert!(matches!(with(matrix([[1.0, 0.0], [0.0, -1.0]])), Err(Error::NotPositiveDefinite { .. })));
    assert!(matches!(
        with(matrix([[1.0, f64::NAN], [f64::NAN, 1.0]])),
        Err(Error::NotPositiveDefinite { .. })
    ));
    assert!(matches!(
        with(matrix([[f64::INFINITY, 0.0], [0.0, 1.0]])),
        Err(Error::NotPositiveDefinite { .. })
    ));
    assert!(matches!(with(DMatrix::identity(3, 3)), Err(Error::ShapeMismatch { .. })));
    assert!(matches!(
        GaussianMixture::spherical(DVector::from_element(1, f64::NAN), zero.clone(), 1.0),
        Err(Error::InvalidWeight { .. })
    ));
    assert!(matches!(
        GaussianMixture::spherical(DVector::zeros(1), zero.clone(), 1.0),
        Err(Error::InvalidWeight { .. })
    ));
    assert!(matches!(
        GaussianMixture::spherical(weights.clone(), matrix([[0.0, f64::NAN]]), 1.0),
        Err(Error::NotFinite { column: 1, .. })
    ));
    assert!(matches!(
        GaussianMixture::spherical(weights.clone(), zero.clone(), -1.0),
        Err(Error::InvalidSetting { .. })
    ));
    assert!(matches!(
        GaussianMixture::spherical(DVector::zeros(2), zero, 1.0),
        Err(Error::ShapeMismatch { .. })
    ));
    assert!(matches!(GaussianMixture::kernel(&DMatrix::zeros(0, 2), 1.0), Err(Error::NoRows)));
    let mixture = spherical();
    assert!(matches!(
        mixture.score(NoiseLevel::CLEAN, &DMatrix::zeros(1, 3)),
        Err(Error::ShapeMismatch { .. })
    ));
}
