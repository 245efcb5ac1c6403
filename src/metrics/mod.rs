//! How far a model or a sample is from the truth.
//!
//! | question | function | needs |
//! |---|---|---|
//! | How far is a density from a known one? | [`total_variation`], [`kl_divergence`] | both log-densities at rows of the truth |
//! | At which noise level does a score lose? | [`score_error`] | a reference score and clean rows |
//! | How far apart are two samples? | [`sliced_wasserstein`], [`energy_distance`] | rows only |
//!
//! The sample distances are dominated by the samples' own noise as soon as a fit is good; where the
//! true density is known, the total variation tells good fits apart much better.

mod energy;
mod estimate;
mod kl_divergence;
mod samples;
mod score_error;
#[cfg(test)]
mod testing;
mod total_variation;
mod wasserstein;

pub use energy::energy_distance;
pub use estimate::Estimate;
pub use kl_divergence::kl_divergence;
pub use score_error::{ScoreError, score_error};
pub use total_variation::total_variation;
pub use wasserstein::sliced_wasserstein;
