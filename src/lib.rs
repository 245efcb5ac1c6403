//! Learn an unknown continuous distribution by diffusion with piecewise polynomial scores.

mod error;
pub mod metrics;
mod process;
mod sampler;
mod score;

pub use error::{Error, Result};
pub use process::{DataScale, NoiseLevel, NoiseLevels, NoiseSchedule};
pub use sampler::Sampler;
pub use score::{DifferentiableScore, GaussianLaw, LogDensity, ScoreModel};

pub use nalgebra;
pub use rand;
pub use rand_distr;
