//! How a table lies in memory.

use nalgebra::{DMatrix, DMatrixView, Scalar};

/// The numbers of a table (n × d), borrowed, in double or single precision.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    Double(Layout<'a, f64>),
    Single(Layout<'a, f32>),
}

/// Where the numbers of n rows stand.
#[derive(Debug, Clone, Copy)]
pub enum Layout<'a, T: Scalar> {
    ColumnMajor(DMatrixView<'a, T>),
    RowMajor(&'a [T], usize),
    /// Columns by themselves, of which these rows.
    Columns {
        columns: &'a [&'a [T]],
        start: usize,
        count: usize,
    },
}

/// A number that rows can be made of: `f64` or `f32`, which is read as `f64`.
///
/// # Examples
/// ```
/// use gmix_diffusion::Rows;
///
/// let readings: [f32; 4] = [0.5, 2.0, 0.25, 4.0];
/// assert_eq!(Rows::from_row_slice(&readings, 2)?.n_rows(), 2);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub trait RowValue: Scalar + Copy + Into<f64> + sealed::Sealed {
    #[doc(hidden)]
    fn values(layout: Layout<'_, Self>) -> Values<'_>;
}

impl RowValue for f64 {
    fn values(layout: Layout<'_, Self>) -> Values<'_> {
        Values::Double(layout)
    }
}

impl RowValue for f32 {
    fn values(layout: Layout<'_, Self>) -> Values<'_> {
        Values::Single(layout)
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for f64 {}
    impl Sealed for f32 {}
}

impl<'a, T: RowValue> Layout<'a, T> {
    fn n_rows(&self) -> usize {
        match self {
            Layout::ColumnMajor(view) => view.nrows(),
            Layout::RowMajor(data, dim) => data.len().checked_div(*dim).unwrap_or(0),
            Layout::Columns { count, .. } => *count,
        }
    }

    fn dim(&self) -> usize {
        match self {
            Layout::ColumnMajor(view) => view.ncols(),
            Layout::RowMajor(_, dim) => *dim,
            Layout::Columns { columns, .. } => columns.len(),
        }
    }

    fn block(&self, start: usize, count: usize) -> DMatrix<f64> {
        match self {
            Layout::ColumnMajor(view) => view.rows(start, count).map(Into::into),
            Layout::RowMajor(data, dim) => {
                let values = data[start * dim..(start + count) * dim].iter().map(|&value| value.into());
                DMatrix::from_row_iterator(count, *dim, values)
            }
            Layout::Columns { columns, start: first, .. } => {
                DMatrix::from_fn(count, columns.len(), |i, j| columns[j][first + start + i].into())
            }
        }
    }

    fn range(&self, start: usize, count: usize) -> Layout<'_, T> {
        match self {
            Layout::ColumnMajor(view) => Layout::ColumnMajor(view.rows(start, count)),
            Layout::RowMajor(data, dim) => Layout::RowMajor(&data[start * dim..(start + count) * dim], *dim),
            Layout::Columns { columns, start: first, .. } => {
                Layout::Columns { columns, start: first + start, count }
            }
        }
    }

    fn append_to(&self, values: &mut Vec<f64>) {
        match self {
            Layout::ColumnMajor(view) => {
                for i in 0..view.nrows() {
                    values.extend((0..view.ncols()).map(|j| -> f64 { view[(i, j)].into() }));
                }
            }
            Layout::RowMajor(data, _) => values.extend(data.iter().map(|&value| -> f64 { value.into() })),
            Layout::Columns { columns, start, count } => {
                for i in *start..start + count {
                    values.extend(columns.iter().map(|column| -> f64 { column[i].into() }));
                }
            }
        }
    }
}

impl Values<'_> {
    pub(super) fn n_rows(&self) -> usize {
        match self {
            Values::Double(layout) => layout.n_rows(),
            Values::Single(layout) => layout.n_rows(),
        }
    }

    pub(super) fn dim(&self) -> usize {
        match self {
            Values::Double(layout) => layout.dim(),
            Values::Single(layout) => layout.dim(),
        }
    }

    /// A copy of `count` rows from `start` on.
    pub(super) fn block(&self, start: usize, count: usize) -> DMatrix<f64> {
        match self {
            Values::Double(layout) => layout.block(start, count),
            Values::Single(layout) => layout.block(start, count),
        }
    }

    pub(super) fn range(&self, start: usize, count: usize) -> Values<'_> {
        match self {
            Values::Double(layout) => Values::Double(layout.range(start, count)),
            Values::Single(layout) => Values::Single(layout.range(start, count)),
        }
    }

    /// Appends the rows, one after the other.
    pub(super) fn append_to(&self, values: &mut Vec<f64>) {
        match self {
            Values::Double(layout) => layout.append_to(values),
            Values::Single(layout) => layout.append_to(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Rows;

    /// Numbers that both precisions have, in every form: the same rows, whole, in part, and one after the other.
    #[test]
    fn single_precision_has_the_same_rows_in_every_layout() {
        let values: Vec<f64> = (0..12).map(|i| 0.25 * f64::from(i * i) - 3.0).collect();
        let single: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        let expected = DMatrix::from_row_slice(4, 3, &values);
        let matrix = expected.map(|value| value as f32);
        let columns: Vec<&[f32]> = matrix.as_slice().chunks(4).collect();
        let arrays: Vec<[f32; 3]> = single.chunks(3).map(|row| [row[0], row[1], row[2]]).collect();
        let forms = [
            Rows::from_matrix(matrix.as_view()),
            Rows::from_row_slice(&single, 3).unwrap(),
            Rows::from_columns(&columns).unwrap(),
            Rows::from(&arrays),
        ];
        for rows in forms {
            assert_eq!((rows.n_rows(), rows.dim()), (4, 3));
            assert_eq!(rows.to_matrix(), expected);
            assert_eq!(rows.range(1, 2).to_matrix(), expected.rows(1, 2).into_owned());
            let (mut all, mut weights) = (Vec::new(), Vec::new());
            rows.append_to(&mut all, &mut weights);
            assert_eq!((all, weights), (values.clone(), vec![1.0; 4]));
        }
    }
}
