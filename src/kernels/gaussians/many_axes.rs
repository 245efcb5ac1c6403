//! Gaussians in more dimensions than that: coordinates of blocks of rows by products of matrices.

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};

use super::{FARTHEST, Gaussian};
use crate::kernels::lanes::{LANES, Lanes};

/// Gaussians in m dimensions.
#[derive(Debug, Clone)]
pub(crate) struct ManyAxes {
    log_weights: Vec<f64>,
    /// The mean of all centres: counted from there, little is lost to rounding.
    origin: Vec<f64>,
    /// Wᵀ of all cells, side by side: m × km.
    whitening: DMatrix<f64>,
    /// W of all cells, on top of each other: km × m.
    stacked: DMatrix<f64>,
    /// W(c − origin) of all cells.
    offsets: Vec<f64>,
    /// Squared lengths of the columns of `whitening`.
    precisions: Vec<f64>,
}

impl ManyAxes {
    /// Rows evaluated together.
    pub(crate) const BLOCK: usize = 64;

    pub(super) fn new(dim: usize, gaussians: &[Gaussian]) -> Self {
        let cells = gaussians.len();
        let mean = |axis: usize| gaussians.iter().map(|g| g.centre[axis] / cells as f64).sum();
        let origin: Vec<f64> = (0..dim).map(mean).collect();
        let mut stacked = DMatrix::zeros(dim * cells, dim);
        let mut offsets = Vec::with_capacity(dim * cells);
        for (j, gaussian) in gaussians.iter().enumerate() {
            stacked.rows_mut(j * dim, dim).copy_from(&gaussian.whitening);
            for row in gaussian.whitening.row_iter() {
                let centred = gaussian.centre.iter().zip(&origin).map(|(c, o)| c - o);
                offsets.push(row.iter().zip(centred).map(|(w, c)| w * c).sum());
            }
        }
        Self {
            log_weights: gaussians.iter().map(|g| g.log_weight).collect(),
            origin,
            whitening: stacked.transpose(),
            precisions: stacked.row_iter().map(|w| w.norm_squared()).collect(),
            stacked,
            offsets,
        }
    }

    pub(crate) fn cells(&self) -> usize {
        self.log_weights.len()
    }

    pub(crate) fn dim(&self) -> usize {
        self.origin.len()
    }

    /// z = W(x − c) of all cells, side by side, at the rows x of a block (n × m): n × km.
    pub(crate) fn coordinates(&self, mut block: DMatrix<f64>) -> DMatrix<f64> {
        for (mut column, origin) in block.column_iter_mut().zip(&self.origin) {
            column.apply(|x| *x = x.clamp(-FARTHEST, FARTHEST) - origin);
        }
        let mut coordinates = block * &self.whitening;
        for (mut column, offset) in coordinates.column_iter_mut().zip(&self.offsets) {
            column.add_scalar_mut(-offset);
        }
        coordinates
    }

    /// Cell `j`'s part of the coordinates of eight rows.
    #[inline(always)]
    pub(crate) fn load(&self, coordinates: &DMatrix<f64>, row: usize, j: usize, out: &mut [Lanes]) {
        let (n, dim) = (coordinates.nrows(), self.dim());
        let columns = coordinates.as_slice()[j * dim * n..(j + 1) * dim * n].chunks_exact(n);
        for (out, column) in out.iter_mut().zip(columns) {
            *out = Lanes::load(column, row);
        }
    }

    /// The inverse of [`load`](Self::load).
    #[inline(always)]
    pub(crate) fn store(&self, values: &[Lanes], row: usize, j: usize, coordinates: &mut DMatrix<f64>) {
        let (n, dim) = (coordinates.nrows(), self.dim());
        let columns = coordinates.as_mut_slice()[j * dim * n..(j + 1) * dim * n].chunks_exact_mut(n);
        for (value, column) in values.iter().zip(columns) {
            value.store(column, row);
        }
    }

    /// log wⱼ N(x; cⱼ, Sⱼ) from the cell's own coordinates.
    #[inline(always)]
    pub(crate) fn log_joint(&self, j: usize, coordinates: &[Lanes]) -> Lanes {
        let square = coordinates.iter().fold(Lanes::ZERO, |sum, &z| sum + z * z);
        square * -0.5 + self.log_weights[j]
    }

    /// Of each standard coordinate z of cell `j`: |∇z|².
    pub(crate) fn precisions(&self, j: usize) -> &[f64] {
        &self.precisions[j * self.dim()..(j + 1) * self.dim()]
    }

    /// Σⱼ Wⱼᵀhⱼ for gradients in standard coordinates (n × km): n × m.
    pub(crate) fn sum_along_axes(&self, gradients: &DMatrix<f64>) -> DMatrix<f64> {
        gradients * &self.stacked
    }

    /// Wⱼᵀhⱼ of cell `j` alone: n × m.
    pub(crate) fn along_axes(&self, j: usize, gradients: &DMatrix<f64>) -> DMatrix<f64> {
        let dim = self.dim();
        gradients.columns(j * dim, dim) * self.stacked.rows(j * dim, dim)
    }

    pub(super) fn log_joint_into(&self, points: DMatrixView<'_, f64>, mut out: DMatrixViewMut<'_, f64>) {
        let mut z = vec![Lanes::ZERO; self.dim()];
        for start in (0..points.nrows()).step_by(Self::BLOCK) {
            let rows = Self::BLOCK.min(points.nrows() - start);
            let coordinates = self.coordinates(points.rows(start, rows).into_owned());
            for row in (0..rows).step_by(LANES) {
                for j in 0..self.cells() {
                    self.load(&coordinates, row, j, &mut z);
                    self.log_joint(j, &z)
                        .store(&mut out.column_mut(j).as_mut_slice()[start..start + rows], row);
                }
            }
        }
    }
}
