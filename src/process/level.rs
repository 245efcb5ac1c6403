use std::ops::Deref;

use crate::error::{Error, Result};

/// One noise level of the forward process Y = aX + sZ, Z ~ N(0, I).
///
/// `signal` a is positive and `noise` s non-negative, both finite: an invalid level cannot be
/// built. a = 1 is the variance exploding form, a² + s² = 1 the variance preserving form (DDPM's
/// ᾱ is a²).
///
/// # Examples
/// ```
/// use gmix_diffusion::NoiseLevel;
///
/// let level = NoiseLevel::new(0.6, 0.8)?;
/// assert_eq!(level.noise_to_signal(), 0.8 / 0.6);
/// assert!(NoiseLevel::new(0.0, 1.0).is_err());
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseLevel {
    signal: f64,
    noise: f64,
}

impl NoiseLevel {
    /// The data themselves: a = 1, s = 0.
    pub const CLEAN: Self = Self { signal: 1.0, noise: 0.0 };

    /// The level Y = `signal` · X + `noise` · Z.
    ///
    /// # Errors
    /// [`Error::InvalidNoiseLevel`] unless `signal` > 0, `noise` ≥ 0, and both and their ratio are finite.
    pub fn new(signal: f64, noise: f64) -> Result<Self> {
        let valid = signal > 0.0 && signal.is_finite() && noise >= 0.0 && (noise / signal).is_finite();
        if valid { Ok(Self { signal, noise }) } else { Err(Error::InvalidNoiseLevel { signal, noise }) }
    }

    /// The variance exploding level Y = X + `noise` · Z.
    ///
    /// # Errors
    /// [`Error::InvalidNoiseLevel`] unless `noise` is finite and not negative.
    pub fn variance_exploding(noise: f64) -> Result<Self> {
        Self::new(1.0, noise)
    }

    /// The signal a of Y = aX + sZ.
    pub fn signal(self) -> f64 {
        self.signal
    }

    /// The noise s of Y = aX + sZ.
    pub fn noise(self) -> f64 {
        self.noise
    }

    /// s/a, the noise in the data's own units.
    pub fn noise_to_signal(self) -> f64 {
        self.noise / self.signal
    }

    /// τ = √(σ₀² + s²/a²), the standard deviation of the Gaussian around a component's centre in Y/a.
    pub fn bandwidth(self, component_std: f64) -> f64 {
        component_std.hypot(self.noise_to_signal())
    }
}

/// A non-empty list of noise levels, noisiest first, strictly falling in s/a.
///
/// It dereferences to a slice, so `levels.windows(2)` walks the steps of a reverse diffusion.
///
/// # Examples
/// ```
/// use gmix_diffusion::NoiseLevels;
///
/// let levels = NoiseLevels::variance_exploding([4.0, 2.0, 1.0, 0.0])?;
/// assert_eq!(levels.len(), 4);
/// assert_eq!(levels.noisiest().noise(), 4.0);
/// assert!(NoiseLevels::variance_exploding([1.0, 1.0]).is_err());
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct NoiseLevels(Vec<NoiseLevel>);

impl NoiseLevels {
    /// Checks the order of `levels` and keeps them.
    ///
    /// # Errors
    /// [`Error::NoLevels`] when there are none, [`Error::LevelsNotDecreasing`] when s/a does not fall.
    pub fn new(levels: impl IntoIterator<Item = NoiseLevel>) -> Result<Self> {
        let levels: Vec<NoiseLevel> = levels.into_iter().collect();
        if levels.is_empty() {
            return Err(Error::NoLevels);
        }
        for (index, pair) in levels.windows(2).enumerate() {
            let (previous, ratio) = (pair[0].noise_to_signal(), pair[1].noise_to_signal());
            if ratio >= previous {
                return Err(Error::LevelsNotDecreasing { index: index + 1, ratio, previous });
            }
        }
        Ok(Self(levels))
    }

    /// Levels Y = X + s Z from their noises, noisiest first.
    ///
    /// # Errors
    /// As [`NoiseLevels::new`] and [`NoiseLevel::new`].
    pub fn variance_exploding(noises: impl IntoIterator<Item = f64>) -> Result<Self> {
        let levels: Result<Vec<NoiseLevel>> =
            noises.into_iter().map(NoiseLevel::variance_exploding).collect();
        Self::new(levels?)
    }

    /// Levels of data in which a unit of this list is `unit`.
    ///
    /// # Errors
    /// As [`NoiseLevels::new`] and [`NoiseLevel::new`], where noises overflow or vanish.
    pub(crate) fn scaled(&self, unit: f64) -> Result<Self> {
        let scaled = |level: &NoiseLevel| NoiseLevel::new(level.signal(), level.noise() * unit);
        Self::new(self.iter().map(scaled).collect::<Result<Vec<_>>>()?)
    }

    /// The first level.
    pub fn noisiest(&self) -> NoiseLevel {
        self.0[0]
    }

    /// The last level.
    pub fn quietest(&self) -> NoiseLevel {
        self.0[self.0.len() - 1]
    }
}

impl Deref for NoiseLevels {
    type Target = [NoiseLevel];

    fn deref(&self) -> &[NoiseLevel] {
        &self.0
    }
}

#[cfg(feature = "serde")]
mod saved {
    use serde::{Deserialize, Serialize};

    use super::{NoiseLevel, NoiseLevels};
    use crate::error::Result;
    use crate::format::{Check, POSITIVE, checked, invalid, within, zero_or_positive};

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "NoiseLevel", deny_unknown_fields)]
    struct SignalAndNoise {
        signal: f64,
        noise: f64,
    }

    checked!(NoiseLevel, SignalAndNoise);

    impl Check for NoiseLevel {
        fn check_saved(&self) -> Result<()> {
            Self::new(self.signal, self.noise).map(drop).map_err(invalid)
        }
    }

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "NoiseLevels")]
    struct List(Vec<NoiseLevel>);

    checked!(NoiseLevels, List);

    impl Check for NoiseLevels {
        fn check_saved(&self) -> Result<()> {
            Self::new(self.0.iter().copied()).map_err(invalid)?;
            for (index, level) in self.iter().enumerate() {
                within(format_args!("signal of level {index}"), &[level.signal()], POSITIVE)?;
                zero_or_positive(format_args!("noise of level {index}"), level.noise())?;
                zero_or_positive(format_args!("noise to signal of level {index}"), level.noise_to_signal())?;
            }
            Ok(())
        }
    }
}
