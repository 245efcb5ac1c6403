//! Samplers that are saved.

use super::{Ddpm, ExactOrDdpm, ExactSampler, PredictorCorrector, ProbabilityFlow, Sampler};
use crate::format::parts;

parts! {
    /// The samplers that this crate has.
    enum SavedSampler in any_sampler: Sampler, "sampler" {
        Ddpm(Ddpm),
        ProbabilityFlow(ProbabilityFlow),
        PredictorCorrector(PredictorCorrector);
        Exact = ExactSampler,
        ExactOrDdpm = ExactOrDdpm
    }
}
