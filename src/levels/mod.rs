//! The noise levels of a fit: a mixture that is the score of all of them, or cells proposed level by level and what is
//! regressed in them.

mod base;
mod driver;
mod fitted;
mod one_cell;
mod plan;
mod proposed_cells;
mod setup;
mod tuning;

pub(crate) use base::{Base, cells_of, smallest_std};
pub(crate) use driver::{Learned, LevelFits};
pub(crate) use one_cell::OneCell;
pub(crate) use setup::Setup;
