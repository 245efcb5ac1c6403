use nalgebra::{Cholesky, DMatrix, DMatrixView, DMatrixViewMut, DVector, SymmetricEigen};
use rand::Rng;

use super::draws::standard_normals;
use crate::error::{Error, Result};
use crate::shapes::check_columns;

/// A Gaussian law N(mean, covariance), the start of a reverse diffusion.
///
/// # Examples
/// ```
/// use gmix_diffusion::GaussianLaw;
/// use gmix_diffusion::nalgebra::{DMatrix, DVector};
/// use gmix_diffusion::rand::{SeedableRng, rngs::SmallRng};
///
/// let law = GaussianLaw { mean: DVector::zeros(2), covariance: DMatrix::identity(2, 2) };
/// let rows = law.sample(1_000, &mut SmallRng::seed_from_u64(1));
/// assert_eq!(rows.shape(), (1_000, 2));
/// let peak = law.log_density(&DMatrix::zeros(1, 2))?[0];
/// assert!((peak + std::f64::consts::TAU.ln()).abs() < 1e-12);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianLaw {
    /// Mean, of length d.
    pub mean: DVector<f64>,
    /// Covariance, d × d.
    pub covariance: DMatrix<f64>,
}

impl GaussianLaw {
    /// `n` independent draws: n × d. A covariance that is singular gives draws in the directions that it has.
    pub fn sample(&self, n: usize, rng: &mut dyn Rng) -> DMatrix<f64> {
        let mut rows = DMatrix::zeros(n, self.mean.len());
        draw_gaussian_into(self.clone(), rng, rows.as_view_mut());
        rows
    }

    /// The natural logarithm of the density at the rows of `points` (n × d): length n.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) where `points` has not d columns, and
    /// [`Error::NotPositiveDefinite`](crate::Error::NotPositiveDefinite) where the law has no density.
    pub fn log_density(&self, points: &DMatrix<f64>) -> Result<DVector<f64>> {
        check_columns(self.mean.len(), points)?;
        let mut log_density = DVector::zeros(points.nrows());
        gaussian_log_density_into(self, points.as_view(), log_density.as_mut_slice())?;
        Ok(log_density)
    }
}

/// Fills the rows of `rows` with draws of `law`.
pub(crate) fn draw_gaussian_into(law: GaussianLaw, rng: &mut dyn Rng, mut rows: DMatrixViewMut<'_, f64>) {
    let SymmetricEigen { eigenvalues, mut eigenvectors } = SymmetricEigen::new(law.covariance);
    for (mut column, value) in eigenvectors.column_iter_mut().zip(eigenvalues.iter()) {
        column *= value.max(0.0).sqrt();
    }
    let spread = standard_normals(rows.nrows(), law.mean.len(), rng) * eigenvectors.transpose();
    rows.copy_from(&spread);
    for (mut column, mean) in rows.column_iter_mut().zip(law.mean.iter()) {
        column.add_scalar_mut(*mean);
    }
}

/// Writes the logarithm of the density of `law` at the rows of `points`.
///
/// # Errors
/// [`Error::NotPositiveDefinite`] when it has none.
pub(crate) fn gaussian_log_density_into(
    law: &GaussianLaw,
    points: DMatrixView<'_, f64>,
    log_density: &mut [f64],
) -> Result<()> {
    let singular = Error::NotPositiveDefinite { what: "covariance of the start law, level", index: 0 };
    let factor = Cholesky::new(law.covariance.clone()).ok_or(singular)?;
    let half_log_determinant: f64 = factor.l_dirty().diagonal().iter().map(|value| value.ln()).sum();
    let log_peak = -0.5 * law.mean.len() as f64 * std::f64::consts::TAU.ln() - half_log_determinant;
    let mut whitened = points.transpose();
    for mut column in whitened.column_iter_mut() {
        column -= &law.mean;
    }
    factor.l_dirty().solve_lower_triangular_mut(&mut whitened);
    for (value, column) in log_density.iter_mut().zip(whitened.column_iter()) {
        *value = log_peak - 0.5 * column.norm_squared();
    }
    Ok(())
}
