//! A kernel density of some of the rows: what structure there is that cells have not found yet.

use nalgebra::DMatrix;

use super::candidate::FoldRows;

/// Rows that carry kernels, and rows that judge, at most.
const ROWS: usize = 2_000;
/// Bandwidths, each less than the one before by √2.
const BANDWIDTHS: usize = 18;

/// Log-densities of the held-out rows of `fold` (all, or the first so many in their order) by the kernel density of
/// the bandwidth they like best.
///
/// A search that goes from few cells to many passes over stretches where more cells gain nothing: a lattice of
/// clusters has no use for a number of cells that is no multiple of theirs. A kernel density knows no number of cells:
/// where it is ahead, there is something finer to find.
pub(super) fn kernel_density(fold: &FoldRows, background: &[f64]) -> Vec<f64> {
    let (kernels, judging) = (fold.training.thinned(ROWS), &fold.held_out);
    let (n, dim) = kernels.rows.shape();
    let total: f64 = kernels.weights.iter().sum();
    let widest = kernels.rows.column_iter().map(|column| column.variance()).fold(0.0, f64::max).sqrt();
    // The rule of thumb for one Gaussian (Silverman 1986) is the widest that can be of use.
    let first = widest * (n as f64).powf(-1.0 / (dim as f64 + 4.0));
    let mut sums = DMatrix::<f64>::zeros(judging.rows.nrows(), BANDWIDTHS);
    let (kernel_rows, points) = (kernels.rows.transpose(), judging.rows.transpose());
    for (i, point) in points.column_iter().enumerate() {
        for (kernel, weight) in kernel_rows.column_iter().zip(&kernels.weights) {
            let mut square = 0.0;
            for (a, b) in point.iter().zip(kernel.iter()) {
                square += (a - b) * (a - b);
            }
            let mut value = (-0.5 * square / (first * first)).exp();
            for bandwidth in 0..BANDWIDTHS {
                if value < 1e-30 {
                    break;
                }
                sums[(i, bandwidth)] += weight * value;
                // √2 narrower: the exponent is twice as large.
                value *= value;
            }
        }
    }
    let least = fold.background.least_mass;
    let log_density = |i: usize, bandwidth: usize| {
        let width = first * 0.5f64.powf(0.5 * bandwidth as f64);
        let log_kernel = -(dim as f64) * (width.ln() + 0.5 * std::f64::consts::TAU.ln());
        let density: f64 = sums[(i, bandwidth)] / total;
        let kernel = (1.0 - least).ln() + density.ln() + log_kernel;
        let peak = kernel.max(background[i]);
        peak + ((kernel - peak).exp() + (background[i] - peak).exp()).ln()
    };
    let of = |bandwidth: usize| -> Vec<f64> {
        (0..judging.rows.nrows()).map(|i| log_density(i, bandwidth)).collect()
    };
    let likelihood = |values: &Vec<f64>| values.iter().zip(&judging.weights).map(|(v, w)| v * w).sum::<f64>();
    let candidates = (0..BANDWIDTHS).map(of);
    candidates.max_by(|a, b| likelihood(a).total_cmp(&likelihood(b))).unwrap_or_default()
}
