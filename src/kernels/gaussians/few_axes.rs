//! Gaussians in so few dimensions that their coordinates fit into registers.

use std::array::from_fn;

use fearless_simd::prelude::*;
use nalgebra::{DMatrixView, DMatrixViewMut};

use super::{FARTHEST, Gaussian};
use crate::kernels::lanes::{LANES, Lanes, Rows};

/// A Gaussian in M dimensions.
#[derive(Debug, Clone)]
pub(crate) struct Cell<const M: usize> {
    log_weight: f64,
    centre: [f64; M],
    /// Row b gives coordinate b.
    whitening: [[f64; M]; M],
    transposed: [[f64; M]; M],
    /// Squared lengths of these rows.
    precisions: [f64; M],
}

impl<const M: usize> Cell<M> {
    pub(super) fn new(gaussian: Gaussian) -> Self {
        let whitening: [[f64; M]; M] = from_fn(|b| from_fn(|a| gaussian.whitening[(b, a)]));
        Self {
            log_weight: gaussian.log_weight,
            centre: from_fn(|axis| gaussian.centre[axis]),
            whitening,
            transposed: from_fn(|axis| whitening.map(|row| row[axis])),
            precisions: whitening.map(|row| row.iter().map(|w| w * w).sum()),
        }
    }

    /// z = W(x − c).
    #[inline(always)]
    pub(crate) fn coordinates<S: Simd>(&self, simd: S, x: &[Lanes<S>; M]) -> [Lanes<S>; M] {
        let mut z = [Lanes::splat(simd, 0.0); M];
        for ((&x, &centre), weights) in x.iter().zip(&self.centre).zip(&self.transposed) {
            let centred = x - centre;
            for (z, &weight) in z.iter_mut().zip(weights) {
                *z += centred * weight;
            }
        }
        z
    }

    /// log w N(x; c, S).
    #[inline(always)]
    pub(crate) fn log_joint<S: Simd>(&self, simd: S, z: &[Lanes<S>; M]) -> Lanes<S> {
        let mut square = Lanes::splat(simd, 0.0);
        for &z in z {
            square += z * z;
        }
        square * -0.5 + self.log_weight
    }

    /// Bounds of [`log_joint`](Self::log_joint) over a box, given by middle and half width along every axis.
    #[inline(always)]
    pub(super) fn log_joint_within(&self, bounds: &[(f64, f64); M]) -> (f64, f64) {
        let (mut nearest, mut farthest) = (0.0, 0.0);
        for weights in &self.whitening {
            let (mut middle, mut reach) = (0.0, 0.0);
            for ((weight, centre), (at, half)) in weights.iter().zip(&self.centre).zip(bounds) {
                middle += weight * (at - centre);
                reach += weight.abs() * half;
            }
            nearest += (middle.abs() - reach).max(0.0).powi(2);
            farthest += (middle.abs() + reach).powi(2);
        }
        (self.log_weight - 0.5 * farthest, self.log_weight - 0.5 * nearest)
    }

    /// Wᵀh: a gradient in standard coordinates along the axes of x.
    #[inline(always)]
    pub(crate) fn along_axes<S: Simd>(&self, simd: S, gradient: &[Lanes<S>; M]) -> [Lanes<S>; M] {
        let mut along = [Lanes::splat(simd, 0.0); M];
        for (&h, weights) in gradient.iter().zip(&self.whitening) {
            for (along, &weight) in along.iter_mut().zip(weights) {
                *along += h * weight;
            }
        }
        along
    }

    /// Of each standard coordinate z: |∇z|².
    pub(crate) fn precisions(&self) -> &[f64; M] {
        &self.precisions
    }
}

/// The eight rows from `start` on, far ones pulled in.
#[inline(always)]
pub(crate) fn load_rows<S: Simd, const M: usize>(
    simd: S,
    points: &DMatrixView<'_, f64>,
    start: usize,
) -> [Lanes<S>; M] {
    // Not `array::from_fn`, which is not inlined and so knows nothing of this processor.
    let mut x = [Lanes::splat(simd, 0.0); M];
    for (axis, x) in x.iter_mut().enumerate() {
        *x = Lanes::load(simd, points.column(axis).as_slice(), start).within(FARTHEST);
    }
    x
}

/// Writes −Wᵀz at the rows of `points` into `out`, both n × M.
#[inline(always)]
pub(super) fn gradient_into<S: Simd, const M: usize>(
    simd: S,
    cell: &Cell<M>,
    points: DMatrixView<'_, f64>,
    mut out: DMatrixViewMut<'_, f64>,
) {
    for start in (0..points.nrows()).step_by(LANES) {
        let z = cell.coordinates(simd, &load_rows(simd, &points, start));
        for (axis, &along) in cell.along_axes(simd, &z).iter().enumerate() {
            (-along).store(out.column_mut(axis).as_mut_slice(), start);
        }
    }
}

#[inline(always)]
pub(super) fn log_joint_into<S: Simd, const M: usize>(
    simd: S,
    cells: &[Cell<M>],
    points: DMatrixView<'_, f64>,
    mut out: DMatrixViewMut<'_, f64>,
) {
    for start in (0..points.nrows()).step_by(LANES) {
        let x = load_rows(simd, &points, start);
        for (j, cell) in cells.iter().enumerate() {
            cell.log_joint(simd, &cell.coordinates(simd, &x)).store(out.column_mut(j).as_mut_slice(), start);
        }
    }
}
