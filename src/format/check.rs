//! The checks that saved numbers have to pass.

use std::fmt::Display;
use std::ops::RangeInclusive;

use nalgebra::DMatrix;

use crate::error::{Error, Result};
use crate::linalg::{is_positive_semidefinite, is_symmetric};

/// Working units make lengths of order one. Within these bounds no square, product or quotient in a
/// formula overflows, so that whatever loads answers with finite numbers.
pub(crate) const LENGTH: RangeInclusive<f64> = -LARGEST..=LARGEST;
/// Sums over rows.
pub(crate) const FINITE: RangeInclusive<f64> = -f64::MAX..=f64::MAX;
/// Standard deviations, signals and noises, where they are not 0.
pub(crate) const POSITIVE: RangeInclusive<f64> = 1.0 / LARGEST..=LARGEST;
/// Entries of a covariance.
pub(crate) const COVARIANCE: RangeInclusive<f64> = -LARGEST * LARGEST..=LARGEST * LARGEST;
/// Eigenvalues of a covariance.
pub(crate) const VARIANCE: RangeInclusive<f64> = 0.0..=LARGEST * LARGEST;
/// Variances that have to be positive.
pub(crate) const POSITIVE_VARIANCE: RangeInclusive<f64> = 1.0 / (LARGEST * LARGEST)..=LARGEST * LARGEST;
const LARGEST: f64 = 1e50;

/// Relative to the largest value: what counts as rounding.
pub(crate) const ROUNDING: f64 = 1e-9;

pub(crate) fn invalid(what: impl Display) -> Error {
    Error::InvalidSavedModel { what: what.to_string() }
}

/// Does the condition hold? Else the error says what is wrong, as `format!` would.
macro_rules! require {
    ($holds:expr, $($what:tt)+) => {
        if $holds { Ok(()) } else { Err($crate::format::invalid(format_args!($($what)+))) }
    };
}
pub(crate) use require;

/// Are all values in `range`? NaN is in none.
pub(crate) fn within(what: impl Display, values: &[f64], range: RangeInclusive<f64>) -> Result<()> {
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
pub(crate) fn zero_or_positive(what: impl Display, value: f64) -> Result<()> {
    if value == 0.0 { Ok(()) } else { within(what, &[value], POSITIVE) }
}

/// Is the matrix of this shape, with all values in `range`?
pub(crate) fn matrix_within(
    what: impl Display,
    matrix: &DMatrix<f64>,
    shape: (usize, usize),
    range: RangeInclusive<f64>,
) -> Result<()> {
    let found = matrix.shape();
    require!(found == shape, "{what}: expected {} × {}, found {} × {}", shape.0, shape.1, found.0, found.1)?;
    within(what, matrix.as_slice(), range)
}

/// Are they positive numbers that sum to one up to rounding, `count` of them?
pub(crate) fn check_shares(what: impl Display, values: &[f64], count: usize) -> Result<()> {
    require!(values.len() == count, "{what}: expected {count}, found {}", values.len())?;
    within(&what, values, f64::MIN_POSITIVE..=1.0 + ROUNDING)?;
    let total: f64 = values.iter().sum();
    require!((total - 1.0).abs() <= ROUNDING, "{what} sum to {total}, not to 1")
}

/// Are the columns orthonormal?
pub(crate) fn orthonormal(what: impl Display, axes: &DMatrix<f64>) -> Result<()> {
    let gram = axes.transpose() * axes;
    let deviation = (gram - DMatrix::identity(axes.ncols(), axes.ncols())).amax();
    require!(deviation <= ROUNDING, "{what} are not orthonormal")
}

/// Is the matrix symmetric and, up to rounding, positive semidefinite?
pub(crate) fn positive_semidefinite(what: impl Display, matrix: &DMatrix<f64>) -> Result<()> {
    require!(is_symmetric(matrix), "{what} is not symmetric")?;
    require!(is_positive_semidefinite(matrix), "{what} is not positive semidefinite")
}
