//! An estimator of mixtures and what it estimates.

use rand::Rng;

use super::comparison::{require_close, require_equal, require_finite};
use super::partitioner::three_clusters;
use crate::error::Result;
use crate::mixture::{MixtureEstimator, MixtureParameters};
use crate::rows::FoldedSample;

/// Folds of the sample.
const FOLDS: usize = 5;
/// What rounding may do, relative to the largest entry of a covariance.
const ROUNDING: f64 = 1e-9;

/// Asks `estimator` for the mixture of three clusters in the plane, and checks it.
///
/// There is one mixture for every fold, or for the first alone, and one for all rows. In each, masses are
/// positive and sum to one, means are finite, and covariances are symmetric, without negative eigenvalues; and
/// asked again for the same sample, the estimator finds the same.
///
/// # Errors
/// [`Error::CheckFailed`](crate::Error::CheckFailed) with the first property that does not hold; errors of the
/// estimator.
///
/// # Examples
/// ```
/// use gmix_diffusion::GaussianPartitioner;
/// use gmix_diffusion::check::check_mixture_estimator;
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
///
/// check_mixture_estimator(&GaussianPartitioner::default(), &mut StdRng::seed_from_u64(1))?;
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn check_mixture_estimator(estimator: &dyn MixtureEstimator, rng: &mut dyn Rng) -> Result<()> {
    let rows = three_clusters(rng);
    let n = rows.nrows();
    let sample = FoldedSample::new(rows, vec![1.0; n], (0..n).map(|i| i % FOLDS).collect(), FOLDS)?;
    let found = estimator.mixture(&sample)?;
    let expected = if found.folds.len() == 1 { 1 } else { FOLDS };
    require_equal("a mixture for every fold", 0, expected, found.folds.len())?;
    for (fold, mixture) in found.folds.iter().chain([&found.all_rows]).enumerate() {
        check_mixture(fold, mixture)?;
    }
    let same = estimator.mixture(&sample)? == found;
    require_equal("the same sample gives the same mixture", 0, 1, usize::from(same))
}

fn check_mixture(fold: usize, mixture: &MixtureParameters) -> Result<()> {
    let MixtureParameters { masses, means, covariances } = mixture;
    let (cells, dim) = means.shape();
    require_equal("columns of the means", fold, 2, dim)?;
    require_equal("masses of a mixture", fold, cells.max(1), masses.len())?;
    require_close("masses are not negative", fold, 0.0, masses.min().min(0.0), 0.0)?;
    require_close("masses sum to one", fold, 1.0, masses.sum(), 1e-9)?;
    require_finite("means are finite", means)?;
    require_equal("covariances of a mixture", fold, cells, covariances.len())?;
    for covariance in covariances {
        require_equal("rows of a covariance", fold, dim, covariance.nrows())?;
        require_equal("columns of a covariance", fold, dim, covariance.ncols())?;
        require_finite("covariances are finite", covariance)?;
        let tolerance = ROUNDING * covariance.amax();
        let skew = (covariance - covariance.transpose()).amax();
        require_close("covariances are symmetric", fold, 0.0, skew, tolerance)?;
        let smallest = covariance.symmetric_eigenvalues().min();
        require_close("variances are not negative", fold, 0.0, smallest.min(0.0), tolerance)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::mixture::CrossFittedMixture;
    use crate::search::GaussianPartitioner;

    #[test]
    fn shipped_estimators_pass() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        for estimator in [0, 1, 2, 4, 9].map(|paths| GaussianPartitioner::default().with_paths(paths)) {
            check_mixture_estimator(&estimator, &mut rng).unwrap();
        }
    }

    /// One cell of this mass and covariance.
    #[derive(Debug)]
    struct One(f64, [f64; 4]);
    impl MixtureEstimator for One {
        fn mixture(&self, sample: &FoldedSample) -> Result<CrossFittedMixture> {
            let one = MixtureParameters {
                masses: DVector::from_element(1, self.0),
                means: DMatrix::zeros(1, 2),
                covariances: vec![DMatrix::from_row_slice(2, 2, &self.1)],
            };
            Ok(CrossFittedMixture::new(vec![one.clone(); sample.n_folds], one))
        }
    }

    #[test]
    fn masses_and_covariances_that_are_none_are_found() {
        for (estimator, property) in [
            (One(0.9, [1.0, 0.0, 0.0, 1.0]), "masses sum to one"),
            (One(1.0, [1.0, 0.5, 0.0, 1.0]), "symmetric"),
            (One(1.0, [1.0, 2.0, 2.0, 1.0]), "variances are not negative"),
        ] {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
            let error = check_mixture_estimator(&estimator, &mut rng).unwrap_err();
            assert!(error.to_string().contains(property), "{error}");
        }
    }
}
