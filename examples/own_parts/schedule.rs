use gmix_diffusion::{DataScale, NoiseLevels, NoiseSchedule, Result};

/// Noise that falls as a power of the step, s = 4 `data_std` (1 − i/(n − 1))ᵖ, down to 0.
#[derive(Debug)]
pub(crate) struct Power {
    /// n, at least 2.
    pub(crate) n_levels: usize,
    /// p, above 0.
    pub(crate) exponent: f64,
}

impl NoiseSchedule for Power {
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
        let last = (self.n_levels - 1) as f64;
        let noise = |i| 4.0 * scale.data_std * (1.0 - i as f64 / last).powf(self.exponent);
        NoiseLevels::variance_exploding((0..self.n_levels).map(noise))
    }
}
