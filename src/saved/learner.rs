use std::any::Any;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::check::{invalid, require};
use super::part_name::part_name;
use super::sampler::SavedSampler;
use super::schedule::SavedSchedule;
use crate::cells::{Partitioner, SingleCell, VoronoiPartitioner};
use crate::error::Result;
use crate::learner::{CellSource, DiffusionLearner};
use crate::mixture::MixtureEstimator;
use crate::polynomial::{PolynomialRegression, RegressionTarget};
use crate::search::GaussianPartitioner;

/// The composition of a fit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedLearner {
    schedule: SavedSchedule,
    partitioner: SavedPartitioner,
    regression: SavedRegression,
    sampler: SavedSampler,
    component_std: Option<f64>,
}

/// The estimators of mixtures and the partitioners that this crate has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum SavedPartitioner {
    Gaussian {
        /// All where there is no number.
        paths: Option<usize>,
        average_within: Option<f64>,
        cells: Option<usize>,
    },
    Voronoi {
        soft: bool,
        lightest_cell: f64,
    },
    SingleCell,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedRegression {
    max_degree: Option<usize>,
    ridge: Vec<f64>,
    denoising: bool,
}

impl SavedLearner {
    /// # Errors
    /// [`Error::InvalidSavedModel`](crate::Error::InvalidSavedModel) for a part that is a user's own.
    pub(super) fn of(learner: &DiffusionLearner) -> Result<Self> {
        let PolynomialRegression { max_degree, ridge, target } = learner.regression.clone();
        let denoising = target == RegressionTarget::Denoising;
        Ok(Self {
            schedule: SavedSchedule::of(learner.schedule.as_ref())?,
            partitioner: SavedPartitioner::of(&learner.cells)?,
            regression: SavedRegression { max_degree, ridge, denoising },
            sampler: SavedSampler::of(learner.sampler.as_ref())?,
            component_std: learner.component_std,
        })
    }

    pub(super) fn load(self) -> Result<DiffusionLearner> {
        let SavedRegression { max_degree, ridge, denoising } = self.regression;
        let target = if denoising { RegressionTarget::Denoising } else { RegressionTarget::CleanRow };
        let learner = DiffusionLearner {
            schedule: self.schedule.load()?,
            cells: self.partitioner.load(),
            regression: PolynomialRegression { max_degree, ridge, target },
            sampler: self.sampler.load()?,
            component_std: self.component_std,
        };
        learner.validate().map_err(invalid)?;
        require(learner.regression.ridge().is_sorted(), "strengths of the ridge do not rise")?;
        Ok(learner)
    }
}

impl SavedPartitioner {
    fn of(cells: &CellSource) -> Result<Self> {
        match cells {
            CellSource::Mixture(estimator) => Self::of_estimator(estimator.as_ref()),
            CellSource::LevelByLevel(partitioner) => Self::of_partitioner(partitioner.as_ref()),
        }
    }

    fn of_estimator(estimator: &dyn MixtureEstimator) -> Result<Self> {
        let any: &dyn Any = estimator;
        if let Some(inner) = any.downcast_ref::<Box<dyn MixtureEstimator>>() {
            Self::of_estimator(inner.as_ref())
        } else if let Some(&GaussianPartitioner { paths, average_within, cells }) = any.downcast_ref() {
            Ok(Self::Gaussian { paths: (paths < usize::MAX).then_some(paths), average_within, cells })
        } else {
            let name = part_name(&estimator);
            Err(invalid(format_args!(
                "mixture estimator `{name}` is not this crate's own and cannot be saved"
            )))
        }
    }

    fn of_partitioner(partitioner: &dyn Partitioner) -> Result<Self> {
        let any: &dyn Any = partitioner;
        if let Some(inner) = any.downcast_ref::<Box<dyn Partitioner>>() {
            Self::of_partitioner(inner.as_ref())
        } else if let Some(&VoronoiPartitioner { soft, lightest_cell }) = any.downcast_ref() {
            Ok(Self::Voronoi { soft, lightest_cell })
        } else if any.is::<SingleCell>() {
            Ok(Self::SingleCell)
        } else {
            let name = part_name(&partitioner);
            Err(invalid(format_args!("partitioner `{name}` is not this crate's own and cannot be saved")))
        }
    }

    fn load(self) -> CellSource {
        match self {
            Self::Gaussian { paths, average_within, cells } => {
                let (paths, cells) = (paths.unwrap_or(usize::MAX).max(1), cells.map(|cells| cells.max(1)));
                CellSource::Mixture(Arc::new(GaussianPartitioner { paths, average_within, cells }))
            }
            Self::Voronoi { soft, lightest_cell } => {
                CellSource::LevelByLevel(Arc::new(VoronoiPartitioner { soft, lightest_cell }))
            }
            Self::SingleCell => CellSource::LevelByLevel(Arc::new(SingleCell)),
        }
    }
}
