//! Scores ∇ log p of noised laws: the traits, and the models that implement them.

mod forward;
mod model;
mod start;

pub use model::{DifferentiableScore, GaussianLaw, LogDensity, ScoreModel};
