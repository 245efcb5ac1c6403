use nalgebra::{DMatrix, DVector};

use super::spectrum::Split;
use crate::polynomial::ActiveSubspace;
use crate::rows::FoldedSample;

/// A sample of the rows, split into active coordinates and the rest.
#[derive(Debug, Clone)]
pub(crate) struct ActiveRows {
    pub(crate) split: Split,
    /// Along the active directions, n × m, in random order.
    pub(crate) sample: FoldedSample,
    /// Along the others, n × (d − m).
    pub(crate) rest: DMatrix<f64>,
}

impl ActiveRows {
    pub(super) fn new(split: Split, working: &FoldedSample) -> Self {
        let (sample, rest) = (split.project(working), &working.rows * &split.rest);
        Self { split, sample, rest }
    }

    /// Number of active directions m.
    pub(crate) fn dim(&self) -> usize {
        self.split.variances.len()
    }

    /// The active directions in working coordinates, whose origin is the mean of the rows.
    pub(crate) fn subspace(&self) -> ActiveSubspace {
        let axes = self.split.active.clone();
        ActiveSubspace { mean: DVector::zeros(axes.nrows()), axes }
    }
}
