#[cfg(test)]
mod tests;

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::law::MixtureLaw;
use super::parameters::{check_covariances, check_finite, check_sizes};
use crate::error::{Error, Result};
use crate::linalg::is_diagonal;
use crate::process::NoiseLevel;
use crate::score::{ScoreModel, forward};
use crate::shapes::check_size;

/// A Gaussian mixture Σ_j w_j N(μ_j, S_j), with score, divergence and log-density in closed form.
///
/// Noise keeps it a mixture: Y = aX + sZ has components N(a μ_j, a² S_j + s² I), so every level is
/// exact. Covariances are decomposed once, after which a level costs 2·n·k·d² operations, or n·k·d
/// when all components share one spherical covariance. A covariance may be singular, a point even;
/// then levels without noise are an error, the others are exact.
///
/// Answers are finite at every finite point, however far out. Its start is its exact mean and covariance, its
/// component std the square root of the smallest eigenvalue of all covariances.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::{DMatrix, DVector};
/// use gmix_diffusion::{GaussianMixture, LogDensity, NoiseLevel, ScoreModel};
///
/// let weights = DVector::from_vec(vec![0.5, 0.5]);
/// let means = DMatrix::from_row_slice(2, 1, &[-2.0, 2.0]);
/// let mixture = GaussianMixture::spherical(weights, means, 0.5)?;
///
/// let points = DMatrix::from_row_slice(2, 1, &[0.0, 2.0]);
/// let score = mixture.score(NoiseLevel::CLEAN, &points)?;
/// assert!(score.iter().all(|value| value.abs() < 1e-6));
/// let log_density = mixture.log_density(NoiseLevel::CLEAN, &points)?;
/// assert!(log_density[1] > log_density[0]);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    /// Of Gaussian cells, with all coordinates active.
    law: MixtureLaw,
}

impl GaussianMixture {
    /// The mixture of components N(row j of `means`, `covariances[j]`), k × d and k times d × d,
    /// with `weights` (length k) that are normalised here.
    ///
    /// # Errors
    /// [`Error::NoRows`] and [`Error::NoColumns`] for no components or no dimensions,
    /// [`Error::ShapeMismatch`], [`Error::InvalidWeight`] for a weight that is negative or not
    /// finite or when all are zero, [`Error::NotFinite`] for a mean, [`Error::NotPositiveDefinite`]
    /// for a covariance that is not symmetric, has a negative eigenvalue or is not finite.
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::GaussianMixture;
    /// use gmix_diffusion::nalgebra::{DMatrix, DVector};
    ///
    /// let covariance = DMatrix::from_row_slice(2, 2, &[2.0, 0.5, 0.5, 1.0]);
    /// let one = GaussianMixture::new(DVector::from_element(1, 1.0), DMatrix::zeros(1, 2), vec![covariance])?;
    /// assert_eq!(one.n_components(), 1);
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn new(weights: DVector<f64>, means: DMatrix<f64>, covariances: Vec<DMatrix<f64>>) -> Result<Self> {
        let weights = check_parts(weights, &means)?;
        check_sizes(&covariances, means.nrows(), means.ncols())?;
        if let Some(variance) = shared_spherical_variance(&covariances) {
            return Ok(Self { law: MixtureLaw::spherical(weights, means, variance.sqrt()) });
        }
        check_covariances(&covariances, means.nrows(), means.ncols())?;
        Ok(Self { law: MixtureLaw::gaussian(weights, means, covariances) })
    }

    /// The mixture of components N(row j of `means`, `std`² I), with `weights` (length k) that are
    /// normalised here. `std` may be 0: then the components are points.
    ///
    /// # Errors
    /// As [`GaussianMixture::new`]; [`Error::InvalidSetting`] when `std` is negative or not finite.
    pub fn spherical(weights: DVector<f64>, means: DMatrix<f64>, std: f64) -> Result<Self> {
        let weights = check_parts(weights, &means)?;
        if !(std >= 0.0 && std.is_finite()) {
            let requirement = "non-negative and finite";
            return Err(Error::InvalidSetting {
                name: "component standard deviation",
                value: std,
                requirement,
            });
        }
        Ok(Self { law: MixtureLaw::spherical(weights, means, std) })
    }

    /// The kernel density estimate of `rows` (n × d): one component N(row, `bandwidth`² I) a row, of
    /// equal weights. With bandwidth 0 its score at a level s > 0 is the empirical score, the
    /// minimiser of the denoising loss over all functions.
    ///
    /// # Errors
    /// As [`GaussianMixture::spherical`].
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::nalgebra::DMatrix;
    /// use gmix_diffusion::{GaussianMixture, NoiseLevel, ScoreModel};
    ///
    /// let rows = DMatrix::from_row_slice(2, 1, &[0.0, 4.0]);
    /// let empirical = GaussianMixture::kernel(&rows, 0.0)?;
    /// let level = NoiseLevel::variance_exploding(0.1)?;
    /// let denoised = empirical.denoise(level, &DMatrix::from_element(1, 1, 0.3))?;
    /// assert!(denoised[0].abs() < 1e-12);
    /// assert!(empirical.score(NoiseLevel::CLEAN, &rows).is_err());
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn kernel(rows: &DMatrix<f64>, bandwidth: f64) -> Result<Self> {
        Self::spherical(DVector::from_element(rows.nrows(), 1.0), rows.clone(), bandwidth)
    }

    /// The weights, which sum to one: length k.
    pub fn weights(&self) -> &DVector<f64> {
        self.law.masses()
    }

    /// The means, one a row: k × d.
    pub fn means(&self) -> &DMatrix<f64> {
        self.law.means()
    }

    /// The covariance of component `index`: d × d.
    ///
    /// # Panics
    /// When `index` is not below the number of components.
    pub fn covariance(&self, index: usize) -> DMatrix<f64> {
        assert!(index < self.n_components(), "component {index} of {}", self.n_components());
        self.law.scaled_covariance(index)
    }

    /// The number of components k.
    pub fn n_components(&self) -> usize {
        self.weights().len()
    }

    /// The posterior probability of each component given Y = aX + sZ, at the rows of `points`
    /// (n × d, in the units of Y): n × k, rows sum to one.
    ///
    /// # Errors
    /// As [`ScoreModel::score`]; [`Error::NotPositiveDefinite`] at a level without noise, when a
    /// covariance is singular.
    pub fn responsibilities(&self, level: NoiseLevel, points: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.law.responsibilities(level, points)
    }
}

forward!(GaussianMixture, mixture => mixture.law);

/// One draw of X.
impl Distribution<DVector<f64>> for GaussianMixture {
    fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> DVector<f64> {
        let (weights, mut left) = (self.weights(), rng.random::<f64>());
        // Rounding may leave a remainder after the last weight; a component of weight zero is never drawn.
        let last = weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
        let mut index = 0;
        while index < last && left >= weights[index] {
            left -= weights[index];
            index += 1;
        }
        let noise = DVector::from_fn(self.dim(), |_, _| StandardNormal.sample(rng));
        let mean = self.means().row(index).transpose();
        mean + self.law.spread_one(index, &noise)
    }
}

/// Checks weights and means, and returns the weights normalised.
fn check_parts(weights: DVector<f64>, means: &DMatrix<f64>) -> Result<DVector<f64>> {
    if means.nrows() == 0 {
        return Err(Error::NoRows);
    }
    if means.ncols() == 0 {
        return Err(Error::NoColumns);
    }
    check_size("number of weights", means.nrows(), weights.len())?;
    if let Some((row, &weight)) = weights.iter().enumerate().find(|(_, w)| !(**w >= 0.0 && w.is_finite())) {
        return Err(Error::InvalidWeight { row, weight });
    }
    check_finite(means)?;
    // Relative to the largest, so that the sum cannot overflow.
    let largest = weights.amax();
    if largest == 0.0 {
        return Err(Error::InvalidWeight { row: 0, weight: 0.0 });
    }
    let relative = weights / largest;
    let total = relative.sum();
    Ok(relative / total)
}

/// The variance v where all covariances are v I.
fn shared_spherical_variance(covariances: &[DMatrix<f64>]) -> Option<f64> {
    let first = covariances.first()?;
    let variance = *first.get((0, 0))?;
    let spherical =
        variance >= 0.0 && is_diagonal(first) && first.diagonal().iter().all(|&value| value == variance);
    let shared = spherical && variance.is_finite() && covariances.iter().all(|other| other == first);
    shared.then_some(variance)
}
