//! What is asked of a mixture at a level, and what its two evaluations share.

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};

/// Rows evaluated together, so that their coordinates stay in the cache.
pub(in crate::score) const ROW_BLOCK: usize = 128;

/// Points farther out than this are evaluated here, which keeps their squares finite.
const FARTHEST: f64 = 1e100;

/// A log-weight that stands for zero and is still finite, so that differences of two are no NaN.
pub(in crate::score) const LOWEST_LOGIT: f64 = -1e300;

/// Where the answers go; what is `None` is not computed.
pub(in crate::score) struct Outputs<'a> {
    pub(in crate::score) score: Option<DMatrixViewMut<'a, f64>>,
    pub(in crate::score) divergence: Option<&'a mut [f64]>,
    pub(in crate::score) log_density: Option<&'a mut [f64]>,
}

/// A block of rows minus a common `origin`, with far points pulled in.
pub(in crate::score) fn centred_block(
    points: &DMatrixView<'_, f64>,
    start: usize,
    origin: impl Fn(usize) -> f64,
) -> DMatrix<f64> {
    let rows = ROW_BLOCK.min(points.nrows() - start);
    let mut block = points.rows(start, rows).into_owned();
    for (axis, mut column) in block.column_iter_mut().enumerate() {
        let shift = origin(axis);
        column.apply(|value| *value = value.clamp(-FARTHEST, FARTHEST) - shift);
    }
    block
}

/// Turns each row of log-weights into weights that sum to one.
pub(super) fn softmax_rows(log_weights: &mut DMatrix<f64>) {
    let n = log_weights.nrows();
    let mut peak = vec![LOWEST_LOGIT; n];
    let mut total = vec![0.0; n];
    for column in log_weights.column_iter() {
        for (peak, &value) in peak.iter_mut().zip(column.iter()) {
            *peak = peak.max(value);
        }
    }
    for mut column in log_weights.column_iter_mut() {
        for ((value, peak), total) in column.iter_mut().zip(&peak).zip(&mut total) {
            *value = (*value - peak).exp();
            *total += *value;
        }
    }
    for mut column in log_weights.column_iter_mut() {
        for (value, total) in column.iter_mut().zip(&total) {
            *value /= total;
        }
    }
}
