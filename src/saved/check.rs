//! The checks that saved numbers have to pass.

use std::fmt::Display;
use std::ops::RangeInclusive;

use nalgebra::{DMatrix, DVector};

use crate::error::{Error, Result};
use crate::linalg::{is_positive_semidefinite, is_symmetric};

/// Working units make lengths of order one. Within these bounds no square, product or quotient in a
/// formula overflows, so that whatever loads answers with finite numbers.
pub(super) const LENGTH: RangeInclusive<f64> = -LARGEST..=LARGEST;
/// Sums over rows.
pub(super) const FINITE: RangeInclusive<f64> = -f64::MAX..=f64::MAX;
/// Standard deviations, signals and noises, where they are not 0.
pub(super) const POSITIVE: RangeInclusive<f64> = 1.0 / LARGEST..=LARGEST;
/// Entries of a covariance.
pub(super) const COVARIANCE: RangeInclusive<f64> = -LARGEST * LARGEST..=LARGEST * LARGEST;
/// Eigenvalues of a covariance.
pub(super) const VARIANCE: RangeInclusive<f64> = 0.0..=LARGEST * LARGEST;
/// Variances that have to be positive.
pub(super) const POSITIVE_VARIANCE: RangeInclusive<f64> = 1.0 / (LARGEST * LARGEST)..=LARGEST * LARGEST;
const LARGEST: f64 = 1e50;

/// Relative to the largest value: what counts as rounding.
pub(super) const ROUNDING: f64 = 1e-9;

pub(super) fn invalid(what: impl Display) -> Error {
    Error::InvalidSavedModel { what: what.to_string() }
}

pub(super) fn require(holds: bool, what: impl Display) -> Result<()> {
    if holds { Ok(()) } else { Err(invalid(what)) }
}

/// Are all values in `range`? NaN is in none.
pub(super) fn within(what: impl Display, values: &[f64], range: RangeInclusive<f64>) -> Result<()> {
    match values.iter().position(|value| !range.contains(value)) {
        Some(index) => Err(invalid(format_args!(
            "{what}, value {index}: {:e} is not between {:e} and {:e}",
            values[index],
            range.start(),
            range.end()
        ))),
        None => Ok(()),
    }
}

/// Is the value a standard deviation or noise that is 0 or not too small to divide by?
pub(super) fn zero_or_positive(what: impl Display, value: f64) -> Result<()> {
    if value == 0.0 { Ok(()) } else { within(what, &[value], POSITIVE) }
}

/// Positive numbers that sum to one up to rounding, `count` of them.
pub(super) fn shares(what: impl Display, values: Vec<f64>, count: usize) -> Result<DVector<f64>> {
    require(values.len() == count, format_args!("{what}: expected {count}, found {}", values.len()))?;
    within(&what, &values, f64::MIN_POSITIVE..=1.0 + ROUNDING)?;
    let total: f64 = values.iter().sum();
    require((total - 1.0).abs() <= ROUNDING, format_args!("{what} sum to {total}, not to 1"))?;
    Ok(DVector::from_vec(values))
}

/// Are the columns orthonormal?
pub(super) fn orthonormal(what: impl Display, axes: &DMatrix<f64>) -> Result<()> {
    let gram = axes.transpose() * axes;
    let deviation = (gram - DMatrix::identity(axes.ncols(), axes.ncols())).amax();
    require(deviation <= ROUNDING, format_args!("{what} are not orthonormal"))
}

/// Is the matrix symmetric and, up to rounding, positive semidefinite?
pub(super) fn positive_semidefinite(what: impl Display, matrix: &DMatrix<f64>) -> Result<()> {
    require(is_symmetric(matrix), format_args!("{what} is not symmetric"))?;
    require(is_positive_semidefinite(matrix), format_args!("{what} is not positive semidefinite"))
}
