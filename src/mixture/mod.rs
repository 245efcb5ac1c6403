//! Gaussian mixtures as laws: closed form at every noise level.

mod column_law;
mod component;
mod cross_fit;
mod embedding;
mod estimator;
mod evaluation;
mod factors;
mod few_axes;
mod gaussian_mixture;
mod general;
mod law;
mod many_axes;
mod noised;
mod parameters;
mod prepared;
mod radial_shape;
mod radius;
#[cfg(feature = "serde")]
mod saved;
mod spherical;
mod tilt;
mod tilted;
mod whole_cell;

pub use column_law::ColumnLaw;
pub use cross_fit::{CrossFit, CrossFittedMixture, TriedCells};
pub use estimator::MixtureEstimator;
pub use gaussian_mixture::GaussianMixture;
pub use parameters::MixtureParameters;

pub(crate) use column_law::ColumnCell;
pub(crate) use cross_fit::{average, mean_cells, total_cells};
pub(crate) use embedding::Embedding;
pub(crate) use law::MixtureLaw;
pub(crate) use parameters::{check_finite, check_masses};
pub(crate) use prepared::PreparedLaw;
pub(crate) use radial_shape::RadialShape;
pub(crate) use tilt::Tilt;
pub(crate) use tilted::{draw_part, draw_standard};
pub(crate) use whole_cell::{Sighting, WholeCell};
