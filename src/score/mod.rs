//! Scores ∇ log p of noised laws: the traits, and what serves every implementation.

mod centre;
mod draws;
mod forward;
mod gaussian_law;
mod model;
mod numerical_divergence;
mod start;

pub use gaussian_law::GaussianLaw;
pub use model::{DifferentiableScore, LogDensity, ScoreModel};
pub use numerical_divergence::NumericalDivergence;

pub(crate) use centre::{centres_and_divergence_into, centres_into};
pub(crate) use draws::{draw_rows_into, rows_by_component, standard_normals};
pub(crate) use forward::forward;
pub(crate) use gaussian_law::{draw_gaussian_into, gaussian_log_density_into};
