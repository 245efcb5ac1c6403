use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cells::{Partitioner, SingleCell, VoronoiPartitioner};
use crate::error::Result;
use crate::format::{Check, checked, invalid, parts, require};
use crate::learner::{CellSource, DiffusionLearner};
use crate::mixture::MixtureEstimator;
use crate::polynomial::PolynomialRegression;
use crate::process::NoiseSchedule;
use crate::sampler::Sampler;
use crate::search::GaussianPartitioner;

/// The composition of a fit.
#[derive(Serialize, Deserialize)]
#[serde(remote = "DiffusionLearner", deny_unknown_fields)]
pub(super) struct SavedLearner {
    #[serde(with = "crate::process::any_schedule")]
    schedule: Arc<dyn NoiseSchedule>,
    #[serde(with = "SavedSource")]
    cells: CellSource,
    regression: PolynomialRegression,
    #[serde(with = "crate::sampler::any_sampler")]
    sampler: Arc<dyn Sampler>,
    component_std: Option<f64>,
}

/// Does this composition make sense?
pub(super) fn check(learner: &DiffusionLearner) -> Result<()> {
    learner.validate().map_err(invalid)?;
    require!(learner.regression.ridge().is_sorted(), "strengths of the ridge do not rise")
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "CellSource", rename_all = "snake_case")]
enum SavedSource {
    Mixture(#[serde(with = "any_estimator")] Arc<dyn MixtureEstimator>),
    LevelByLevel(#[serde(with = "any_partitioner")] Arc<dyn Partitioner>),
}

parts! {
    /// The estimators of mixtures that this crate has.
    enum SavedEstimator in any_estimator: MixtureEstimator, "mixture estimator" {
        Gaussian(GaussianPartitioner)
    }
}

parts! {
    /// The partitioners that this crate has.
    enum SavedPartitioner in any_partitioner: Partitioner, "partitioner" {
        Voronoi(VoronoiPartitioner);
        SingleCell = SingleCell
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "GaussianPartitioner", deny_unknown_fields)]
struct Gaussian {
    #[serde(with = "all_or_some")]
    paths: usize,
    average_within: Option<f64>,
    cells: Option<usize>,
}

checked!(GaussianPartitioner, Gaussian);

impl Check for GaussianPartitioner {
    fn check_saved(&self) -> Result<()> {
        require!(self.paths > 0 && self.cells != Some(0), "a search needs paths and cells")
    }
}

/// For `serde(with)`: all where there is no number.
mod all_or_some {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        (*number < usize::MAX).then_some(*number).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(usize::MAX))
    }
}
