//! Cells with covariances of their own, and the coarse-to-fine search that finds them.

mod annealing;
mod cells;
mod covariance;
mod expectation_maximisation;
mod merging;
mod partitioner;
mod search;

pub use cells::GaussianCells;
pub use covariance::IsotropicRest;
pub use partitioner::GaussianPartitioner;
pub use search::{CrossFit, CrossFittedMixture, FoldedSample, TriedCells};

pub(crate) use annealing::Annealing;
pub(crate) use cells::check_masses;
pub(crate) use expectation_maximisation::{
    CellSums, WeightedRows, judging_log_density, least_judging, log_joint_densities,
};
