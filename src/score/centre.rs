//! The centre denoiser, in which every sampler and every density is written.

use nalgebra::DMatrix;

use super::model::{DifferentiableScore, ScoreModel};
use crate::error::Result;
use crate::process::NoiseLevel;

/// Writes Û(u) = u + τ² a ∇log p(a u), τ² = σ₀² + s²/a², at the rows of `points` in units of Y/a.
///
/// For a model whose law is blurred by σ₀ this is E\[U | Y/a = u\] with X = U + σ₀ Z, the mean of what
/// lies behind the whole blur τ of Y/a; with σ₀ = 0 it is the denoiser of X itself.
pub(crate) fn centres_into(
    model: &dyn ScoreModel,
    component_std: f64,
    level: NoiseLevel,
    points: &DMatrix<f64>,
    centres: &mut DMatrix<f64>,
) -> Result<()> {
    let scaled = points * level.signal();
    model.score_into(level, scaled.as_view(), centres.as_view_mut())?;
    let factor = level.bandwidth(component_std).powi(2) * level.signal();
    centres.zip_apply(points, |value, u| *value = u + factor * *value);
    Ok(())
}

/// As [`centres_into`], and writes the divergence of Û into `divergence` (length n).
pub(crate) fn centres_and_divergence_into(
    model: &dyn DifferentiableScore,
    component_std: f64,
    level: NoiseLevel,
    points: &DMatrix<f64>,
    centres: &mut DMatrix<f64>,
    divergence: &mut [f64],
) -> Result<()> {
    let scaled = points * level.signal();
    model.score_and_divergence_into(level, scaled.as_view(), centres.as_view_mut(), divergence)?;
    let factor = level.bandwidth(component_std).powi(2) * level.signal();
    centres.zip_apply(points, |value, u| *value = u + factor * *value);
    for value in divergence {
        *value = points.ncols() as f64 + factor * level.signal() * *value;
    }
    Ok(())
}
