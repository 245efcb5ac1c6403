//! The coarse-to-fine search for Gaussian cells: in a sample, and over all rows.

mod all_rows;
mod annealing;
mod background;
mod candidate;
mod cell_moments;
mod covariance;
mod decision;
mod expectation_maximisation;
mod gaussian_partitioner;
mod in_sample;
mod merging;
mod radial_shape;
mod splitting;
mod spots;
mod whitening;
mod witness;

pub use gaussian_partitioner::GaussianPartitioner;

pub(crate) use all_rows::{Likelihoods, Next, Refinement, Wanted};
pub(crate) use annealing::Annealing;
pub(crate) use covariance::likelihood_left_out;
pub(crate) use expectation_maximisation::{CellSums, least_judging};
pub(crate) use radial_shape::choose_shape;
pub(crate) use witness::{column_bandwidths, sharpest_units};
