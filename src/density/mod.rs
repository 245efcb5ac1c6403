//! Log-densities by the probability flow.

mod flow;
mod log_density;
#[cfg(test)]
mod tests;

pub use log_density::{log_density, log_density_with_control};
