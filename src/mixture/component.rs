//! The covariance of one component, decomposed once so that every noise level is cheap.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use crate::linalg::is_diagonal;

/// S = V diag(λ) Vᵀ.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Component {
    pub(super) covariance: DMatrix<f64>,
    pub(super) eigenvalues: DVector<f64>,
    /// One eigenvector a column.
    pub(super) eigenvectors: DMatrix<f64>,
}

impl Component {
    /// Decomposes a `covariance` that has passed [`check_covariances`](super::parameters::check_covariances).
    /// Eigenvalues within rounding of zero become zero.
    pub(super) fn new(covariance: DMatrix<f64>) -> Self {
        let dim = covariance.nrows();
        // Diagonal covariances stay exact, however far apart the units of their columns are.
        if is_diagonal(&covariance) {
            let eigenvalues = covariance.diagonal().map(|value| value.max(0.0));
            return Self { covariance, eigenvalues, eigenvectors: DMatrix::identity(dim, dim) };
        }
        // Scaled to entries of order one, so that the decomposition neither over- nor underflows.
        let largest = covariance.amax();
        let SymmetricEigen { mut eigenvalues, eigenvectors } = SymmetricEigen::new(&covariance / largest);
        let rounding = 4.0 * dim as f64 * f64::EPSILON * eigenvalues.amax();
        eigenvalues.apply(|value| *value = if *value > rounding { *value * largest } else { 0.0 });
        Self { covariance, eigenvalues, eigenvectors }
    }

    /// Standard normal rows as rows of N(0, S), n × d.
    pub(super) fn spread(&self, mut standard: DMatrix<f64>) -> DMatrix<f64> {
        for (mut column, value) in standard.column_iter_mut().zip(self.eigenvalues.iter()) {
            column *= value.sqrt();
        }
        standard * self.eigenvectors.transpose()
    }

    /// One draw of N(0, S) from standard normal numbers.
    pub(super) fn spread_one(&self, standard: &DVector<f64>) -> DVector<f64> {
        &self.eigenvectors * standard.zip_map(&self.eigenvalues, |z, value| z * value.sqrt())
    }
}
