use nalgebra::DMatrix;

use crate::error::{Error, Result};

/// Two samples that can be compared: rows in each, the same columns, all values finite.
pub(super) fn check_pair(left: &DMatrix<f64>, right: &DMatrix<f64>) -> Result<()> {
    check_sample(left)?;
    check_sample(right)?;
    if left.ncols() == right.ncols() {
        Ok(())
    } else {
        Err(Error::ShapeMismatch {
            what: "columns of the second sample",
            expected: left.ncols(),
            found: right.ncols(),
        })
    }
}

/// At least one row and one column, all values finite.
pub(super) fn check_sample(rows: &DMatrix<f64>) -> Result<()> {
    if rows.nrows() == 0 {
        return Err(Error::NoRows);
    }
    if rows.ncols() == 0 {
        return Err(Error::NoColumns);
    }
    match rows.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => {
            let (row, column) = (index % rows.nrows(), index / rows.nrows());
            Err(Error::NotFinite { row, column, value: rows[(row, column)] })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_cell_that_is_not_finite() {
        let mut rows = DMatrix::zeros(3, 2);
        rows[(1, 1)] = f64::INFINITY;
        let error = check_pair(&DMatrix::zeros(4, 2), &rows).unwrap_err();
        assert!(matches!(error, Error::NotFinite { row: 1, column: 1, .. }));
    }

    #[test]
    fn rejects_samples_without_rows_or_columns_and_of_different_widths() {
        let rows = DMatrix::zeros(3, 2);
        assert!(matches!(check_pair(&rows, &DMatrix::zeros(0, 2)), Err(Error::NoRows)));
        assert!(matches!(check_pair(&DMatrix::zeros(3, 0), &rows), Err(Error::NoColumns)));
        let error = check_pair(&rows, &DMatrix::zeros(3, 1)).unwrap_err();
        assert!(matches!(error, Error::ShapeMismatch { expected: 2, found: 1, .. }));
    }
}
