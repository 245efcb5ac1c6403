use nalgebra::{Cholesky, DMatrix};

use crate::error::{Error, Result};
use crate::linalg::is_symmetric;
use crate::shapes::check_size;

/// What was seen of a row: the values of some columns, exact or with a known error.
///
/// An error is Gaussian of mean zero and independent of the row, w = x + e with e ~ N(0, N). Columns are named by their
/// index among those of the learned rows.
///
/// # Examples
/// ```
/// use gmix_diffusion::Observation;
///
/// let seen = Observation::exact(&[0], &[3.2])?.and(Observation::with_std(&[2], &[1.0], &[0.1])?)?;
/// assert_eq!(seen.columns(), [0, 2]);
/// let same_column_again = seen.and(Observation::exact(&[2], &[1.1])?);
/// assert!(same_column_again.is_err());
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    columns: Vec<usize>,
    values: Vec<f64>,
    /// N, zero in the rows and columns of exact values.
    covariance: DMatrix<f64>,
}

impl Observation {
    /// `values` of `columns`, without error.
    ///
    /// # Errors
    /// [`Error::NoColumnNamed`], [`Error::ColumnTwice`], [`Error::ShapeMismatch`] unless there is a value a column,
    /// [`Error::NotFinite`].
    pub fn exact(columns: &[usize], values: &[f64]) -> Result<Self> {
        Self::new(columns, values, DMatrix::zeros(columns.len(), columns.len()))
    }

    /// `values` of `columns` with errors of these standard deviations, in the columns' units; 0 is exact.
    ///
    /// # Errors
    /// As [`exact`](Self::exact); [`Error::InvalidSetting`] for a standard deviation that is negative or not finite.
    pub fn with_std(columns: &[usize], values: &[f64], stds: &[f64]) -> Result<Self> {
        check_size("standard deviations of an observation", columns.len(), stds.len())?;
        if let Some(&value) = stds.iter().find(|std| !(**std >= 0.0 && (**std * **std).is_finite())) {
            return Err(Error::InvalidSetting {
                name: "standard deviation of what was seen",
                value,
                requirement: "non-negative and finite",
            });
        }
        let covariance =
            DMatrix::from_fn(stds.len(), stds.len(), |i, j| if i == j { stds[i] * stds[i] } else { 0.0 });
        Self::new(columns, values, covariance)
    }

    /// `values` of `columns` with errors of this covariance, positive definite.
    ///
    /// # Errors
    /// As [`exact`](Self::exact); [`Error::NotPositiveDefinite`].
    pub fn with_covariance(columns: &[usize], values: &[f64], covariance: DMatrix<f64>) -> Result<Self> {
        check_size("rows of the covariance of an observation", columns.len(), covariance.nrows())?;
        check_size("columns of the covariance of an observation", columns.len(), covariance.ncols())?;
        let definite = covariance.iter().all(|value| value.is_finite())
            && is_symmetric(&covariance)
            && Cholesky::new(covariance.clone()).is_some();
        if !definite {
            return Err(Error::NotPositiveDefinite { what: "covariance of observation", index: 0 });
        }
        Self::new(columns, values, covariance)
    }

    /// What is there of a row with empty cells: NaN stands for a value that was not seen.
    ///
    /// # Errors
    /// [`Error::NoColumnNamed`] when all are NaN, [`Error::NotFinite`] for an infinite value.
    pub fn of_incomplete_row(row: &[f64]) -> Result<Self> {
        let columns: Vec<usize> = (0..row.len()).filter(|&column| !row[column].is_nan()).collect();
        let values: Vec<f64> = columns.iter().map(|&column| row[column]).collect();
        Self::exact(&columns, &values)
    }

    fn new(columns: &[usize], values: &[f64], covariance: DMatrix<f64>) -> Result<Self> {
        check_named_once(columns)?;
        check_size("values of an observation", columns.len(), values.len())?;
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { row: 0, column: columns[index], value: values[index] });
        }
        Ok(Self { columns: columns.to_vec(), values: values.to_vec(), covariance })
    }

    /// Both of two, with errors that are independent of each other.
    ///
    /// # Errors
    /// [`Error::ColumnTwice`] when they have a column in common.
    pub fn and(self, other: Self) -> Result<Self> {
        let (first, second) = (self.columns.len(), other.columns.len());
        let mut covariance = DMatrix::zeros(first + second, first + second);
        covariance.view_mut((0, 0), (first, first)).copy_from(&self.covariance);
        covariance.view_mut((first, first), (second, second)).copy_from(&other.covariance);
        Self::new(&[self.columns, other.columns].concat(), &[self.values, other.values].concat(), covariance)
    }

    /// The columns of which something was seen.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Their values, as many.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Covariance of their errors; zero where values are exact.
    pub fn covariance(&self) -> &DMatrix<f64> {
        &self.covariance
    }
}

/// Is at least one column named, and none twice?
pub(crate) fn check_named_once(columns: &[usize]) -> Result<()> {
    if columns.is_empty() {
        return Err(Error::NoColumnNamed);
    }
    match columns.iter().enumerate().find(|(index, column)| columns[..*index].contains(column)) {
        Some((_, &column)) => Err(Error::ColumnTwice { column }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_observations_are_typed_errors() {
        let nan = f64::NAN;
        assert!(matches!(Observation::exact(&[], &[]), Err(Error::NoColumnNamed)));
        assert!(matches!(Observation::exact(&[1, 0, 1], &[0.0; 3]), Err(Error::ColumnTwice { column: 1 })));
        assert!(matches!(Observation::exact(&[1], &[0.0; 3]), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(Observation::exact(&[3], &[nan]), Err(Error::NotFinite { column: 3, .. })));
        for std in [-0.1, nan, f64::INFINITY, 1e300] {
            let found = Observation::with_std(&[0], &[1.0], &[std]);
            assert!(matches!(found, Err(Error::InvalidSetting { .. })));
        }
        for covariance in [[1.0, 2.0, 2.0, 1.0], [1.0, 0.1, 0.2, 1.0], [nan, 0.0, 0.0, 1.0], [0.0; 4]] {
            let covariance = DMatrix::from_row_slice(2, 2, &covariance);
            let found = Observation::with_covariance(&[0, 1], &[0.0; 2], covariance);
            assert!(matches!(found, Err(Error::NotPositiveDefinite { .. })));
        }
        assert!(matches!(Observation::of_incomplete_row(&[nan, nan]), Err(Error::NoColumnNamed)));
        assert!(matches!(
            Observation::of_incomplete_row(&[nan, f64::INFINITY]),
            Err(Error::NotFinite { .. })
        ));
        assert_eq!(Observation::of_incomplete_row(&[nan, 2.0, 3.0]).unwrap().columns(), [1, 2]);
    }
}
