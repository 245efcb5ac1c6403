//! Partitions of space into cells around warm starts, and the partitioners that propose them.

mod annealing;
mod cells;
mod gaussian_cells;
mod partitioner;
mod voronoi;

pub use cells::{CentreMixture, LocalFrame, Partition};
pub use gaussian_cells::GaussianCells;
pub use partitioner::{CentreEstimates, Partitioner, SingleCell};
pub use voronoi::{VoronoiCells, VoronoiPartitioner};

pub(crate) use annealing::Annealing;
pub(crate) use cells::responsibilities_in_place;
