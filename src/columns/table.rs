//! Tables whose columns are numbers or labels.

use std::fmt::Write as _;

use nalgebra::DMatrix;

use crate::error::{Error, Result};
use crate::shapes::check_size;

/// The values of a column, one a row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TableColumn {
    /// NaN for an empty cell.
    Numbers(Vec<f64>),
    /// `None` for an empty cell.
    Labels(Vec<Option<String>>),
}

impl TableColumn {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Labels(labels) => labels.len(),
        }
    }
}

/// A table: named columns of numbers or labels, of which cells may be empty.
///
/// # Examples
/// ```
/// use gmix_diffusion::Table;
///
/// let table = Table::new()
///     .with_numbers("mass", &[3750.0, 3800.0, f64::NAN])?
///     .with_labels("island", &["Biscoe", "Dream", ""])?;
/// assert_eq!((table.n_rows(), table.names().len()), (3, 2));
/// assert_eq!(table.labels("island").map(|labels| labels[2].is_none()), Some(true));
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    names: Vec<String>,
    columns: Vec<TableColumn>,
}

impl Table {
    /// Without columns yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of numbers alone, n × d, with a name a column; NaN is an empty cell.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless there is a name a column; [`Error::InvalidColumn`] for one twice.
    pub fn from_matrix(names: &[&str], rows: &DMatrix<f64>) -> Result<Self> {
        check_size("names of columns", rows.ncols(), names.len())?;
        names.iter().zip(rows.column_iter()).try_fold(Self::new(), |table, (name, column)| {
            table.with(name, TableColumn::Numbers(column.iter().copied().collect()))
        })
    }

    /// Of numbers alone, a vector a row.
    ///
    /// # Errors
    /// As [`from_matrix`](Self::from_matrix), for rows of unlike length too.
    pub fn from_rows(names: &[&str], rows: &[Vec<f64>]) -> Result<Self> {
        for row in rows {
            check_size("values of a row", names.len(), row.len())?;
        }
        Self::from_matrix(names, &DMatrix::from_fn(rows.len(), names.len(), |i, j| rows[i][j]))
    }

    /// With one more column.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for another number of rows, [`Error::InvalidColumn`] for a name that is there already.
    pub fn with(mut self, name: &str, column: TableColumn) -> Result<Self> {
        if !self.columns.is_empty() {
            check_size("rows of a column", self.n_rows(), column.len())?;
        }
        if self.names.iter().any(|own| own == name) {
            return Err(Error::InvalidColumn { what: format!("two columns have the name {name}") });
        }
        self.names.push(name.to_owned());
        self.columns.push(column);
        Ok(self)
    }

    /// With one more column of numbers, NaN for an empty cell.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn with_numbers(self, name: &str, values: &[f64]) -> Result<Self> {
        self.with(name, TableColumn::Numbers(values.to_vec()))
    }

    /// With one more column of labels, an empty text for an empty cell.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn with_labels<S: AsRef<str>>(self, name: &str, labels: &[S]) -> Result<Self> {
        let label = |text: &S| (!text.as_ref().is_empty()).then(|| text.as_ref().to_owned());
        self.with(name, TableColumn::Labels(labels.iter().map(label).collect()))
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.columns.first().map_or(0, TableColumn::len)
    }

    /// The names of the columns, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[TableColumn] {
        &self.columns
    }

    /// The place of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|own| own == name)
    }

    /// The numbers of a column; `None` where it has labels or is not there.
    pub fn numbers(&self, name: &str) -> Option<&[f64]> {
        match &self.columns[self.position(name)?] {
            TableColumn::Numbers(values) => Some(values),
            TableColumn::Labels(_) => None,
        }
    }

    /// The labels of a column; `None` where it has numbers or is not there.
    pub fn labels(&self, name: &str) -> Option<&[Option<String>]> {
        match &self.columns[self.position(name)?] {
            TableColumn::Labels(labels) => Some(labels),
            TableColumn::Numbers(_) => None,
        }
    }

    /// The text of a cell: a number in as many digits as it has, nothing for an empty one.
    pub fn text(&self, row: usize, column: usize) -> String {
        let mut text = String::new();
        match self.columns.get(column) {
            Some(TableColumn::Numbers(values)) if values.get(row).is_some_and(|value| !value.is_nan()) => {
                // Writing to a text cannot fail.
                let _ = write!(text, "{}", values[row]);
            }
            Some(TableColumn::Labels(labels)) => {
                text = labels.get(row).cloned().flatten().unwrap_or_default();
            }
            _ => {}
        }
        text
    }

    /// Some of the rows, in this order.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let chosen = |column: &TableColumn| match column {
            TableColumn::Numbers(values) => {
                TableColumn::Numbers(rows.iter().map(|&row| values[row]).collect())
            }
            TableColumn::Labels(labels) => {
                TableColumn::Labels(rows.iter().map(|&row| labels[row].clone()).collect())
            }
        };
        Self { names: self.names.clone(), columns: self.columns.iter().map(chosen).collect() }
    }

    /// With other values in a column that is there.
    pub(crate) fn replaced(mut self, name: &str, column: TableColumn) -> Self {
        if let Some(place) = self.position(name) {
            self.columns[place] = column;
        }
        self
    }

    /// With the cells of `other`, a table of the same columns and as many rows, where these are empty.
    pub(crate) fn filled(&self, other: &Self) -> Self {
        let fill = |(own, other): (&TableColumn, &TableColumn)| match (own, other) {
            (TableColumn::Numbers(own), TableColumn::Numbers(other)) => {
                let value = |(own, other): (&f64, &f64)| if own.is_nan() { *other } else { *own };
                TableColumn::Numbers(own.iter().zip(other).map(value).collect())
            }
            (TableColumn::Labels(own), TableColumn::Labels(other)) => {
                let label =
                    |(own, other): (&Option<String>, &Option<String>)| own.clone().or_else(|| other.clone());
                TableColumn::Labels(own.iter().zip(other).map(label).collect())
            }
            (own, _) => own.clone(),
        };
        Self {
            names: self.names.clone(),
            columns: self.columns.iter().zip(&other.columns).map(fill).collect(),
        }
    }
}
