use nalgebra::{DMatrix, DMatrixViewMut};
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::traits::Sampler;
use crate::error::Result;
use crate::process::NoiseLevels;
use crate::score::ScoreModel;
use crate::shapes::check_room;

/// Draws from the law itself, where the model knows it in closed form: no diffusion, no discretisation.
///
/// Such models are those that implement [`ScoreModel::exact_sample_into`]: a
/// [`GaussianMixture`](crate::GaussianMixture), the laws of [`reference`](crate::reference), and what the
/// default learner fits. All others, such as fits level by level, refuse
/// it, with the error [`NoExactDraws`](crate::Error::NoExactDraws).
///
/// Of the levels only the quietest matters: its noise is added where it has any, so that draws follow the
/// same law as those of every [`Sampler`].
///
/// # Examples
/// ```
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::reference::{Law, Sphere};
/// use gmix_diffusion::{DiffusionLearner, ExactSampler};
///
/// let mut rng = StdRng::seed_from_u64(1);
/// let rows = Sphere::circle(3.0, 2, 0.3)?.draw(600, &mut rng);
/// let model = DiffusionLearner::new().fit(&rows, &mut rng)?.with_sampler(ExactSampler)?;
/// assert_eq!(model.sample(10_000, &mut rng)?.shape(), (10_000, 2));
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExactSampler;

impl Sampler for ExactSampler {
    fn sample_into(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        rng: &mut dyn Rng,
        mut rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        check_room(model.dim(), &rows)?;
        model.exact_sample_into(rng, rows.as_view_mut())?;
        let noise = levels.quietest().noise_to_signal();
        if noise > 0.0 {
            rows.apply(|value| {
                let z: f64 = StandardNormal.sample(rng);
                *value += noise * z;
            });
        }
        Ok(())
    }

    fn check(&self, model: &dyn ScoreModel, _levels: &NoiseLevels) -> Result<()> {
        let mut none = DMatrix::zeros(0, model.dim());
        model.exact_sample_into(&mut Xoshiro256PlusPlus::seed_from_u64(0), none.as_view_mut())
    }
}
