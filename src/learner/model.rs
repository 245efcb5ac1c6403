use std::sync::Arc;

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use rand::Rng;
use rand_distr::Distribution;
use rand_distr::multi::MultiDistribution;

use crate::cells::Partition;
use crate::coordinates::{InUnits, Units};
use crate::density::{check_points, log_density, log_density_with_control};
use crate::error::{Error, Result};
use crate::polynomial::PiecewisePolynomialScore;
use crate::process::{NoiseLevel, NoiseLevels};
use crate::questions::Mixture;
use crate::report::FitReport;
use crate::rows::Rows;
use crate::sampler::Sampler;
use crate::score::{DifferentiableScore, GaussianLaw, LogDensity, ScoreModel};

/// A learned law: draws rows, evaluates its log-density and its score.
///
/// Rows and points are in the data's units (`n × d`). As a [`ScoreModel`] it answers for data noised by
/// isotropic noise in the data's units, which it knows at every level when all columns share one scale
/// ([`Units::uniform_scale`]) and at the clean level always; the learned score in working units is
/// [`score_model`](Self::score_model).
///
/// It is a rand [`Distribution`] of `DVector<f64>` and a rand_distr
/// [`MultiDistribution<f64>`]: these traits have no way to report an error and panic if the *user's own*
/// sampler fails; [`sample`](Self::sample) reports it.
///
/// # Saving and loading
/// With the feature `serde` a model implements `Serialize` and `Deserialize`, for text and binary formats
/// alike. What is written starts with the name of the format and its version, and a loaded model answers
/// bit for bit as the saved one. Everything read is checked: what does not fit together is an error of the
/// format with the words of [`Error::InvalidSavedModel`], whoever made the file. Cells or a sampler of
/// one's own cannot be saved; [`with_sampler`](Self::with_sampler) gives the model one of this crate's.
///
/// JSON keeps every bit when `serde_json` has its feature `float_roundtrip`; without it, numbers are read
/// with an error in the last bit.
///
/// ```
/// # #[cfg(feature = "serde")] {
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::{DiffusionLearner, DiffusionModel};
///
/// let rows = DMatrix::from_fn(200, 1, |i, _| (i % 2) as f64 * 4.0 + ((i * 37) % 101) as f64 / 100.0);
/// let model = DiffusionLearner::new().fit(&rows, &mut StdRng::seed_from_u64(7))?;
/// let saved = serde_json::to_string(&model)?;
/// let loaded: DiffusionModel = serde_json::from_str(&saved)?;
/// assert_eq!(loaded.log_density(&rows)?, model.log_density(&rows)?);
/// assert_eq!(loaded.report(), model.report());
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DiffusionModel {
    pub(super) score: PiecewisePolynomialScore,
    pub(super) units: Units,
    pub(crate) sampler: Arc<dyn Sampler>,
    pub(super) report: FitReport,
    /// The cells of the quietest level.
    pub(crate) cells: Arc<dyn Partition>,
    /// Their centres in the data's units, k × d.
    centres: DMatrix<f64>,
    /// Their masses, length k.
    masses: DVector<f64>,
}

impl DiffusionModel {
    pub(crate) fn new(
        score: PiecewisePolynomialScore,
        cells: Arc<dyn Partition>,
        units: Units,
        sampler: Arc<dyn Sampler>,
        report: FitReport,
    ) -> Result<Self> {
        sampler.check(&score, score.levels())?;
        let subspace = score.subspace();
        let working = subspace.embed(cells.centres());
        let masses = match cells.centre_mixture() {
            Some(mixture) => mixture.masses,
            None => DVector::from_element(working.nrows(), 1.0 / working.nrows() as f64),
        };
        let centres = units.noised_to_data(1.0, &working);
        Ok(Self { score, units, sampler, report, cells, centres, masses })
    }

    /// Draws `n` rows: n × d. The same `rng` state gives the same rows for any number of threads.
    ///
    /// # Errors
    /// Those of a user's own sampler.
    pub fn sample<R: Rng + ?Sized>(&self, n: usize, mut rng: &mut R) -> Result<DMatrix<f64>> {
        let rows = self.sampler.sample(&self.score, self.score.levels(), n, &mut rng)?;
        self.units.to_data(&rows)
    }

    /// Natural logarithm of the density at the rows of `points` (n × d), in the data's units: length n.
    ///
    /// It is the density of what [`sample`](Self::sample) draws: of X where the quietest level is clean,
    /// else of Y/a there. A mixture found in one go has it in closed form, and its gradient is the clean
    /// [score](ScoreModel::score). Learned level by level it is that of the probability flow with exact divergence; what
    /// is regressed at each level by itself need not be a gradient, so that draws by a diffusion and the score then differ
    /// from it slightly. With hard cells the field has no divergence at the faces: the result is an approximation.
    ///
    /// Where the learned rows lie on an affine hull of q < d dimensions ([`Units::hull_axes`]), so do the
    /// rows drawn: it is the density on that hull, with respect to its q-dimensional volume, and −∞ off it.
    /// A point is on the hull up to rounding: 10⁻⁵ of the spread of the rows, and 10⁻⁹ of its value in a
    /// column that is constant.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when `points` does not have d columns, [`Error::NotFinite`] for a point.
    pub fn log_density<'a>(&self, points: impl Into<Rows<'a>>) -> Result<DVector<f64>> {
        let points = &points.into().to_matrix();
        check_points(self.dim(), points)?;
        let working = self.units.to_working(points)?;
        let levels = self.score.levels();
        let quietest = levels.quietest();
        let mut density = match self.score.base() {
            Some(base) if !self.score.is_corrected() => base
                .log_density(quietest, &(&working * quietest.signal()))?
                .add_scalar(self.score.dim() as f64 * quietest.signal().ln()),
            // A saved model of version 1.
            Some(base) => log_density_with_control(&self.score, base, levels, &working)?,
            // Cells under polynomials would be a poor control: the mixture of their centres need not resemble the law.
            None => log_density(&self.score, levels, &working)?,
        };
        density.add_scalar_mut(-self.units.log_volume());
        for (density, off) in density.iter_mut().zip(self.units.off_hull(points)) {
            if off {
                *density = f64::NEG_INFINITY;
            }
        }
        Ok(density)
    }

    /// Which cell each row of `points` (n × d) belongs to, softly: n × k, rows summing to 1.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when `points` does not have d columns, [`Error::NotFinite`] for a point.
    pub fn responsibilities<'a>(&self, points: impl Into<Rows<'a>>) -> Result<DMatrix<f64>> {
        let points = &points.into().to_matrix();
        check_points(self.dim(), points)?;
        let active = self.score.subspace().project(&self.units.to_working(points)?);
        let bandwidth = self.score.levels().quietest().bandwidth(self.score.component_std());
        self.cells.responsibilities(bandwidth, &active)
    }

    /// The cell of largest responsibility for each row of `points` (n × d): n indices below k.
    ///
    /// # Errors
    /// As [`responsibilities`](Self::responsibilities).
    pub fn assign<'a>(&self, points: impl Into<Rows<'a>>) -> Result<Vec<usize>> {
        let responsibilities = self.responsibilities(points)?;
        Ok(responsibilities.row_iter().map(|row| row.transpose().imax()).collect())
    }

    /// The centres of the cells of the quietest level, in the data's units: k × d.
    pub fn centres(&self) -> &DMatrix<f64> {
        &self.centres
    }

    /// The masses of the cells: length k, summing to 1.
    pub fn masses(&self) -> &DVector<f64> {
        &self.masses
    }

    /// The law as a value, of which any question is answered in closed form: marginals, conditionals, predictions for
    /// many rows at once.
    ///
    /// It is what [`sample`](Self::sample) draws: X where the quietest level is clean, else Y/a there.
    ///
    /// # Errors
    /// [`Error::NoClosedForm`] where polynomials correct the cells, or cells were found level by level. Of the former,
    /// [`base`](Self::base) is what they correct.
    pub fn mixture(&self) -> Result<Mixture> {
        if self.score.base().is_some() && self.score.is_corrected() {
            let reason = "polynomials correct its cells: `base` is the law without them";
            return Err(Error::NoClosedForm { reason });
        }
        self.base()
    }

    /// The law of the cells alone, without the polynomials that correct them in models of version 1.
    ///
    /// # Errors
    /// [`Error::NoClosedForm`] where cells were found level by level.
    pub fn base(&self) -> Result<Mixture> {
        match self.score.base() {
            Some(base) => Mixture::of_model(self.units.clone(), base, self.score.levels().quietest()),
            None => Err(Error::NoClosedForm { reason: "its cells were found level by level" }),
        }
    }

    /// The fitted noise levels in the data's units, in which the model itself is a [`ScoreModel`]: those to hand to
    /// a [`Sampler`] or to [`log_density`](crate::log_density) beside it. [`score_model`](Self::score_model) has
    /// [levels](PiecewisePolynomialScore::levels) of its own, in working units.
    ///
    /// # Errors
    /// [`Error::AnisotropicUnits`] where columns have scales of their own, and the data no unit for noise.
    pub fn levels(&self) -> Result<NoiseLevels> {
        let scale = self.units.one_scale()?;
        self.score.levels().scaled(scale)
    }

    /// What the fit did and how well it went.
    pub fn report(&self) -> &FitReport {
        &self.report
    }

    /// The learned score in working units, for any [`Sampler`] and any density.
    pub fn score_model(&self) -> &PiecewisePolynomialScore {
        &self.score
    }

    /// The map between the data's units and the working units of [`score_model`](Self::score_model).
    pub fn units(&self) -> &Units {
        &self.units
    }

    /// The same model, drawing with another sampler.
    ///
    /// # Errors
    /// Those of [`Sampler::check`]: [`Error::NoExactDraws`] for [`ExactSampler`](crate::ExactSampler) where the model
    /// has none, [`Error::InvalidSetting`] for steps that make no sense.
    pub fn with_sampler(self, sampler: impl Sampler) -> Result<Self> {
        sampler.check(&self.score, self.score.levels())?;
        Ok(Self { sampler: Arc::new(sampler), ..self })
    }

    /// The score in the data's units.
    fn in_units(&self) -> InUnits<'_, PiecewisePolynomialScore> {
        InUnits { model: &self.score, units: &self.units }
    }
}

impl ScoreModel for DiffusionModel {
    fn dim(&self) -> usize {
        self.units.dim()
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.in_units().score_into(level, points, score)
    }

    /// σ₀ in the data's units where all columns vary and share one scale; 0, no claim, otherwise.
    fn component_std(&self) -> f64 {
        self.in_units().component_std()
    }

    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        self.in_units().start(level)
    }

    fn start_sample_into(
        &self,
        level: NoiseLevel,
        rng: &mut dyn Rng,
        rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.in_units().start_sample_into(level, rng, rows)
    }

    fn exact_sample_into(&self, rng: &mut dyn Rng, rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        self.in_units().exact_sample_into(rng, rows)
    }
}

impl DifferentiableScore for DiffusionModel {
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        self.in_units().score_and_divergence_into(level, points, score, divergence)
    }

    fn start_log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        self.in_units().start_log_density_into(level, points, log_density)
    }
}

impl Distribution<DVector<f64>> for DiffusionModel {
    /// One row, of length d.
    ///
    /// # Panics
    /// When a user's own sampler fails; those shipped are checked when they are put in.
    #[cfg_attr(not(test), expect(clippy::panic, reason = "the trait has no way to report an error"))]
    fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> DVector<f64> {
        match DiffusionModel::sample(self, 1, rng) {
            Ok(rows) => rows.row(0).transpose(),
            Err(error) => panic!("the sampler failed: {error}"),
        }
    }
}

impl MultiDistribution<f64> for DiffusionModel {
    fn sample_len(&self) -> usize {
        self.dim()
    }

    /// # Panics
    /// When `output` is not of length d, or a user's own sampler fails.
    fn sample_to_slice<R: Rng + ?Sized>(&self, rng: &mut R, output: &mut [f64]) {
        let row: DVector<f64> = Distribution::sample(self, rng);
        output.copy_from_slice(row.as_slice());
    }
}
