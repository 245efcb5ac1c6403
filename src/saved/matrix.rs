use std::fmt::Display;
use std::ops::RangeInclusive;

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::check::{require, within};
use crate::error::Result;

/// A matrix, column after column.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedMatrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) values: Vec<f64>,
}

impl From<&DMatrix<f64>> for SavedMatrix {
    fn from(matrix: &DMatrix<f64>) -> Self {
        Self { rows: matrix.nrows(), columns: matrix.ncols(), values: matrix.as_slice().to_vec() }
    }
}

impl SavedMatrix {
    /// The matrix, if it is one.
    pub(super) fn load_any(self, what: impl Display) -> Result<DMatrix<f64>> {
        let Self { rows, columns, values } = self;
        require(
            rows.checked_mul(columns) == Some(values.len()),
            format_args!("{what}: {rows} × {columns} values do not fit a list of {}", values.len()),
        )?;
        Ok(DMatrix::from_vec(rows, columns, values))
    }

    /// The matrix, if it has this shape and all its values are in `range`.
    pub(super) fn load(
        self,
        what: impl Display,
        rows: usize,
        columns: usize,
        range: RangeInclusive<f64>,
    ) -> Result<DMatrix<f64>> {
        let found = (self.rows, self.columns);
        require(
            found == (rows, columns),
            format_args!("{what}: expected {rows} × {columns}, found {} × {}", found.0, found.1),
        )?;
        let matrix = self.load_any(&what)?;
        within(what, matrix.as_slice(), range)?;
        Ok(matrix)
    }
}
