use std::f64::consts::FRAC_PI_2;

use super::level::{NoiseLevel, NoiseLevels};
#[cfg(feature = "serde")]
use super::schedule::MostLevels;
use super::schedule::{DataScale, NoiseSchedule, counted, positive};
use crate::error::{Error, Result};

/// The variance preserving schedule of DDPM, with β linear in the step: Ho, Jain, Abbeel, "Denoising
/// Diffusion Probabilistic Models" (2020).
///
/// Step t multiplies the signal by √(1 − β_t), so that a² = ᾱ_t = Π_{i ≤ t} (1 − β_i). The paper's
/// data have standard deviation 1; for data of another scale s = `data_std` √(1 − ᾱ), so that
/// a² + (s/`data_std`)² = 1.
///
/// | setting | default |
/// |---|---|
/// | number of steps n | 1000 |
/// | first and last β | 0.1/n and 20/n; at n = 1000 these are the paper's 10⁻⁴ and 0.02 |
///
/// # Examples
/// ```
/// use gmix_diffusion::{DataScale, LinearBeta, NoiseSchedule};
///
/// let levels = LinearBeta::new().levels(DataScale { component_std: 0.0, data_std: 2.0 })?;
/// assert_eq!(levels.len(), 1000);
/// let last = levels.quietest();
/// assert!((last.noise() - 2.0 * 1e-4f64.sqrt()).abs() < 1e-12);
/// assert!((last.signal().powi(2) + (last.noise() / 2.0).powi(2) - 1.0).abs() < 1e-12);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct LinearBeta {
    #[cfg_attr(feature = "serde", serde(with = "MostLevels"))]
    pub(crate) n_steps: usize,
    pub(crate) betas: Option<(f64, f64)>,
}

impl LinearBeta {
    /// The schedule with its defaults.
    pub fn new() -> Self {
        Self { n_steps: 1000, betas: None }
    }

    /// Sets the number of steps, which is the number of levels; default 1000. The default β need at
    /// least 21.
    pub fn with_steps(mut self, n_steps: usize) -> Self {
        self.n_steps = n_steps;
        self
    }

    /// Sets the β of the first and of the last step of the forward process, in that order: positive,
    /// below 1, not falling; default 0.1/n and 20/n.
    pub fn with_betas(mut self, first: f64, last: f64) -> Self {
        self.betas = Some((first, last));
        self
    }
}

impl Default for LinearBeta {
    fn default() -> Self {
        Self::new()
    }
}

impl NoiseSchedule for LinearBeta {
    /// # Errors
    /// [`Error::InvalidSetting`] for no steps, or β that fall or leave (0, 1).
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
        let scale = scale.checked()?;
        let n = counted("number of steps", self.n_steps, 1)?;
        let (first, last) = self.betas.unwrap_or((0.1 / n as f64, 20.0 / n as f64));
        positive("first beta", first)?;
        if !(last >= first && last < 1.0) {
            return Err(Error::InvalidSetting {
                name: "last beta",
                value: last,
                requirement: "below 1 and not below the first (the default, 20/n, needs 21 steps)",
            });
        }
        let rise = (last - first) / (n - 1).max(1) as f64;
        variance_preserving((0..n).map(|step| first + rise * step as f64), scale)
    }
}

/// The variance preserving schedule of Nichol and Dhariwal, "Improved Denoising Diffusion
/// Probabilistic Models" (2021): ᾱ follows a squared cosine.
///
/// ᾱ_t = f(t/n)/f(0) with f(u) = cos²((u + o)/(1 + o) · π/2), and every β at most 0.999 so that the
/// first level keeps some signal. For data whose standard deviation is not 1,
/// s = `data_std` √(1 − ᾱ).
///
/// | setting | default |
/// |---|---|
/// | number of steps n | 1000 |
/// | offset o | 0.008 |
///
/// # Examples
/// ```
/// use gmix_diffusion::{CosineBeta, DataScale, NoiseSchedule};
///
/// let levels = CosineBeta::new().with_steps(100).levels(DataScale { component_std: 0.0, data_std: 1.0 })?;
/// let half = levels[49]; // step 51 of 100: half of the variance is noise
/// assert!((half.noise().powi(2) - 0.5).abs() < 0.03);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct CosineBeta {
    #[cfg_attr(feature = "serde", serde(with = "MostLevels"))]
    pub(crate) n_steps: usize,
    pub(crate) offset: f64,
}

impl CosineBeta {
    /// The schedule with its defaults.
    pub fn new() -> Self {
        Self { n_steps: 1000, offset: 0.008 }
    }

    /// Sets the number of steps, which is the number of levels; default 1000.
    pub fn with_steps(mut self, n_steps: usize) -> Self {
        self.n_steps = n_steps;
        self
    }

    /// Sets the offset o, which keeps the first β of the forward process from vanishing: between 0
    /// and 1; default 0.008.
    pub fn with_offset(mut self, offset: f64) -> Self {
        self.offset = offset;
        self
    }
}

impl Default for CosineBeta {
    fn default() -> Self {
        Self::new()
    }
}

impl NoiseSchedule for CosineBeta {
    /// # Errors
    /// [`Error::InvalidSetting`] for no steps or an offset outside \[0, 1\].
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
        let scale = scale.checked()?;
        let n = counted("number of steps", self.n_steps, 1)?;
        if !(0.0..=1.0).contains(&self.offset) {
            return Err(Error::InvalidSetting {
                name: "offset of the cosine",
                value: self.offset,
                requirement: "between 0 and 1",
            });
        }
        let angle = |step: usize| (step as f64 / n as f64 + self.offset) / (1.0 + self.offset) * FRAC_PI_2;
        let betas = (1..=n).map(|step| {
            // 1 − cos²(v)/cos²(u) = sin(v − u) sin(v + u)/cos²(u): no cancellation at small steps.
            let (before, after) = (angle(step - 1), angle(step));
            ((after - before).sin() * (after + before).sin() / before.cos().powi(2)).min(0.999)
        });
        variance_preserving(betas, scale)
    }
}

/// The levels of a² = ᾱ, s = data_std √(1 − ᾱ) from the β of the forward process, which starts at
/// the clean data; noisiest first.
fn variance_preserving(betas: impl Iterator<Item = f64>, scale: DataScale) -> Result<NoiseLevels> {
    let forward: Result<Vec<NoiseLevel>> = betas
        .scan(0.0, |log_alpha_bar, beta| {
            *log_alpha_bar += (-beta).ln_1p();
            Some(*log_alpha_bar)
        })
        .map(|log_alpha_bar: f64| {
            let noise = scale.data_std * (-log_alpha_bar.exp_m1()).sqrt();
            NoiseLevel::new((0.5 * log_alpha_bar).exp(), noise)
        })
        .collect();
    NoiseLevels::new(forward?.into_iter().rev())
}
