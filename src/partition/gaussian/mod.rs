//! Cells with covariances of their own, and the coarse-to-fine search that finds them.

mod annealing;
mod candidate;
mod cell_moments;
mod cells;
mod covariance;
mod cross_fit;
mod expectation_maximisation;
mod folded_sample;
mod merging;
mod parting;
mod partitioner;
mod search;
mod spatial_order;
mod weighted_rows;

pub use cells::GaussianCells;
pub use covariance::IsotropicRest;
pub use cross_fit::{CrossFit, CrossFittedMixture, TriedCells};
pub use folded_sample::FoldedSample;
pub use partitioner::GaussianPartitioner;

pub(crate) use annealing::Annealing;
#[cfg(feature = "serde")]
pub(crate) use cell_moments::feature_count;
pub(crate) use cells::check_masses;
pub(crate) use cross_fit::average;
pub(crate) use expectation_maximisation::{
    CellSums, judging_log_density, least_judging, log_joint_densities,
};
pub(crate) use spatial_order::spatial_order;
pub(crate) use weighted_rows::WeightedRows;
