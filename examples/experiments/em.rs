//! A plain EM algorithm for spherical Gaussians, as the yardstick.

use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{Rng, RngExt};
use gmix_diffusion::{GaussianMixture, LogDensity, NoiseLevel, Result};

/// Gain in nats a row below which EM has converged.
const CONVERGED: f64 = 1e-6;

/// What is known of the components' standard deviations, and where EM starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spread {
    /// All have this one, throughout.
    Fixed(f64),
    /// Each learns its own, from that of the rows around the nearest mean.
    Narrow,
    /// Each learns its own, from that of all rows: coarse first, as in annealing.
    Wide,
}

/// EM from `means` (k × d) for spherical components.
pub(crate) fn em(rows: &DMatrix<f64>, means: DMatrix<f64>, spread: Spread) -> Result<GaussianMixture> {
    let (k, d) = means.shape();
    let entries = (rows.nrows() * d) as f64;
    let start = match spread {
        Spread::Fixed(std) => std,
        Spread::Narrow => (nearest_squares(rows, &means).iter().sum::<f64>() / entries).sqrt(),
        Spread::Wide => (rows.row_variance().sum() / d as f64).sqrt(),
    };
    let (mut weights, mut means) = (DVector::from_element(k, 1.0 / k as f64), means);
    let mut variances = vec![start * start; k];
    let mut before = f64::NEG_INFINITY;
    loop {
        let covariances = variances.iter().map(|v| DMatrix::from_diagonal_element(d, d, *v)).collect();
        let mixture = GaussianMixture::new(weights.clone(), means.clone(), covariances)?;
        let now = mixture.log_density(NoiseLevel::CLEAN, rows)?.mean();
        if now - before < CONVERGED {
            return Ok(mixture);
        }
        before = now;
        let shares = mixture.responsibilities(NoiseLevel::CLEAN, rows)?;
        let sums = shares.transpose() * rows;
        for cell in 0..k {
            let mass = shares.column(cell).sum().max(1e-9);
            weights[cell] = mass / rows.nrows() as f64;
            means.set_row(cell, &(sums.row(cell) / mass));
            if !matches!(spread, Spread::Fixed(_)) {
                let square = |i: usize| shares[(i, cell)] * (rows.row(i) - means.row(cell)).norm_squared();
                let spread: f64 = (0..rows.nrows()).map(square).sum();
                variances[cell] = (spread / (mass * d as f64)).max(1e-4 * start * start);
            }
        }
        weights /= weights.sum();
    }
}

/// Starts of k-means++: each next one a row drawn with probability proportional to its squared distance
/// from the nearest so far.
pub(crate) fn scattered_rows(rows: &DMatrix<f64>, k: usize, rng: &mut dyn Rng) -> DMatrix<f64> {
    let mut chosen = vec![rng.random_range(0..rows.nrows())];
    while chosen.len() < k {
        let distances = nearest_squares(rows, &rows.select_rows(&chosen));
        let mut left = rng.random::<f64>() * distances.iter().sum::<f64>();
        let next = distances.iter().position(|d| {
            left -= d;
            left < 0.0
        });
        chosen.push(next.unwrap_or(0));
    }
    rows.select_rows(&chosen)
}

/// Of every row the squared distance from the nearest of `means`.
fn nearest_squares(rows: &DMatrix<f64>, means: &DMatrix<f64>) -> Vec<f64> {
    let nearest = |row: usize| {
        let squares = means.row_iter().map(|mean| (rows.row(row) - mean).norm_squared());
        squares.fold(f64::INFINITY, f64::min)
    };
    (0..rows.nrows()).map(nearest).collect()
}
