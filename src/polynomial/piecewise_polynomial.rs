use std::borrow::Cow;

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use rand::Rng;

use super::level_score::LevelScore;
use crate::error::{Error, Result};
use crate::mixture::MixtureLaw;
use crate::process::{NoiseLevel, NoiseLevels};
use crate::score::{
    DifferentiableScore, GaussianLaw, LogDensity, ScoreModel, draw_gaussian_into, gaussian_log_density_into,
};
use crate::shapes::{check_room_for_rows, check_room_for_values};

/// Rows evaluated together, so that a block's features stay in the cache.
const BLOCK: usize = 128;
/// Levels this close to the fitted range, relatively, belong to it.
const RANGE_SLACK: f64 = 1e-9;

/// The directions in which a law differs from a Gaussian of standard deviation σ₀ around its mean.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(remote = "Self", deny_unknown_fields)
)]
pub(crate) struct ActiveSubspace {
    /// Length d.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::plain"))]
    pub(crate) mean: DVector<f64>,
    /// Orthonormal columns, d × m.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::plain"))]
    pub(crate) axes: DMatrix<f64>,
}

#[cfg(feature = "serde")]
crate::format::checked!(ActiveSubspace, ActiveSubspace);

#[cfg(feature = "serde")]
impl crate::format::Check for ActiveSubspace {
    fn check_saved(&self) -> Result<()> {
        use crate::format::{LENGTH, matrix_within, orthonormal, require, within};

        let (dim, active_dim) = (self.mean.len(), self.axes.ncols());
        require!(
            (1..=dim).contains(&active_dim),
            "{active_dim} active directions are not between 1 and {dim}"
        )?;
        within("mean of the rows", self.mean.as_slice(), LENGTH)?;
        matrix_within("active directions", &self.axes, (dim, active_dim), LENGTH)?;
        orthonormal("active directions", &self.axes)
    }
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
}

/// The learned score: a mixture in closed form at every level, or at each fitted level a piecewise polynomial centre
/// denoiser in the active subspace, and N(mean, σ₀² I) in the other directions.
///
/// Between fitted levels the cells' own denoisers are those of the level asked for, and what the
/// polynomials add to them, in coordinates of that level, is interpolated linearly in log τ: a sampler
/// may choose its own time grid. Coordinates are working units; [`DiffusionModel`] converts.
///
/// [`DiffusionModel`]: crate::DiffusionModel
#[derive(Debug, Clone)]
pub struct PiecewisePolynomialScore {
    subspace: ActiveSubspace,
    /// Covariance of X where there is no base, d × d.
    pub(crate) covariance: DMatrix<f64>,
    component_std: f64,
    levels: NoiseLevels,
    /// The score of every level in closed form; `None` where each level has its own cells.
    base: Option<MixtureLaw>,
    /// Centre denoisers of the levels. None with a base, but in a saved model of version 1: what they add to it.
    pub(crate) scores: Vec<Option<LevelScore>>,
}

impl PiecewisePolynomialScore {
    /// One score a level, in the order of `levels`.
    pub(crate) fn new(
        subspace: ActiveSubspace,
        covariance: DMatrix<f64>,
        component_std: f64,
        levels: NoiseLevels,
        base: Option<MixtureLaw>,
        scores: Vec<Option<LevelScore>>,
    ) -> Self {
        Self { subspace, covariance, component_std, levels, base, scores }
    }

    /// The fitted levels, in working units.
    pub fn levels(&self) -> &NoiseLevels {
        &self.levels
    }

    pub(crate) fn subspace(&self) -> &ActiveSubspace {
        &self.subspace
    }

    /// The mixture that is the law, in working coordinates, if there is one.
    pub(crate) fn base(&self) -> Option<&MixtureLaw> {
        self.base.as_ref()
    }

    /// Whether there are polynomials: without a base, or beside the one of a saved model of version 1.
    pub(crate) fn is_corrected(&self) -> bool {
        self.base.is_none() || self.scores.iter().any(Option::is_some)
    }

    /// The fitted levels around `level`, and the weight of the second, quieter one.
    fn bracket(&self, level: NoiseLevel) -> Result<(usize, usize, f64)> {
        let ratio = level.noise_to_signal();
        let [noisiest, quietest] =
            [self.levels.noisiest(), self.levels.quietest()].map(NoiseLevel::noise_to_signal);
        let slack = RANGE_SLACK * noisiest;
        if ratio > noisiest + slack || ratio < quietest - slack {
            return Err(Error::LevelOutOfRange { found: ratio, quietest, noisiest });
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

    /// The Gaussian that stands for Y without a base: at the noisiest level, and at no other.
    ///
    /// # Errors
    /// [`Error::LevelOutOfRange`] at another.
    fn gaussian_start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        let (found, noisiest) = (level.noise_to_signal(), self.levels.noisiest().noise_to_signal());
        if (found - noisiest).abs() > RANGE_SLACK * noisiest {
            return Err(Error::LevelOutOfRange { found, quietest: noisiest, noisiest });
        }
        self.start(level)
    }

    /// The polynomials that speak at `level`, with their shares.
    fn polynomials(&self, level: NoiseLevel) -> Result<Vec<(f64, Cow<'_, LevelScore>)>> {
        let (above, below, weight) = self.bracket(level)?;
        let bandwidth = level.bandwidth(self.component_std);
        let shares = [(above, 1.0 - weight), (below, weight)];
        let spoken = shares.into_iter().filter(|&(_, share)| share > 0.0).filter_map(|(index, share)| {
            let score = self.scores[index].as_ref()?;
            // A fitted level asked for itself is that level, whatever rounding makes of its bandwidth.
            let score =
                if share == 1.0 { Cow::Borrowed(score) } else { Cow::Owned(score.at_bandwidth(bandwidth)) };
            Some((share, score))
        });
        Ok(spoken.collect())
    }

    /// Score ∇ log p = (Û − y/a)/(aτ²) and its divergence: those of the base, or of N(mean, τ² I) where there
    /// is none, and what the polynomials add.
    fn evaluate(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
        mut divergence: Option<&mut [f64]>,
    ) -> Result<()> {
        check_room_for_rows(self.dim(), &points, &score)?;
        if let Some(values) = &divergence {
            check_room_for_values(self.dim(), &points, values)?;
        }
        let polynomials = self.polynomials(level)?;
        match (&self.base, divergence.as_deref_mut()) {
            (Some(base), Some(out)) => {
                base.score_and_divergence_into(level, points, score.as_view_mut(), out)?
            }
            (Some(base), None) => base.score_into(level, points, score.as_view_mut())?,
            (None, out) => self.without_polynomials(level, points, score.as_view_mut(), out),
        }
        if polynomials.is_empty() {
            return Ok(());
        }
        for start in (0..points.nrows()).step_by(BLOCK) {
            let size = BLOCK.min(points.nrows() - start);
            let out = divergence.as_deref_mut().map(|out| &mut out[start..start + size]);
            let (rows, score) = (points.rows(start, size), score.rows_mut(start, size));
            self.add_polynomials(level, &polynomials, rows, score, out)?;
        }
        Ok(())
    }

    /// Û = mean, with divergence −d/(aτ)².
    fn without_polynomials(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
        divergence: Option<&mut [f64]>,
    ) {
        let signal = level.signal();
        let factor = 1.0 / (signal * level.bandwidth(self.component_std).powi(2));
        for (j, mut column) in score.column_iter_mut().enumerate() {
            let mean = self.subspace.mean[j];
            column.zip_apply(&points.column(j), |s, y| *s = factor * (mean - y / signal));
        }
        if let Some(out) = divergence {
            out.fill(-factor / signal * self.dim() as f64);
        }
    }

    fn add_polynomials(
        &self,
        level: NoiseLevel,
        polynomials: &[(f64, Cow<'_, LevelScore>)],
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
        mut divergence: Option<&mut [f64]>,
    ) -> Result<()> {
        let signal = level.signal();
        let factor = 1.0 / (signal * level.bandwidth(self.component_std).powi(2));
        let active = self.subspace.project(&(points / signal));
        let mut centre = DMatrix::zeros(active.nrows(), active.ncols());
        for (share, polynomial) in polynomials {
            match divergence.as_deref_mut() {
                Some(out) => {
                    let part = polynomial.centre_and_divergence(&active)?;
                    centre += part.centre * *share;
                    for (out, d) in out.iter_mut().zip(part.divergence.iter()) {
                        *out += factor / signal * share * d;
                    }
                }
                None => centre += polynomial.centre(&active)? * *share,
            }
        }
        score += centre * self.subspace.axes.transpose() * factor;
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
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.evaluate(level, points, score, None)
    }

    fn component_std(&self) -> f64 {
        self.component_std
    }

    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        if let Some(base) = &self.base {
            return base.start(level);
        }
        let (signal, noise) = (level.signal(), level.noise());
        let mut covariance = &self.covariance * (signal * signal);
        for i in 0..self.dim() {
            covariance[(i, i)] += noise * noise;
        }
        Ok(GaussianLaw { mean: &self.subspace.mean * signal, covariance })
    }

    /// Draws of the base, where there is one.
    fn start_sample_into(
        &self,
        level: NoiseLevel,
        rng: &mut dyn Rng,
        rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        match &self.base {
            Some(base) => base.start_sample_into(level, rng, rows),
            None => {
                draw_gaussian_into(self.gaussian_start(level)?, rng, rows);
                Ok(())
            }
        }
    }

    /// Of the base, which is a law in closed form.
    fn exact_sample_into(&self, rng: &mut dyn Rng, rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        match &self.base {
            Some(base) if !self.is_corrected() => base.exact_sample_into(rng, rows),
            _ => Err(Error::NoExactDraws),
        }
    }
}

impl DifferentiableScore for PiecewisePolynomialScore {
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        self.evaluate(level, points, score, Some(divergence))
    }

    fn start_log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        match &self.base {
            Some(base) => base.log_density_into(level, points, log_density),
            None => gaussian_log_density_into(&self.gaussian_start(level)?, points, log_density),
        }
    }
}
