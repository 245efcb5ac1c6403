//! The innermost loops: exponentials, responsibilities and Gaussians, eight rows at a time.
//!
//! They are compiled for each generation of processors and chosen at run time. No product and sum is fused, so
//! that every generation gives the same bits.

pub(crate) use gaussians::{BLOCK, Cell, FARTHEST, FEW_AXES, Gaussian, Gaussians, ManyAxes, load_rows};
pub(crate) use lanes::{LANES, Lanes, Rows};
pub(crate) use linear::linear_forms_into;
pub(crate) use softmax::{exponentials_in_place, responsibilities_above, responsibilities_in_place, softmax};

/// Evaluates a call of an `#[inline(always)]` function that is generic over the generation S of processors,
/// for this one.
macro_rules! vectorised {
    ($simd:ident => $call:expr) => {
        fearless_simd::dispatch!(fearless_simd::Level::new(), $simd => $call)
    };
}
pub(crate) use vectorised;

mod gaussians;
mod lanes;
mod linear;
mod softmax;
