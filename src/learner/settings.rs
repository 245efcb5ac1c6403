use std::sync::Arc;

use crate::cells::{Partitioner, VoronoiPartitioner};
use crate::error::{Error, Result};
use crate::mixture::MixtureEstimator;
use crate::polynomial::{PolynomialRegression, RegressionTarget};
use crate::process::{Geometric, NoiseSchedule};
use crate::sampler::{Ddpm, ExactOrDdpm, Sampler};
use crate::search::GaussianPartitioner;

/// Learns a law from rows: a composition of a noise schedule, cells, a polynomial regression and a
/// sampler.
///
/// The defaults need no tuning; every part is swapped by one `with_…` call, with a value or a box.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::DiffusionLearner;
///
/// let mut rng = StdRng::seed_from_u64(7);
/// let rows = DMatrix::from_fn(400, 1, |i, _| if i % 3 == 0 { -2.0 } else { 2.0 } + ((i * 37) % 101) as f64 / 100.0);
/// let model = DiffusionLearner::new().fit(&rows, &mut rng)?;
/// let new_rows = model.sample(100, &mut rng)?;
/// let log_density = model.log_density(&new_rows)?;
/// assert!(log_density.iter().all(|l| l.is_finite()));
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DiffusionLearner {
    pub(crate) schedule: Arc<dyn NoiseSchedule>,
    pub(crate) cells: CellSource,
    pub(crate) regression: PolynomialRegression,
    pub(crate) sampler: Arc<dyn Sampler>,
    pub(crate) component_std: Option<f64>,
}

/// Where cells come from.
#[derive(Debug, Clone)]
pub(crate) enum CellSource {
    /// A mixture in one go: the same cells at all levels.
    Mixture(Arc<dyn MixtureEstimator>),
    /// A level's cells out of the denoiser of the level before.
    LevelByLevel(Arc<dyn Partitioner>),
}

impl Default for DiffusionLearner {
    fn default() -> Self {
        Self::new()
    }
}

impl DiffusionLearner {
    /// The default composition: [`Geometric`] schedule, [`GaussianPartitioner`], [`ExactOrDdpm`]; component std found.
    ///
    /// The mixture, averaged over five folds and with a radial shape that its cells share where rows want one, is
    /// the score of every level in closed form: score, density and draws are one law.
    pub fn new() -> Self {
        Self {
            schedule: Arc::new(Geometric::default()),
            cells: CellSource::Mixture(Arc::new(GaussianPartitioner::default())),
            regression: PolynomialRegression::default(),
            sampler: Arc::new(ExactOrDdpm),
            component_std: None,
        }
    }

    /// As [`new`](Self::new), in a fifth of the time: cells are searched on one split of the rows, and the
    /// density is that of one mixture, with no average.
    pub fn fast() -> Self {
        Self::new().with_mixture(GaussianPartitioner::default().with_paths(1))
    }

    /// As [`new`](Self::new), averaging also over larger numbers of cells within one standard error of the best.
    pub fn thorough() -> Self {
        Self::new().with_mixture(GaussianPartitioner::default().with_average_within(1.0))
    }

    /// The paper's composition (Gatmiry, Kelner, Lee 2024): hard Voronoi cells, regression of the
    /// denoising target, textbook DDPM.
    ///
    /// Its density is an approximation, and no measure: the flow that gives it has a field that jumps at the faces of
    /// hard cells. It integrated to .99 to 1.04 for two and three clusters 4 to 5 σ₀ apart, to 1.1 to 1.2 for a ring and to 1.2
    /// to 1.4 for three clusters 20 to 30 σ₀ apart (2,000 rows, three seeds each), where that of soft cells integrated to
    /// 1.000 for all clusters.
    pub fn paper() -> Self {
        Self::new()
            .with_partitioner(VoronoiPartitioner::hard())
            .with_regression(PolynomialRegression::default().with_target(RegressionTarget::Denoising))
            .with_sampler(Ddpm::textbook())
    }

    /// Which noise levels are learned; [`Geometric`] by default.
    pub fn with_schedule(self, part: impl NoiseSchedule) -> Self {
        Self { schedule: Arc::new(part), ..self }
    }

    /// Who estimates the mixture whose cells serve all levels; [`GaussianPartitioner`] by default. Takes the
    /// place of a partitioner.
    pub fn with_mixture(self, part: impl MixtureEstimator) -> Self {
        Self { cells: CellSource::Mixture(Arc::new(part)), ..self }
    }

    /// How space is cut into cells level by level, instead of by a mixture in one go.
    /// [`VoronoiPartitioner::soft`] is the plain soft-cell composition: cells of one width.
    pub fn with_partitioner(self, part: impl Partitioner) -> Self {
        Self { cells: CellSource::LevelByLevel(Arc::new(part)), ..self }
    }

    /// How the score is regressed in the cells of each level, where a [partitioner](Self::with_partitioner) proposes
    /// them; [`PolynomialRegression::default`] by default. A mixture needs no regression.
    pub fn with_regression(self, regression: PolynomialRegression) -> Self {
        Self { regression, ..self }
    }

    /// How the fitted model draws; by default [`ExactOrDdpm`], without a diffusion wherever the law is closed form. A
    /// sampler that cannot serve the model is an error of the fit, before its levels are learned where that can be known.
    pub fn with_sampler(self, part: impl Sampler) -> Self {
        Self { sampler: Arc::new(part), ..self }
    }

    /// σ₀, the standard deviation of the isotropic Gaussian blur that is part of the rows, in their own
    /// units. By default it is found: the smallest standard deviation of a cell of the mixture, or level by
    /// level the bandwidth at which an annealed mixture of spherical Gaussians has the
    /// highest held-out likelihood.
    pub fn with_component_std(self, std: f64) -> Self {
        Self { component_std: Some(std), ..self }
    }

    /// As it is, but for cells that are searched on one split of the rows.
    pub(crate) fn searched_once(self) -> Self {
        Self { cells: CellSource::Mixture(Arc::new(GaussianPartitioner::default().with_paths(1))), ..self }
    }

    /// # Errors
    /// [`Error::InvalidSetting`] for settings that make no sense whatever the rows.
    pub(crate) fn validate(&self) -> Result<()> {
        self.regression.validate()?;
        match self.component_std {
            Some(value) if !(value > 0.0 && value.is_finite()) => Err(Error::InvalidSetting {
                name: "component std",
                value,
                requirement: "positive and finite",
            }),
            _ => Ok(()),
        }
    }
}
