//! Scores ∇ log p of noised laws: the traits, and what serves every implementation.

mod centre;
mod draws;
mod forward;
mod model;
mod numerical_divergence;
mod start;

pub use model::{DifferentiableScore, GaussianLaw, LogDensity, ScoreModel};
pub use numerical_divergence::NumericalDivergence;

pub(crate) use centre::{centres_and_divergence_into, centres_into};
pub(crate) use draws::{draw_rows_into, rows_by_component, standard_normals};
