//! Cells in many directions: coordinates and gradients of a block of rows by products of matrices.

use fearless_simd::prelude::*;
use nalgebra::DMatrix;

use super::evaluation::{Outputs, Points};
use super::factors::{Factors, bounded};
use crate::kernels::{LANES, Lanes, ManyAxes, Rows, softmax};

#[inline(always)]
pub(super) fn evaluate<S: Simd>(
    simd: S,
    cells: &ManyAxes,
    factors: &Factors,
    rows: &Points<'_>,
    outputs: &mut Outputs<'_>,
) {
    let n = rows.points.nrows();
    // Large enough that the allocator would map fresh pages for every block.
    let (mut coordinates, mut weighed) = (DMatrix::zeros(0, 0), DMatrix::zeros(0, 0));
    for start in (0..n).step_by(ManyAxes::BLOCK) {
        let size = ManyAxes::BLOCK.min(n - start);
        let block = Block { simd, cells, factors, start, size };
        cells.coordinates_into(&rows.points.rows(start, size), &mut coordinates);
        let responsibilities = block.responsibilities(&coordinates, rows, outputs);
        if outputs.score.is_some() || outputs.divergence.is_some() {
            block.derivatives(&mut coordinates, &responsibilities, &mut weighed, outputs);
        }
    }
}

struct Block<'a, S> {
    simd: S,
    cells: &'a ManyAxes,
    factors: &'a Factors,
    /// First row and number of rows.
    start: usize,
    size: usize,
}

impl<S: Simd> Block<'_, S> {
    /// First rows of every eight, from that of the block on.
    fn eights(&self) -> impl Iterator<Item = usize> + use<S> {
        (0..self.size).step_by(LANES)
    }

    /// Those of all cells, eight rows after the other; writes the log-density.
    #[inline(always)]
    fn responsibilities(
        &self,
        coordinates: &DMatrix<f64>,
        rows: &Points<'_>,
        outputs: &mut Outputs<'_>,
    ) -> Vec<Lanes<S>> {
        let cells = self.cells.cells();
        let mut responsibilities = vec![Lanes::splat(self.simd, 0.0); cells * self.size.div_ceil(LANES)];
        for j in 0..cells {
            for (eight, row) in self.eights().enumerate() {
                responsibilities[eight * cells + j] = self.cells.log_joint(self.simd, j, coordinates, row);
            }
        }
        if self.factors.shape.is_some() {
            self.for_each(coordinates, |eight, j, z| {
                self.factors.add_log(self.simd, j, z, &mut responsibilities[eight * cells + j]);
            });
        }
        for (row, of_eight) in self.eights().zip(responsibilities.chunks_exact_mut(cells)) {
            self.factors.add_pulls(self.simd, rows, self.start + row, of_eight);
            let log_density = softmax(self.simd, of_eight);
            if let Some(out) = outputs.log_density.as_deref_mut() {
                log_density.store(out, self.start + row);
            }
        }
        responsibilities
    }

    /// Calls `visit` with the number of every eight rows, a cell and their coordinates in that cell.
    #[inline(always)]
    fn for_each(&self, coordinates: &DMatrix<f64>, mut visit: impl FnMut(usize, usize, &[Lanes<S>])) {
        let mut z = vec![Lanes::splat(self.simd, 0.0); self.cells.dim()];
        for j in 0..self.cells.cells() {
            for (eight, row) in self.eights().enumerate() {
                for (z, column) in z.iter_mut().zip(self.cells.columns_of(j, coordinates)) {
                    *z = Lanes::load(self.simd, column, row);
                }
                visit(eight, j, &z);
            }
        }
    }

    /// Writes score and divergence, as far as they are wanted.
    #[inline(always)]
    fn derivatives(
        &self,
        coordinates: &mut DMatrix<f64>,
        responsibilities: &[Lanes<S>],
        weighed: &mut DMatrix<f64>,
        outputs: &mut Outputs<'_>,
    ) {
        let (dim, cells) = (self.cells.dim(), self.cells.cells());
        let of_eights = || self.eights().zip(responsibilities.chunks_exact(cells));
        let mut divergence: Vec<Lanes<S>> =
            of_eights().map(|(_, r)| self.factors.pull_spread(self.simd, r)).collect();
        if outputs.divergence.is_some() {
            self.for_each(coordinates, |eight, j, z| {
                let trace = self.factors.trace(self.simd, j, z, self.cells.precisions(j));
                divergence[eight] += responsibilities[eight * cells + j] * trace;
            });
        }
        // Of Gaussian cells the gradient is −z, a sign that the products take in.
        let sign = if self.factors.shape.is_some() { 1.0 } else { -1.0 };
        if self.factors.shape.is_some() {
            self.gradients_in_place(coordinates);
        }
        self.weigh(coordinates, sign, responsibilities, weighed);
        let mean = self.cells.sum_along_axes(weighed);
        if let Some(score) = &mut outputs.score {
            score.view_mut((self.start, 0), (self.size, dim)).copy_from(&mean);
        }
        for (row, r) in of_eights() {
            self.factors.store_pulls(self.simd, r, dim, self.start + row, outputs);
        }
        if let Some(out) = outputs.divergence.as_deref_mut() {
            self.add_spread(coordinates, sign, &mean, responsibilities, &mut divergence);
            for (row, divergence) in self.eights().zip(divergence) {
                divergence.store(out, self.start + row);
            }
        }
    }

    /// Coordinates become gradients of log-densities, in coordinates of the same cells.
    #[inline(always)]
    fn gradients_in_place(&self, coordinates: &mut DMatrix<f64>) {
        let mut h = vec![Lanes::splat(self.simd, 0.0); self.cells.dim()];
        for j in 0..self.cells.cells() {
            for row in self.eights() {
                for (h, column) in h.iter_mut().zip(self.cells.columns_of(j, coordinates)) {
                    *h = Lanes::load(self.simd, column, row);
                }
                self.factors.gradient(self.simd, j, &mut h);
                for (h, column) in h.iter().zip(self.cells.columns_of_mut(j, coordinates)) {
                    h.store(column, row);
                }
            }
        }
    }

    /// Writes gradients times `sign` times responsibilities.
    #[inline(always)]
    fn weigh(
        &self,
        gradients: &DMatrix<f64>,
        sign: f64,
        responsibilities: &[Lanes<S>],
        weighed: &mut DMatrix<f64>,
    ) {
        if weighed.nrows() != gradients.nrows() {
            *weighed = DMatrix::zeros(gradients.nrows(), gradients.ncols());
        }
        let cells = self.cells.cells();
        for j in 0..cells {
            let columns = self.cells.columns_of(j, gradients).zip(self.cells.columns_of_mut(j, weighed));
            for (gradient, weighed) in columns {
                for (eight, row) in self.eights().enumerate() {
                    let r = responsibilities[eight * cells + j] * sign;
                    (Lanes::load(self.simd, gradient, row) * r).store(weighed, row);
                }
            }
        }
    }

    /// Adds Σ rⱼ |gⱼ − ḡ|², from gradients in standard coordinates, which are to be multiplied by `sign`.
    #[inline(always)]
    fn add_spread(
        &self,
        gradients: &DMatrix<f64>,
        sign: f64,
        mean: &DMatrix<f64>,
        responsibilities: &[Lanes<S>],
        divergence: &mut [Lanes<S>],
    ) {
        let cells = self.cells.cells();
        for j in 0..cells {
            let gradient = self.cells.along_axes(j, gradients);
            for (eight, (row, sum)) in self.eights().zip(divergence.iter_mut()).enumerate() {
                let mut square = Lanes::splat(self.simd, 0.0);
                for (gradient, mean) in columns(&gradient).zip(columns(mean)) {
                    let deviation =
                        Lanes::load(self.simd, gradient, row) * sign - Lanes::load(self.simd, mean, row);
                    square += deviation * deviation;
                }
                *sum += responsibilities[eight * cells + j] * bounded(square);
            }
        }
    }
}

fn columns(matrix: &DMatrix<f64>) -> std::slice::ChunksExact<'_, f64> {
    matrix.as_slice().chunks_exact(matrix.nrows())
}
