//! Clusters that follow the data: groups of cells without a valley between them, however many cells each takes.

mod evidence;
mod found;
mod landscape;
mod passage;
#[cfg(feature = "serde")]
mod saved;
mod sharing;
mod tree;

pub use found::Clusters;
pub use tree::Merge;
