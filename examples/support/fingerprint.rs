//! One number for all bits of a model.

use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::{DiffusionModel, NoiseLevel, Result, ScoreModel};

/// A hash (FNV-1a, by words) of draws of the model, and of log-density and score there, bit by bit.
pub(crate) fn model_hash(model: &DiffusionModel) -> Result<u64> {
    let drawn = model.sample(100, &mut StdRng::seed_from_u64(5))?;
    let density = model.log_density(&drawn)?;
    let score = model.score(NoiseLevel::CLEAN, &drawn)?;
    let values = drawn.iter().chain(density.iter()).chain(score.iter());
    Ok(values.fold(0xcbf2_9ce4_8422_2325, |hash: u64, value| {
        (hash ^ value.to_bits()).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
    }))
}
