use nalgebra::DMatrix;

use crate::error::{Error, Result};
use crate::rows::Moments;
use crate::shapes::check_size;

/// What a pass sums over rows.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)
)]
pub(crate) enum Sums {
    /// First and second moments of the data, and a bounded subsample.
    Moments(Moments),
    /// Sums that add elementwise: some matrices a candidate and fold, as the task of the pass lists them.
    Matrices(#[cfg_attr(feature = "serde", serde(with = "crate::format::plain"))] Vec<DMatrix<f64>>),
}

/// One of the matrices that a pass sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    rows: usize,
    columns: usize,
    /// Whether it sums numbers that are not negative, as weights and squares are.
    is_count: bool,
}

impl Slot {
    /// Sums of any numbers.
    pub(crate) fn signed(rows: usize, columns: usize) -> Self {
        Self { rows, columns, is_count: false }
    }

    /// Sums of numbers that are not negative.
    pub(crate) fn counts(rows: usize, columns: usize) -> Self {
        Self { rows, columns, is_count: true }
    }

    /// Can `matrix` be such a sum?
    pub(crate) fn fits(self, matrix: &DMatrix<f64>) -> bool {
        matrix.shape() == (self.rows, self.columns)
            && !(self.is_count && matrix.iter().any(|&value| value < 0.0))
    }
}

impl Sums {
    /// Can `other` be added?
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] where it is of another kind or size.
    pub(crate) fn check_like(&self, other: &Self) -> Result<()> {
        match (self, other) {
            (Self::Moments(own), Self::Moments(other)) => {
                check_size("columns of the rows", own.mean.len(), other.mean.len())
            }
            (Self::Matrices(own), Self::Matrices(other)) => {
                check_size("matrices of the sums", own.len(), other.len())?;
                own.iter().zip(other).try_for_each(|(own, other)| {
                    check_size("rows of a matrix of the sums", own.nrows(), other.nrows())?;
                    check_size("columns of a matrix of the sums", own.ncols(), other.ncols())
                })
            }
            (own, other) => Err(own.unlike(other)),
        }
    }

    /// Adds the sums of later rows.
    ///
    /// # Errors
    /// Those of [`check_like`](Self::check_like).
    pub(crate) fn add(&mut self, later: Self) -> Result<()> {
        self.check_like(&later)?;
        match (self, later) {
            (Self::Moments(own), Self::Moments(later)) => own.add(later),
            (Self::Matrices(own), Self::Matrices(later)) => {
                own.iter_mut().zip(&later).for_each(|(own, later)| *own += later);
            }
            (own, later) => return Err(own.unlike(&later)),
        }
        Ok(())
    }

    /// The error of sums of another kind.
    fn unlike(&self, other: &Self) -> Error {
        let moments = |sums: &Self| usize::from(matches!(sums, Self::Moments(_)));
        let what = "moments of the data in the sums";
        Error::ShapeMismatch { what, expected: moments(self), found: moments(other) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::WeightedRows;

    #[test]
    fn sums_that_do_not_fit_are_errors() {
        let block = WeightedRows { rows: DMatrix::zeros(3, 2), weights: vec![1.0; 3] };
        let moments = Sums::Moments(Moments::of_block(1, 0, &block));
        let matrices = |shapes: &[(usize, usize)]| {
            Sums::Matrices(shapes.iter().map(|&(n, m)| DMatrix::from_element(n, m, 1.0)).collect())
        };
        for (own, other) in [
            (moments.clone(), matrices(&[])),
            (matrices(&[]), moments.clone()),
            (matrices(&[(2, 3)]), matrices(&[(2, 3), (1, 1)])),
            (matrices(&[(2, 3)]), matrices(&[(3, 2)])),
        ] {
            let mut sum = own.clone();
            assert!(matches!(sum.add(other), Err(Error::ShapeMismatch { .. })));
            assert_eq!(sum, own);
        }
        let mut sum = matrices(&[(2, 3)]);
        sum.add(sum.clone()).unwrap();
        assert_eq!(sum, Sums::Matrices(vec![DMatrix::from_element(2, 3, 2.0)]));
    }

    #[test]
    fn counts_are_not_negative() {
        assert!(Slot::signed(1, 1).fits(&DMatrix::from_element(1, 1, -1.0)));
        assert!(!Slot::counts(1, 1).fits(&DMatrix::from_element(1, 1, -1.0)));
        assert!(!Slot::signed(1, 2).fits(&DMatrix::zeros(2, 1)));
    }
}
