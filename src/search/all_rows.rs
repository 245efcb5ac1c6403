//! More rows than the subsample holds: EM steps and the choice of the number of cells on all of them.

use nalgebra::{DMatrix, DVector};

use super::decision::{Lead, tolerance};
use super::expectation_maximisation::{CellSums, judging_log_density};
use crate::error::Result;
use crate::linalg::{read_matrices, read_one};
use crate::mixture::{CrossFit, CrossFittedMixture, TriedCells};
use crate::rows::{IsotropicRest, WeightedRows};

/// EM steps on all rows before a group of candidates is judged.
const STEPS: usize = 4;
/// Candidates that are refined and judged together.
const GROUP: usize = 3;

/// Candidates of rising size, refined on all rows a group at a time until a larger one does not pay.
#[derive(Debug, Clone)]
pub(crate) struct Refinement {
    found: CrossFittedMixture,
    /// The group under way, by rising number of cells.
    group: Vec<CrossFit>,
    /// Larger candidates not tried yet.
    larger: Vec<CrossFit>,
    steps: usize,
    tried: Vec<TriedCells>,
}

/// What a refinement has to know of all rows next, of every candidate.
#[derive(Debug, Clone)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub(crate) enum Wanted {
    /// The [`CellSums`] of every fold, over the rows outside it.
    Cells(Vec<CrossFit>),
    /// The [`Likelihoods`] of the rows of every fold under the mixtures that have not seen them.
    Likelihoods(Vec<CrossFit>),
}

/// Held-out log-likelihoods of a group of candidates, with what paired standard errors need; as matrices that
/// add up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Likelihoods {
    /// Σ w.
    pub(crate) weight: f64,
    /// Σ w h, one a candidate.
    pub(crate) sums: DVector<f64>,
    /// Σ w h hᵀ.
    pub(crate) products: DMatrix<f64>,
}

impl Likelihoods {
    fn zeros(candidates: usize) -> Self {
        let (sums, products) = (DVector::zeros(candidates), DMatrix::zeros(candidates, candidates));
        Self { weight: 0.0, sums, products }
    }

    /// Adds one row's log-densities under all candidates.
    fn add_row(&mut self, weight: f64, log_densities: &DVector<f64>) {
        self.weight += weight;
        self.sums.axpy(weight, log_densities, 1.0);
        self.products.ger(weight, log_densities, log_densities, 1.0);
    }

    /// Of the rows of all folds, one block a fold, under the mixtures of `candidates` that have not seen them.
    pub(crate) fn of(folds: &[WeightedRows], candidates: &[CrossFit]) -> Self {
        let mut sums = Self::zeros(candidates.len());
        let fitted = candidates.first().map_or(0, |candidate| candidate.folds.len());
        for (fold, block) in folds.iter().enumerate().take(fitted) {
            let densities: Vec<Vec<f64>> = candidates
                .iter()
                .map(|candidate| judging_log_density(block, &candidate.folds[fold]))
                .collect();
            for (i, &weight) in block.weights.iter().enumerate() {
                let row = DVector::from_iterator(densities.len(), densities.iter().map(|values| values[i]));
                sums.add_row(weight, &row);
            }
        }
        sums
    }

    /// By how much candidate `a` is ahead of `b`.
    fn lead(&self, a: usize, b: usize) -> Lead {
        let gain = self.sums[a] - self.sums[b];
        let square = self.products[(a, a)] - 2.0 * self.products[(a, b)] + self.products[(b, b)];
        Lead { gain, std_error: (square - gain * gain / self.weight).max(0.0).sqrt() }
    }
}

impl From<Likelihoods> for [DMatrix<f64>; 3] {
    fn from(judged: Likelihoods) -> Self {
        let Likelihoods { weight, sums, products } = judged;
        let sums = DMatrix::from_column_slice(sums.len(), 1, sums.as_slice());
        [DMatrix::from_element(1, 1, weight), sums, products]
    }
}

impl From<[DMatrix<f64>; 3]> for Likelihoods {
    fn from([weight, sums, products]: [DMatrix<f64>; 3]) -> Self {
        Self { weight: weight[0], sums: sums.column(0).into_owned(), products }
    }
}

/// What comes after a step.
pub(crate) enum Next {
    Pass(Refinement),
    Done(CrossFittedMixture),
}

impl Refinement {
    pub(crate) fn new(mut found: CrossFittedMixture) -> Self {
        let larger = std::mem::take(&mut found.larger);
        let group = vec![CrossFit { folds: found.folds.clone() }];
        let tried = found.tried.clone();
        Self { found, group, larger, steps: 0, tried }.with_larger()
    }

    /// Fills the group up with the next larger candidates.
    fn with_larger(mut self) -> Self {
        let more = (GROUP - self.group.len()).min(self.larger.len());
        self.group.extend(self.larger.drain(..more));
        self.steps = 0;
        self
    }

    pub(crate) fn wanted(&self) -> Wanted {
        let group = self.group.clone();
        if self.steps < STEPS { Wanted::Cells(group) } else { Wanted::Likelihoods(group) }
    }

    /// Takes in the matrices of what was [`wanted`](Self::wanted); `rest` are the directions outside the active
    /// ones.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for another number of matrices.
    pub(crate) fn absorb(mut self, sums: Vec<DMatrix<f64>>, rest: IsotropicRest) -> Result<Next> {
        if self.steps == STEPS {
            return Ok(self.judge(&read_one(sums)?));
        }
        let mixtures: Vec<_> = self.group.iter_mut().flat_map(|candidate| &mut candidate.folds).collect();
        let sums: Vec<CellSums> = read_matrices(sums, mixtures.len())?;
        for (mixture, sums) in mixtures.into_iter().zip(sums) {
            *mixture = sums.maximise(rest, mixture);
        }
        self.steps += 1;
        Ok(Next::Pass(self))
    }

    /// The fewest cells within reach of the best; a larger group where the largest is the best.
    fn judge(mut self, judged: &Likelihoods) -> Next {
        let candidates = 0..self.group.len();
        let top = candidates.clone().max_by(|&a, &b| judged.sums[a].total_cmp(&judged.sums[b])).unwrap_or(0);
        let is_within = |index: usize, reach: f64| !judged.lead(top, index).exceeds(reach);
        let fewest = |&index: &usize| is_within(index, tolerance(self.group[index].mean_cells()));
        let chosen = candidates.clone().find(fewest).unwrap_or(top);
        let grows = top + 1 == self.group.len() && !self.larger.is_empty();
        for index in candidates {
            self.tried.push(TriedCells {
                cells: self.group[index].mean_cells(),
                log_likelihood: judged.sums[index] / judged.weight,
                std_error: judged.lead(top, index).std_error / judged.weight,
                chosen: index == chosen && !grows,
            });
        }
        if grows {
            self.group = vec![self.group.swap_remove(top)];
            return Next::Pass(self.with_larger());
        }
        for tried in &mut self.tried[..self.found.tried.len()] {
            tried.chosen = false;
        }
        let average_within = self.found.average_within;
        let also = (chosen + 1..self.group.len())
            .filter(|&index| average_within.is_some_and(|reach| is_within(index, reach)))
            .map(|index| self.group[index].clone())
            .collect();
        let folds = self.group.swap_remove(chosen).folds;
        // Four fifths of many rows name the cells as well as all of them.
        let all_rows = folds[0].clone();
        Next::Done(CrossFittedMixture {
            folds,
            all_rows,
            also,
            tried: self.tried,
            larger: Vec::new(),
            ..self.found
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A paired difference is a sum of Σ w independent terms: its variance is Σ w d² − (Σ w d)²/Σ w, as of rows at hand.
    #[test]
    fn candidates_are_compared_row_by_row() {
        let rows = [[-1.0, -1.5, -4.0], [-2.0, -1.0, 0.5], [-0.5, -2.5, -1.0], [-3.0, -3.5, -2.0]];
        let weights = [1.0, 2.0, 0.5, 3.0];
        let of = |members: &[usize]| {
            let mut sums = Likelihoods::zeros(3);
            for &i in members {
                sums.add_row(weights[i], &DVector::from_row_slice(&rows[i]));
            }
            sums
        };
        let [mut judged, others]: [[DMatrix<f64>; 3]; 2] = [of(&[0, 3]).into(), of(&[1, 2]).into()];
        judged.iter_mut().zip(&others).for_each(|(own, other)| *own += other);
        let judged = Likelihoods::from(judged);
        for (a, b) in [(0, 1), (2, 0), (1, 2), (1, 1)] {
            let [ahead, behind] = [a, b].map(|candidate| rows.map(|row| row[candidate]));
            let (expected, found) = (Lead::of(&ahead, &behind, &weights), judged.lead(a, b));
            assert!((found.gain - expected.gain).abs() < 1e-12, "{found:?}");
            assert!((found.std_error - expected.std_error).abs() < 1e-7, "{found:?}");
        }
        assert_eq!(judged.weight, 6.5);
    }
}
