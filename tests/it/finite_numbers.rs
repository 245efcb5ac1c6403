//! Every answer to a finite question is a finite number: scores, denoisers, log-densities and
//! responsibilities, at points from 1e-300 to 1e300, in up to 500 dimensions.

use std::sync::OnceLock;

use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::{
    DifferentiableScore, DiffusionLearner, DiffusionModel, GaussianMixture, LogDensity, NoiseLevel,
    ScoreModel, SingleCell, VoronoiPartitioner,
};
use proptest::prelude::*;

use crate::fits::{learner, normals};

/// A model of each composition, of two clusters in two dimensions.
fn models() -> &'static [DiffusionModel] {
    static MODELS: OnceLock<Vec<DiffusionModel>> = OnceLock::new();
    MODELS.get_or_init(|| {
        let mut rows = normals(300, 2);
        for i in 0..100 {
            rows[(i, 0)] += 6.0;
        }
        let learners = [
            learner(None),
            learner(Some(0.5)),
            learner(None).with_partitioner(VoronoiPartitioner::soft()),
            learner(Some(0.5)).with_partitioner(SingleCell),
            DiffusionLearner::paper().with_component_std(0.5),
        ];
        learners.map(|learner| learner.fit(&rows, &mut StdRng::seed_from_u64(2)).unwrap()).to_vec()
    })
}

/// Numbers of any magnitude and sign, and zero.
fn number() -> impl Strategy<Value = f64> {
    let mantissa = prop_oneof![-10.0..10.0, Just(0.0), Just(1.0)];
    (mantissa, -300..300).prop_map(|(mantissa, exponent): (f64, i32)| mantissa * 10f64.powi(exponent))
}

/// Near numbers as often as those of any magnitude.
fn coordinate() -> impl Strategy<Value = f64> {
    prop_oneof![number(), -10.0..10.0, (-10.0..10.0).prop_map(|x: f64| x * 1e8)]
}

fn finite<'a>(values: impl IntoIterator<Item = &'a f64>) -> bool {
    values.into_iter().all(|value| value.is_finite())
}

proptest! {
    #[test]
    fn every_answer_is_finite_wherever_it_is_asked(
        point in proptest::array::uniform2(coordinate()),
        near in 0.0..1.0f64,
        share in 0.0..1.0f64,
    ) {
        // The point, and another as near as 1e-300 where that is another.
        let points = DMatrix::from_row_slice(2, 2, &[point[0], point[1], point[0] + 1e-300 * near, point[1]]);
        for model in models() {
            let inner = model.score_model();
            let levels = model.score_model().levels();
            let between = levels.noisiest().noise_to_signal() * share.powi(4);
            let between = NoiseLevel::variance_exploding(between.max(levels.quietest().noise_to_signal())).unwrap();
            for level in [levels.noisiest(), between, levels.quietest()] {
                let (score, denoised) = (inner.score(level, &points).unwrap(), inner.denoise(level, &points).unwrap());
                prop_assert!(finite(&score), "score {score} at {points} {level:?}");
                prop_assert!(finite(&denoised), "denoiser {denoised} at {points} {level:?}");
                let (mut gradient, mut divergence) = (DMatrix::zeros(2, 2), [0.0; 2]);
                inner
                    .score_and_divergence_into(level, points.as_view(), gradient.as_view_mut(), &mut divergence)
                    .unwrap();
                prop_assert!(finite(&gradient) && finite(&divergence), "divergence {divergence:?} at {points}");
            }
            let responsibilities = model.responsibilities(&points).unwrap();
            for row in responsibilities.row_iter() {
                prop_assert!((row.sum() - 1.0).abs() < 1e-12 && row.min() >= 0.0, "{row} at {points}");
            }
        }
    }

    #[test]
    fn a_mixture_answers_finitely_wherever_it_is_asked(
        points in proptest::collection::vec(coordinate(), 6),
        means in proptest::collection::vec(-1e3..1e3f64, 6),
        scale in -8..8i32,
        noise in prop_oneof![Just(0.0), 1e-6..1e6],
    ) {
        let scale = 10f64.powi(scale);
        let (points, means) = (DMatrix::from_row_slice(3, 2, &points), DMatrix::from_row_slice(3, 2, &means) * scale);
        let masses = DVector::from_vec(vec![0.2, 0.3, 0.5]);
        let covariance = DMatrix::from_row_slice(2, 2, &[1.0, 0.6, 0.6, 2.0]) * (scale * scale);
        let level = NoiseLevel::new(0.8, noise * scale).unwrap();
        for mixture in [
            GaussianMixture::spherical(masses.clone(), means.clone(), scale).unwrap(),
            GaussianMixture::new(masses, means, vec![covariance; 3]).unwrap(),
        ] {
            prop_assert!(finite(&mixture.log_density(level, &points).unwrap()), "{points}");
            prop_assert!(finite(&mixture.score(level, &points).unwrap()), "{points}");
            prop_assert!(finite(&mixture.denoise(level, &points).unwrap()), "{points}");
            for row in mixture.responsibilities(level, &points).unwrap().row_iter() {
                prop_assert!((row.sum() - 1.0).abs() < 1e-12 && row.min() >= 0.0, "{row} at {points}");
            }
        }
    }
}

proptest! {
    // A probability flow level by level.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, ..ProptestConfig::default() })]

    #[test]
    fn every_log_density_is_finite(point in proptest::array::uniform2(coordinate())) {
        let point = DMatrix::from_row_slice(1, 2, &point);
        for model in models() {
            let density = model.log_density(&point).unwrap()[0];
            prop_assert!(density.is_finite(), "{density} at {point}");
        }
    }
}

/// −½ d² of a Gaussian of the widest cell's standard deviation, here below 2, and no polynomial turns it up.
#[test]
fn the_log_density_falls_at_least_as_a_gaussian_does() {
    for model in models() {
        for distance in [20.0, 100.0, 1e4, 1e8] {
            for angle in [0.0, 1.0, 2.5, 4.0] {
                let angle: f64 = angle;
                let point = DMatrix::from_row_slice(1, 2, &[distance * angle.cos(), distance * angle.sin()]);
                let density = model.log_density(&point).unwrap()[0];
                let reach = distance - 6.0;
                assert!(density < -reach * reach / 32.0, "{density} at {distance}");
            }
        }
    }
}

#[test]
fn mixtures_in_five_hundred_dimensions_neither_over_nor_underflow() {
    let dim = 500;
    let means = normals(4, dim) * 3.0;
    let masses = DVector::from_element(4, 0.25);
    let half = normals(dim, dim);
    let mut full = &half * half.transpose() / dim as f64;
    full = (&full + full.transpose()) * 0.5 + DMatrix::identity(dim, dim);
    let points = DMatrix::from_fn(4, dim, |i, j| match i {
        0 => means[(0, j)],
        1 => means[(1, j)] + 1e8,
        2 => 0.0,
        _ => 1e-300,
    });
    for scale in [1e-3, 1.0, 1e3] {
        let (means, points) = (&means * scale, &points * scale);
        let spherical = GaussianMixture::spherical(masses.clone(), means.clone(), scale).unwrap();
        let covariances = vec![&full * (scale * scale); 4];
        let general = GaussianMixture::new(masses.clone(), means, covariances).unwrap();
        for level in [NoiseLevel::CLEAN, NoiseLevel::new(0.5, 2.0 * scale).unwrap()] {
            for mixture in [&spherical, &general] {
                assert!(finite(&mixture.log_density(level, &points).unwrap()));
                assert!(finite(&mixture.score(level, &points).unwrap()));
                let responsibilities = mixture.responsibilities(level, &points).unwrap();
                assert!(responsibilities.row_iter().all(|row| (row.sum() - 1.0).abs() < 1e-12));
            }
        }
        // At the mean of a component only that one counts: ¼ (2π σ²)^(−d/2).
        let density = spherical.log_density(NoiseLevel::CLEAN, &points).unwrap()[0];
        let expected = 0.25f64.ln() - 0.5 * dim as f64 * (std::f64::consts::TAU * scale * scale).ln();
        assert!((density - expected).abs() < 1e-8 * expected.abs(), "{density} {expected}");
    }
}

#[test]
fn scores_learned_in_five_hundred_dimensions_are_finite() {
    let rows = normals(60, 500);
    let model = learner(None).fit(&rows, &mut StdRng::seed_from_u64(2)).unwrap();
    let mut points = normals(4, 500);
    points.row_mut(1).scale_mut(1e8);
    assert!(finite(&model.log_density(&points).unwrap()));
    for level in [model.score_model().levels().noisiest(), model.score_model().levels().quietest()] {
        assert!(finite(&model.score_model().score(level, &points).unwrap()));
    }
    assert!(finite(&model.sample(20, &mut StdRng::seed_from_u64(3)).unwrap()));
}
