//! Gaussian mixtures as laws: closed form at every noise level.

mod cell_mixture;
mod component;
mod cross_fit;
mod estimator;
mod general;
mod law;
mod noised;
mod parameters;
mod radial_shape;
mod radius;
mod sampling;
mod spherical;

pub use cross_fit::{CrossFit, CrossFittedMixture, TriedCells};
pub use estimator::MixtureEstimator;
pub use law::GaussianMixture;
pub use parameters::MixtureParameters;

pub(crate) use cell_mixture::{CellMixture, Embedding};
pub(crate) use cross_fit::{average, mean_cells, total_cells};
pub(crate) use parameters::check_masses;
pub(crate) use radial_shape::RadialShape;
