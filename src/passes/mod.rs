//! Passes over all rows: what is summed, and how sums of parts of the rows become sums of all.

mod frame;
mod pass;
mod regression_task;
#[cfg(feature = "serde")]
mod saved;
mod source;
mod statistics;
mod sums;
mod task;

pub use pass::Pass;
pub use source::RowSource;
pub use statistics::Statistics;

pub(crate) use frame::PassFrame;
pub(crate) use regression_task::RegressionTask;
pub(crate) use sums::Sums;
pub(crate) use task::{Kind, Task};
