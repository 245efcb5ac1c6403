use std::any::Any;
use std::fmt::Debug;

use super::cross_fit::CrossFittedMixture;
use crate::error::Result;
use crate::rows::FoldedSample;

/// Estimates a Gaussian mixture of X in one go, whose score is then the cells' own at every noise level, in
/// closed form: the same cells serve all levels.
///
/// # Examples
/// One Gaussian, that of the rows outside each fold:
/// ```
/// use gmix_diffusion::nalgebra::{DMatrix, DVector};
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::{
///     CrossFittedMixture, DiffusionLearner, FoldedSample, MixtureEstimator, MixtureParameters, Result,
/// };
///
/// #[derive(Debug)]
/// struct OneGaussian;
///
/// impl MixtureEstimator for OneGaussian {
///     fn mixture(&self, sample: &FoldedSample) -> Result<CrossFittedMixture> {
///         let of = |members: &[usize]| {
///             let mut rows = sample.rows.select_rows(members);
///             let mean = rows.row_mean();
///             rows.row_iter_mut().for_each(|mut row| row -= &mean);
///             MixtureParameters {
///                 masses: DVector::from_element(1, 1.0),
///                 means: DMatrix::from_rows(&[mean]),
///                 covariances: vec![rows.transpose() * &rows / rows.nrows() as f64],
///             }
///         };
///         let without = |fold| (0..sample.rows.nrows()).filter(|&i| sample.folds[i] != fold).collect::<Vec<_>>();
///         let folds = (0..sample.n_folds).map(|fold| of(&without(fold))).collect();
///         Ok(CrossFittedMixture::new(folds, of(&without(sample.n_folds))))
///     }
/// }
///
/// let rows = DMatrix::from_fn(200, 1, |i, _| ((i * 37) % 101) as f64 / 100.0);
/// let learner = DiffusionLearner::new().with_mixture(OneGaussian);
/// let model = learner.fit(&rows, &mut StdRng::seed_from_u64(7))?;
/// assert_eq!(model.centres().nrows(), 1);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub trait MixtureEstimator: Any + Debug + Send + Sync {
    /// A mixture fitted to the rows of `sample` (n × m) outside every fold, or outside the first alone, and one
    /// fitted to all.
    ///
    /// Unless the component std is given, a learner asks first for the cells of a small sample of the
    /// same rows in other units, for the columns' widths within them, and then for those that it keeps.
    ///
    /// # Errors
    /// Those of a user's own estimator.
    fn mixture(&self, sample: &FoldedSample) -> Result<CrossFittedMixture>;
}

impl<T: MixtureEstimator + ?Sized> MixtureEstimator for Box<T> {
    fn mixture(&self, sample: &FoldedSample) -> Result<CrossFittedMixture> {
        (**self).mixture(sample)
    }
}
