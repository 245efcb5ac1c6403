//! Scores ∇ log p of noised laws: the traits, and the models that implement them.

mod forward;
mod gaussian_mixture;
mod model;
mod numerical_divergence;
mod start;

pub use gaussian_mixture::GaussianMixture;
pub use model::{DifferentiableScore, GaussianLaw, LogDensity, ScoreModel};
pub use numerical_divergence::NumericalDivergence;
