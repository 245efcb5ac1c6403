use nalgebra::{DMatrix, DVector};

use super::tuning::TUNING;
use super::units::Units;
use crate::error::{Error, Result};
use crate::rows::{FOLDS, FoldRule, FoldedSample, IsotropicRest, Moments};

/// The columns of the rows as they are, in the data's units: what all else about coordinates follows from.
#[derive(Debug, Clone)]
pub(crate) struct Columns<'a> {
    pub(super) moments: &'a Moments,
    pub(super) seed: u64,
    /// Standard deviations, length d.
    pub(super) std: DVector<f64>,
    /// The share of rows that repeat another one.
    pub(crate) repeated_share: f64,
}

impl<'a> Columns<'a> {
    /// # Errors
    /// [`Error::NoRows`] where no row has weight, [`Error::Overflow`] for a column whose squares do.
    pub(crate) fn new(moments: &'a Moments, seed: u64) -> Result<Self> {
        if moments.weight <= 0.0 {
            return Err(Error::NoRows);
        }
        if let Some(column) = moments.scatter.diagonal().iter().position(|v| !v.is_finite()) {
            return Err(Error::Overflow { column });
        }
        let std = (moments.scatter.diagonal() / moments.weight).map(f64::sqrt);
        Ok(Self { moments, seed, std, repeated_share: moments.repeated_share() })
    }

    /// Whether so many rows repeat another one that they are dealt to folds by their values.
    pub(crate) fn repeat(&self) -> bool {
        self.repeated_share > TUNING.repeated
    }

    pub(super) fn fold_rule(&self) -> FoldRule {
        if self.repeat() { FoldRule::Values } else { FoldRule::Index }
    }

    /// The subsample in working units: rows in an order that is random, with their weights and folds.
    pub(super) fn subsample(&self, units: &Units) -> FoldedSample {
        let sample = &self.moments.sample;
        let raw = DMatrix::from_fn(sample.len(), self.std.len(), |i, j| sample[i].values[j]);
        let rows = units.noised_to_working(1.0, raw);
        let rule = self.fold_rule();
        let pairs = sample.iter().zip(rows.row_iter());
        let folds =
            pairs.map(|(row, values)| rule.fold(self.seed, row.index, values.iter().copied())).collect();
        FoldedSample {
            folds,
            rows,
            weights: sample.iter().map(|row| row.weight).collect(),
            n_folds: FOLDS,
            stands_for: self.moments.rows,
            rest: IsotropicRest::NONE,
        }
    }
}
