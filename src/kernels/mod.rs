//! The innermost loops: exponentials, responsibilities and Gaussians, eight rows at a time.
//!
//! They are compiled for each generation of processors with wider registers than the one before, and chosen at run
//! time. No product and sum is fused, so that every generation gives the same bits. A fourth of the code of the
//! library is theirs: what is long and used by several is a function of its own, compiled once a generation.

pub(crate) use distances::squared_distances;
pub(crate) use exponential_sums::add_exponential_sums;
pub(crate) use gaussians::{BLOCK, Cell, FARTHEST, FEW_AXES, Gaussian, Gaussians, ManyAxes, load_rows};
pub(crate) use lanes::{LANES, Lanes, Rows};
pub(crate) use linear::linear_forms_into;
pub(crate) use softmax::{exponentials_in_place, responsibilities_above, responsibilities_in_place, softmax};

/// Evaluates a call of an `#[inline(always)]` function that is generic over the generation S of processors,
/// for this one.
#[cfg(target_arch = "x86_64")]
macro_rules! vectorised {
    ($simd:ident => $call:expr) => {{
        use fearless_simd::Simd;
        // Not `dispatch`, which compiles for SSE4.2 too: the same registers as those of SSE2.
        let level = fearless_simd::Level::new();
        if let Some($simd) = level.as_avx512() {
            $simd.vectorize(
                #[inline(always)]
                || $call,
            )
        } else if let Some($simd) = level.as_avx2() {
            $simd.vectorize(
                #[inline(always)]
                || $call,
            )
        } else if let Some($simd) = level.as_sse2() {
            $simd.vectorize(
                #[inline(always)]
                || $call,
            )
        } else {
            unreachable!("every x86-64 has SSE2")
        }
    }};
}
#[cfg(not(target_arch = "x86_64"))]
macro_rules! vectorised {
    ($simd:ident => $call:expr) => {
        fearless_simd::dispatch!(fearless_simd::Level::new(), $simd => $call)
    };
}
pub(crate) use vectorised;

mod distances;
mod exponential_sums;
mod gaussians;
mod lanes;
mod linear;
mod softmax;
