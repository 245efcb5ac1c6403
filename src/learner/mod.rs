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
mod refinement;
mod report;
mod rows;
mod shape;
mod spectrum;
mod statistics;
mod streams;
mod units;
mod warning;
mod within_cells;

pub use composition::DiffusionLearner;
pub use fit::Fit;
pub use model::DiffusionModel;
pub use observer::FitObserver;
pub use pass::Pass;
pub use report::{FitReport, LevelReport, Work};
pub use rows::Rows;
pub use statistics::Statistics;
pub use units::Units;
pub use warning::FitWarning;
