//! Reverse diffusion: new rows from a score model and a list of noise levels.

mod ddpm;
mod exact;
mod exact_or_ddpm;
mod path;
mod predictor_corrector;
mod probability_flow;
#[cfg(feature = "serde")]
mod saved;
mod started;
#[cfg(test)]
mod tests;
mod traits;

pub use ddpm::Ddpm;
pub use exact::ExactSampler;
pub use exact_or_ddpm::ExactOrDdpm;
pub use predictor_corrector::PredictorCorrector;
pub use probability_flow::ProbabilityFlow;
pub use traits::Sampler;

#[cfg(feature = "serde")]
pub(crate) use saved::any_sampler;
