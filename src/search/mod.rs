//! The coarse-to-fine search for Gaussian cells: in a sample, and over all rows.

mod all_rows;
mod annealing;
mod candidate;
mod cell_moments;
mod covariance;
mod expectation_maximisation;
mod gaussian_partitioner;
mod in_sample;
mod merging;
mod parting;
mod radial_shape;

pub use gaussian_partitioner::GaussianPartitioner;

pub(crate) use all_rows::{Likelihoods, Next, Refinement};
pub(crate) use annealing::Annealing;
#[cfg(feature = "serde")]
pub(crate) use cell_moments::feature_count;
pub(crate) use expectation_maximisation::{CellSums, judging_log_density, least_judging};
pub(crate) use radial_shape::choose_shape;
