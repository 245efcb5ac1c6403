//! A fit between two passes is a function of its composition, its seed and the sums absorbed so far, and this
//! is what is saved: everything else is computed again, and so checked, on the way to where it was.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::learner::{self, SavedLearner};
use crate::error::Result;
use crate::format::{Format, Header, Version, require};
use crate::learner::{DiffusionLearner, Fit};
use crate::passes::Sums;
use crate::rows::MOST_ROWS;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedFit {
    format: Format<SavedFit>,
    version: Version<SavedFit>,
    #[serde(with = "SavedLearner")]
    learner: DiffusionLearner,
    seed: u64,
    n_rows: u64,
    /// One a pass.
    absorbed: Vec<Arc<Sums>>,
}

impl Header for SavedFit {
    const FORMAT: &'static str = "gmix-diffusion fit";
    const VERSION: u32 = 3;
}

impl SavedFit {
    fn of(fit: &Fit) -> Result<Self> {
        require!(
            fit.absorbed.len() == fit.report().passes,
            "a fit that learns its levels one after the other cannot be saved once it has learned one"
        )?;
        Ok(Self {
            format: Format::default(),
            version: Version::default(),
            learner: fit.learner.clone(),
            seed: fit.seed,
            n_rows: fit.report().n_rows,
            absorbed: fit.absorbed.clone(),
        })
    }

    fn load(self) -> Result<Fit> {
        require!(self.n_rows <= MOST_ROWS, "{} rows are too many", self.n_rows)?;
        learner::check(&self.learner)?;
        let absorbed = self.absorbed.into_iter().map(|sums| Arc::unwrap_or_clone(sums).in_fit(self.seed));
        Fit::resume(self.learner, self.seed, self.n_rows, absorbed.collect::<Result<_>>()?)
    }
}

/// Fails when a part of the composition is a user's own, or after a level that was learned with cells of
/// its own: see [`VoronoiPartitioner`](crate::VoronoiPartitioner).
impl Serialize for Fit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SavedFit::of(self).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

/// Computes again what followed from the passes absorbed, among it the search for cells in the subsample.
/// Fails when the data are not a fit of a known version in which everything is consistent.
impl<'de> Deserialize<'de> for Fit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SavedFit::deserialize(deserializer)?.load().map_err(de::Error::custom)
    }
}
