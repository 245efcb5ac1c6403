use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::gaussian_mixture::GaussianMixture;
use super::*;
use crate::check::{check_divergence, check_log_density, check_score_model};
use crate::process::NoiseLevels;

fn parameters() -> MixtureParameters {
    MixtureParameters {
        masses: DVector::from_vec(vec![0.3, 0.7]),
        means: DMatrix::from_row_slice(2, 2, &[-1.0, 0.5, 1.5, -0.3]),
        covariances: vec![
            DMatrix::from_row_slice(2, 2, &[0.6, 0.2, 0.2, 0.3]),
            DMatrix::from_row_slice(2, 2, &[0.2, -0.05, -0.05, 0.5]),
        ],
    }
}

/// Two active directions in three, the third at an angle.
fn embedding(rest_means: DMatrix<f64>) -> Embedding {
    embedding_at(0.6, 0.8, rest_means)
}

/// With cosine and sine of the angle.
fn embedding_at(c: f64, s: f64, rest_means: DMatrix<f64>) -> Embedding {
    Embedding {
        axes: DMatrix::from_row_slice(3, 2, &[c, 0.0, 0.0, 1.0, s, 0.0]),
        rest: DMatrix::from_column_slice(3, 1, &[-s, 0.0, c]),
        rest_variance: 0.25,
        rest_means,
    }
}

fn points() -> DMatrix<f64> {
    DMatrix::from_fn(40, 3, |i, j| 2.5 * ((i * 3 + j * 5) as f64 * 0.7).sin())
}

fn levels() -> NoiseLevels {
    NoiseLevels::new([
        NoiseLevel::new(1.0, 6.0).unwrap(),
        NoiseLevel::new(0.5, 0.8).unwrap(),
        NoiseLevel::new(0.9, 0.3).unwrap(),
        NoiseLevel::CLEAN,
    ])
    .unwrap()
}

#[test]
fn without_a_shape_it_is_the_gaussian_mixture() {
    let offsets = DMatrix::from_column_slice(2, 1, &[0.4, -0.2]);
    let none = DMatrix::zeros(0, 0);
    for embedding in [
        embedding(none.clone()),
        embedding(offsets.clone()),
        embedding_at(1.0, 0.0, none),
        embedding_at(1.0, 0.0, offsets),
    ] {
        let mixture = parameters();
        let cells = MixtureLaw::new(&mixture, RadialShape::GAUSSIAN, Some(embedding.clone())).unwrap();
        let mut means = &mixture.means * embedding.axes.transpose();
        if embedding.rest_means.ncols() > 0 {
            means += &embedding.rest_means * embedding.rest.transpose();
        }
        let covariances = mixture.covariances.iter().map(|s| {
            let full = &embedding.axes * s * embedding.axes.transpose()
                + &embedding.rest * embedding.rest.transpose() * 0.25;
            (&full + full.transpose()) * 0.5
        });
        let full = GaussianMixture::new(mixture.masses.clone(), means, covariances.collect()).unwrap();
        for &level in levels().iter() {
            let (a, b) = (cells.log_density(level, &points()), full.log_density(level, &points()));
            approx::assert_relative_eq!(a.unwrap(), b.unwrap(), epsilon = 1e-10);
            let (a, b) = (cells.score(level, &points()), full.score(level, &points()));
            approx::assert_relative_eq!(a.unwrap(), b.unwrap(), epsilon = 1e-10);
            let (a, b) = (cells.start(level).unwrap(), full.start(level).unwrap());
            approx::assert_relative_eq!(a.covariance, b.covariance, epsilon = 1e-10);
            approx::assert_relative_eq!(a.mean, b.mean, epsilon = 1e-10);
        }
        approx::assert_relative_eq!(cells.component_std(), full.component_std(), epsilon = 1e-10);
    }
}

#[test]
fn a_shaped_mixture_is_one_law_at_every_level() {
    for beta in [-0.4, 0.25] {
        let offsets = DMatrix::from_column_slice(2, 1, &[0.4, -0.2]);
        let cells = MixtureLaw::new(&parameters(), RadialShape::new(beta), Some(embedding(offsets))).unwrap();
        check_score_model(&cells, &levels(), &points()).unwrap();
        check_log_density(&cells, &levels(), &points()).unwrap();
        check_divergence(&cells, &levels(), &points()).unwrap();
    }
}

/// In one dimension: the noised density against the convolution by quadrature, mass one, variance kept.
#[test]
fn noise_convolves_and_the_covariance_is_kept() {
    let mixture = MixtureParameters {
        masses: DVector::from_element(1, 1.0),
        means: DMatrix::from_element(1, 1, 0.3),
        covariances: vec![DMatrix::from_element(1, 1, 0.8)],
    };
    let grid = DMatrix::from_fn(4001, 1, |i, _| -10.0 + 0.005 * i as f64);
    for beta in [-0.5, 0.3] {
        let cells = MixtureLaw::new(&mixture, RadialShape::new(beta), None).unwrap();
        let clean = cells.log_density(NoiseLevel::CLEAN, &grid).unwrap().map(f64::exp);
        approx::assert_relative_eq!(clean.sum() * 0.005, 1.0, epsilon = 1e-9);
        let variance = (0..4001).map(|i| clean[i] * (grid[i] - 0.3).powi(2)).sum::<f64>() * 0.005;
        approx::assert_relative_eq!(variance, 0.8, epsilon = 1e-9);
        let level = NoiseLevel::new(0.7, 0.4).unwrap();
        for y in [-1.5, 0.2, 2.0] {
            let kernel = |x: f64| {
                (-0.5 * ((y - 0.7 * x) / 0.4f64).powi(2)).exp() / (0.4 * (std::f64::consts::TAU).sqrt())
            };
            let expected = (0..4001).map(|i| clean[i] * kernel(grid[i])).sum::<f64>() * 0.005;
            let found = cells.log_density(level, &DMatrix::from_element(1, 1, y)).unwrap()[0];
            approx::assert_relative_eq!(found, expected.ln(), epsilon = 1e-8);
        }
    }
}

/// At 4.5 standard errors each (7e-6, two-sided): mean and covariance, and the identity
/// E(|∇ log p|² + Δ log p) = 0, which holds for the law of the score alone.
#[test]
fn exact_draws_follow_the_density() {
    const N: usize = 20_000;
    let within = |values: &DVector<f64>, expected: f64| {
        let error = (values.variance() / N as f64).sqrt();
        assert!((values.mean() - expected).abs() < 4.5 * error, "{} {expected} {error}", values.mean());
    };
    let offsets = DMatrix::from_column_slice(2, 1, &[0.4, -0.2]);
    for (seed, beta) in [-0.6, 0.0, 0.3].into_iter().enumerate() {
        let shape = RadialShape::new(beta);
        let cells = MixtureLaw::new(&parameters(), shape, Some(embedding(offsets.clone()))).unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed as u64);
        let mut rows = DMatrix::zeros(N, 3);
        cells.exact_sample_into(&mut rng, rows.as_view_mut()).unwrap();
        let law = cells.start(NoiseLevel::CLEAN).unwrap();
        for i in 0..3 {
            let deviations = rows.column(i).add_scalar(-law.mean[i]);
            within(&deviations, 0.0);
            for j in 0..=i {
                let products = deviations.zip_map(&rows.column(j), |x, y| x * (y - law.mean[j]));
                within(&products, law.covariance[(i, j)]);
            }
        }
        let (mut score, mut divergence) = (DMatrix::zeros(N, 3), vec![0.0; N]);
        let (points, out) = (rows.as_view(), score.as_view_mut());
        cells.score_and_divergence_into(NoiseLevel::CLEAN, points, out, &mut divergence).unwrap();
        let sum = |(row, laplacian): (usize, &f64)| score.row(row).norm_squared() + laplacian;
        within(&DVector::from_iterator(N, divergence.iter().enumerate().map(sum)), 0.0);
    }
}

/// Cells in `dim` directions, all active.
fn shaped_in(dim: usize, beta: f64) -> MixtureLaw {
    let covariance = |j: usize| {
        let factor = DMatrix::from_fn(dim, dim, |a, b| 0.3 * ((a * 3 + b * 5 + j) as f64).sin());
        &factor * factor.transpose() + DMatrix::identity(dim, dim) * 0.2
    };
    let mixture = MixtureParameters {
        masses: DVector::from_vec(vec![0.2, 0.5, 0.3]),
        means: DMatrix::from_fn(3, dim, |j, axis| ((j * 7 + axis * 2) as f64).cos()),
        covariances: (0..3).map(covariance).collect(),
    };
    MixtureLaw::new(&mixture, RadialShape::new(beta), None).unwrap()
}

#[test]
fn shapes_are_one_law_in_few_and_in_many_directions() {
    for dim in [1, 3, 4, 5, 6, 9] {
        let cells = shaped_in(dim, 0.2);
        let points = DMatrix::from_fn(29, dim, |i, j| 1.5 * ((i * 3 + j * 5) as f64 * 0.7).sin());
        check_score_model(&cells, &levels(), &points).unwrap();
        check_log_density(&cells, &levels(), &points).unwrap();
        check_divergence(&cells, &levels(), &points).unwrap();
    }
}

/// Far out the factor is ρ² β²/2m up to a constant: it adds 2 log ρ to the log-density and little to the
/// score.
#[test]
fn far_from_shaped_cells_a_score_is_that_of_gaussian_ones() {
    for dim in [2, 7] {
        let (shaped, plain) = (shaped_in(dim, -0.4), shaped_in(dim, 0.0));
        let factor = shaped.shape().covariance_factor(dim);
        let plain = MixtureParameters {
            masses: plain.masses.clone(),
            means: plain.means.clone(),
            covariances: (0..3).map(|cell| plain.scaled_covariance(cell) * factor).collect(),
        };
        let plain = MixtureLaw::new(&plain, RadialShape::GAUSSIAN, None).unwrap();
        for far in [1e8, 1e60, 1e100, f64::MAX] {
            let points = DMatrix::from_fn(3, dim, |i, axis| if (i + axis) % 2 == 0 { far } else { -far });
            for level in [NoiseLevel::CLEAN, NoiseLevel::new(0.5, 0.8).unwrap()] {
                let (mut score, mut divergence) = (DMatrix::zeros(3, dim), vec![0.0; 3]);
                let out = (score.as_view_mut(), &mut divergence[..]);
                shaped.score_and_divergence_into(level, points.as_view(), out.0, out.1).unwrap();
                let expected = plain.score(level, &points).unwrap();
                approx::assert_relative_eq!(score, expected, max_relative = 1e-6);
                assert!(divergence.iter().all(|value| value.is_finite()));
                let found = shaped.log_density(level, &points).unwrap();
                let expected = plain.log_density(level, &points).unwrap();
                approx::assert_relative_eq!(found, expected, max_relative = 1e-6);
            }
        }
    }
}
