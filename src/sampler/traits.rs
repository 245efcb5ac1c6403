use std::any::Any;
use std::fmt::Debug;
use std::ops::Range;

use nalgebra::{DMatrix, DMatrixViewMut};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::started::Started;
use crate::error::Result;
use crate::parallel::map_blocks;
use crate::process::NoiseLevels;
use crate::score::ScoreModel;
use crate::shapes::check_columns;

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
        in_chunks(n, model.dim(), rng, |range, stream| {
            let mut chunk = DMatrix::zeros(range.len(), model.dim());
            self.sample_into(model, levels, stream, chunk.as_view_mut())?;
            Ok(chunk)
        })
    }

    /// The reverse diffusion from given rows: `noised` (n × d) are rows of Y at the noisiest of `levels`, in the units
    /// of Y, and n × d of the law at the quietest come out, by [`Ddpm`](crate::Ddpm) a draw each of X
    /// given its Y. Noise a draw to a level and come back, and it is another draw near by.
    ///
    /// A flow takes the rows where its path leads, without noise, and correctors forget by and by where they came from.
    /// Samplers that run no diffusion fail.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) where `noised` has not d columns; those of `sample_into`.
    ///
    /// # Examples
    /// A row seen through noise of standard deviation 1, a hundred times, and what it may have been:
    /// ```
    /// use gmix_diffusion::nalgebra::DMatrix;
    /// use gmix_diffusion::rand::{SeedableRng, rngs::SmallRng};
    /// use gmix_diffusion::{Ddpm, GaussianMixture, NoiseLevels, Sampler};
    ///
    /// let model = GaussianMixture::kernel(&DMatrix::from_row_slice(2, 1, &[-4.0, 4.0]), 0.5)?;
    /// let levels = NoiseLevels::variance_exploding([1.0, 0.0])?;
    /// let noised = DMatrix::from_element(100, 1, 3.0);
    /// let rows = Ddpm::new().sample_from(&model, &levels, &noised, &mut SmallRng::seed_from_u64(1))?;
    /// // E[X | Y = 3] = 4 - 0.5²/(0.5² + 1²) = 3.8.
    /// assert!((rows.mean() - 3.8).abs() < 0.2);
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    fn sample_from(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        noised: &DMatrix<f64>,
        rng: &mut dyn Rng,
    ) -> Result<DMatrix<f64>> {
        check_columns(model.dim(), noised)?;
        in_chunks(noised.nrows(), model.dim(), rng, |range, stream| {
            let rows = noised.rows(range.start, range.len()).into_owned();
            let mut chunk = rows.clone();
            self.sample_into(&Started { model, rows }, levels, stream, chunk.as_view_mut())?;
            Ok(chunk)
        })
    }
}

/// The rows of consecutive chunks, each drawn from a stream of its own that is seeded from `rng` in order: n × `dim`.
fn in_chunks(
    n: usize,
    dim: usize,
    rng: &mut dyn Rng,
    draw: impl Fn(Range<usize>, &mut dyn Rng) -> Result<DMatrix<f64>> + Send + Sync,
) -> Result<DMatrix<f64>> {
    let streams: Vec<Xoshiro256PlusPlus> =
        (0..n.div_ceil(CHUNK)).map(|_| Xoshiro256PlusPlus::from_rng(rng)).collect();
    let chunks = map_blocks(n, CHUNK, |range| {
        let mut stream = streams[range.start / CHUNK].clone();
        draw(range, &mut stream)
    })?;
    let mut rows = DMatrix::zeros(n, dim);
    for (index, chunk) in chunks.iter().enumerate() {
        rows.rows_mut(index * CHUNK, chunk.nrows()).copy_from(chunk);
    }
    Ok(rows)
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

    fn sample_from(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        noised: &DMatrix<f64>,
        rng: &mut dyn Rng,
    ) -> Result<DMatrix<f64>> {
        (**self).sample_from(model, levels, noised, rng)
    }
}
