//! What a fit did, and what is wrong with it.

mod fit_report;
#[cfg(feature = "serde")]
mod saved;
mod warning;

pub use fit_report::{FitReport, LevelReport, Work};
pub use warning::FitWarning;
