use nalgebra::DMatrix;

use super::comparison::{asked, noised, require_close};
use crate::error::Result;
use crate::process::{NoiseLevel, NoiseLevels};
use crate::score::{DifferentiableScore, LogDensity, NumericalDivergence};
use crate::shapes::check_columns;

/// Relative difference between a divergence and its central differences.
const DIVERGENCE: f64 = 1e-4;

/// Relative difference between a score and the central differences of a log-density.
const GRADIENT: f64 = 1e-5;

/// Step of the differences of a log-density, relative to the scale √(a²σ₀² + s²).
const RELATIVE_STEP: f64 = 1e-4;

/// Checks that a model's divergence is that of its score, at `points` (n × d, rows of X or typical
/// of it), noised here to each of `levels` at which the bandwidth √(σ₀² + s²/a²) is positive.
///
/// 1. The score that comes with the divergence is the one of `score_into`, to 1e-4.
/// 2. The divergence agrees with [`NumericalDivergence`] to 1e-4 of its size plus d/(a²σ₀² + s²).
///
/// A score in single precision is too coarse for the second; a score that jumps fails it where a
/// point is next to a jump.
///
/// # Errors
/// [`Error::CheckFailed`](crate::Error::CheckFailed) with the row,
/// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch), and those of the model.
///
/// # Examples
/// ```
/// use gmix_diffusion::check::check_divergence;
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::{GaussianMixture, NoiseLevels};
///
/// let points = DMatrix::from_row_slice(3, 1, &[-1.0, 0.5, 2.0]);
/// let levels = NoiseLevels::variance_exploding([10.0, 1.0, 0.0])?;
/// check_divergence(&GaussianMixture::kernel(&points, 0.3)?, &levels, &points)?;
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn check_divergence(
    model: &dyn DifferentiableScore,
    levels: &NoiseLevels,
    points: &DMatrix<f64>,
) -> Result<()> {
    check_columns(model.dim(), points)?;
    for level in asked(levels, model.component_std()) {
        let points = noised(level, points);
        let (score, divergence) = score_and_divergence(model, level, &points)?;
        let (plain, numerical) = score_and_divergence(&NumericalDivergence(model), level, &points)?;
        let scale = (level.signal() * level.bandwidth(model.component_std())).recip();
        for row in 0..points.nrows() {
            for (found, expected) in score.row(row).iter().zip(plain.row(row).iter()) {
                let tolerance = DIVERGENCE * (scale + expected.abs());
                require_close(
                    "the score with the divergence is the score",
                    row,
                    *expected,
                    *found,
                    tolerance,
                )?;
            }
            let expected = numerical[row];
            let tolerance = DIVERGENCE * (model.dim() as f64 * scale * scale + expected.abs());
            require_close("the divergence is the score's", row, expected, divergence[row], tolerance)?;
        }
    }
    Ok(())
}

fn score_and_divergence(
    model: &dyn DifferentiableScore,
    level: NoiseLevel,
    points: &DMatrix<f64>,
) -> Result<(DMatrix<f64>, Vec<f64>)> {
    let mut score = DMatrix::zeros(points.nrows(), points.ncols());
    let mut divergence = vec![0.0; points.nrows()];
    model.score_and_divergence_into(level, points.as_view(), score.as_view_mut(), &mut divergence)?;
    Ok((score, divergence))
}

/// Checks that a model's score is the gradient of its log-density, at `points` (n × d, rows of X or
/// typical of it), noised here to each of `levels` at which the bandwidth √(σ₀² + s²/a²) is positive.
///
/// The gradient is taken by central differences of step 1e-4 √(a²σ₀² + s²) and has to agree to 1e-5
/// of the score's length plus 1/√(a²σ₀² + s²). That the density integrates to one is not checked.
///
/// # Errors
/// As [`check_divergence`].
///
/// # Examples
/// ```
/// use gmix_diffusion::check::check_log_density;
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::{GaussianMixture, NoiseLevels};
///
/// let points = DMatrix::from_row_slice(3, 1, &[-1.0, 0.5, 2.0]);
/// let levels = NoiseLevels::variance_exploding([10.0, 1.0, 0.0])?;
/// check_log_density(&GaussianMixture::kernel(&points, 0.3)?, &levels, &points)?;
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn check_log_density(model: &dyn LogDensity, levels: &NoiseLevels, points: &DMatrix<f64>) -> Result<()> {
    check_columns(model.dim(), points)?;
    for level in asked(levels, model.component_std()) {
        let points = noised(level, points);
        let score = model.score(level, &points)?;
        let scale = level.signal() * level.bandwidth(model.component_std());
        let step = RELATIVE_STEP * scale;
        for axis in 0..points.ncols() {
            let mut above = points.clone();
            above.column_mut(axis).add_scalar_mut(step);
            let mut below = points.clone();
            below.column_mut(axis).add_scalar_mut(-step);
            let rise = model.log_density(level, &above)? - model.log_density(level, &below)?;
            for row in 0..points.nrows() {
                let slope = rise[row] / (above[(row, axis)] - below[(row, axis)]);
                let tolerance = GRADIENT * (scale.recip() + score.row(row).norm());
                let property = "the score is the gradient of the log-density";
                require_close(property, row, slope, score[(row, axis)], tolerance)?;
            }
        }
    }
    Ok(())
}
