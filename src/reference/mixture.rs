use std::sync::Arc;

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use rand::{Rng, RngExt};
use rand_distr::Distribution;

use super::blurred::positive;
use super::law::Law;
use super::quadrature::normalise;
use crate::error::{Error, Result};
use crate::process::NoiseLevel;
use crate::score::{DifferentiableScore, GaussianLaw, LogDensity, ScoreModel, draw_rows_into};
use crate::shapes::{check_room, check_room_for_rows, check_room_for_values};

/// Rows evaluated together, so that the scores of all parts stay in cache.
const BLOCK: usize = 128;

/// A mixture Σ w_j P_j of laws of one dimension, of any kind.
///
/// # Examples
/// ```
/// use gmix_diffusion::ScoreModel;
/// use gmix_diffusion::nalgebra::DVector;
/// use gmix_diffusion::reference::{Ball, MixtureOfLaws, Sphere};
///
/// let target = MixtureOfLaws::new(vec![
///     (0.3, Box::new(Ball::new(DVector::zeros(2), 0.5, 0.1)?)),
///     (0.7, Box::new(Sphere::circle(3.0, 2, 0.2)?)),
/// ])?;
/// assert_eq!((target.dim(), target.component_std()), (2, 0.1));
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MixtureOfLaws {
    weights: Vec<f64>,
    parts: Vec<Arc<dyn Law>>,
}

impl MixtureOfLaws {
    /// The mixture of laws with positive weights, which are scaled to sum to 1.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for weights that are not finite and positive or that overflow when
    /// summed, [`Error::ShapeMismatch`] for laws of different dimension, [`Error::NoRows`] for no laws.
    pub fn new(parts: Vec<(f64, Box<dyn Law>)>) -> Result<Self> {
        let Some(dim) = parts.first().map(|(_, law)| law.dim()) else {
            return Err(Error::NoRows);
        };
        for (weight, law) in &parts {
            positive("weight of a law", *weight)?;
            if law.dim() != dim {
                let what = "dimension of a law";
                return Err(Error::ShapeMismatch { what, expected: dim, found: law.dim() });
            }
        }
        let total = positive("sum of the weights", parts.iter().map(|(weight, _)| weight).sum())?;
        let (weights, parts) =
            parts.into_iter().map(|(weight, law)| (weight / total, Arc::from(law))).unzip();
        Ok(Self { weights, parts })
    }

    /// Log-density and log-weight of every part at `points`, as posterior probabilities (k × n) and
    /// their log-normaliser, which is the log-density of the mixture.
    fn posterior(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<DMatrix<f64>> {
        let mut posterior = DMatrix::zeros(self.parts.len(), points.nrows());
        for (part, (law, weight)) in self.parts.iter().zip(&self.weights).enumerate() {
            law.log_density_into(level, points, log_density)?;
            for (mut column, value) in posterior.column_iter_mut().zip(log_density.iter()) {
                column[part] = value + weight.ln();
            }
        }
        for (column, log_sum) in posterior.as_mut_slice().chunks_mut(self.parts.len()).zip(log_density) {
            *log_sum = normalise(column);
        }
        Ok(posterior)
    }

    /// Score and divergence of one block of rows.
    fn evaluate_block(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        let posterior = self.posterior(level, points, divergence)?;
        divergence.fill(0.0);
        score.fill(0.0);
        let mut part_divergence = vec![0.0; points.nrows()];
        let mut part_scores = Vec::with_capacity(self.parts.len());
        for (part, law) in self.parts.iter().enumerate() {
            let mut part_score = DMatrix::zeros(points.nrows(), points.ncols());
            law.score_and_divergence_into(level, points, part_score.as_view_mut(), &mut part_divergence)?;
            for row in 0..points.nrows() {
                divergence[row] += posterior[(part, row)] * part_divergence[row];
            }
            for (mut sum, column) in score.column_iter_mut().zip(part_score.column_iter()) {
                for (row, value) in column.iter().enumerate() {
                    sum[row] += posterior[(part, row)] * value;
                }
            }
            part_scores.push(part_score);
        }
        // The spread of the parts' scores around their mean: no difference of large squares.
        for (part, part_score) in part_scores.iter().enumerate() {
            for (mean, column) in score.column_iter().zip(part_score.column_iter()) {
                for (row, value) in column.iter().enumerate() {
                    divergence[row] += posterior[(part, row)] * (value - mean[row]).powi(2);
                }
            }
        }
        Ok(())
    }
}

impl ScoreModel for MixtureOfLaws {
    fn dim(&self) -> usize {
        self.parts[0].dim()
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        let mut unused = vec![0.0; points.nrows()];
        self.score_and_divergence_into(level, points, score, &mut unused)
    }

    /// The smallest σ₀ of the parts.
    fn component_std(&self) -> f64 {
        self.parts.iter().map(|law| law.component_std()).fold(f64::INFINITY, f64::min)
    }

    /// The exact mean and covariance of Y, where those of the parts are exact.
    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        let parts: Result<Vec<GaussianLaw>> = self.parts.iter().map(|law| law.start(level)).collect();
        let parts = parts?;
        let dim = self.dim();
        let weighted = || self.weights.iter().zip(&parts);
        let mean = weighted().fold(DVector::zeros(dim), |sum, (weight, part)| sum + &part.mean * *weight);
        let covariance = weighted().fold(DMatrix::zeros(dim, dim), |sum, (weight, part)| {
            let offset = &part.mean - &mean;
            sum + (&part.covariance + &offset * offset.transpose()) * *weight
        });
        Ok(GaussianLaw { mean, covariance })
    }

    fn exact_sample_into(&self, rng: &mut dyn Rng, rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        check_room(self.dim(), &rows)?;
        draw_rows_into(self, rng, rows);
        Ok(())
    }
}

impl DifferentiableScore for MixtureOfLaws {
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        check_room_for_rows(self.dim(), &points, &score)?;
        check_room_for_values(self.dim(), &points, divergence)?;
        for (block, divergence) in divergence.chunks_mut(BLOCK).enumerate() {
            let (first, rows) = (block * BLOCK, divergence.len());
            self.evaluate_block(level, points.rows(first, rows), score.rows_mut(first, rows), divergence)?;
        }
        Ok(())
    }

    /// The law's own.
    fn start_log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        self.log_density_into(level, points, log_density)
    }
}

impl LogDensity for MixtureOfLaws {
    fn log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        check_room_for_values(self.dim(), &points, log_density)?;
        self.posterior(level, points, log_density)?;
        Ok(())
    }
}

impl Distribution<DVector<f64>> for MixtureOfLaws {
    fn sample<R: Rng + ?Sized>(&self, mut rng: &mut R) -> DVector<f64> {
        let mut left: f64 = rng.random();
        let mut part = 0;
        // Rounding may leave a remainder, which falls to the last part.
        while part + 1 < self.parts.len() && left >= self.weights[part] {
            left -= self.weights[part];
            part += 1;
        }
        self.parts[part].draw(1, &mut rng).row(0).transpose()
    }
}
