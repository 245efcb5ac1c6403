//! What saved values share, whatever they are: checks of numbers, matrices, headers, and parts behind a trait.
//!
//! A type derives serde's traits, with the modules here for its fields. Where fields have to fit each other, a
//! remote derive reads and writes them and [`checked!`] adds the check, both ways: only what can be loaded is
//! written. nalgebra's own serialisation is not used: it takes a matrix's shape on trust.

mod check;
mod header;
mod matrix;
mod number;
mod part;

pub(crate) use check::*;
pub(crate) use header::{Format, Header, Version};
pub(crate) use matrix::{SavedMatrix, plain};
pub(crate) use number::{AtMost, finite};
pub(crate) use part::{part_name, parts};

use crate::error::Result;

/// A type whose fields have to fit each other.
pub(crate) trait Check {
    /// # Errors
    /// [`Error::InvalidSavedModel`](crate::Error::InvalidSavedModel) that says what does not fit.
    fn check_saved(&self) -> Result<()>;
}

/// Serde's traits for a type that implements [`Check`], by the remote derive of the second.
macro_rules! checked {
    ($type:ty, $remote:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::format::Check::check_saved(self).map_err(serde::ser::Error::custom)?;
                <$remote>::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <$remote>::deserialize(deserializer)?;
                $crate::format::Check::check_saved(&value).map_err(serde::de::Error::custom)?;
                Ok(value)
            }
        }
    };
}
pub(crate) use checked;

/// Serde's traits for a type that is saved as another, `From` and `TryFrom` which it is made.
macro_rules! through {
    ($type:ty, $form:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$form>::from(self.clone()).serialize(serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::try_from(<$form>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use through;
