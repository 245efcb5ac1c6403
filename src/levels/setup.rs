use std::sync::Arc;

use super::tuning::TUNING;
use crate::coordinates::Geometry;
use crate::polynomial::PolynomialRegression;
use crate::process::{NoiseLevel, NoiseLevels};

/// What the levels of a fit are learned with.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) regression: PolynomialRegression,
    pub(crate) seed: u64,
    pub(crate) geometry: Arc<Geometry>,
    pub(crate) levels: NoiseLevels,
}

impl Setup {
    pub(super) fn bandwidth(&self, level: NoiseLevel) -> f64 {
        level.bandwidth(self.geometry.component_std)
    }

    pub(super) fn is_quiet(&self, level: NoiseLevel) -> bool {
        level.noise() == 0.0 || level.noise_to_signal() < TUNING.reuse_below * self.geometry.component_std
    }
}
