use std::f64::consts::TAU;

use nalgebra::{DMatrix, DMatrixViewMut};

use super::evaluation::{Outputs, Points};
use super::noised::NoisedMixture;

/// Where the active directions of a mixture lie among all, and what is known of the others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Embedding {
    /// Orthonormal columns, d × m.
    pub(crate) axes: DMatrix<f64>,
    /// Orthonormal columns, d × (d − m).
    pub(crate) rest: DMatrix<f64>,
    /// v.
    pub(crate) rest_variance: f64,
    /// The cells' means along the rest, k × (d − m); no columns when they are all zero.
    pub(crate) rest_means: DMatrix<f64>,
}

impl Embedding {
    /// The active directions and the others, d × d; `None` where they are the coordinates themselves.
    pub(super) fn frame(&self) -> Option<DMatrix<f64>> {
        let columns: Vec<_> = self.axes.column_iter().chain(self.rest.column_iter()).collect();
        let frame = DMatrix::from_columns(&columns);
        (self.rest.ncols() > 0 || !frame.is_identity(0.0)).then_some(frame)
    }

    /// Means in active coordinates (k × m), and those along the rest, in all coordinates: k × d.
    pub(super) fn full_means(&self, means: &DMatrix<f64>) -> DMatrix<f64> {
        let mut full = means * self.axes.transpose();
        if self.rest_means.ncols() > 0 {
            full += &self.rest_means * self.rest.transpose();
        }
        full
    }

    /// Moves a cell's draws along the rest, those `members` of the rows of `rest` (n × (d − m)), to its mean.
    pub(super) fn move_to_mean(&self, cell: usize, members: &[usize], rest: &mut DMatrix<f64>) {
        for (axis, offset) in self.rest_means.column_iter().enumerate() {
            for &row in members {
                rest[(row, axis)] += offset[cell];
            }
        }
    }

    /// Rows in active coordinates (n × m) and along the rest (n × (d − m)) as `rows` (n × d).
    pub(super) fn embed(
        &self,
        active: &DMatrix<f64>,
        rest: &DMatrix<f64>,
        rows: &mut DMatrixViewMut<'_, f64>,
    ) {
        rows.gemm(1.0, active, &self.axes.transpose(), 0.0);
        if rest.ncols() > 0 {
            rows.gemm(1.0, rest, &self.rest.transpose(), 1.0);
        }
    }

    /// In active directions by the cells, in the others as N(0, 1/precision); `coordinates` (n × d) are along
    /// the columns of `frame`, first the active ones.
    pub(super) fn evaluate(
        &self,
        noised: &NoisedMixture,
        precision: f64,
        frame: &DMatrix<f64>,
        coordinates: &DMatrix<f64>,
        mut outputs: Outputs<'_>,
    ) {
        let (active, rest) = (self.axes.ncols(), self.rest.ncols());
        let mut score = DMatrix::zeros(coordinates.nrows(), active + rest);
        let in_frame = Outputs {
            score: outputs.score.as_ref().map(|_| score.as_view_mut()),
            divergence: outputs.divergence.as_deref_mut(),
            log_density: outputs.log_density.as_deref_mut(),
        };
        let (points, further) = (coordinates.columns(0, active), coordinates.columns(active, rest));
        noised.evaluate(&Points { points, further }, in_frame);
        if let Some(out) = &mut outputs.score {
            for axis in active..active + rest {
                score.column_mut(axis).axpy(-precision, &coordinates.column(axis), 1.0);
            }
            out.copy_from(&(score * frame.transpose()));
        }
        for divergence in outputs.divergence.into_iter().flatten() {
            *divergence -= precision * rest as f64;
        }
        if let Some(log_density) = outputs.log_density {
            let log_normaliser = 0.5 * rest as f64 * (precision / TAU).ln();
            for (value, row) in log_density.iter_mut().zip(further.row_iter()) {
                *value += log_normaliser - 0.5 * precision * row.norm_squared();
            }
        }
    }
}
