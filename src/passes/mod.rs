//! Passes over all rows: what is summed, and how sums of parts of the rows become sums of all.

mod frame;
mod pass;
mod source;
mod statistics;

pub use pass::Pass;
pub use source::RowSource;
pub use statistics::Statistics;

pub(crate) use frame::PassFrame;
pub(crate) use pass::{RegressionTask, Task};
pub(crate) use statistics::Sums;
#[cfg(feature = "serde")]
pub(crate) use {
    pass::MOST_ROWS,
    statistics::{CHUNK, ChunkSums, Origin},
};
