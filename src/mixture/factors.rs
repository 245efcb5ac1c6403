//! What multiplies the Gaussians of a mixture at one noise level.

use fearless_simd::prelude::*;
use nalgebra::DMatrix;

use super::evaluation::{Outputs, Points};
use super::radial_shape::NoisedShape;
use crate::kernels::{Lanes, Rows};

/// What multiplies the Gaussians.
pub(super) struct Factors {
    /// The radial shape of the cells, where they are not Gaussian.
    pub(super) shape: Option<NoisedShape>,
    /// Cell j has the factor exp(pullⱼ·e), e the point in o further directions: k × o.
    pub(super) pulls: DMatrix<f64>,
}

impl Factors {
    /// Adds the logarithm of cell `j`'s radial factor at standard coordinates `z`.
    #[inline(always)]
    pub(super) fn add_log<S: Simd>(&self, simd: S, j: usize, z: &[Lanes<S>], log_joint: &mut Lanes<S>) {
        if let Some(shape) = &self.shape {
            *log_joint += shape.log_factor(simd, j, z);
        }
    }

    #[inline(always)]
    pub(super) fn add_pulls<S: Simd>(
        &self,
        simd: S,
        rows: &Points<'_>,
        start: usize,
        log_joint: &mut [Lanes<S>],
    ) {
        for (axis, pulls) in self.pulls.column_iter().enumerate() {
            let e = Lanes::load(simd, rows.further.column(axis).as_slice(), start);
            for (sum, pull) in log_joint.iter_mut().zip(pulls.iter()) {
                *sum += e * *pull;
            }
        }
    }

    /// Turns standard coordinates of cell `j` into the gradient of its log-density.
    #[inline(always)]
    pub(super) fn gradient<S: Simd>(&self, simd: S, j: usize, z: &mut [Lanes<S>]) {
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
    pub(super) fn trace<S: Simd>(&self, simd: S, j: usize, z: &[Lanes<S>], precisions: &[f64]) -> Lanes<S> {
        match &self.shape {
            Some(shape) => shape.trace(simd, j, z, precisions),
            None => Lanes::splat(simd, -precisions.iter().sum::<f64>()),
        }
    }

    /// The part of the score in further direction `axis`, Σ rⱼ pullⱼ.
    #[inline(always)]
    pub(super) fn mean_pull<S: Simd>(&self, simd: S, axis: usize, responsibilities: &[Lanes<S>]) -> Lanes<S> {
        let mut mean = Lanes::splat(simd, 0.0);
        for (&r, &pull) in responsibilities.iter().zip(self.pulls.column(axis).iter()) {
            mean += r * pull;
        }
        mean
    }

    /// Writes the score in the further directions behind the `dim` others.
    #[inline(always)]
    pub(super) fn store_pulls<S: Simd>(
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
    pub(super) fn pull_spread<S: Simd>(&self, simd: S, responsibilities: &[Lanes<S>]) -> Lanes<S> {
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
pub(super) fn bounded<S: Simd>(square: Lanes<S>) -> Lanes<S> {
    square.min(f64::MAX)
}
