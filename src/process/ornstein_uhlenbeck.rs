use super::level::{NoiseLevel, NoiseLevels};
use super::schedule::{DataScale, NoiseSchedule, QUIETEST_IN_DATA_STD};
use crate::error::{Error, Result};

/// The schedule of the convergence theory behind the paper: constant, then exponentially decaying
/// steps in the time of the Ornstein-Uhlenbeck process.
///
/// The forward process dX = −X dt + √2 dB, here for data of any scale, is variance preserving:
/// a = e^{−t}, s = `data_std` √(1 − e^{−2t}). Gatmiry, Kelner, Lee (arXiv 2404.18869) draw from their
/// learned scores by DDPM and rest on known convergence theorems for it. The theorem of Benton, De
/// Bortoli, Doucet, Deligiannidis (arXiv 2308.03686) asks for steps of at most κ min(1, t), t being
/// the time that is left at the end of the step, which makes the number of steps nearly linear in
/// the dimension: constant steps while t ≥ 1, then steps that shrink by the factor 1 + κ, stopped
/// shortly before t = 0.
///
/// Theirs is the process and the rule of the steps. Ours are the defaults, which the theorems leave
/// to unspecified constants, and where the time is counted from: the rows X already carry the blur
/// σ₀, so t counts from the law of the centres, for which X is the early stop at
/// t₀ = ½ ln(1 + σ₀²/`data_std`²). With σ₀ known the last level is therefore the clean one, s = 0;
/// with σ₀ unknown it has s/a = 0.01 `data_std`.
///
/// | setting | default |
/// |---|---|
/// | time T of the first level | 3, where a = 0.05 and s/a is about 20 `data_std` |
/// | κ, the largest step | 0.1 |
///
/// [`theory`](crate::theory) gives the T and κ of the theorem for an accuracy asked for.
///
/// # Examples
/// ```
/// use gmix_diffusion::{DataScale, NoiseSchedule, OrnsteinUhlenbeck};
///
/// let levels = OrnsteinUhlenbeck::new().levels(DataScale { component_std: 0.5, data_std: 2.0 })?;
/// assert!((levels.noisiest().signal() - (-3.0f64).exp()).abs() < 1e-12);
/// assert_eq!(levels.quietest().noise(), 0.0);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrnsteinUhlenbeck {
    pub(crate) time: f64,
    pub(crate) step: f64,
}

impl OrnsteinUhlenbeck {
    /// The schedule with its defaults.
    pub fn new() -> Self {
        Self { time: 3.0, step: 0.1 }
    }

    /// Sets the time T of the first level, above 0 and at most 100; default 3.
    pub fn with_time(mut self, time: f64) -> Self {
        self.time = time;
        self
    }

    /// Sets κ, the largest step in time: at least 0.0001 and at most 1; default 0.1.
    pub fn with_step(mut self, step: f64) -> Self {
        self.step = step;
        self
    }

    fn check(&self) -> Result<()> {
        let wrong = |name, value, requirement| Err(Error::InvalidSetting { name, value, requirement });
        if !(self.time > 0.0 && self.time <= 100.0) {
            return wrong("time of the first level", self.time, "above 0 and at most 100");
        }
        if !(1e-4..=1.0).contains(&self.step) {
            return wrong("largest step in time", self.step, "at least 0.0001 and at most 1");
        }
        Ok(())
    }

    /// Times of the levels, falling from T, counted from the rows X.
    fn times(&self, scale: DataScale) -> Vec<f64> {
        let time_of = |noise_to_signal: f64| 0.5 * (noise_to_signal / scale.data_std).powi(2).ln_1p();
        let blur = time_of(scale.component_std);
        let last = if blur > 0.0 { 0.0 } else { time_of(QUIETEST_IN_DATA_STD * scale.data_std) };
        // A blur that is lost in rounding must not make the shrinking steps endless.
        let blur = blur.max(1e-30);
        let mut times = vec![];
        let mut left = self.time + blur;
        while left - blur > last {
            times.push(left - blur);
            left = if left - self.step >= 1.0 { left - self.step } else { left / (1.0 + self.step) };
        }
        times.push(last);
        times
    }
}

impl Default for OrnsteinUhlenbeck {
    fn default() -> Self {
        Self::new()
    }
}

impl NoiseSchedule for OrnsteinUhlenbeck {
    /// # Errors
    /// [`Error::InvalidSetting`] for a time outside (0, 100] or a step outside \[0.0001, 1\].
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
        self.check()?;
        let scale = scale.checked()?;
        let levels: Result<Vec<NoiseLevel>> = self
            .times(scale)
            .into_iter()
            .map(|time| NoiseLevel::new((-time).exp(), scale.data_std * (-(-2.0 * time).exp_m1()).sqrt()))
            .collect();
        NoiseLevels::new(levels?)
    }
}
