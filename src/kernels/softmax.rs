//! Responsibilities from log-weights.

use nalgebra::DMatrix;

use super::lanes::{LANES, Lanes};

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
pub(crate) fn softmax(log_weights: &mut [Lanes]) -> Lanes {
    softmax_above(log_weights, LOG_SMALLEST)
}

#[inline(always)]
fn softmax_above(log_weights: &mut [Lanes], cut: f64) -> Lanes {
    let lowest = Lanes::splat(LOWEST);
    let peak = log_weights.iter().fold(lowest, |peak, &value| peak.max(value));
    let mut total = Lanes::ZERO;
    for value in log_weights.iter_mut() {
        *value = (value.max(lowest) - peak).exp_above(cut);
        total += *value;
    }
    let share = total.recip();
    for value in log_weights.iter_mut() {
        *value = *value * share;
    }
    peak + total.ln()
}

/// Turns a column of log-weights into exp(log-weight − peak), for peaks that are not below.
pub(crate) fn exponentials_in_place(log_weights: &mut [f64], peaks: &[f64]) {
    vectorised!(exponentials(log_weights, peaks));
}

#[inline(always)]
fn exponentials(log_weights: &mut [f64], peaks: &[f64]) {
    for start in (0..log_weights.len()).step_by(LANES) {
        let below = Lanes::load(log_weights, start) - Lanes::load(peaks, start);
        below.exp_above(LOG_SMALLEST).store(log_weights, start);
    }
}

/// Turns log-weights (n × k) into responsibilities: a softmax of each row, negligible ones zero.
/// Returns the log-sum-exp of every row.
pub(crate) fn responsibilities_in_place(log_weights: &mut DMatrix<f64>) -> Vec<f64> {
    vectorised!(responsibilities(log_weights))
}

#[inline(always)]
fn responsibilities(log_weights: &mut DMatrix<f64>) -> Vec<f64> {
    let (n, cells) = log_weights.shape();
    let mut log_sums = vec![0.0; n];
    if n == 0 {
        return log_sums;
    }
    let mut rows = vec![Lanes::ZERO; cells];
    for start in (0..n).step_by(LANES) {
        let columns = log_weights.as_slice().chunks_exact(n);
        for (value, column) in rows.iter_mut().zip(columns) {
            *value = Lanes::load(column, start);
        }
        softmax_above(&mut rows, LOG_NEGLIGIBLE).store(&mut log_sums, start);
        let columns = log_weights.as_mut_slice().chunks_exact_mut(n);
        for (value, column) in rows.iter().zip(columns) {
            value.store(column, start);
        }
    }
    log_sums
}
