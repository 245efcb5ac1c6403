use std::any::Any;
use std::fmt::Debug;

use super::NoiseLevels;
use crate::error::Result;

/// What a schedule may know of the data it is for, in the data's working units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DataScale {
    /// σ₀, the standard deviation of the Gaussian blur of the components; 0 when it is not known.
    pub component_std: f64,
    /// The largest standard deviation of the data over all directions.
    pub data_std: f64,
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
}

impl NoiseSchedule for NoiseLevels {
    fn levels(&self, _scale: DataScale) -> Result<NoiseLevels> {
        Ok(self.clone())
    }
}

impl<T: NoiseSchedule + ?Sized> NoiseSchedule for Box<T> {
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
        (**self).levels(scale)
    }
}
