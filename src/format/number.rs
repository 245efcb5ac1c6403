//! Single numbers that are checked as they are read and written.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::check::{invalid, require};
use crate::error::Result;

/// For `serde(with)`: a number, or none, that is neither NaN nor infinite, which not every format could hold. Where
/// there may be none, `serde(default)` beside it lets it be left out.
pub(crate) mod finite {
    use super::*;

    fn checked<T: Copy + Into<Option<f64>>>(value: T) -> Result<T> {
        match value.into().filter(|number| !number.is_finite()) {
            Some(number) => Err(invalid(format_args!("the report contains {number}"))),
            None => Ok(value),
        }
    }

    pub(crate) fn serialize<T, S>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Copy + Into<Option<f64>> + Serialize,
        S: Serializer,
    {
        checked(*value).map_err(ser::Error::custom)?.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: Copy + Into<Option<f64>> + Deserialize<'de>,
        D: Deserializer<'de>,
    {
        checked(T::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// For `serde(with)`: a count of at most `N`.
pub(crate) struct AtMost<const N: usize>;

impl<const N: usize> AtMost<N> {
    pub(crate) fn check(value: usize) -> Result<()> {
        require!(value <= N, "{value} is more than {N}")
    }

    pub(crate) fn serialize<S: Serializer>(value: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        Self::check(*value).map_err(ser::Error::custom)?;
        value.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        let value = usize::deserialize(deserializer)?;
        Self::check(value).map_err(de::Error::custom)?;
        Ok(value)
    }
}
