//! What a saved model starts with, checked before the rest is read.

use serde::{Deserialize, Serialize};

use super::check::{invalid, require};
use crate::error::Error;

/// What a saved fit or saved sums start with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    format: String,
    version: u32,
}

impl Header {
    /// Rises with every change that an older release could not read.
    const VERSION: u32 = 1;

    pub(super) fn new(format: &str) -> Self {
        Self { format: format.into(), version: Self::VERSION }
    }

    pub(super) fn check(&self, format: &str) -> Result<(), Error> {
        let Self { format: found, version } = self;
        require(found == format, format_args!("the format is not \"{format}\""))?;
        require(
            *version == Self::VERSION,
            format_args!("version {version} is not known to this release, which reads {}", Self::VERSION),
        )
    }
}

const FORMAT: &str = "gmix-diffusion model";
/// Rises with every change that an older release could not read.
const VERSION: u32 = 1;

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub(super) struct Format;

impl From<Format> for &'static str {
    fn from(_: Format) -> Self {
        FORMAT
    }
}

impl TryFrom<String> for Format {
    type Error = Error;

    fn try_from(found: String) -> Result<Self, Error> {
        if found == FORMAT { Ok(Self) } else { Err(invalid(format_args!("the format is not \"{FORMAT}\""))) }
    }
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub(super) struct Version;

impl From<Version> for u32 {
    fn from(_: Version) -> Self {
        VERSION
    }
}

impl TryFrom<u32> for Version {
    type Error = Error;

    fn try_from(found: u32) -> Result<Self, Error> {
        if found == VERSION {
            Ok(Self)
        } else {
            Err(invalid(format_args!("version {found} is not known to this release, which reads {VERSION}")))
        }
    }
}
