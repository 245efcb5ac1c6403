use super::Sampler;
use crate::*;
use nalgebra::DMatrixViewMut;
use rand::Rng;
/// stub
#[derive(Debug, Clone, Default)]
pub struct Ddpm;
impl Ddpm { /// stub
 pub fn textbook() -> Self { Self } }
impl Sampler for Ddpm {
    fn sample_into(&self, _: &dyn ScoreModel, _: &NoiseLevels, _: &mut dyn Rng, _: DMatrixViewMut<'_, f64>) -> Result<()> { Ok(()) }
}
