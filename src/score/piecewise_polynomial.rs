use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};

use super::gaussian_mixture::GaussianMixture;
use super::level_score::LevelScore;
use super::model::{DifferentiableScore, GaussianLaw, ScoreModel};
use crate::error::{Error, Result};
use crate::partition::CentreMixture;
use crate::process::{NoiseLevel, NoiseLevels};

/// Rows evaluated together, so that a block's features stay in the cache.
const BLOCK: usize = 128;
/// Levels this close to the fitted range, relatively, belong to it.
const RANGE_SLACK: f64 = 1e-9;

/// The directions in which a law differs from a Gaussian of standard deviation σ₀ around its mean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ActiveSubspace {
    /// Length d.
    pub(crate) mean: DVector<f64>,
    /// Orthonormal columns, d × m.
    pub(crate) axes: DMatrix<f64>,
}

impl ActiveSubspace {
    /// Coordinates of the rows of `points` (n × d) in the subspace: n × m.
    pub(crate) fn project(&self, points: &DMatrix<f64>) -> DMatrix<f64> {
        let mut centred = points.clone();
        for (mut column, mean) in centred.column_iter_mut().zip(self.mean.iter()) {
            column.add_scalar_mut(-mean);
        }
        centred * &self.axes
    }

    /// Points of the subspace (n × m) among all coordinates: n × d.
    pub(crate) fn embed(&self, active: &DMatrix<f64>) -> DMatrix<f64> {
        let mut points = active * self.axes.transpose();
        for (mut column, mean) in points.column_iter_mut().zip(self.mean.iter()) {
            column.add_scalar_mut(*mean);
        }
        points
    }

    /// The law of X = U + σ₀Z for centres U in the subspace.
    pub(crate) fn blurred(&self, centres: &CentreMixture, component_std: f64) -> Result<GaussianMixture> {
        let means = self.embed(&centres.centres);
        if centres.covariances.iter().all(|c| c.iter().all(|&v| v == 0.0)) {
            return GaussianMixture::spherical(centres.masses.clone(), means, component_std);
        }
        let covariances = centres.covariances.iter().map(|covariance| {
            let mut full = &self.axes * covariance * self.axes.transpose();
            for i in 0..full.nrows() {
                full[(i, i)] += component_std * component_std;
            }
            (&full + full.transpose()) * 0.5
        });
        GaussianMixture::new(centres.masses.clone(), means, covariances.collect())
    }
}

/// The learned score: at each fitted level a piecewise polynomial centre denoiser in the active
/// subspace, and N(mean, σ₀² I) in the other directions.
///
/// Between fitted levels the centre denoiser is interpolated linearly in log τ, so that a sampler
/// may choose its own time grid. Coordinates are working units; [`DiffusionModel`] converts.
///
/// [`DiffusionModel`]: crate::DiffusionModel
#[derive(Debug, Clone)]
pub struct PiecewisePolynomialScore {
    subspace: ActiveSubspace,
    /// Covariance of the data, d × d.
    covariance: DMatrix<f64>,
    component_std: f64,
    levels: NoiseLevels,
    scores: Vec<LevelScore>,
}

impl PiecewisePolynomialScore {
    /// One score a level, in the order of `levels`.
    pub(crate) fn new(
        subspace: ActiveSubspace,
        covariance: DMatrix<f64>,
        component_std: f64,
        levels: NoiseLevels,
        scores: Vec<LevelScore>,
    ) -> Self {
        Self { subspace, covariance, component_std, levels, scores }
    }

    /// The fitted levels.
    pub fn levels(&self) -> &NoiseLevels {
        &self.levels
    }

    pub(crate) fn subspace(&self) -> &ActiveSubspace {
        &self.subspace
    }

    pub(crate) fn quietest(&self) -> &LevelScore {
        &self.scores[self.scores.len() - 1]
    }

    /// The fitted levels around `level`, and the weight of the second, quieter one.
    fn bracket(&self, level: NoiseLevel) -> Result<(usize, usize, f64)> {
        let ratio = level.noise_to_signal();
        let (noisiest, quietest) = (self.levels.noisiest(), self.levels.quietest());
        let slack = RANGE_SLACK * noisiest.noise_to_signal();
        if ratio > noisiest.noise_to_signal() + slack || ratio < quietest.noise_to_signal() - slack {
            return Err(Error::LevelOutOfRange { level, quietest, noisiest });
        }
        let last = self.levels.len() - 1;
        let below = self.levels.partition_point(|l| l.noise_to_signal() > ratio).min(last);
        let above = below.saturating_sub(1);
        if above == below {
            return Ok((above, below, 0.0));
        }
        let log = |l: NoiseLevel| l.bandwidth(self.component_std).ln();
        let (high, low) = (log(self.levels[above]), log(self.levels[below]));
        Ok((above, below, ((high - log(level)) / (high - low)).clamp(0.0, 1.0)))
    }

    /// Û in the active subspace at the rows of `active` (n × m), and its divergence if wanted.
    fn centre(
        &self,
        level: NoiseLevel,
        active: &DMatrix<f64>,
        divergence: bool,
    ) -> Result<(DMatrix<f64>, Option<DVector<f64>>)> {
        let (above, below, weight) = self.bracket(level)?;
        let mut parts = [(above, 1.0 - weight), (below, weight)].into_iter().filter(|part| part.1 > 0.0);
        let evaluate = |index: usize| -> Result<(DMatrix<f64>, Option<DVector<f64>>)> {
            if divergence {
                let at = self.scores[index].centre_and_divergence(active)?;
                Ok((at.centre, Some(at.divergence)))
            } else {
                Ok((self.scores[index].centre(active)?, None))
            }
        };
        let Some((first, share)) = parts.next() else { return evaluate(below) };
        let (mut centre, mut total) = evaluate(first)?;
        if let Some((second, other)) = parts.next() {
            let (more, more_divergence) = evaluate(second)?;
            centre.zip_apply(&more, |c, m| *c = share * *c + other * m);
            if let (Some(total), Some(more)) = (&mut total, more_divergence) {
                total.zip_apply(&more, |t, m| *t = share * *t + other * m);
            }
        }
        Ok((centre, total))
    }

    /// One block of points: score ∇ log p = (Û − y/a)/(aτ²), and its divergence.
    fn block(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
        divergence: Option<&mut [f64]>,
    ) -> Result<()> {
        let signal = level.signal();
        let variance = level.bandwidth(self.component_std).powi(2);
        let scaled = points / signal;
        let active = self.subspace.project(&scaled);
        let (centre, centre_divergence) = self.centre(level, &active, divergence.is_some())?;
        let denoised = self.subspace.embed(&centre);
        let factor = 1.0 / (signal * variance);
        score.zip_zip_apply(&denoised, &scaled, |s, u, y| *s = factor * (u - y));
        if let (Some(out), Some(centre_divergence)) = (divergence, centre_divergence) {
            for (out, d) in out.iter_mut().zip(centre_divergence.iter()) {
                *out = factor / signal * (d - self.dim() as f64);
            }
        }
        Ok(())
    }
}

impl ScoreModel for PiecewisePolynomialScore {
    fn dim(&self) -> usize {
        self.subspace.mean.len()
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        for start in (0..points.nrows()).step_by(BLOCK) {
            let size = BLOCK.min(points.nrows() - start);
            self.block(level, points.rows(start, size), score.rows_mut(start, size), None)?;
        }
        Ok(())
    }

    fn component_std(&self) -> f64 {
        self.component_std
    }

    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        let (signal, noise) = (level.signal(), level.noise());
        let mut covariance = &self.covariance * (signal * signal);
        for i in 0..self.dim() {
            covariance[(i, i)] += noise * noise;
        }
        Ok(GaussianLaw { mean: &self.subspace.mean * signal, covariance })
    }
}

impl DifferentiableScore for PiecewisePolynomialScore {
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        for start in (0..points.nrows()).step_by(BLOCK) {
            let size = BLOCK.min(points.nrows() - start);
            let out = &mut divergence[start..start + size];
            self.block(level, points.rows(start, size), score.rows_mut(start, size), Some(out))?;
        }
        Ok(())
    }
}
