//! The forward process: noise levels and the schedules that list them.

mod beta;
mod geometric;
mod karras;
mod level;
mod noise_range;
mod ornstein_uhlenbeck;
mod resample;
#[cfg(feature = "serde")]
mod saved;
mod schedule;
mod variance_exploding;

pub use beta::{CosineBeta, LinearBeta};
pub use geometric::Geometric;
pub use karras::Karras;
pub use level::{NoiseLevel, NoiseLevels};
pub use ornstein_uhlenbeck::OrnsteinUhlenbeck;
pub(crate) use resample::{geometric_steps, quietest_with_bandwidth};
#[cfg(feature = "serde")]
pub(crate) use saved::any_schedule;
pub use schedule::{DataScale, NoiseSchedule};
pub use variance_exploding::VarianceExploding;

#[cfg(test)]
mod tests;
