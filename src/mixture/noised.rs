//! What mixtures of Gaussian cells share: score, divergence and log-density by way of responsibilities.
//!
//! With rⱼ the responsibilities and gⱼ the cells' gradients, the score is ḡ = Σ rⱼ gⱼ and its divergence
//! Σ rⱼ (|gⱼ − ḡ|² + tr Hⱼ), Hⱼ the cells' Hessians. Gradients come from whitened coordinates z = W(y − c)
//! and it is deviations from the mean that are squared, so that nothing cancels however far out a point is.

mod few_axes;
mod many_axes;
#[cfg(test)]
mod tests;

use fearless_simd::prelude::*;
use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};

use super::radial_shape::NoisedShape;
use crate::error::Result;
use crate::kernels::{Gaussians, Lanes, Rows, vectorised};
use crate::shapes::{check_room_for_rows, check_room_for_values};

/// Rows evaluated together, so that their coordinates stay in the cache.
pub(super) const ROW_BLOCK: usize = 128;

/// Where the answers go; what is `None` is not computed.
pub(super) struct Outputs<'a> {
    /// n × m, or n × (m + o) with o further directions.
    pub(super) score: Option<DMatrixViewMut<'a, f64>>,
    /// Length n.
    pub(super) divergence: Option<&'a mut [f64]>,
    /// Length n.
    pub(super) log_density: Option<&'a mut [f64]>,
}

impl Outputs<'_> {
    /// Is there room for the answers at points of dimension `dim`?
    pub(super) fn check(&self, dim: usize, points: &DMatrixView<'_, f64>) -> Result<()> {
        if let Some(score) = &self.score {
            check_room_for_rows(dim, points, score)?;
        }
        for values in [&self.divergence, &self.log_density].into_iter().flatten() {
            check_room_for_values(dim, points, values)?;
        }
        Ok(())
    }

    /// Those of `size` rows from `start` on.
    pub(super) fn rows(&mut self, start: usize, size: usize) -> Outputs<'_> {
        Outputs {
            score: self.score.as_mut().map(|score| score.rows_mut(start, size)),
            divergence: self.divergence.as_deref_mut().map(|values| &mut values[start..start + size]),
            log_density: self.log_density.as_deref_mut().map(|values| &mut values[start..start + size]),
        }
    }
}

/// A mixture at one noise level: k cells in m directions.
pub(super) struct NoisedMixture {
    pub(super) gaussians: Gaussians,
    pub(super) factors: Factors,
}

/// What multiplies the Gaussians.
pub(super) struct Factors {
    /// The radial shape of the cells, where they are not Gaussian.
    pub(super) shape: Option<NoisedShape>,
    /// Cell j has the factor exp(pullⱼ·e), e the point in o further directions: k × o.
    pub(super) pulls: DMatrix<f64>,
}

impl NoisedMixture {
    /// At the rows of `points` (n × m), which are those of `further` (n × o) in the further directions.
    pub(super) fn evaluate(
        &self,
        points: DMatrixView<'_, f64>,
        further: DMatrixView<'_, f64>,
        mut outputs: Outputs<'_>,
    ) {
        let outputs = &mut outputs;
        let rows = Points { points, further };
        match &self.gaussians {
            Gaussians::One(cells) => {
                vectorised!(simd => few_axes::evaluate(simd, cells, &self.factors, &rows, outputs))
            }
            Gaussians::Two(cells) => {
                vectorised!(simd => few_axes::evaluate(simd, cells, &self.factors, &rows, outputs))
            }
            Gaussians::Three(cells) => {
                vectorised!(simd => few_axes::evaluate(simd, cells, &self.factors, &rows, outputs))
            }
            Gaussians::Four(cells) => {
                vectorised!(simd => few_axes::evaluate(simd, cells, &self.factors, &rows, outputs))
            }
            Gaussians::Five(cells) => {
                vectorised!(simd => few_axes::evaluate(simd, cells, &self.factors, &rows, outputs))
            }
            Gaussians::Many(cells) => {
                vectorised!(simd => many_axes::evaluate(simd, cells, &self.factors, &rows, outputs))
            }
        }
    }
}

/// The points of one evaluation.
struct Points<'a> {
    points: DMatrixView<'a, f64>,
    further: DMatrixView<'a, f64>,
}

impl Factors {
    /// Adds the logarithm of cell `j`'s radial factor at standard coordinates `z`.
    #[inline(always)]
    fn add_log<S: Simd>(&self, simd: S, j: usize, z: &[Lanes<S>], log_joint: &mut Lanes<S>) {
        if let Some(shape) = &self.shape {
            *log_joint += shape.log_factor(simd, j, z);
        }
    }

    #[inline(always)]
    fn add_pulls<S: Simd>(&self, simd: S, rows: &Points<'_>, start: usize, log_joint: &mut [Lanes<S>]) {
        for (axis, pulls) in self.pulls.column_iter().enumerate() {
            let e = Lanes::load(simd, rows.further.column(axis).as_slice(), start);
            for (sum, pull) in log_joint.iter_mut().zip(pulls.iter()) {
                *sum += e * *pull;
            }
        }
    }

    /// Turns standard coordinates of cell `j` into the gradient of its log-density.
    #[inline(always)]
    fn gradient<S: Simd>(&self, simd: S, j: usize, z: &mut [Lanes<S>]) {
        match &self.shape {
            Some(shape) => shape.gradient(simd, j, z),
            None => {
                for z in z {
                    *z = -*z;
                }
            }
        }
    }

    /// tr Hⱼ at standard coordinates `z` of cell `j`, which have squared gradients `precisions`.
    #[inline(always)]
    fn trace<S: Simd>(&self, simd: S, j: usize, z: &[Lanes<S>], precisions: &[f64]) -> Lanes<S> {
        match &self.shape {
            Some(shape) => shape.trace(simd, j, z, precisions),
            None => Lanes::splat(simd, -precisions.iter().sum::<f64>()),
        }
    }

    /// The part of the score in further direction `axis`, Σ rⱼ pullⱼ.
    #[inline(always)]
    fn mean_pull<S: Simd>(&self, simd: S, axis: usize, responsibilities: &[Lanes<S>]) -> Lanes<S> {
        let mut mean = Lanes::splat(simd, 0.0);
        for (&r, &pull) in responsibilities.iter().zip(self.pulls.column(axis).iter()) {
            mean += r * pull;
        }
        mean
    }

    /// Writes the score in the further directions behind the `dim` others.
    #[inline(always)]
    fn store_pulls<S: Simd>(
        &self,
        simd: S,
        responsibilities: &[Lanes<S>],
        dim: usize,
        start: usize,
        outputs: &mut Outputs<'_>,
    ) {
        if let Some(score) = &mut outputs.score {
            for axis in 0..self.pulls.ncols() {
                let mean = self.mean_pull(simd, axis, responsibilities);
                mean.store(score.column_mut(dim + axis).as_mut_slice(), start);
            }
        }
    }

    /// Σ rⱼ |pullⱼ − mean|².
    fn pull_spread<S: Simd>(&self, simd: S, responsibilities: &[Lanes<S>]) -> Lanes<S> {
        let mut spread = Lanes::splat(simd, 0.0);
        for (axis, pulls) in self.pulls.column_iter().enumerate() {
            let mean = self.mean_pull(simd, axis, responsibilities);
            for (&r, &pull) in responsibilities.iter().zip(pulls.iter()) {
                let deviation = mean - pull;
                spread += r * (deviation * deviation);
            }
        }
        spread
    }
}

/// A squared deviation, finite: where it overflows its responsibility is zero.
#[inline(always)]
fn bounded<S: Simd>(square: Lanes<S>) -> Lanes<S> {
    square.min(f64::MAX)
}
