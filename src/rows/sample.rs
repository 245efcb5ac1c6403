use nalgebra::DMatrix;

use super::isotropic_rest::IsotropicRest;
use super::weighted::WeightedRows;
use crate::error::{Error, Result};

/// A sample of rows for a partitioner to find cells in, cut into folds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FoldedSample {
    /// Rows in the working coordinates of the active subspace, n × m, in random order.
    pub rows: DMatrix<f64>,
    /// Their weights, length n.
    pub weights: Vec<f64>,
    /// The fold of each row, length n.
    pub folds: Vec<usize>,
    /// Number of rows that the sample stands for, at least n.
    pub stands_for: u64,
    /// Number of folds.
    pub n_folds: usize,
    /// What is known of directions outside the active subspace.
    pub rest: IsotropicRest,
}

impl FoldedSample {
    /// A sample with nothing known of other directions.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] unless there is a weight and a fold for every row,
    /// [`Error::InvalidSetting`] for fewer than two folds or a fold that is not below `n_folds`.
    pub fn new(rows: DMatrix<f64>, weights: Vec<f64>, folds: Vec<usize>, n_folds: usize) -> Result<Self> {
        let n = rows.nrows();
        for (what, found) in [("row weights", weights.len()), ("folds of rows", folds.len())] {
            if found != n {
                return Err(Error::ShapeMismatch { what, expected: n, found });
            }
        }
        let highest = folds.iter().copied().max().unwrap_or(0);
        if n_folds < 2 || highest >= n_folds {
            let requirement = "at least 2, and above every fold";
            return Err(Error::InvalidSetting {
                name: "number of folds",
                value: n_folds as f64,
                requirement,
            });
        }
        Ok(Self { rows, weights, folds, n_folds, stands_for: n as u64, rest: IsotropicRest::NONE })
    }

    /// The rows of fold `fold`, or all others.
    pub(crate) fn part(&self, fold: usize, inside: bool) -> WeightedRows {
        self.select((0..self.folds.len()).filter(|&i| (self.folds[i] == fold) == inside))
    }

    fn select(&self, members: impl Iterator<Item = usize>) -> WeightedRows {
        WeightedRows::of(&self.rows, &self.weights, &members.collect::<Vec<_>>())
    }

    /// The rows to fit for fold `fold`: those outside it, or all where these are none. In an order in which
    /// near rows stand near each other.
    pub(crate) fn training(&self, fold: usize) -> WeightedRows {
        self.part_or_all(fold, false)
    }

    /// The rows that judge what was fitted for fold `fold`: those of the fold, or all where these are none.
    /// In an order in which near rows stand near each other.
    pub(crate) fn judging(&self, fold: usize) -> WeightedRows {
        self.part_or_all(fold, true)
    }

    fn part_or_all(&self, fold: usize, inside: bool) -> WeightedRows {
        let part = self.part(fold, inside);
        if part.weights.is_empty() { self.all() } else { part }.in_spatial_order()
    }

    /// So many of the rows at most, which stand in random order.
    pub(crate) fn first(&self, most: usize) -> Self {
        let few = self.rows.nrows().min(most);
        Self {
            rows: self.rows.rows(0, few).into_owned(),
            weights: self.weights[..few].to_vec(),
            folds: self.folds[..few].to_vec(),
            ..*self
        }
    }

    /// Whether it holds all rows that it stands for.
    pub(crate) fn is_complete(&self) -> bool {
        self.stands_for <= self.rows.nrows() as u64
    }

    pub(crate) fn all(&self) -> WeightedRows {
        WeightedRows { rows: self.rows.clone(), weights: self.weights.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_and_its_training_rows_are_all_rows_once() {
        let rows = DMatrix::from_column_slice(5, 1, &[0.0, 1.0, 2.0, 3.0, 4.0]);
        let weights = vec![1.0, 2.0, 3.0, 4.0, 5.0];
        let sample = FoldedSample::new(rows, weights, vec![0, 1, 0, 2, 1], 3).unwrap();
        let inside = sample.part(1, true);
        assert_eq!((inside.rows.as_slice(), &inside.weights[..]), (&[1.0, 4.0][..], &[2.0, 5.0][..]));
        let outside = sample.training(1);
        assert_eq!(outside.rows.as_slice(), [0.0, 2.0, 3.0]);
        assert_eq!(outside.weights, [1.0, 3.0, 4.0]);
        let one = FoldedSample::new(DMatrix::zeros(2, 1), vec![1.0; 2], vec![1, 1], 2).unwrap();
        assert_eq!(one.training(1).weights.len(), 2, "all in one fold are trained on all");
    }
}
