//! The forward process: noise levels and the schedules that list them.

mod level;
mod resample;
mod schedule;

pub use level::{NoiseLevel, NoiseLevels};
pub(crate) use resample::{geometric_steps, quietest_with_bandwidth};
pub use schedule::{DataScale, NoiseSchedule};
