//! The noise levels of a fit: cells that are known beforehand, or proposed level by level, and what is
//! regressed in them.

mod base;
mod correction;
mod fitted;
mod induction;

pub(crate) use base::{Base, smallest_std};
pub(crate) use correction::{Tried, correct_base, correction_tasks};
pub(crate) use induction::Induction;
