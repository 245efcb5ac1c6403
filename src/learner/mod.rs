//! The learner: a composition of parts, the fit that runs its passes, and the fitted model.

mod diagnosis;
mod fit;
mod fitting;
mod imperfect;
mod model;
mod observer;
mod questions;
mod settings;

pub use fit::Fit;
pub use model::DiffusionModel;
pub use observer::FitObserver;
pub use questions::LawDistance;
pub use settings::DiffusionLearner;

#[cfg(feature = "serde")]
pub(crate) use settings::CellSource;
