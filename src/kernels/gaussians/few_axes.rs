//! Gaussians in so few dimensions that their coordinates fit into registers.

use nalgebra::{DMatrixView, DMatrixViewMut};

use super::{FARTHEST, Gaussian};
use crate::kernels::lanes::{LANES, Lanes};

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
        let whitening: [[f64; M]; M] =
            std::array::from_fn(|b| std::array::from_fn(|a| gaussian.whitening[(b, a)]));
        Self {
            log_weight: gaussian.log_weight,
            centre: std::array::from_fn(|axis| gaussian.centre[axis]),
            whitening,
            transposed: std::array::from_fn(|axis| whitening.map(|row| row[axis])),
            precisions: whitening.map(|row| row.iter().map(|w| w * w).sum()),
        }
    }

    /// z = W(x − c).
    #[inline(always)]
    pub(crate) fn coordinates(&self, x: &[Lanes; M]) -> [Lanes; M] {
        let mut coordinates = [Lanes::ZERO; M];
        for ((&x, &centre), weights) in x.iter().zip(&self.centre).zip(&self.transposed) {
            let centred = x - centre;
            for (z, &weight) in coordinates.iter_mut().zip(weights) {
                *z += centred * weight;
            }
        }
        coordinates
    }

    /// log w N(x; c, S).
    #[inline(always)]
    pub(crate) fn log_joint(&self, coordinates: &[Lanes; M]) -> Lanes {
        let square = coordinates.iter().fold(Lanes::ZERO, |sum, &z| sum + z * z);
        square * -0.5 + self.log_weight
    }

    /// Adds r Wᵀh to `sums`, for a gradient h in standard coordinates: along the axes of x.
    #[inline(always)]
    pub(crate) fn add_along_axes(&self, gradient: &[Lanes; M], r: Lanes, sums: &mut [Lanes; M]) {
        for axis in 0..M {
            let mut along = gradient[0] * self.whitening[0][axis];
            for b in 1..M {
                along += gradient[b] * self.whitening[b][axis];
            }
            sums[axis] += along * r;
        }
    }

    /// Of each standard coordinate z: |∇z|².
    pub(crate) fn precisions(&self) -> &[f64; M] {
        &self.precisions
    }
}

/// The eight rows from `start` on, far ones pulled in.
#[inline(always)]
pub(crate) fn load_rows<const M: usize>(points: &DMatrixView<'_, f64>, start: usize) -> [Lanes; M] {
    let mut x = [Lanes::ZERO; M];
    for (axis, x) in x.iter_mut().enumerate() {
        *x = Lanes::load(points.column(axis).as_slice(), start).clamp(FARTHEST);
    }
    x
}

/// Writes −Wᵀz at the rows of `points` into `out`, both n × M.
#[inline(always)]
pub(super) fn gradient_into<const M: usize>(
    cell: &Cell<M>,
    points: DMatrixView<'_, f64>,
    mut out: DMatrixViewMut<'_, f64>,
) {
    for start in (0..points.nrows()).step_by(LANES) {
        let z = cell.coordinates(&load_rows(&points, start));
        let mut gradient = [Lanes::ZERO; M];
        cell.add_along_axes(&z, Lanes::splat(-1.0), &mut gradient);
        for (axis, gradient) in gradient.iter().enumerate() {
            gradient.store(out.column_mut(axis).as_mut_slice(), start);
        }
    }
}

#[inline(always)]
pub(super) fn log_joint_into<const M: usize>(
    cells: &[Cell<M>],
    points: DMatrixView<'_, f64>,
    mut out: DMatrixViewMut<'_, f64>,
) {
    for start in (0..points.nrows()).step_by(LANES) {
        let x = load_rows(&points, start);
        for (j, cell) in cells.iter().enumerate() {
            cell.log_joint(&cell.coordinates(&x)).store(out.column_mut(j).as_mut_slice(), start);
        }
    }
}
