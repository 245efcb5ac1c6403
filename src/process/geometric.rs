use super::level::{NoiseLevel, NoiseLevels};
use super::schedule::{DataScale, NOISIEST_IN_DATA_STD, NoiseSchedule, QUIETEST_IN_DATA_STD, positive};
use crate::error::{Error, Result};

/// Neighbouring bandwidths closer than this would only make the list long.
const LARGEST_RATIO: f64 = 0.999;

/// The default schedule: geometric in the bandwidth τ = √(σ₀² + s²), variance exploding (a = 1).
///
/// The level Y = X + sZ sees the centres of the components through a Gaussian of standard deviation
/// τ, so equal steps in log τ are equal steps in what can be told apart. Steps in s alone would waste
/// levels below σ₀, where τ hardly moves.
///
/// | setting | default |
/// |---|---|
/// | ratio of neighbouring τ | 0.85 |
/// | noise of the first level | 4 `data_std` |
/// | noise of the last level | exactly 0 when σ₀ is known, 0.01 `data_std` when it is not |
///
/// Both ends are met exactly: the steps are equal in log τ, and their ratio is the one asked for or
/// closer to 1.
///
/// # Examples
/// ```
/// use gmix_diffusion::{DataScale, Geometric, NoiseSchedule};
///
/// let scale = DataScale { component_std: 0.3, data_std: 2.0 };
/// let levels = Geometric::new().levels(scale)?;
/// assert_eq!(levels.noisiest().noise(), 8.0);
/// assert_eq!(levels.quietest().noise(), 0.0);
/// let ratio = levels[1].bandwidth(0.3) / levels[0].bandwidth(0.3);
/// assert!((0.85..0.9).contains(&ratio));
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Geometric {
    pub(crate) ratio: f64,
    pub(crate) noisiest: Option<f64>,
    pub(crate) quietest: Option<f64>,
}

impl Geometric {
    /// The default schedule.
    pub fn new() -> Self {
        Self { ratio: 0.85, noisiest: None, quietest: None }
    }

    /// Sets the ratio of neighbouring bandwidths τ, above 0 and at most 0.999; default 0.85.
    pub fn with_ratio(mut self, ratio: f64) -> Self {
        self.ratio = ratio;
        self
    }

    /// Sets the noise s of the first level, in the units of the data; default 4 `data_std`.
    pub fn with_noisiest(mut self, noise: f64) -> Self {
        self.noisiest = Some(noise);
        self
    }

    /// Sets the noise s of the last level, in the units of the data; default 0 when σ₀ is known and
    /// 0.01 `data_std` when it is not. 0 needs a known σ₀.
    pub fn with_quietest(mut self, noise: f64) -> Self {
        self.quietest = Some(noise);
        self
    }

    /// First and last noise for data of this scale.
    fn ends(&self, scale: DataScale) -> Result<(f64, f64)> {
        let noisiest = self.noisiest.unwrap_or(NOISIEST_IN_DATA_STD * scale.data_std);
        positive("noise of the first level", noisiest)?;
        let known = scale.component_std > 0.0;
        let default = if known { 0.0 } else { QUIETEST_IN_DATA_STD * scale.data_std };
        let quietest = self.quietest.unwrap_or(default);
        let possible = quietest < noisiest && if known { quietest >= 0.0 } else { quietest > 0.0 };
        if possible {
            Ok((noisiest, quietest))
        } else {
            Err(Error::InvalidSetting {
                name: "noise of the last level",
                value: quietest,
                requirement: "below the first and positive, or 0 where the component std is known",
            })
        }
    }
}

impl Default for Geometric {
    fn default() -> Self {
        Self::new()
    }
}

impl NoiseSchedule for Geometric {
    /// # Errors
    /// [`Error::InvalidSetting`] for a ratio outside (0, 0.999], or ends that do not fall.
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
        let scale = scale.checked()?;
        if !(self.ratio > 0.0 && self.ratio <= LARGEST_RATIO) {
            return Err(Error::InvalidSetting {
                name: "ratio of neighbouring bandwidths",
                value: self.ratio,
                requirement: "above 0 and at most 0.999",
            });
        }
        let (noisiest, quietest) = self.ends(scale)?;
        let component_std = scale.component_std;
        let first = NoiseLevel::variance_exploding(noisiest)?.bandwidth(component_std);
        let last = NoiseLevel::variance_exploding(quietest)?.bandwidth(component_std);
        // Rounding must not add a level where the ratio divides the range evenly.
        let n_steps = ((last / first).ln() / self.ratio.ln() - 1e-9).ceil().max(1.0);
        let between = (1..n_steps as usize).map(|step| {
            let bandwidth = first * (last / first).powf(step as f64 / n_steps);
            // √(τ² − σ₀²) without cancellation or underflow of the squares.
            (bandwidth - component_std).sqrt() * (bandwidth + component_std).sqrt()
        });
        NoiseLevels::variance_exploding([noisiest].into_iter().chain(between).chain([quietest]))
    }

    /// Where an end was set.
    fn in_data_units(&self) -> bool {
        self.noisiest.is_some() || self.quietest.is_some()
    }
}
