//! Gaussians in more dimensions than that: coordinates of blocks of rows by products of matrices.

use std::slice::{ChunksExact, ChunksExactMut};

use fearless_simd::prelude::*;
use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};

use super::{FARTHEST, Gaussian};
use crate::kernels::lanes::{LANES, Lanes, Rows};

/// Gaussians in m dimensions.
#[derive(Debug, Clone)]
pub(crate) struct ManyAxes {
    log_weights: Vec<f64>,
    /// The mean of all centres: counted from there, little is lost to rounding.
    origin: Vec<f64>,
    /// Wᵀ of all cells, side by side, and below it −W(c − origin): (m + 1) × km.
    whitening: DMatrix<f64>,
    /// W of all cells, on top of each other: km × m.
    stacked: DMatrix<f64>,
    /// Squared lengths of the rows of `stacked`.
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
        let mut whitening = DMatrix::zeros(dim + 1, dim * cells);
        for (j, gaussian) in gaussians.iter().enumerate() {
            stacked.rows_mut(j * dim, dim).copy_from(&gaussian.whitening);
            for (b, row) in gaussian.whitening.row_iter().enumerate() {
                let mut column = whitening.column_mut(j * dim + b);
                for (axis, &weight) in row.iter().enumerate() {
                    column[axis] = weight;
                    column[dim] -= weight * (gaussian.centre[axis] - origin[axis]);
                }
            }
        }
        Self {
            log_weights: gaussians.iter().map(|g| g.log_weight).collect(),
            origin,
            whitening,
            precisions: stacked.row_iter().map(|w| w.norm_squared()).collect(),
            stacked,
        }
    }

    pub(crate) fn cells(&self) -> usize {
        self.log_weights.len()
    }

    pub(crate) fn dim(&self) -> usize {
        self.origin.len()
    }

    /// Writes z = W(x − c) of all cells, side by side, at rows x (n × m), far ones pulled in: n × km.
    pub(crate) fn coordinates_into(&self, rows: &DMatrixView<'_, f64>, out: &mut DMatrix<f64>) {
        let n = rows.nrows();
        let mut centred = DMatrix::from_element(n, self.dim() + 1, 1.0);
        for (axis, origin) in self.origin.iter().enumerate() {
            let mut column = centred.column_mut(axis);
            column.zip_apply(&rows.column(axis), |c, x| *c = x.clamp(-FARTHEST, FARTHEST) - origin);
        }
        if out.nrows() != n {
            *out = DMatrix::zeros(n, self.whitening.ncols());
        }
        out.gemm(1.0, &centred, &self.whitening, 0.0);
    }

    /// Cell `j`'s part of a matrix that has columns for every standard coordinate of every cell.
    #[inline(always)]
    pub(crate) fn columns_of<'a>(&self, j: usize, all: &'a DMatrix<f64>) -> ChunksExact<'a, f64> {
        let (n, dim) = (all.nrows(), self.dim());
        all.as_slice()[j * dim * n..(j + 1) * dim * n].chunks_exact(n)
    }

    /// As [`columns_of`](Self::columns_of), to be changed.
    #[inline(always)]
    pub(crate) fn columns_of_mut<'a>(&self, j: usize, all: &'a mut DMatrix<f64>) -> ChunksExactMut<'a, f64> {
        let (n, dim) = (all.nrows(), self.dim());
        all.as_mut_slice()[j * dim * n..(j + 1) * dim * n].chunks_exact_mut(n)
    }

    /// log wⱼ N(x; cⱼ, Sⱼ) at the eight rows from `row` on.
    #[inline(always)]
    pub(crate) fn log_joint<S: Simd>(
        &self,
        simd: S,
        j: usize,
        coordinates: &DMatrix<f64>,
        row: usize,
    ) -> Lanes<S> {
        let mut square = Lanes::splat(simd, 0.0);
        for column in self.columns_of(j, coordinates) {
            let z = Lanes::load(simd, column, row);
            square += z * z;
        }
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

    #[inline(always)]
    pub(super) fn log_joint_into<S: Simd>(
        &self,
        simd: S,
        points: DMatrixView<'_, f64>,
        mut out: DMatrixViewMut<'_, f64>,
    ) {
        self.for_each_block(points, |start, coordinates| {
            for j in 0..self.cells() {
                let mut column = out.column_mut(j);
                for row in (0..coordinates.nrows()).step_by(LANES) {
                    self.log_joint(simd, j, coordinates, row).store(column.as_mut_slice(), start + row);
                }
            }
        });
    }

    /// Writes −Wⱼᵀzⱼ at the rows of `points` into `out`, both n × m.
    pub(super) fn gradient_into(
        &self,
        j: usize,
        points: DMatrixView<'_, f64>,
        mut out: DMatrixViewMut<'_, f64>,
    ) {
        self.for_each_block(points, |start, coordinates| {
            out.rows_mut(start, coordinates.nrows()).copy_from(&-self.along_axes(j, coordinates));
        });
    }

    /// The standard coordinates of all cells, a block of rows at a time, with the number of its first row.
    #[inline(always)]
    fn for_each_block(&self, points: DMatrixView<'_, f64>, mut act: impl FnMut(usize, &DMatrix<f64>)) {
        let mut coordinates = DMatrix::zeros(0, 0);
        for start in (0..points.nrows()).step_by(Self::BLOCK) {
            let rows = Self::BLOCK.min(points.nrows() - start);
            self.coordinates_into(&points.rows(start, rows), &mut coordinates);
            act(start, &coordinates);
        }
    }
}
