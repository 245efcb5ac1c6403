//! The forward process: noise levels and the schedules that list them.

mod level;
mod schedule;

pub use level::{NoiseLevel, NoiseLevels};
pub use schedule::{DataScale, NoiseSchedule};
