use std::any::Any;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::check::{invalid, require};
use super::part_name::part_name;
use crate::error::Result;
use crate::sampler::{Ddpm, ExactSampler, PredictorCorrector, ProbabilityFlow, Sampler, Steps};

/// A sampler of more steps, or of more corrections a step, would not end.
const MOST_STEPS: usize = 1_000_000;
const MOST_CORRECTIONS: usize = 1_000;

/// The samplers that this crate has.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum SavedSampler {
    Ddpm { steps: SavedSteps, textbook: bool },
    ProbabilityFlow { steps: SavedSteps },
    PredictorCorrector { steps: SavedSteps, corrections: usize, step_size: f64 },
    Exact,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SavedSteps {
    AsGiven,
    Geometric(usize),
    AtLeast(usize),
}

impl SavedSampler {
    /// # Errors
    /// [`Error::InvalidSavedModel`](crate::Error::InvalidSavedModel) for a sampler of a user's own.
    pub(super) fn of(sampler: &dyn Sampler) -> Result<Self> {
        let any: &dyn Any = sampler;
        if let Some(inner) = any.downcast_ref::<Box<dyn Sampler>>() {
            Self::of(inner.as_ref())
        } else if let Some(&Ddpm { steps, textbook }) = any.downcast_ref() {
            Ok(Self::Ddpm { steps: steps.into(), textbook })
        } else if let Some(&ProbabilityFlow { steps }) = any.downcast_ref() {
            Ok(Self::ProbabilityFlow { steps: steps.into() })
        } else if let Some(&PredictorCorrector { steps, corrections, step_size }) = any.downcast_ref() {
            Ok(Self::PredictorCorrector { steps: steps.into(), corrections, step_size })
        } else if any.is::<ExactSampler>() {
            Ok(Self::Exact)
        } else {
            let name = part_name(&sampler);
            Err(invalid(format_args!("sampler `{name}` is not this crate's own and cannot be saved")))
        }
    }

    pub(super) fn load(self) -> Result<Arc<dyn Sampler>> {
        Ok(match self {
            Self::Ddpm { steps, textbook } => Arc::new(Ddpm { steps: steps.load()?, textbook }),
            Self::ProbabilityFlow { steps } => Arc::new(ProbabilityFlow { steps: steps.load()? }),
            Self::PredictorCorrector { steps, corrections, step_size } => {
                let what = format_args!("{corrections} corrections are more than {MOST_CORRECTIONS}");
                require(corrections <= MOST_CORRECTIONS, what)?;
                require(step_size.is_finite(), "the corrector's step size is not finite")?;
                Arc::new(PredictorCorrector { steps: steps.load()?, corrections, step_size })
            }
            Self::Exact => Arc::new(ExactSampler),
        })
    }
}

impl From<Steps> for SavedSteps {
    fn from(steps: Steps) -> Self {
        match steps {
            Steps::AsGiven => Self::AsGiven,
            Steps::Geometric(steps) => Self::Geometric(steps),
            Steps::AtLeast(steps) => Self::AtLeast(steps),
        }
    }
}

impl SavedSteps {
    fn load(self) -> Result<Steps> {
        let (loaded, steps) = match self {
            Self::AsGiven => (Steps::AsGiven, 0),
            Self::Geometric(steps) => (Steps::Geometric(steps), steps),
            Self::AtLeast(steps) => (Steps::AtLeast(steps), steps),
        };
        require(steps <= MOST_STEPS, format_args!("{steps} sampling steps are more than {MOST_STEPS}"))?;
        Ok(loaded)
    }
}
