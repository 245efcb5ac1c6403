use std::sync::Arc;

use nalgebra::DMatrix;

use super::frame::{ActiveChunk, PassFrame};
use super::regression_task::RegressionTask;
use super::sums::{Slot, Sums};
use crate::error::Result;
use crate::mixture::{CrossFit, MixtureParameters};
use crate::polynomial::{HermiteMoments, SmoothingBasis};
use crate::rows::{FOLDS, Moments, WeightedRows};
use crate::search::{CellSums, Likelihoods, Wanted};

/// Rows whose Hermite polynomials are evaluated together, so that a block's features stay in the cache.
const BLOCK: usize = 128;

/// What a pass sums.
#[derive(Debug, Clone)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)
)]
pub(crate) enum Task {
    /// Moments of the data, of which all else follows.
    Moments,
    /// Matrices made of the rows in the active coordinates of a frame.
    Matrices(Arc<PassFrame>, Kind),
}

/// How rows in active coordinates become matrices that add up. A new kind of pass is one more of these: the
/// matrices it sums, and what a chunk adds to them.
#[derive(Debug, Clone)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub(crate) enum Kind {
    /// What a refinement on all rows has to know of its candidates.
    Refinement(Wanted),
    /// Hermite moments, one column a fold.
    Smoothing(Arc<SmoothingBasis>),
    /// Normal equations, one a level, candidate partition and fold.
    Regression(
        #[cfg_attr(feature = "serde", serde(with = "super::regression_task::saved"))] Vec<RegressionTask>,
    ),
}

impl Task {
    /// What the rows of a chunk add, the first of which has index `first_row` in the data.
    pub(crate) fn sums(&self, seed: u64, first_row: u64, block: &WeightedRows) -> Result<Sums> {
        match self {
            Self::Moments => Ok(Sums::Moments(Moments::of_block(seed, first_row, block))),
            Self::Matrices(frame, kind) => {
                let chunk = frame.active_chunk(seed, first_row, block);
                Ok(Sums::Matrices(kind.matrices(frame, &chunk)?))
            }
        }
    }

    /// Are these sums of the kind and the shapes that this task makes?
    pub(crate) fn is_of(&self, sums: &Sums) -> bool {
        match (self, sums) {
            (Self::Moments, Sums::Moments(_)) => true,
            (Self::Matrices(frame, kind), Sums::Matrices(matrices)) => {
                let slots = kind.slots(frame.active_dim());
                slots.len() == matrices.len() && slots.iter().zip(matrices).all(|(slot, m)| slot.fits(m))
            }
            _ => false,
        }
    }

    /// Number of columns that rows need, if any number will not do.
    pub(crate) fn dim(&self) -> Option<usize> {
        match self {
            Self::Moments => None,
            Self::Matrices(frame, _) => Some(frame.units.dim()),
        }
    }
}

impl Kind {
    /// The matrices summed, in `dim` active coordinates.
    fn slots(&self, dim: usize) -> Vec<Slot> {
        match self {
            Self::Refinement(Wanted::Cells(candidates)) => {
                let of_fold = |mixture: &MixtureParameters| {
                    let (cells, features) = CellSums::shape_for(mixture);
                    [Slot::signed(cells, features), Slot::counts(cells, 1)]
                };
                candidates.iter().flat_map(|candidate| candidate.folds.iter().flat_map(of_fold)).collect()
            }
            Self::Refinement(Wanted::Likelihoods(candidates)) => {
                let n = candidates.len();
                vec![Slot::counts(1, 1), Slot::signed(n, 1), Slot::signed(n, n)]
            }
            Self::Smoothing(basis) => vec![Slot::signed(basis.len(), 1); FOLDS],
            Self::Regression(tasks) => {
                let bases = tasks.iter().flat_map(|task| &task.candidates);
                let of_fold =
                    |q: usize| [Slot::signed(q, q), Slot::signed(q, dim), Slot::counts(1, 1)].into_iter();
                bases.flat_map(|basis| (0..FOLDS).flat_map(move |_| of_fold(basis.len()))).collect()
            }
        }
    }

    /// What the rows of a chunk add to them.
    fn matrices(&self, frame: &PassFrame, chunk: &ActiveChunk) -> Result<Vec<DMatrix<f64>>> {
        Ok(match self {
            Self::Refinement(Wanted::Cells(candidates)) => {
                let complements = chunk.complements();
                let of_fold = |(mixture, rows): (&MixtureParameters, &WeightedRows)| {
                    <[_; 2]>::from(CellSums::of(rows, mixture))
                };
                let of = |candidate: &CrossFit| -> Vec<_> {
                    candidate.folds.iter().zip(&complements).flat_map(of_fold).collect()
                };
                candidates.iter().flat_map(of).collect()
            }
            Self::Refinement(Wanted::Likelihoods(candidates)) => {
                <[_; 3]>::from(Likelihoods::of(&chunk.folds(), candidates)).into()
            }
            Self::Smoothing(basis) => chunk.folds().iter().map(|fold| moments(basis, fold)).collect(),
            Self::Regression(tasks) => {
                let folds = chunk.folds();
                let mut matrices = Vec::new();
                for task in tasks {
                    let equations = task.sums(chunk.seed, chunk.index, frame, &folds)?;
                    matrices.extend(equations.into_iter().flatten().flat_map(<[_; 3]>::from));
                }
                matrices
            }
        })
    }
}

fn moments(basis: &SmoothingBasis, fold: &WeightedRows) -> HermiteMoments {
    let mut sums = basis.empty();
    for start in (0..fold.rows.nrows()).step_by(BLOCK) {
        let size = BLOCK.min(fold.rows.nrows() - start);
        let rows = fold.rows.rows(start, size).into_owned();
        basis.accumulate(&rows, &fold.weights[start..start + size], &mut sums);
    }
    sums
}
