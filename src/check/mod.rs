//! Checkers of one's own parts, one for each public trait, for use in tests.
//!
//! A checker calls an implementation and compares what comes back with what the trait promises. It
//! returns `Ok(())`, or the first promise that does not hold, with numbers.

mod comparison;
mod derivatives;
mod mixture_estimator;
mod partitioner;
mod row_source;
mod sampler;
mod schedule;
mod score_model;
#[cfg(test)]
mod tests;

pub use derivatives::{check_divergence, check_log_density};
pub use mixture_estimator::check_mixture_estimator;
pub use partitioner::check_partitioner;
pub use row_source::check_row_source;
pub use sampler::check_sampler;
pub use schedule::check_schedule;
pub use score_model::check_score_model;
