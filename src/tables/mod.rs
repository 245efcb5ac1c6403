//! The law of a table whose columns are what they are: rounded, bounded, with values that repeat, labels.

mod encoder;
mod fit;
mod labels;
mod law;
mod model;
mod report;
#[cfg(feature = "serde")]
mod saved;
#[cfg(test)]
mod tests;

pub use model::TableModel;
pub use report::{Choice, TableReport};
