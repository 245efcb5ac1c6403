//! Log-densities by the probability flow.

mod flow;
mod log_density;
#[cfg(test)]
mod tests;

pub(crate) use log_density::check_points;
pub use log_density::{log_density, log_density_with_control};
