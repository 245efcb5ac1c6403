//! Points of the right dimension, and room for what is written about them.

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};

use crate::error::{Error, Result};

/// Rows of dimension `dim`, which is not 0?
pub(crate) fn check_columns(dim: usize, points: &DMatrix<f64>) -> Result<()> {
    if dim == 0 {
        return Err(Error::NoColumns);
    }
    check_size("columns of the points", dim, points.ncols())
}

/// Room for rows of dimension `dim`?
pub(crate) fn check_room(dim: usize, rows: &DMatrixViewMut<'_, f64>) -> Result<()> {
    check_size("columns of the rows to fill", dim, rows.ncols())
}

/// Points of dimension `dim`, and room for as many rows of the same dimension?
pub(crate) fn check_room_for_rows(
    dim: usize,
    points: &DMatrixView<'_, f64>,
    rows: &DMatrixViewMut<'_, f64>,
) -> Result<()> {
    check_size("columns of the points", dim, points.ncols())?;
    check_size("rows to fill", points.nrows(), rows.nrows())?;
    check_room(dim, rows)
}

/// Points of dimension `dim`, and room for one value of each?
pub(crate) fn check_room_for_values(dim: usize, points: &DMatrixView<'_, f64>, values: &[f64]) -> Result<()> {
    check_size("columns of the points", dim, points.ncols())?;
    check_size("values to fill", points.nrows(), values.len())
}

/// Is `what` of the size `expected`?
pub(crate) fn check_size(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::ShapeMismatch { what, expected, found }) }
}
