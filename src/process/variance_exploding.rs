use super::level::NoiseLevels;
use super::noise_range::NoiseRange;
use super::schedule::{DataScale, NOISIEST_IN_DATA_STD, NoiseSchedule, QUIETEST_IN_DATA_STD};
use crate::error::Result;

/// Geometric in the noise s, variance exploding (a = 1): Y = X + sZ, of Song and Ermon, "Generative
/// Modeling by Estimating Gradients of the Data Distribution" (2019).
///
/// | setting | default |
/// |---|---|
/// | noise of the first level | 4 `data_std` |
/// | noise of the last level | 0.1 σ₀ when it is known, 0.01 `data_std` when it is not |
/// | number of levels | 50 |
///
/// The last noise cannot be 0; where σ₀ is known, [`Geometric`](crate::Geometric) spends its levels
/// better.
///
/// # Examples
/// ```
/// use gmix_diffusion::{DataScale, NoiseSchedule, VarianceExploding};
///
/// let schedule = VarianceExploding::new().with_noisiest(8.0).with_quietest(1.0).with_levels(4);
/// let levels = schedule.levels(DataScale { component_std: 0.0, data_std: 1.0 })?;
/// let noises: Vec<f64> = levels.iter().map(|level| level.noise().round()).collect();
/// assert_eq!(noises, [8.0, 4.0, 2.0, 1.0]);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct VarianceExploding {
    pub(crate) range: NoiseRange,
}

impl VarianceExploding {
    /// The schedule with its defaults.
    pub fn new() -> Self {
        Self { range: NoiseRange::of_levels(50) }
    }

    /// Sets the noise s of the first level, in the units of the data; default 4 `data_std`.
    pub fn with_noisiest(mut self, noise: f64) -> Self {
        self.range.noisiest = Some(noise);
        self
    }

    /// Sets the noise s of the last level, in the units of the data; default 0.1 σ₀ when it is
    /// known, 0.01 `data_std` when it is not.
    pub fn with_quietest(mut self, noise: f64) -> Self {
        self.range.quietest = Some(noise);
        self
    }

    /// Sets the number of levels, at least 2; default 50.
    pub fn with_levels(mut self, n_levels: usize) -> Self {
        self.range.n_levels = n_levels;
        self
    }
}

impl Default for VarianceExploding {
    fn default() -> Self {
        Self::new()
    }
}

impl NoiseSchedule for VarianceExploding {
    /// # Errors
    /// [`Error::InvalidSetting`](crate::Error::InvalidSetting) for noises that are not positive or
    /// fewer than 2 levels, [`Error::LevelsNotDecreasing`](crate::Error::LevelsNotDecreasing) for a
    /// first noise that is not above the last.
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
        let DataScale { component_std, data_std } = scale.checked()?;
        let quietest = if component_std > 0.0 {
            0.1 * component_std.min(data_std)
        } else {
            QUIETEST_IN_DATA_STD * data_std
        };
        let between = |first: f64, last: f64, share: f64| first * (last / first).powf(share);
        self.range.levels(NOISIEST_IN_DATA_STD * data_std, quietest, between, None)
    }

    /// Where an end was set.
    fn in_data_units(&self) -> bool {
        self.range.is_set()
    }
}
