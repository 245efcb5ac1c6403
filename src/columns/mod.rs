//! What the columns of a table are, and the maps between their values and the scale on which these are learned.

mod base;
mod column;
mod detect;
mod latent;
mod lattice;
mod list;
pub(crate) mod normal;
mod spline;
mod table;

pub use column::{Column, Support, Warp};
pub use list::Columns;
pub use table::{Table, TableColumn};

pub(crate) use latent::{LatentMap, Sight};
