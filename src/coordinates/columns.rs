use nalgebra::{DMatrix, DVector};

use super::tuning::TUNING;
use super::units::Units;
use crate::error::{Error, Result};
use crate::rows::{FOLDS, FoldRule, FoldedSample, IsotropicRest, Moments, Repeats};

/// The columns of the rows as they are, in the data's units: what all else about coordinates follows from.
#[derive(Debug, Clone)]
pub(crate) struct Columns<'a> {
    pub(super) moments: &'a Moments,
    pub(super) seed: u64,
    /// Standard deviations, length d.
    pub(super) std: DVector<f64>,
    pub(crate) repeats: Repeats,
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
        Ok(Self { moments, seed, std, repeats: moments.repeats() })
    }

    /// Whether so many rows repeat another one that they are no continuous law's.
    pub(crate) fn repeat(&self) -> bool {
        self.repeats.share > TUNING.repeated
    }

    /// Repeated rows share a fold, so that none is judged by its copies, where many are. A few values that come again and
    /// again among others that do not are as much a part of the law as these: in one fold, the others would know
    /// nothing of them.
    pub(super) fn fold_rule(&self) -> FoldRule {
        let Repeats { repeated, distinct, .. } = self.repeats;
        let few = repeated <= TUNING.atoms.max((TUNING.repeated * distinct as f64) as usize);
        let are_atoms = few && 2 * repeated < distinct;
        if self.repeat() && !are_atoms { FoldRule::Values } else { FoldRule::Index }
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
