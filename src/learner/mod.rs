//! The learner: passes over rows, the induction over noise levels, the fitted model and its report.

mod base;
mod column_scales;
mod component_std;
mod composition;
mod correction;
mod diagnosis;
mod fit;
mod fitted;
mod geometry;
mod hull;
mod induction;
mod model;
mod moments;
mod observer;
mod pass;
mod pass_frame;
mod refinement;
mod report;
mod rows;
mod shape;
mod source;
mod spectrum;
mod statistics;
mod streams;
mod units;
mod warning;
mod within_cells;

#[cfg(feature = "serde")]
pub(crate) use moments::{Moments, SUBSAMPLE, SampledRow};
#[cfg(feature = "serde")]
pub(crate) use pass::{MOST_ROWS, RegressionTask, Task};
#[cfg(feature = "serde")]
pub(crate) use pass_frame::PassFrame;
#[cfg(feature = "serde")]
pub(crate) use refinement::Likelihoods;
#[cfg(feature = "serde")]
pub(crate) use statistics::{CHUNK, ChunkSums, Origin, Sums};
#[cfg(feature = "serde")]
pub(crate) use streams::{FOLDS, FoldRule};

pub use composition::DiffusionLearner;
pub use fit::Fit;
pub use model::DiffusionModel;
pub use observer::FitObserver;
pub use pass::Pass;
pub use report::{FitReport, LevelReport, Work};
pub use rows::Rows;
pub use source::RowSource;
pub use statistics::Statistics;
pub use units::Units;
pub use warning::FitWarning;
