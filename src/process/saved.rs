//! Schedules that are saved.

use serde::{Deserialize, Serialize};

use super::schedule::MOST_LEVELS;
use super::{
    CosineBeta, Geometric, Karras, LinearBeta, NoiseLevels, NoiseSchedule, OrnsteinUhlenbeck,
    VarianceExploding,
};
use crate::error::Result;
use crate::format::{Check, checked, parts, require};

parts! {
    /// The schedules that this crate has. Their settings are checked where a fit chooses its levels.
    enum SavedSchedule in any_schedule: NoiseSchedule, "schedule" {
        Geometric(Geometric),
        VarianceExploding(VarianceExploding),
        Karras(Karras),
        LinearBeta(LinearBeta),
        CosineBeta(CosineBeta),
        OrnsteinUhlenbeck(OrnsteinUhlenbeck),
        Levels(NoiseLevels)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OrnsteinUhlenbeck", deny_unknown_fields)]
struct TimeAndStep {
    time: f64,
    step: f64,
}

checked!(OrnsteinUhlenbeck, TimeAndStep);

impl Check for OrnsteinUhlenbeck {
    fn check_saved(&self) -> Result<()> {
        let Self { time, step } = self;
        let levels = time / step;
        require!(
            levels.is_nan() || levels <= MOST_LEVELS as f64,
            "{time} in steps of {step} are more than {MOST_LEVELS} levels"
        )
    }
}
