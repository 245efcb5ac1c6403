//! Responsibilities from log-weights.

use nalgebra::DMatrix;

use fearless_simd::prelude::*;

use super::lanes::{LANES, Lanes, Rows};

/// Responsibilities whose logarithm lies this far below the largest one's (10⁻¹²) are exactly zero, so that
/// a far cell costs and contributes nothing.
const LOG_NEGLIGIBLE: f64 = -28.0;
/// Below this exponentials are no normal numbers.
const LOG_SMALLEST: f64 = -708.0;
/// A log-weight that stands for zero and is still finite, so that differences of two are no NaN: far away,
/// where all weights vanish, the cells share alike.
const LOWEST: f64 = -1e300;

/// Turns the log-weights of eight rows, one [`Lanes`] a cell, into weights that sum to one, and returns the
/// log-sum-exp.
#[inline(always)]
pub(crate) fn softmax<S: Simd>(simd: S, log_weights: &mut [Lanes<S>]) -> Lanes<S> {
    softmax_above(simd, log_weights, LOG_SMALLEST)
}

/// As [`softmax`], with weights below exp(`cut`) of the largest one zero. A function of its own, which all callers
/// of a generation share.
#[inline(never)]
pub(super) fn softmax_above<S: Simd>(simd: S, log_weights: &mut [Lanes<S>], cut: f64) -> Lanes<S> {
    simd.vectorize(
        #[inline(always)]
        || weights_above(simd, log_weights, cut),
    )
}

#[inline(always)]
fn weights_above<S: Simd>(simd: S, log_weights: &mut [Lanes<S>], cut: f64) -> Lanes<S> {
    let [lowest, least, zero] = [LOWEST, cut, 0.0].map(|value| Lanes::splat(simd, value));
    let mut peak = lowest;
    for &value in log_weights.iter() {
        peak = peak.or_above(value);
    }
    let mut total = Lanes::splat(simd, 0.0);
    for value in log_weights.iter_mut() {
        let below = value.or_above(lowest) - peak;
        // Where rows stand near each other, most cells are negligible for all of them.
        *value = if below.simd_lt(least).all_true() { zero } else { below.exp_above(cut) };
        total += *value;
    }
    let share = 1.0 / total;
    for value in log_weights.iter_mut() {
        *value *= share;
    }
    peak + total.ln()
}

/// Turns a column of log-weights into exp(log-weight − peak), for peaks that are not below.
pub(crate) fn exponentials_in_place(log_weights: &mut [f64], peaks: &[f64]) {
    vectorised!(simd => exponentials(simd, log_weights, peaks));
}

#[inline(always)]
fn exponentials<S: Simd>(simd: S, log_weights: &mut [f64], peaks: &[f64]) {
    for start in (0..log_weights.len()).step_by(LANES) {
        let below = Lanes::load(simd, log_weights, start) - Lanes::load(simd, peaks, start);
        below.exp_above(LOG_SMALLEST).store(log_weights, start);
    }
}

/// Turns log-weights (n × k) into responsibilities: a softmax of each row, negligible ones zero.
/// Returns the log-sum-exp of every row.
pub(crate) fn responsibilities_in_place(log_weights: &mut DMatrix<f64>) -> Vec<f64> {
    responsibilities_above(log_weights, LOG_NEGLIGIBLE)
}

/// As [`responsibilities_in_place`], with those below exp(`cut`) of the largest one zero.
pub(crate) fn responsibilities_above(log_weights: &mut DMatrix<f64>, cut: f64) -> Vec<f64> {
    vectorised!(simd => responsibilities(simd, log_weights, cut))
}

#[inline(always)]
fn responsibilities<S: Simd>(simd: S, log_weights: &mut DMatrix<f64>, cut: f64) -> Vec<f64> {
    let (n, cells) = log_weights.shape();
    let mut log_sums = vec![0.0; n];
    if n == 0 {
        return log_sums;
    }
    let mut rows = vec![Lanes::splat(simd, 0.0); cells];
    for start in (0..n).step_by(LANES) {
        let columns = log_weights.as_slice().chunks_exact(n);
        for (value, column) in rows.iter_mut().zip(columns) {
            *value = Lanes::load(simd, column, start);
        }
        softmax_above(simd, &mut rows, cut).store(&mut log_sums, start);
        let columns = log_weights.as_mut_slice().chunks_exact_mut(n);
        for (value, column) in rows.iter().zip(columns) {
            value.store(column, start);
        }
    }
    log_sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responsibilities_are_a_softmax_of_each_row() {
        for (n, cells) in [(1, 1), (8, 3), (21, 40)] {
            let log_weights = DMatrix::from_fn(n, cells, |i, j| 20.0 * ((i * 7 + j * 3) as f64).sin());
            let mut found = log_weights.clone();
            let log_sums = responsibilities_above(&mut found, -20.0);
            let neglected = cells as f64 * (-20.0f64).exp();
            for (i, row) in log_weights.row_iter().enumerate() {
                let total: f64 = row.iter().map(|value| value.exp()).sum();
                approx::assert_relative_eq!(log_sums[i], total.ln(), epsilon = neglected);
                for (j, value) in row.iter().enumerate() {
                    approx::assert_relative_eq!(found[(i, j)], value.exp() / total, epsilon = neglected);
                }
            }
        }
    }

    #[test]
    fn negligible_cells_are_zero_and_vanishing_ones_share_alike() {
        let (lowest, nan) = (f64::NEG_INFINITY, f64::NAN);
        let rows = [[0.0, -30.0, -1.0], [lowest, lowest, lowest], [-1e305, -2e305, -1e308], [nan, 0.0, 0.0]];
        let mut found = DMatrix::from_row_slice(4, 3, rows.as_flattened());
        let log_sums = responsibilities_in_place(&mut found);
        assert!(found[(0, 1)] == 0.0 && found[(0, 2)] > 0.0);
        for i in [1, 2] {
            assert_eq!(found.row(i), nalgebra::RowDVector::from_element(3, 1.0 / 3.0));
        }
        assert!(found.row(3).iter().all(|r| r.is_nan()) && log_sums[3].is_nan());
        assert!(log_sums[..3].iter().all(|value| value.is_finite()));
    }
}
