//! Partitions of space into cells around warm starts, and the partitioners that propose them.

mod cells;
mod gaussian;
mod partitioner;
mod voronoi;

pub use cells::{LocalFrame, MixtureParameters, Partition};
pub use gaussian::{
    CrossFit, CrossFittedMixture, FoldedSample, GaussianCells, GaussianPartitioner, IsotropicRest, TriedCells,
};
pub use partitioner::{CentreEstimates, Partitioner, SingleCell};
pub use voronoi::{VoronoiCells, VoronoiPartitioner};

#[cfg(feature = "serde")]
pub(crate) use gaussian::feature_count;
pub(crate) use gaussian::{
    Annealing, CellSums, WeightedRows, average, judging_log_density, least_judging, log_joint_densities,
    spatial_order,
};
