//! Questions to a law in closed form: its marginals, what is left of it once something was seen, answers for many rows.

mod corrected;
mod evaluator;
mod given;
mod membership;
mod mixture;
mod modes;
mod observation;
mod pattern;
mod surprise;
mod table;
#[cfg(test)]
mod testing;

pub use corrected::WeightedDraws;
pub use evaluator::Evaluator;
pub use mixture::Mixture;
pub use modes::Mode;
pub use observation::Observation;
pub use surprise::{DensityLevel, Surprise};
pub use table::Predictions;

pub(crate) use corrected::{Corrected, whole_rows};
