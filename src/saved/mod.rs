//! Saved models and fits: what spans all rooms, with a format version. Types save themselves.

mod fit;
mod learner;
mod model;
mod score;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use self::model::SavedModel;
use crate::learner::DiffusionModel;

/// Fails when a part of the model is a user's own, or a number is one that loading would reject.
impl Serialize for DiffusionModel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let saved = SavedModel::of(self).map_err(ser::Error::custom)?;
        // Only what can be loaded again is written.
        saved.clone().load().map_err(ser::Error::custom)?;
        saved.serialize(serializer)
    }
}

/// Fails when the data are not a model of a known version in which everything is consistent.
impl<'de> Deserialize<'de> for DiffusionModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SavedModel::deserialize(deserializer)?.load().map_err(de::Error::custom)
    }
}
