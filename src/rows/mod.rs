//! Rows to learn from: as they come in, with weights, as a sample cut into folds, and their moments.

mod borrowed;
mod isotropic_rest;
mod layout;
mod moments;
mod sample;
mod spatial_order;
mod streams;
mod weighted;

pub use borrowed::Rows;
pub use isotropic_rest::IsotropicRest;
pub use layout::RowValue;
pub use sample::FoldedSample;

pub(crate) use moments::{Moments, Repeats};
pub(crate) use spatial_order::spatial_order;
pub(crate) use streams::{FOLDS, FoldRule, MOST_ROWS, stream};
pub(crate) use weighted::WeightedRows;
