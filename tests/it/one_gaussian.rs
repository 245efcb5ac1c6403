//! One cell and degree 1 learn a Gaussian of any covariance exactly: the learned law is
//! N(sample mean, sample covariance).

use gmix_diffusion::nalgebra::{Cholesky, DMatrix, DVector};
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use gmix_diffusion::{
    DiffusionLearner, DiffusionModel, GaussianMixture, LogDensity, NoiseLevel, NoiseSchedule,
    OrnsteinUhlenbeck, PolynomialRegression, ScoreModel, SingleCell,
};

/// Standard normal values, n × d.
fn normals(n: usize, dim: usize, rng: &mut StdRng) -> DMatrix<f64> {
    DMatrix::from_fn(n, dim, |_, _| StandardNormal.sample(rng))
}

/// A covariance, a mean and σ₀ whose square is far below every eigenvalue.
struct Case {
    root: DMatrix<f64>,
    mean: DVector<f64>,
    component_std: f64,
}

fn cases() -> [Case; 3] {
    [
        Case {
            root: DMatrix::from_element(1, 1, 2.0),
            mean: DVector::from_vec(vec![-7.0]),
            component_std: 0.5,
        },
        Case {
            root: DMatrix::from_row_slice(2, 2, &[3.0, 0.0, -1.2, 1.0]),
            mean: DVector::from_vec(vec![1.0, 20.0]),
            component_std: 0.3,
        },
        // Far from units of order one: standard deviations from 100 to 900.
        Case {
            root: DMatrix::from_row_slice(3, 3, &[900.0, 0.0, 0.0, 250.0, 120.0, 0.0, -300.0, 80.0, 150.0]),
            mean: DVector::from_vec(vec![4000.0, -100.0, 0.0]),
            component_std: 20.0,
        },
    ]
}

/// A model of 2,000 rows of the case, and N(sample mean, sample covariance) by two-pass sums.
fn fitted(case: &Case, seed: u64, schedule: Option<impl NoiseSchedule>) -> (DiffusionModel, GaussianMixture) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (n, dim) = (2000, case.mean.len());
    let mut rows = normals(n, dim, &mut rng) * case.root.transpose();
    for (mut column, mean) in rows.column_iter_mut().zip(case.mean.iter()) {
        column.add_scalar_mut(*mean);
    }
    let mean = rows.row_mean();
    let centred = DMatrix::from_fn(n, dim, |i, j| rows[(i, j)] - mean[j]);
    let covariance = centred.transpose() * &centred / n as f64;
    let sample = GaussianMixture::new(
        DVector::from_element(1, 1.0),
        DMatrix::from_row_slice(1, dim, mean.as_slice()),
        vec![covariance],
    );
    let learner = DiffusionLearner::new()
        .with_component_std(case.component_std)
        .with_partitioner(SingleCell)
        .with_regression(PolynomialRegression::default().with_max_degree(1).with_ridge([0.0]));
    let learner = match schedule {
        Some(schedule) => learner.with_schedule(schedule),
        None => learner,
    };
    (learner.fit(&rows, &mut rng).unwrap(), sample.unwrap())
}

/// Points of Y = aX + sZ whose distance from the mean is at most `share` of √m + 2.5 standard deviations,
/// n × d; some of them right there.
fn points_inside(
    share: f64,
    sample: &GaussianMixture,
    level: NoiseLevel,
    n: usize,
    seed: u64,
) -> DMatrix<f64> {
    let law = sample.start(level).unwrap();
    let dim = law.mean.len();
    let mut white = normals(n, dim, &mut StdRng::seed_from_u64(seed));
    let farthest = share * ((dim as f64).sqrt() + 2.5);
    for mut row in white.row_iter_mut() {
        let length = row.norm();
        row *= (farthest / length).min(3.0);
    }
    let mut points = white * Cholesky::new(law.covariance).unwrap().l().transpose();
    for (mut column, mean) in points.column_iter_mut().zip(law.mean.iter()) {
        column.add_scalar_mut(*mean);
    }
    points
}

/// A level of the model in the data's units.
fn in_data_units(model: &DiffusionModel, level: NoiseLevel) -> NoiseLevel {
    let scale = model.units().uniform_scale().expect("a given component std means one scale");
    NoiseLevel::new(level.signal(), scale * level.noise()).unwrap()
}

fn assert_exact_at_fitted_levels(model: &DiffusionModel, sample: &GaussianMixture) {
    for (index, &level) in model.score_model().levels().iter().enumerate() {
        let level = in_data_units(model, level);
        let points = points_inside(0.999, sample, level, 100, index as u64);
        let expected = sample.score(level, &points).unwrap();
        let error = (model.score(level, &points).unwrap() - &expected).amax() / expected.amax();
        assert!(error < 1e-10, "level {index} {level:?}: relative error {error:e}");
    }
}

#[test]
fn the_score_is_exact_at_fitted_levels() {
    for (seed, case) in cases().iter().enumerate() {
        let (model, sample) = fitted(case, seed as u64, None::<OrnsteinUhlenbeck>);
        assert_exact_at_fitted_levels(&model, &sample);
    }
}

#[test]
fn the_score_is_exact_at_variance_preserving_levels() {
    for (seed, case) in cases().iter().enumerate() {
        let (model, sample) = fitted(case, 10 + seed as u64, Some(OrnsteinUhlenbeck::new()));
        assert!(model.score_model().levels().noisiest().signal() < 0.1);
        assert_exact_at_fitted_levels(&model, &sample);
    }
}

/// The only cell's own denoiser is known at every level, so that nothing is interpolated.
#[test]
fn the_score_is_exact_between_fitted_levels() {
    for (seed, case) in cases().iter().enumerate() {
        let (model, sample) = fitted(case, 20 + seed as u64, None::<OrnsteinUhlenbeck>);
        for pair in model.score_model().levels().windows(2) {
            let noise = 0.5 * (pair[0].noise() + pair[1].noise());
            let level = in_data_units(&model, NoiseLevel::variance_exploding(noise).unwrap());
            let points = points_inside(0.999, &sample, level, 50, 5);
            let expected = sample.score(level, &points).unwrap();
            let error = (model.score(level, &points).unwrap() - &expected).amax() / expected.amax();
            assert!(error < 1e-10, "{level:?}: relative error {error:e}");
        }
    }
}

/// To the accuracy of the flow's steps. The stages of its solver look a little further out than the flow
/// goes, so not up to the edge.
#[test]
fn the_log_density_is_the_gaussians() {
    for (seed, case) in cases().iter().enumerate() {
        let (model, sample) = fitted(case, 30 + seed as u64, None::<OrnsteinUhlenbeck>);
        let points = points_inside(0.9, &sample, NoiseLevel::CLEAN, 500, 9);
        let expected = sample.log_density(NoiseLevel::CLEAN, &points).unwrap();
        let error = (model.log_density(&points).unwrap() - expected).amax();
        assert!(error < 1e-3, "{error:e}");
    }
}
