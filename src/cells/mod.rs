//! Cells that part space, and those who propose them.

mod cover;
mod gaussian;
mod partition;
mod partitioner;
#[cfg(feature = "serde")]
mod saved;
mod usable;
mod voronoi;
mod voronoi_partitioner;

pub use gaussian::GaussianCells;
pub use partition::{LocalFrame, Partition};
pub use partitioner::{CentreEstimates, Partitioner, SingleCell};
pub use voronoi::VoronoiCells;
pub use voronoi_partitioner::VoronoiPartitioner;

pub(crate) use usable::check_usable;

#[cfg(feature = "serde")]
pub(crate) use saved::SavedPartition;
