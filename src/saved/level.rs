use serde::{Deserialize, Serialize};

use super::check::{POSITIVE, invalid, within, zero_or_positive};
use crate::error::{Error, Result};
use crate::process::{NoiseLevel, NoiseLevels};

/// A level whose numbers are checked as they are read.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "SignalAndNoise", into = "SignalAndNoise")]
pub(super) struct SavedLevel(NoiseLevel);

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalAndNoise {
    signal: f64,
    noise: f64,
}

impl From<NoiseLevel> for SavedLevel {
    fn from(level: NoiseLevel) -> Self {
        Self(level)
    }
}

impl From<SavedLevel> for NoiseLevel {
    fn from(saved: SavedLevel) -> Self {
        saved.0
    }
}

impl From<SavedLevel> for SignalAndNoise {
    fn from(SavedLevel(level): SavedLevel) -> Self {
        Self { signal: level.signal(), noise: level.noise() }
    }
}

impl TryFrom<SignalAndNoise> for SavedLevel {
    type Error = Error;

    fn try_from(saved: SignalAndNoise) -> Result<Self> {
        NoiseLevel::new(saved.signal, saved.noise).map(Self).map_err(invalid)
    }
}

/// The levels, if they fall strictly.
pub(super) fn load_levels(saved: Vec<SavedLevel>) -> Result<NoiseLevels> {
    let levels = NoiseLevels::new(saved.into_iter().map(NoiseLevel::from)).map_err(invalid)?;
    for (index, level) in levels.iter().enumerate() {
        within(format_args!("signal of level {index}"), &[level.signal()], POSITIVE)?;
        zero_or_positive(format_args!("noise of level {index}"), level.noise())?;
        zero_or_positive(format_args!("noise to signal of level {index}"), level.noise_to_signal())?;
    }
    Ok(levels)
}
