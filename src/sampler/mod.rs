//! Reverse diffusion: new rows from a score model and a list of noise levels.

mod traits;

pub use traits::Sampler;
mod stub;
pub use stub::Ddpm;
