//! What everything that is saved starts with, checked before the rest is read.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::check::{invalid, require};

/// What can be saved.
pub(crate) trait Header {
    const FORMAT: &'static str;
    /// Rises with every change that an older release could not read.
    const VERSION: u32;
}

/// The name of the format of `S`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format<S>(PhantomData<S>);

/// The version of the format of `S`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version<S>(PhantomData<S>);

impl<S> Default for Format<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S> Default for Version<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S: Header> Serialize for Format<S> {
    fn serialize<W: Serializer>(&self, serializer: W) -> Result<W::Ok, W::Error> {
        S::FORMAT.serialize(serializer)
    }
}

impl<S: Header> Serialize for Version<S> {
    fn serialize<W: Serializer>(&self, serializer: W) -> Result<W::Ok, W::Error> {
        S::VERSION.serialize(serializer)
    }
}

impl<'de, S: Header> Deserialize<'de> for Format<S> {
    fn deserialize<R: Deserializer<'de>>(deserializer: R) -> Result<Self, R::Error> {
        let found = String::deserialize(deserializer)?;
        require!(found == S::FORMAT, "the format is not \"{}\"", S::FORMAT).map_err(de::Error::custom)?;
        Ok(Self::default())
    }
}

impl<'de, S: Header> Deserialize<'de> for Version<S> {
    fn deserialize<R: Deserializer<'de>>(deserializer: R) -> Result<Self, R::Error> {
        let (found, known) = (u32::deserialize(deserializer)?, S::VERSION);
        if found != known {
            let what = format_args!("version {found} is not known to this release, which reads {known}");
            return Err(de::Error::custom(invalid(what)));
        }
        Ok(Self::default())
    }
}
