use nalgebra::{DMatrix, DMatrixView};

use super::layout::{Layout, RowValue, Values};
use super::weighted::WeightedRows;
use crate::error::{Error, Result};
use crate::shapes::check_size;

/// Rows to learn from (n × d), borrowed without a copy, with optional weights.
///
/// Numbers are `f64`, or `f32`, which is read as `f64` where it is used.
///
/// # Examples
/// ```
/// use gmix_diffusion::Rows;
///
/// let rows = Rows::from(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]][..]);
/// assert_eq!((rows.n_rows(), rows.dim()), (3, 2));
/// let flat = Rows::from_row_slice(&[1.0, 2.0, 3.0, 4.0], 2)?.with_weights(&[1.0, 0.5])?;
/// assert_eq!(flat.n_rows(), 2);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: Values<'a>,
    weights: Option<&'a [f64]>,
    empty_cells: bool,
    /// Standard deviations of the values' errors.
    errors: Option<Values<'a>>,
}

impl<'a> From<Values<'a>> for Rows<'a> {
    fn from(values: Values<'a>) -> Self {
        Self { values, weights: None, empty_cells: false, errors: None }
    }
}

impl<'a> Rows<'a> {
    /// The rows of a matrix, or of a view of one; of `f64`, `Rows::from` does the same.
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::Rows;
    /// use gmix_diffusion::nalgebra::DMatrix;
    ///
    /// let single: DMatrix<f32> = DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 3.0, 4.0]);
    /// assert_eq!(Rows::from_matrix(single.as_view()).dim(), 2);
    /// ```
    pub fn from_matrix<T: RowValue>(rows: DMatrixView<'a, T>) -> Self {
        T::values(Layout::ColumnMajor(rows)).into()
    }

    /// Rows that follow each other in `data`, `dim` values each.
    ///
    /// # Errors
    /// [`Error::NoColumns`] when `dim` is 0, [`Error::ShapeMismatch`] when `data` does not divide
    /// into whole rows.
    pub fn from_row_slice<T: RowValue>(data: &'a [T], dim: usize) -> Result<Self> {
        if dim == 0 {
            return Err(Error::NoColumns);
        }
        if !data.len().is_multiple_of(dim) {
            let expected = data.len().next_multiple_of(dim);
            return Err(Error::ShapeMismatch { what: "values in whole rows", expected, found: data.len() });
        }
        Ok(T::values(Layout::RowMajor(data, dim)).into())
    }

    /// Rows whose columns are slices of equal length, as data frames hold them.
    ///
    /// # Errors
    /// [`Error::NoColumns`] for none, [`Error::ShapeMismatch`] for a column of another length than the first.
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::Rows;
    ///
    /// let (length, width) = (vec![1.0, 2.0, 3.0], vec![0.5, 0.4, 0.3]);
    /// assert_eq!(Rows::from_columns(&[&length, &width])?.n_rows(), 3);
    /// assert!(Rows::from_columns(&[&length, &width[1..]]).is_err());
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn from_columns<T: RowValue>(columns: &'a [&'a [T]]) -> Result<Self> {
        let Some(count) = columns.first().map(|column| column.len()) else { return Err(Error::NoColumns) };
        for column in columns {
            check_size("values of a column", count, column.len())?;
        }
        Ok(T::values(Layout::Columns { columns, start: 0, count }).into())
    }

    /// Gives row i the weight `weights[i]`: it counts as that many equal rows. So weights that sum to 1
    /// say that there is no more than one row to learn from; let them sum to about n.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless there is one weight a row, [`Error::InvalidWeight`] unless all
    /// are finite and not negative.
    pub fn with_weights(self, weights: &'a [f64]) -> Result<Self> {
        if weights.len() != self.n_rows() {
            return Err(Error::ShapeMismatch {
                what: "row weights",
                expected: self.n_rows(),
                found: weights.len(),
            });
        }
        match weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
            Some(row) => Err(Error::InvalidWeight { row, weight: weights[row] }),
            None => Ok(Self { weights: Some(weights), ..self }),
        }
    }

    /// Lets NaN stand for a cell that was not seen, where rows are asked about and where they are
    /// [learned](crate::DiffusionLearner::fit).
    pub fn with_empty_cells(self) -> Self {
        Self { empty_cells: true, ..self }
    }

    /// Says that the values have errors: they are w = x + e with e ~ N(0, s²), independent from cell to cell and of x, and
    /// `stds` (n × d, of any form that rows have) holds s in the columns' units, 0 where a value is exact. What is
    /// [learned](crate::DiffusionLearner::fit) is then the law of x. Questions do not look at errors:
    /// an [`Observation`](crate::Observation) has its own.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless there is one a value. A fit says whether they make sense.
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::Rows;
    ///
    /// let (values, stds) = ([[1.0, 2.0], [3.0, f64::NAN]], [[0.1, 0.0], [0.2, 0.0]]);
    /// let rows = Rows::from(&values[..]).with_errors(&stds[..])?.with_empty_cells();
    /// assert_eq!((rows.n_rows(), rows.dim()), (2, 2));
    /// assert!(rows.with_errors(&stds[..1]).is_err());
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn with_errors(self, stds: impl Into<Rows<'a>>) -> Result<Self> {
        let stds = stds.into();
        check_size("rows of the standard deviations of errors", self.n_rows(), stds.n_rows())?;
        check_size("columns of the standard deviations of errors", self.dim(), stds.dim())?;
        Ok(Self { errors: Some(stds.values), ..self })
    }

    /// The standard deviations of the errors, n × d.
    pub(crate) fn errors(&self) -> Option<DMatrix<f64>> {
        self.errors.map(|errors| errors.block(0, self.n_rows()))
    }

    /// Whether a value has an error, or has to be checked for one.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors().is_some_and(|errors| errors.iter().any(|std| *std != 0.0))
    }

    /// Are these values without errors, as sums over them have to be?
    pub(crate) fn check_exact(&self) -> Result<()> {
        if !self.has_errors() {
            return Ok(());
        }
        Err(Error::IncompatibleParts {
            first: "rows with errors",
            second: "a fit by passes",
            reason: "their law is learned by `fit`, from rows in memory",
        })
    }

    /// Whether a cell is empty, and may be.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.empty_cells && self.block(0, self.n_rows()).rows.iter().any(|value| value.is_nan())
    }

    /// Whether NaN stands for a cell that was not seen.
    pub(crate) fn has_empty_cells(&self) -> bool {
        self.empty_cells
    }

    /// Number of rows n.
    pub fn n_rows(&self) -> usize {
        self.values.n_rows()
    }

    /// Number of columns d.
    pub fn dim(&self) -> usize {
        self.values.dim()
    }

    /// The `count` rows from `start` on.
    pub(crate) fn range(&self, start: usize, count: usize) -> Rows<'_> {
        let weights = self.weights.map(|weights| &weights[start..start + count]);
        let errors = self.errors.as_ref().map(|errors| errors.range(start, count));
        Rows { values: self.values.range(start, count), weights, empty_cells: self.empty_cells, errors }
    }

    /// Appends the rows to `values`, one after the other, and their weights to `weights`.
    pub(crate) fn append_to(&self, values: &mut Vec<f64>, weights: &mut Vec<f64>) {
        self.values.append_to(values);
        match self.weights {
            Some(own) => weights.extend_from_slice(own),
            None => weights.resize(weights.len() + self.n_rows(), 1.0),
        }
    }

    /// A copy of all rows: n × d.
    pub(crate) fn to_matrix(self) -> DMatrix<f64> {
        self.block(0, self.n_rows()).rows
    }

    /// A copy of `count` rows from `start` on, and their weights.
    pub(crate) fn block(&self, start: usize, count: usize) -> WeightedRows {
        let rows = self.values.block(start, count);
        let weights = match self.weights {
            Some(weights) => weights[start..start + count].to_vec(),
            None => vec![1.0; count],
        };
        WeightedRows { rows, weights }
    }
}

impl<'a> From<&'a DMatrix<f64>> for Rows<'a> {
    fn from(rows: &'a DMatrix<f64>) -> Self {
        Self::from_matrix(rows.as_view())
    }
}

impl<'a> From<DMatrixView<'a, f64>> for Rows<'a> {
    fn from(rows: DMatrixView<'a, f64>) -> Self {
        Self::from_matrix(rows)
    }
}

impl<'a, T: RowValue, const D: usize> From<&'a Vec<[T; D]>> for Rows<'a> {
    fn from(rows: &'a Vec<[T; D]>) -> Self {
        Self::from(&rows[..])
    }
}

impl<'a, T: RowValue, const D: usize> From<&'a [[T; D]]> for Rows<'a> {
    fn from(rows: &'a [[T; D]]) -> Self {
        T::values(Layout::RowMajor(rows.as_flattened(), D)).into()
    }
}
