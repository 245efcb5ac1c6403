use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use rand::Rng;

use super::gaussian_law::{GaussianLaw, draw_gaussian_into, gaussian_log_density_into};
use super::start::{noise_into, probe};
use crate::error::{Error, Result};
use crate::process::NoiseLevel;
use crate::shapes::check_columns;

/// The score ∇ log p of the noised law Y = aX + sZ, at any noise level the model knows.
///
/// Points are rows (`n × d`), in the units of Y: data scaled by a, plus noise. Two methods are
/// required; the denoiser follows from the score by Tweedie's formula.
///
/// # Examples
/// The score of N(0, I) in two dimensions, at every level N(0, (a² + s²) I):
/// ```
/// use gmix_diffusion::nalgebra::{DMatrixView, DMatrixViewMut, DMatrix};
/// use gmix_diffusion::{NoiseLevel, Result, ScoreModel};
///
/// struct Standard;
///
/// impl ScoreModel for Standard {
///     fn dim(&self) -> usize {
///         2
///     }
///     fn score_into(
///         &self,
///         level: NoiseLevel,
///         points: DMatrixView<'_, f64>,
///         mut score: DMatrixViewMut<'_, f64>,
///     ) -> Result<()> {
///         let variance = level.signal().powi(2) + level.noise().powi(2);
///         score.zip_apply(&points, |s, y| *s = -y / variance);
///         Ok(())
///     }
/// }
///
/// let points = DMatrix::from_row_slice(1, 2, &[2.0, -4.0]);
/// let level = NoiseLevel::variance_exploding(1.0)?;
/// assert_eq!(Standard.score(level, &points)?, DMatrix::from_row_slice(1, 2, &[-1.0, 2.0]));
/// assert_eq!(Standard.denoise(level, &points)?, DMatrix::from_row_slice(1, 2, &[1.0, -2.0]));
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub trait ScoreModel: Send + Sync {
    /// The dimension d of the data.
    fn dim(&self) -> usize;

    /// Writes ∇ log p at the rows of `points` (n × d) into the rows of `score` (n × d).
    ///
    /// Each row depends on no other. Callers in this crate pass the right shapes.
    ///
    /// # Errors
    /// [`Error::LevelOutOfRange`] at a level the model does not know; the models of this crate also say
    /// [`Error::ShapeMismatch`].
    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()>;

    /// ∇ log p at the rows of `points`: n × d.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when `points` does not have d columns, and those of `score_into`.
    fn score(&self, level: NoiseLevel, points: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        check_columns(self.dim(), points)?;
        let mut score = DMatrix::zeros(points.nrows(), points.ncols());
        self.score_into(level, points.as_view(), score.as_view_mut())?;
        Ok(score)
    }

    /// Writes the denoiser E\[X | Y = y\] = (y + s² ∇ log p(y))/a (Tweedie's formula) at the rows of
    /// `points` into `denoised`, both n × d.
    ///
    /// # Errors
    /// Those of `score_into`.
    fn denoise_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut denoised: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.score_into(level, points, denoised.as_view_mut())?;
        let variance = level.noise().powi(2);
        denoised.zip_apply(&points, |value, y| *value = (y + variance * *value) / level.signal());
        Ok(())
    }

    /// The denoiser E\[X | Y = y\] at the rows of `points`: n × d.
    ///
    /// # Errors
    /// As [`ScoreModel::score`].
    fn denoise(&self, level: NoiseLevel, points: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        check_columns(self.dim(), points)?;
        let mut denoised = DMatrix::zeros(points.nrows(), points.ncols());
        self.denoise_into(level, points.as_view(), denoised.as_view_mut())?;
        Ok(denoised)
    }

    /// σ₀, the standard deviation of the isotropic Gaussian blur that is known to be part of X; 0,
    /// the default, claims nothing. Samplers use it to end with exactly the right variance.
    fn component_std(&self) -> f64 {
        0.0
    }

    /// The Gaussian that stands for Y at `level`: its mean and covariance, where these are known.
    ///
    /// The default probes the score: mean shift y ← y + s² ∇ log p(y) to the mode, then central
    /// differences for the precision. It is accurate where Y is close to Gaussian, as at the
    /// noisiest level of a good schedule; a model that knows better overrides it.
    ///
    /// # Errors
    /// Those of `score_into`; [`Error::NotPositiveDefinite`] when the score is not that of a law
    /// which is nearly Gaussian at this level.
    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        probe(self.dim(), level.noise(), |points| self.score(level, points))
    }

    /// Fills the rows of `rows` (n × d) with independent draws of Y at `level`, from the one stream `rng`: where
    /// a reverse diffusion starts.
    ///
    /// What starts wrong ends wrong: a small cluster far away is lost where a Gaussian stands for a law that is
    /// not Gaussian yet. The default draws X by [`exact_sample_into`](Self::exact_sample_into) and adds the noise;
    /// of a model without such draws it takes the Gaussian of [`start`](Self::start). A model that knows its law
    /// at the noisiest level, but not that of X, overrides it.
    ///
    /// # Errors
    /// Those of the two.
    fn start_sample_into(
        &self,
        level: NoiseLevel,
        rng: &mut dyn Rng,
        mut rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        match self.exact_sample_into(rng, rows.as_view_mut()) {
            Ok(()) => noise_into(level, rng, rows),
            Err(Error::NoExactDraws) => draw_gaussian_into(self.start(level)?, rng, rows),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Fills the rows of `rows` (n × d) with independent draws of X, from the one stream `rng`, where
    /// the model is a law that can be drawn from directly. [`ExactSampler`](crate::ExactSampler) is how
    /// to ask for them.
    ///
    /// # Errors
    /// [`Error::NoExactDraws`], always by default: a score alone has none.
    fn exact_sample_into(&self, rng: &mut dyn Rng, rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        let _ = (rng, rows);
        Err(Error::NoExactDraws)
    }
}

/// A score model whose divergence ∇·∇ log p is known: what a log-density by the probability flow needs.
///
/// Where only the score is known, wrap it in `NumericalDivergence`.
#[diagnostic::on_unimplemented(
    note = "implement `DifferentiableScore`, or wrap the score model in `NumericalDivergence`"
)]
pub trait DifferentiableScore: ScoreModel {
    /// Writes ∇ log p at the rows of `points` (n × d) into `score` (n × d), and its divergence,
    /// the trace of the Hessian of log p, into `divergence` (length n).
    ///
    /// # Errors
    /// As [`ScoreModel::score_into`].
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()>;

    /// Writes the logarithm of the density of Y at `level`, at the rows of `points` (n × d, in the units of Y),
    /// into `log_density` (length n): where the density by a probability flow starts, as draws do at
    /// [`start_sample_into`](ScoreModel::start_sample_into).
    ///
    /// The default takes the Gaussian of [`start`](ScoreModel::start); a law in closed form overrides it.
    ///
    /// # Errors
    /// Those of `start`; [`Error::NotPositiveDefinite`] when that Gaussian has no density.
    fn start_log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        gaussian_log_density_into(&self.start(level)?, points, log_density)
    }
}

/// A score model whose log-density is known in closed form at every level.
pub trait LogDensity: DifferentiableScore {
    /// Writes log p of Y = aX + sZ at the rows of `points` (n × d) into `log_density` (length n),
    /// natural logarithm, with respect to Lebesgue measure in the units of Y.
    ///
    /// # Errors
    /// As [`ScoreModel::score_into`].
    fn log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()>;

    /// log p of Y = aX + sZ at the rows of `points`: length n.
    ///
    /// # Errors
    /// As [`ScoreModel::score`].
    fn log_density(&self, level: NoiseLevel, points: &DMatrix<f64>) -> Result<DVector<f64>> {
        check_columns(self.dim(), points)?;
        let mut log_density = DVector::zeros(points.nrows());
        self.log_density_into(level, points.as_view(), log_density.as_mut_slice())?;
        Ok(log_density)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixture::GaussianMixture;

    /// A score alone.
    struct Alone(GaussianMixture);

    impl ScoreModel for Alone {
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
    }

    #[test]
    fn a_gaussian_s_mean_and_covariance_are_found_from_its_score_at_every_noise() {
        let covariance = DMatrix::from_row_slice(2, 2, &[0.5, 0.2, 0.2, 0.3]);
        let mean = DMatrix::from_row_slice(1, 2, &[7.0, -2.0]);
        let law = GaussianMixture::new(DVector::from_element(1, 1.0), mean, vec![covariance]).unwrap();
        for level in [(1.0, 3.0), (0.3, 1.0), (0.5, 20.0)] {
            let level = NoiseLevel::new(level.0, level.1).unwrap();
            let exact = law.start(level).unwrap();
            let found = Alone(law.clone()).start(level).unwrap();
            let variance = exact.covariance.amax();
            assert!((found.mean - exact.mean).amax() < 1e-9);
            assert!((found.covariance - exact.covariance).amax() < 1e-6 * variance);
        }
    }
}
