use nalgebra::{DMatrix, DVector};

use crate::error::{Error, Result};
use crate::linalg::{is_positive_semidefinite, is_symmetric};
use crate::shapes::check_size;

/// The parameters of a Gaussian mixture Σ wⱼ N(mⱼ, Sⱼ); a covariance may be zero.
#[derive(Debug, Clone, PartialEq)]
pub struct MixtureParameters {
    /// wⱼ, length k, summing to 1.
    pub masses: DVector<f64>,
    /// mⱼ, k × m.
    pub means: DMatrix<f64>,
    /// Sⱼ, k matrices m × m, positive semidefinite.
    pub covariances: Vec<DMatrix<f64>>,
}

impl MixtureParameters {
    /// With one more component, the last.
    pub(crate) fn with_cell(mut self, mass: f64, mean: &DVector<f64>, covariance: DMatrix<f64>) -> Self {
        let cells = self.masses.len();
        let masses = self.masses.insert_row(cells, mass);
        let mut means = self.means.insert_row(cells, 0.0);
        means.row_mut(cells).copy_from(&mean.transpose());
        self.covariances.push(covariance);
        Self { masses, means, covariances: self.covariances }
    }

    /// Are these components in `dim` dimensions, with positive masses, finite means and covariances?
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::InvalidSetting`] for a mass, [`Error::NotFinite`] for a mean,
    /// [`Error::NotPositiveDefinite`].
    pub(crate) fn check(&self, dim: usize) -> Result<()> {
        let cells = self.means.nrows();
        check_masses(&self.masses, cells)?;
        check_size("columns of the means of a mixture", dim, self.means.ncols())?;
        check_finite(&self.means)?;
        check_covariances(&self.covariances, cells, dim)
    }
}

/// Are these `cells` masses positive and finite?
pub(crate) fn check_masses(masses: &DVector<f64>, cells: usize) -> Result<()> {
    if masses.len() != cells || cells == 0 {
        return Err(Error::ShapeMismatch {
            what: "cell masses",
            expected: cells.max(1),
            found: masses.len(),
        });
    }
    match masses.iter().find(|m| !(**m > 0.0 && m.is_finite())) {
        Some(&value) => {
            Err(Error::InvalidSetting { name: "mass of a cell", value, requirement: "positive and finite" })
        }
        None => Ok(()),
    }
}

/// Are all entries of `means` finite?
pub(crate) fn check_finite(means: &DMatrix<f64>) -> Result<()> {
    match means.iter().position(|value| !value.is_finite()) {
        Some(index) => {
            let (row, column) = (index % means.nrows(), index / means.nrows());
            Err(Error::NotFinite { row, column, value: means[index] })
        }
        None => Ok(()),
    }
}

/// Are these `count` matrices, each `dim` × `dim`, symmetric and positive semidefinite?
pub(super) fn check_covariances(covariances: &[DMatrix<f64>], count: usize, dim: usize) -> Result<()> {
    check_sizes(covariances, count, dim)?;
    for (index, covariance) in covariances.iter().enumerate() {
        let finite = covariance.iter().all(|value| value.is_finite());
        if !(finite && is_symmetric(covariance) && is_positive_semidefinite(covariance)) {
            return Err(Error::NotPositiveDefinite { what: "covariance of component", index });
        }
    }
    Ok(())
}

/// Are these `count` matrices `dim` × `dim`?
pub(super) fn check_sizes(covariances: &[DMatrix<f64>], count: usize, dim: usize) -> Result<()> {
    check_size("number of covariances", count, covariances.len())?;
    for covariance in covariances {
        check_size("rows of a covariance", dim, covariance.nrows())?;
        check_size("columns of a covariance", dim, covariance.ncols())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(mass: f64, mean: f64, covariance: &[f64]) -> Result<()> {
        let mixture = MixtureParameters {
            masses: DVector::from_element(1, mass),
            means: DMatrix::from_row_slice(1, 2, &[mean, 0.0]),
            covariances: vec![DMatrix::from_row_slice(2, 2, covariance)],
        };
        mixture.check(2)
    }

    #[test]
    fn covariances_may_be_singular_up_to_rounding_in_any_unit() {
        for unit in [1e-200, 1.0, 1e200] {
            for covariance in [[0.0; 4], [1.0, 0.0, 0.0, -1e-12], [1.0, 1.0, 1.0 + 1e-12, 1.0 - 1e-12]] {
                one(1.0, 0.0, &covariance.map(|value| value * unit)).unwrap();
            }
            for covariance in [[1.0, 0.0, 0.0, -1e-6], [1.0, 1.0, 1.0, 0.9], [1.0, 0.5, 0.4, 1.0]] {
                let found = one(1.0, 0.0, &covariance.map(|value| value * unit));
                assert!(matches!(found, Err(Error::NotPositiveDefinite { index: 0, .. })), "{covariance:?}");
            }
        }
        for wrong in [f64::NAN, f64::INFINITY] {
            assert!(matches!(one(1.0, 0.0, &[wrong, 0.0, 0.0, 1.0]), Err(Error::NotPositiveDefinite { .. })));
        }
    }

    #[test]
    fn masses_are_positive_and_means_finite() {
        let unit = [1.0, 0.0, 0.0, 1.0];
        for mass in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(one(mass, 0.0, &unit), Err(Error::InvalidSetting { .. })));
        }
        assert!(matches!(one(1.0, f64::NAN, &unit), Err(Error::NotFinite { row: 0, column: 0, .. })));
    }
}
