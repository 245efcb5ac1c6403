//! What variance exploding schedules of a set number of levels share.

use super::level::NoiseLevels;
#[cfg(feature = "serde")]
use super::schedule::MostLevels;
use super::schedule::{counted, positive};
use crate::error::Result;

/// First and last noise s, by default those of the schedule, and the number of levels between and with them.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct NoiseRange {
    pub(crate) noisiest: Option<f64>,
    pub(crate) quietest: Option<f64>,
    #[cfg_attr(feature = "serde", serde(with = "MostLevels"))]
    pub(crate) n_levels: usize,
}

impl NoiseRange {
    /// So many levels between the default noises.
    pub(super) fn of_levels(n_levels: usize) -> Self {
        Self { noisiest: None, quietest: None, n_levels }
    }

    /// Whether an end was set, which is in the data's units.
    pub(super) fn is_set(&self) -> bool {
        self.noisiest.is_some() || self.quietest.is_some()
    }

    /// The levels of the range, followed by those of the noises `end`. `between` gives the noise at a share
    /// from 0 to 1 of the way from the first noise to the last.
    pub(super) fn levels(
        &self,
        default_noisiest: f64,
        default_quietest: f64,
        between: impl Fn(f64, f64, f64) -> f64,
        end: Option<f64>,
    ) -> Result<NoiseLevels> {
        let first = positive("noise of the first level", self.noisiest.unwrap_or(default_noisiest))?;
        let last = positive("noise of the last level", self.quietest.unwrap_or(default_quietest))?;
        let n_steps = (counted("number of levels", self.n_levels, 2)? - 1) as f64;
        let noises = (0..self.n_levels).map(|step| between(first, last, step as f64 / n_steps));
        NoiseLevels::variance_exploding(noises.chain(end))
    }
}
