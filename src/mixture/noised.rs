//! What mixtures of Gaussian cells share: score, divergence and log-density by way of responsibilities.
//!
//! With rⱼ the responsibilities and gⱼ the cells' gradients, the score is ḡ = Σ rⱼ gⱼ and its divergence
//! Σ rⱼ (|gⱼ − ḡ|² + tr Hⱼ), Hⱼ the cells' Hessians. Gradients come from whitened coordinates z = W(y − c)
//! and it is deviations from the mean that are squared, so that nothing cancels however far out a point is.

#[cfg(test)]
mod tests;

use super::evaluation::{Outputs, Points};
use super::factors::Factors;
use super::{few_axes, many_axes};
use crate::kernels::{Gaussians, vectorised};

/// A mixture at one noise level: k cells in m directions.
pub(super) struct NoisedMixture {
    pub(super) gaussians: Gaussians,
    pub(super) factors: Factors,
}

impl NoisedMixture {
    /// At the rows of `points`, which have as many coordinates as the cells.
    pub(super) fn evaluate(&self, points: &Points<'_>, mut outputs: Outputs<'_>) {
        let outputs = &mut outputs;
        match &self.gaussians {
            Gaussians::One(cells) => {
                vectorised!(simd => few_axes::evaluate(simd, cells, &self.factors, points, outputs))
            }
            Gaussians::Two(cells) => {
                vectorised!(simd => few_axes::evaluate(simd, cells, &self.factors, points, outputs))
            }
            Gaussians::Three(cells) => {
                vectorised!(simd => few_axes::evaluate(simd, cells, &self.factors, points, outputs))
            }
            Gaussians::Four(cells) => {
                vectorised!(simd => few_axes::evaluate(simd, cells, &self.factors, points, outputs))
            }
            Gaussians::Five(cells) => {
                vectorised!(simd => few_axes::evaluate(simd, cells, &self.factors, points, outputs))
            }
            Gaussians::Many(cells) => {
                vectorised!(simd => many_axes::evaluate(simd, cells, &self.factors, points, outputs))
            }
        }
    }
}
