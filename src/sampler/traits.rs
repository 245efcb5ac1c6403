use std::any::Any;
use std::fmt::Debug;

use nalgebra::{DMatrix, DMatrixViewMut};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::error::Result;
use crate::parallel::map_blocks;
use crate::process::NoiseLevels;
use crate::score::ScoreModel;

/// Rows drawn from one stream by [`Sampler::sample`]. Another value gives other rows for a seed.
const CHUNK: usize = 1024;

/// Draws new rows from a score model by running a diffusion backwards.
///
/// # Examples
/// A sampler of one's own, which knows only the Gaussian of the noisiest level:
/// ```
/// use gmix_diffusion::nalgebra::{DMatrix, DMatrixViewMut, DVector};
/// use gmix_diffusion::rand::{Rng, rngs::SmallRng, SeedableRng};
/// use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
/// use gmix_diffusion::{GaussianMixture, NoiseLevels, Result, Sampler, ScoreModel};
///
/// #[derive(Debug)]
/// struct Blurred;
///
/// impl Sampler for Blurred {
///     fn sample_into(
///         &self,
///         model: &dyn ScoreModel,
///         levels: &NoiseLevels,
///         rng: &mut dyn Rng,
///         mut rows: DMatrixViewMut<'_, f64>,
///     ) -> Result<()> {
///         let law = model.start(levels.noisiest())?;
///         for (axis, mut column) in rows.column_iter_mut().enumerate() {
///             let std = law.covariance[(axis, axis)].sqrt();
///             for value in column.iter_mut() {
///                 let z: f64 = StandardNormal.sample(rng);
///                 *value = law.mean[axis] + std * z;
///             }
///         }
///         Ok(())
///     }
/// }
///
/// let model = GaussianMixture::kernel(&DMatrix::from_element(1, 2, 7.0), 1.0)?;
/// let levels = NoiseLevels::variance_exploding([1.0])?;
/// let rows = Blurred.sample(&model, &levels, 2_000, &mut SmallRng::seed_from_u64(1))?;
/// assert_eq!(rows.shape(), (2_000, 2));
/// assert!((rows.mean() - 7.0).abs() < 0.1);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub trait Sampler: Any + Debug + Send + Sync {
    /// Fills the rows of `rows` (n × d) with independent draws, from the one stream `rng`.
    ///
    /// Draws are in the data's own units: they follow the law of Y/a at the quietest level, which is
    /// X itself where that level is clean.
    ///
    /// # Errors
    /// Those of the score model.
    fn sample_into(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        rng: &mut dyn Rng,
        rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()>;

    /// Whether it can draw from `model` at `levels`, which is asked when the two are put together
    /// ([`DiffusionModel::with_sampler`](crate::DiffusionModel::with_sampler), and fits): what it cannot serve is
    /// refused there, and not at the first draw. The default refuses nothing.
    ///
    /// # Errors
    /// Those that drawing would meet: of the sampler's settings, and of what the model does not have.
    fn check(&self, model: &dyn ScoreModel, levels: &NoiseLevels) -> Result<()> {
        let _ = (model, levels);
        Ok(())
    }

    /// `n` independent draws: n × d.
    ///
    /// Rows are drawn in chunks of 1,024, one Xoshiro256++ stream a chunk, seeded from `rng` in
    /// order, so that the same seed gives the same rows for any number of threads.
    ///
    /// # Errors
    /// Those of `sample_into`.
    fn sample(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        n: usize,
        rng: &mut dyn Rng,
    ) -> Result<DMatrix<f64>> {
        let streams: Vec<Xoshiro256PlusPlus> =
            (0..n.div_ceil(CHUNK)).map(|_| Xoshiro256PlusPlus::from_rng(rng)).collect();
        let chunks = map_blocks(n, CHUNK, |range| {
            let mut stream = streams[range.start / CHUNK].clone();
            let mut chunk = DMatrix::zeros(range.len(), model.dim());
            self.sample_into(model, levels, &mut stream, chunk.as_view_mut())?;
            Ok(chunk)
        })?;
        let mut rows = DMatrix::zeros(n, model.dim());
        for (index, chunk) in chunks.iter().enumerate() {
            rows.rows_mut(index * CHUNK, chunk.nrows()).copy_from(chunk);
        }
        Ok(rows)
    }
}

impl<T: Sampler + ?Sized> Sampler for Box<T> {
    fn sample_into(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        rng: &mut dyn Rng,
        rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        (**self).sample_into(model, levels, rng, rows)
    }

    fn check(&self, model: &dyn ScoreModel, levels: &NoiseLevels) -> Result<()> {
        (**self).check(model, levels)
    }

    fn sample(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        n: usize,
        rng: &mut dyn Rng,
    ) -> Result<DMatrix<f64>> {
        (**self).sample(model, levels, n, rng)
    }
}
