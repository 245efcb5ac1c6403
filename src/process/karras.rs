use super::level::NoiseLevels;
use super::noise_range::NoiseRange;
use super::schedule::{DataScale, NoiseSchedule, positive};
use crate::error::Result;

/// The schedule of Karras, Aittala, Aila, Laine, "Elucidating the Design Space of Diffusion-Based
/// Generative Models" (2022): equal steps in s^{1/ρ}, variance exploding (a = 1).
///
/// s_i = (s₀^{1/ρ} + i/(n − 1) (s_{n−1}^{1/ρ} − s₀^{1/ρ}))^ρ. Where σ₀ is known the clean level s = 0
/// follows, as in the paper; where it is not, the score at s = 0 may not exist and the list ends at
/// the quietest noise.
///
/// | setting | default |
/// |---|---|
/// | ρ | 7 |
/// | noise of the first and of the last level | 160 and 0.004 `data_std`: the paper's 80 and 0.002 at its 0.5 |
/// | number of levels n, the clean one not counted | 40 (ours) |
///
/// # Examples
/// ```
/// use gmix_diffusion::{DataScale, Karras, NoiseSchedule};
///
/// let levels = Karras::new().levels(DataScale { component_std: 0.1, data_std: 0.5 })?;
/// assert_eq!(levels.len(), 41);
/// assert!((levels.noisiest().noise() - 80.0).abs() < 1e-9);
/// assert!((levels[39].noise() - 0.002).abs() < 1e-9);
/// assert_eq!(levels.quietest().noise(), 0.0);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Karras {
    pub(crate) rho: f64,
    pub(crate) range: NoiseRange,
}

impl Karras {
    /// The schedule with its defaults.
    pub fn new() -> Self {
        Self { rho: 7.0, range: NoiseRange::of_levels(40) }
    }

    /// Sets ρ, positive; 1 gives equal steps in s, a large ρ steps that are nearly geometric;
    /// default 7.
    pub fn with_rho(mut self, rho: f64) -> Self {
        self.rho = rho;
        self
    }

    /// Sets the noise s of the first level, in the units of the data; default 160 `data_std`.
    pub fn with_noisiest(mut self, noise: f64) -> Self {
        self.range.noisiest = Some(noise);
        self
    }

    /// Sets the noise s of the last level before the clean one, in the units of the data; default
    /// 0.004 `data_std`.
    pub fn with_quietest(mut self, noise: f64) -> Self {
        self.range.quietest = Some(noise);
        self
    }

    /// Sets the number of levels, at least 2, the clean one not counted; default 40.
    pub fn with_levels(mut self, n_levels: usize) -> Self {
        self.range.n_levels = n_levels;
        self
    }
}

impl Default for Karras {
    fn default() -> Self {
        Self::new()
    }
}

impl NoiseSchedule for Karras {
    /// # Errors
    /// [`Error::InvalidSetting`](crate::Error::InvalidSetting) for ρ or noises that are not positive
    /// or fewer than 2 levels, [`Error::LevelsNotDecreasing`](crate::Error::LevelsNotDecreasing) for
    /// a first noise that is not above the last.
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
        let scale = scale.checked()?;
        let rho = positive("rho", self.rho)?;
        let between = |first: f64, last: f64, share: f64| {
            let (first, last) = (first.powf(rho.recip()), last.powf(rho.recip()));
            (first + share * (last - first)).powf(rho)
        };
        let clean = (scale.component_std > 0.0).then_some(0.0);
        self.range.levels(160.0 * scale.data_std, 0.004 * scale.data_std, between, clean)
    }

    /// Where an end was set.
    fn in_data_units(&self) -> bool {
        self.range.is_set()
    }
}
