//! The covariance of one component, decomposed once so that every noise level is cheap.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use crate::error::{Error, Result};
use crate::linalg::is_diagonal;

/// Relative to the largest entry: how far a covariance may be from symmetric.
const ASYMMETRY: f64 = 1e-9;

/// S = V diag(λ) Vᵀ.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Component {
    pub(super) covariance: DMatrix<f64>,
    pub(super) eigenvalues: DVector<f64>,
    /// One eigenvector a column.
    pub(super) eigenvectors: DMatrix<f64>,
}

impl Component {
    /// Decomposes the d × d covariance of component `index`. Eigenvalues within rounding of zero become zero.
    pub(super) fn new(covariance: DMatrix<f64>, dim: usize, index: usize) -> Result<Self> {
        check_shape(&covariance, dim)?;
        let invalid = Error::NotPositiveDefinite { what: "covariance of component", index };
        if covariance.iter().any(|value| !value.is_finite()) {
            return Err(invalid);
        }
        let largest = covariance.amax();
        if (&covariance - covariance.transpose()).amax() > ASYMMETRY * largest {
            return Err(invalid);
        }
        // Diagonal covariances stay exact, however far apart the units of their columns are.
        if is_diagonal(&covariance) {
            let eigenvalues = covariance.diagonal();
            if eigenvalues.iter().any(|&value| value < 0.0) {
                return Err(invalid);
            }
            return Ok(Self { covariance, eigenvalues, eigenvectors: DMatrix::identity(dim, dim) });
        }
        // Scaled to entries of order one, so that the decomposition neither over- nor underflows.
        let SymmetricEigen { mut eigenvalues, eigenvectors } = SymmetricEigen::new(&covariance / largest);
        let rounding = 4.0 * dim as f64 * f64::EPSILON * eigenvalues.amax();
        let negative = (ASYMMETRY * eigenvalues.amax()).max(rounding);
        if eigenvalues.iter().any(|&value| value < -negative) {
            return Err(invalid);
        }
        eigenvalues.apply(|value| *value = if *value > rounding { *value * largest } else { 0.0 });
        Ok(Self { covariance, eigenvalues, eigenvectors })
    }

    /// Standard normal rows as rows of N(0, S), n × d.
    pub(super) fn spread(&self, mut standard: DMatrix<f64>) -> DMatrix<f64> {
        for (mut column, value) in standard.column_iter_mut().zip(self.eigenvalues.iter()) {
            column *= value.sqrt();
        }
        standard * self.eigenvectors.transpose()
    }

    /// The variance of a spherical covariance v I, if it is one.
    pub(super) fn spherical_variance(covariance: &DMatrix<f64>) -> Option<f64> {
        let variance = *covariance.get((0, 0))?;
        let spherical = is_diagonal(covariance)
            && variance >= 0.0
            && covariance.diagonal().iter().all(|&v| v == variance);
        (spherical && variance.is_finite()).then_some(variance)
    }
}

pub(super) fn check_shape(covariance: &DMatrix<f64>, dim: usize) -> Result<()> {
    for (what, found) in
        [("rows of a covariance", covariance.nrows()), ("columns of a covariance", covariance.ncols())]
    {
        if found != dim {
            return Err(Error::ShapeMismatch { what, expected: dim, found });
        }
    }
    Ok(())
}
