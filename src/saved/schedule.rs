use std::any::Any;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::check::{invalid, require};
use super::level::{SavedLevel, load_levels};
use super::part_name::part_name;
use crate::error::Result;
use crate::process::{
    CosineBeta, Geometric, Karras, LinearBeta, NoiseLevels, NoiseRange, NoiseSchedule, OrnsteinUhlenbeck,
    VarianceExploding,
};

/// A schedule of more levels would not end.
const MOST_LEVELS: usize = 1_000_000;

/// The schedules that this crate has. Their settings are checked where a fit chooses its levels.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum SavedSchedule {
    Geometric { ratio: f64, noisiest: Option<f64>, quietest: Option<f64> },
    VarianceExploding(SavedRange),
    Karras { rho: f64, range: SavedRange },
    LinearBeta { n_steps: usize, betas: Option<(f64, f64)> },
    CosineBeta { n_steps: usize, offset: f64 },
    OrnsteinUhlenbeck { time: f64, step: f64 },
    Levels(Vec<SavedLevel>),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedRange {
    noisiest: Option<f64>,
    quietest: Option<f64>,
    n_levels: usize,
}

impl SavedSchedule {
    /// # Errors
    /// [`Error::InvalidSavedModel`](crate::Error::InvalidSavedModel) for a schedule of a user's own.
    pub(super) fn of(schedule: &dyn NoiseSchedule) -> Result<Self> {
        let any: &dyn Any = schedule;
        Ok(if let Some(inner) = any.downcast_ref::<Box<dyn NoiseSchedule>>() {
            Self::of(inner.as_ref())?
        } else if let Some(&Geometric { ratio, noisiest, quietest }) = any.downcast_ref() {
            Self::Geometric { ratio, noisiest, quietest }
        } else if let Some(&VarianceExploding { range }) = any.downcast_ref() {
            Self::VarianceExploding(range.into())
        } else if let Some(&Karras { rho, range }) = any.downcast_ref() {
            Self::Karras { rho, range: range.into() }
        } else if let Some(&LinearBeta { n_steps, betas }) = any.downcast_ref() {
            Self::LinearBeta { n_steps, betas }
        } else if let Some(&CosineBeta { n_steps, offset }) = any.downcast_ref() {
            Self::CosineBeta { n_steps, offset }
        } else if let Some(&OrnsteinUhlenbeck { time, step }) = any.downcast_ref() {
            Self::OrnsteinUhlenbeck { time, step }
        } else if let Some(levels) = any.downcast_ref::<NoiseLevels>() {
            Self::Levels(levels.iter().copied().map(SavedLevel::from).collect())
        } else {
            let name = part_name(&schedule);
            return Err(invalid(format_args!(
                "schedule `{name}` is not this crate's own and cannot be saved"
            )));
        })
    }

    pub(super) fn load(self) -> Result<Arc<dyn NoiseSchedule>> {
        Ok(match self {
            Self::Geometric { ratio, noisiest, quietest } => {
                Arc::new(Geometric { ratio, noisiest, quietest })
            }
            Self::VarianceExploding(range) => Arc::new(VarianceExploding { range: range.load()? }),
            Self::Karras { rho, range } => Arc::new(Karras { rho, range: range.load()? }),
            Self::LinearBeta { n_steps, betas } => {
                Arc::new(LinearBeta { n_steps: few_levels(n_steps)?, betas })
            }
            Self::CosineBeta { n_steps, offset } => {
                Arc::new(CosineBeta { n_steps: few_levels(n_steps)?, offset })
            }
            Self::OrnsteinUhlenbeck { time, step } => {
                let levels = time / step;
                require(
                    levels.is_nan() || levels <= MOST_LEVELS as f64,
                    format_args!("{time} in steps of {step} are more than {MOST_LEVELS} levels"),
                )?;
                Arc::new(OrnsteinUhlenbeck { time, step })
            }
            Self::Levels(levels) => Arc::new(load_levels(levels)?),
        })
    }
}

fn few_levels(levels: usize) -> Result<usize> {
    require(levels <= MOST_LEVELS, format_args!("{levels} levels are more than {MOST_LEVELS}"))?;
    Ok(levels)
}

impl From<NoiseRange> for SavedRange {
    fn from(range: NoiseRange) -> Self {
        let NoiseRange { noisiest, quietest, n_levels } = range;
        Self { noisiest, quietest, n_levels }
    }
}

impl SavedRange {
    fn load(self) -> Result<NoiseRange> {
        let Self { noisiest, quietest, n_levels } = self;
        Ok(NoiseRange { noisiest, quietest, n_levels: few_levels(n_levels)? })
    }
}
