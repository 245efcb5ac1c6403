//! Gaussian closed forms and samples for the tests of this room.

use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Φ(x), by Simpson's rule on (0, x).
pub(super) fn normal_cdf(x: f64) -> f64 {
    let n = 400;
    let width = x / n as f64;
    let sum: f64 = (0..=n)
        .map(|i| {
            let weight = if i == 0 || i == n { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
            weight * (-0.5 * (i as f64 * width).powi(2)).exp()
        })
        .sum();
    0.5 + sum * width / 3.0 / std::f64::consts::TAU.sqrt()
}

/// Φ⁻¹ at the midpoints of n equal steps, by bisection: n × 1.
pub(super) fn normal_quantiles(n: usize) -> DMatrix<f64> {
    DMatrix::from_fn(n, 1, |i, _| {
        let share = (i as f64 + 0.5) / n as f64;
        let (mut low, mut high) = (-8.0, 8.0);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if normal_cdf(middle) < share { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    })
}

/// Standard normal rows: n × dim.
pub(super) fn normal_sample(n: usize, dim: usize, seed: u64) -> DMatrix<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    DMatrix::from_fn(n, dim, |_, _| rng.sample(StandardNormal))
}
