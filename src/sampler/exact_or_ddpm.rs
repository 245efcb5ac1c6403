use nalgebra::DMatrixViewMut;
use rand::Rng;

use super::ddpm::Ddpm;
use super::exact::ExactSampler;
use super::traits::Sampler;
use crate::error::{Error, Result};
use crate::process::NoiseLevels;
use crate::score::ScoreModel;

/// Draws from the law itself where the model knows it in closed form, as [`ExactSampler`], and else by the default
/// [`Ddpm`]: the default of a learner.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::rand::{SeedableRng, rngs::SmallRng};
/// use gmix_diffusion::{ExactOrDdpm, ExactSampler, GaussianMixture, NoiseLevels, Sampler};
///
/// let model = GaussianMixture::kernel(&DMatrix::from_row_slice(2, 1, &[-4.0, 4.0]), 0.5)?;
/// let levels = NoiseLevels::variance_exploding([40.0, 0.0])?;
/// let rows = ExactOrDdpm.sample(&model, &levels, 100, &mut SmallRng::seed_from_u64(1))?;
/// assert_eq!(rows, ExactSampler.sample(&model, &levels, 100, &mut SmallRng::seed_from_u64(1))?);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExactOrDdpm;

impl Sampler for ExactOrDdpm {
    fn sample_into(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        rng: &mut dyn Rng,
        mut rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        match ExactSampler.sample_into(model, levels, rng, rows.as_view_mut()) {
            Err(Error::NoExactDraws) => Ddpm::default().sample_into(model, levels, rng, rows),
            drawn => drawn,
        }
    }
}
