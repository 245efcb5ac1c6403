//! The innermost loops: exponentials, responsibilities and Gaussians, eight rows at a time.

mod gaussians;
mod lanes;
mod softmax;

pub(crate) use gaussians::{Cell, FARTHEST, Gaussian, Gaussians, ManyAxes, load_rows};
pub(crate) use lanes::{LANES, Lanes};
pub(crate) use softmax::{exponentials_in_place, responsibilities_in_place, softmax};
