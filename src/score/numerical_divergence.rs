use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};
use rand::Rng;

use super::gaussian_law::GaussianLaw;
use super::model::{DifferentiableScore, ScoreModel};
use crate::error::Result;
use crate::process::NoiseLevel;
use crate::shapes::{check_room_for_rows, check_room_for_values};

/// Step relative to the scale on which the score varies: the cube root of machine precision, where
/// truncation and rounding of a central difference balance.
const RELATIVE_STEP: f64 = 6e-6;

/// Smallest step relative to the coordinate, so that the two points differ.
const LEAST_STEP: f64 = 1e-10;

/// Any score model with a divergence by central differences, at 2d + 1 evaluations of the score.
///
/// The step is 6e-6 · √(a²σ₀² + s²), the scale on which the score of a noised law varies, or
/// 6e-6 · max(1, |y|) where that scale is 0. For a smooth score computed in double precision the
/// divergence is then accurate to about 1e-10 · (1 + |y|/scale), relative to d/scale²; for a score
/// in single precision, as networks give, expect no more than two digits. A score that jumps has no
/// divergence at its jumps, and none is found.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};
/// use gmix_diffusion::{DifferentiableScore, NoiseLevel, NumericalDivergence, Result, ScoreModel};
///
/// struct Standard;
///
/// impl ScoreModel for Standard {
///     fn dim(&self) -> usize {
///         3
///     }
///     fn score_into(&self, level: NoiseLevel, points: DMatrixView<f64>, mut score: DMatrixViewMut<f64>) -> Result<()> {
///         let variance = level.signal().powi(2) + level.noise().powi(2);
///         score.zip_apply(&points, |s, y| *s = -y / variance);
///         Ok(())
///     }
/// }
///
/// let points = DMatrix::from_element(1, 3, 0.7);
/// let (mut score, mut divergence) = (DMatrix::zeros(1, 3), [0.0]);
/// let level = NoiseLevel::variance_exploding(1.0)?;
/// NumericalDivergence(Standard).score_and_divergence_into(
///     level,
///     points.as_view(),
///     score.as_view_mut(),
///     &mut divergence,
/// )?;
/// assert!((divergence[0] + 1.5).abs() < 1e-8);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumericalDivergence<M>(pub M);

impl<M: ScoreModel> ScoreModel for NumericalDivergence<M> {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.0.score_into(level, points, score)
    }

    fn denoise_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        denoised: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.0.denoise_into(level, points, denoised)
    }

    fn component_std(&self) -> f64 {
        self.0.component_std()
    }

    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        self.0.start(level)
    }

    fn start_sample_into(
        &self,
        level: NoiseLevel,
        rng: &mut dyn Rng,
        rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.0.start_sample_into(level, rng, rows)
    }

    fn exact_sample_into(&self, rng: &mut dyn Rng, rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        self.0.exact_sample_into(rng, rows)
    }
}

impl<M: ScoreModel> DifferentiableScore for NumericalDivergence<M> {
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        check_room_for_rows(self.dim(), &points, &score)?;
        check_room_for_values(self.dim(), &points, divergence)?;
        self.0.score_into(level, points, score)?;
        divergence.fill(0.0);
        let scale = level.signal() * level.bandwidth(self.0.component_std());
        let step = |y: f64| {
            let scale = if scale > 0.0 { scale } else { y.abs().max(1.0) };
            (RELATIVE_STEP * scale).max(LEAST_STEP * y.abs())
        };
        let mut moved = points.into_owned();
        let mut above = DMatrix::zeros(points.nrows(), points.ncols());
        let mut below = above.clone();
        for axis in 0..points.ncols() {
            let original = points.column(axis);
            moved.column_mut(axis).zip_apply(&original, |value, y| *value = y + step(y));
            self.0.score_into(level, moved.as_view(), above.as_view_mut())?;
            moved.column_mut(axis).zip_apply(&original, |value, y| *value = y - step(y));
            self.0.score_into(level, moved.as_view(), below.as_view_mut())?;
            moved.set_column(axis, &original);
            for (row, sum) in divergence.iter_mut().enumerate() {
                let y = original[row];
                // The distance that the rounded points really are apart.
                let distance = (y + step(y)) - (y - step(y));
                *sum += (above[(row, axis)] - below[(row, axis)]) / distance;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use nalgebra::{DMatrix, DVector};

    use super::super::model::DifferentiableScore;
    use super::NumericalDivergence;
    use crate::mixture::GaussianMixture;
    use crate::process::NoiseLevel;

    #[test]
    fn it_agrees_with_the_closed_form_of_a_mixture() {
        let means = DMatrix::from_row_slice(2, 2, &[-100.0, 0.0, 100.0, 3.0]);
        let mixture = GaussianMixture::spherical(DVector::from_element(2, 1.0), means, 0.01).unwrap();
        let points = DMatrix::from_row_slice(4, 2, &[-100.0, 0.01, 0.0, 1.5, 100.02, 2.97, 1e4, -1e4]);
        for level in [NoiseLevel::CLEAN, NoiseLevel::new(0.1, 40.0).unwrap()] {
            let divergence = |model: &dyn DifferentiableScore| {
                let (mut score, mut divergence) = (DMatrix::zeros(4, 2), vec![0.0; 4]);
                model
                    .score_and_divergence_into(level, points.as_view(), score.as_view_mut(), &mut divergence)
                    .unwrap();
                DVector::from_vec(divergence)
            };
            let expected = divergence(&mixture);
            let scale = 2.0 / (level.signal() * level.bandwidth(0.01)).powi(2);
            // The point between the components sits on a ridge of curvature 1e4 times the rest.
            let found = divergence(&NumericalDivergence(&mixture));
            for row in [0, 2, 3] {
                assert_relative_eq!(found[row], expected[row], epsilon = 1e-6 * scale);
            }
        }
    }
}
