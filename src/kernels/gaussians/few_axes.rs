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
            precisions: whitening.map(|row| row.iter().map(|w| w * w).sum()),
        }
    }

    /// z = W(x − c).
    #[inline(always)]
    pub(crate) fn coordinates(&self, x: &[Lanes; M]) -> [Lanes; M] {
        let centred: [Lanes; M] = std::array::from_fn(|axis| x[axis] - self.centre[axis]);
        std::array::from_fn(|b| {
            let term = |axis: usize| centred[axis] * self.whitening[b][axis];
            (1..M).fold(term(0), |sum, axis| sum + term(axis))
        })
    }

    /// log w N(x; c, S).
    #[inline(always)]
    pub(crate) fn log_joint(&self, coordinates: &[Lanes; M]) -> Lanes {
        let square = coordinates.iter().fold(Lanes::ZERO, |sum, &z| sum + z * z);
        square * -0.5 + self.log_weight
    }

    /// Wᵀh: a gradient in standard coordinates along the axes of x.
    #[inline(always)]
    pub(crate) fn along_axes(&self, gradient: &[Lanes; M]) -> [Lanes; M] {
        std::array::from_fn(|axis| {
            let term = |b: usize| gradient[b] * self.whitening[b][axis];
            (1..M).fold(term(0), |sum, b| sum + term(b))
        })
    }

    /// Of each standard coordinate z: |∇z|².
    pub(crate) fn precisions(&self) -> &[f64; M] {
        &self.precisions
    }
}

/// The eight rows from `start` on, far ones pulled in.
#[inline(always)]
pub(crate) fn load_rows<const M: usize>(points: &DMatrixView<'_, f64>, start: usize) -> [Lanes; M] {
    std::array::from_fn(|axis| Lanes::load(points.column(axis).as_slice(), start).clamp(FARTHEST))
}

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
