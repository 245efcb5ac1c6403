//! Learn an unknown continuous distribution by diffusion with piecewise polynomial scores.

mod error;
mod process;
mod sampler;
mod score;

pub mod check;
pub mod reference;
pub mod theory;

pub use error::{Error, Result};
pub use process::{
    CosineBeta, DataScale, Geometric, Karras, LinearBeta, NoiseLevel, NoiseLevels, NoiseSchedule,
    OrnsteinUhlenbeck, VarianceExploding,
};
pub use sampler::Sampler;
pub use score::{
    DifferentiableScore, GaussianLaw, GaussianMixture, LogDensity, NumericalDivergence, ScoreModel,
};

pub use nalgebra;
pub use rand;
pub use rand_distr;
