//! Scores ∇ log p of noised laws: the traits, and the models that implement them.

mod cell_mixture;
mod centre;
mod draws;
mod forward;
mod gaussian_mixture;
mod level_score;
mod mixture;
mod model;
mod numerical_divergence;
mod piecewise_polynomial;
mod start;

pub(crate) use cell_mixture::{CellMixture, Embedding, RadialShape};
pub(crate) use centre::{centres_and_divergence_into, centres_into};
pub(crate) use draws::draw_rows_into;
pub use gaussian_mixture::GaussianMixture;
pub use model::{DifferentiableScore, GaussianLaw, LogDensity, ScoreModel};
pub use numerical_divergence::NumericalDivergence;
pub use piecewise_polynomial::PiecewisePolynomialScore;

pub(crate) use level_score::LevelScore;
pub(crate) use piecewise_polynomial::ActiveSubspace;
