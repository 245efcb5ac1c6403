use std::any::Any;
use std::fmt::Debug;

use super::level::NoiseLevels;
use crate::error::{Error, Result};

/// A saved schedule of more levels would not end.
#[cfg(feature = "serde")]
pub(super) const MOST_LEVELS: usize = 1_000_000;
#[cfg(feature = "serde")]
pub(super) type MostLevels = crate::format::AtMost<MOST_LEVELS>;

/// What a schedule may know of the data it is for, in the units of the levels it is asked for: working units, in
/// which fits see the data ([`Units`](crate::Units)), or the data's own where it
/// [says so](NoiseSchedule::in_data_units).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DataScale {
    /// σ₀, the standard deviation of the Gaussian blur of the components; 0 when it is not known.
    pub component_std: f64,
    /// The largest standard deviation of the data over all directions.
    pub data_std: f64,
}

impl DataScale {
    /// The scale itself, if a schedule can work with it.
    pub(super) fn checked(self) -> Result<Self> {
        positive("data_std", self.data_std)?;
        if self.component_std >= 0.0 && self.component_std.is_finite() {
            Ok(self)
        } else {
            Err(Error::InvalidSetting {
                name: "component_std",
                value: self.component_std,
                requirement: "finite and not negative",
            })
        }
    }
}

/// Where schedules start by default: this many `data_std`, at which Y is nearly Gaussian.
pub(super) const NOISIEST_IN_DATA_STD: f64 = 4.0;

/// Where schedules end by default when σ₀ is not known: this fraction of `data_std`.
pub(super) const QUIETEST_IN_DATA_STD: f64 = 0.01;

/// Is the setting a finite positive number?
pub(super) fn positive(name: &'static str, value: f64) -> Result<f64> {
    if value > 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::InvalidSetting { name, value, requirement: "finite and positive" })
    }
}

/// Is the number of levels in a range that can be listed?
pub(super) fn counted(name: &'static str, count: usize, smallest: usize) -> Result<usize> {
    if (smallest..=1_000_000).contains(&count) {
        Ok(count)
    } else {
        Err(Error::InvalidSetting {
            name,
            value: count as f64,
            requirement: if smallest == 1 { "between 1 and a million" } else { "between 2 and a million" },
        })
    }
}

/// Which noise levels a fit or a sampler goes through, noisiest first.
///
/// # Examples
/// A schedule of one's own:
/// ```
/// use gmix_diffusion::{DataScale, NoiseLevels, NoiseSchedule, Result};
///
/// #[derive(Debug)]
/// struct Halving(usize);
///
/// impl NoiseSchedule for Halving {
///     fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
///         let start = 4.0 * scale.data_std;
///         let noises = (0..self.0).map(|i| start * 0.5f64.powi(i as i32));
///         NoiseLevels::variance_exploding(noises.chain([0.0]))
///     }
/// }
///
/// let levels = Halving(5).levels(DataScale { component_std: 0.1, data_std: 1.0 })?;
/// assert_eq!(levels.len(), 6);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub trait NoiseSchedule: Any + Debug + Send + Sync {
    /// The levels for data of this scale.
    ///
    /// # Errors
    /// Whatever makes the levels impossible to list: an invalid setting, an order that does not fall.
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels>;

    /// Whether noises are set in the data's own units, and do not just follow the [`DataScale`]; by default they
    /// are not. A fit then asks for levels in these units. Where columns have scales of their own the data have no
    /// unit for noise, and that is an error of the fit.
    fn in_data_units(&self) -> bool {
        false
    }
}

impl NoiseSchedule for NoiseLevels {
    fn levels(&self, _scale: DataScale) -> Result<NoiseLevels> {
        Ok(self.clone())
    }

    fn in_data_units(&self) -> bool {
        true
    }
}

impl<T: NoiseSchedule + ?Sized> NoiseSchedule for Box<T> {
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
        (**self).levels(scale)
    }

    fn in_data_units(&self) -> bool {
        (**self).in_data_units()
    }
}
