//! Voronoi cells, hard and soft, and the partitioner that finds their centres.

mod cells;
mod cover;
mod partitioner;

pub use cells::VoronoiCells;
pub use partitioner::VoronoiPartitioner;
