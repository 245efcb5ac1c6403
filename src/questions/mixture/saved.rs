//! Laws that are saved.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::Mixture;
use crate::coordinates::Units;
use crate::error::{Error, Result};
use crate::format::require;
use crate::mixture::MixtureLaw;
use crate::score::ScoreModel;

/// A law as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedMixture {
    /// Number of columns learned.
    all_columns: usize,
    /// The law's, by their index among these.
    columns: Vec<usize>,
    units: Units,
    law: MixtureLaw,
}

impl TryFrom<SavedMixture> for Mixture {
    type Error = Error;

    fn try_from(saved: SavedMixture) -> Result<Self> {
        let SavedMixture { all_columns, columns, units, law } = saved;
        for (index, column) in columns.iter().enumerate() {
            require!(*column < all_columns, "column {column} is not among {all_columns}")?;
            require!(!columns[..index].contains(column), "column {column} is there twice")?;
        }
        require!(columns.len() == units.dim(), "{} columns have units for {}", columns.len(), units.dim())?;
        let (found, expected) = (law.dim(), units.working_dim());
        require!(found == expected, "a law of {found} dimensions in {expected} working coordinates")?;
        Ok(Self::new(all_columns, columns, units, law))
    }
}

impl Serialize for Mixture {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        if self.law.is_tilted() {
            return Err(ser::Error::custom("cells that are each bent in their own way cannot be saved"));
        }
        let (columns, units, law) = (self.columns.clone(), self.units.clone(), self.law.clone());
        SavedMixture { all_columns: self.all_columns, columns, units, law }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Mixture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::try_from(SavedMixture::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
