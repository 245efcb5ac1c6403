//! One number of cells, fitted on every fold's training rows and judged on the rows it did not see.

use super::annealing::Annealing;
use super::expectation_maximisation::{
    expectation_maximisation_step, judging_log_density, mixture_log_density,
};
use super::merging::merge_down_to;
use super::parting::part;
use crate::error::Result;
use crate::mixture::{MixtureParameters, mean_cells, total_cells};
use crate::parallel::map_each_mut;
use crate::rows::{FoldedSample, IsotropicRest, WeightedRows};

/// EM steps for every number of cells tried, and in every round of polishing.
pub(super) const STEPS: usize = 4;
/// EM steps at most.
const MOST_STEPS: usize = 12;
/// EM steps after which two cells that have not found two clusters take the rows for one.
const SETTLED: usize = 40;
/// A round of polishing that gains less than this (in nats, over all rows) is the last.
const SMALLEST_GAIN: f64 = 1.0;
/// Standard errors by which cells in parts have to be ahead.
const FAR_AHEAD: f64 = 3.0;

/// Mixtures of one number of cells, one a fold, with the held-out log-density of every row.
pub(super) struct Candidate {
    pub(super) mixtures: Vec<MixtureParameters>,
    held_out: Vec<f64>,
    steps: usize,
}

impl Candidate {
    /// Number of cells, averaged over the folds.
    pub(super) fn mean_cells(&self) -> f64 {
        mean_cells(&self.mixtures)
    }

    /// Number of cells of all folds together.
    pub(super) fn size(&self) -> usize {
        total_cells(&self.mixtures)
    }
}

/// The rows of every fold that is fitted: those to fit, and those that judge.
pub(super) struct FoldRows {
    training: WeightedRows,
    held_out: WeightedRows,
}

impl FoldRows {
    /// The first `count` folds of `sample`.
    pub(super) fn of(sample: &FoldedSample, count: usize) -> Vec<Self> {
        let rows = |fold| Self {
            training: sample.training(fold),
            held_out: sample.part(fold, true).in_spatial_order(),
        };
        let mut folds: Vec<Self> = (0..count.clamp(1, sample.n_folds)).map(rows).collect();
        if folds.iter().all(|fold| fold.held_out.weights.is_empty()) {
            folds[0].held_out = sample.all();
        }
        folds
    }

    /// A few EM steps on the rows to fit; the log-density of those that judge.
    fn refine(&self, mixture: &mut MixtureParameters, rest: IsotropicRest) -> Vec<f64> {
        for _ in 0..STEPS {
            *mixture = expectation_maximisation_step(&self.training, mixture, rest);
        }
        judging_log_density(&self.held_out, mixture)
    }
}

/// One fold, with the annealing that proposes starts.
struct Fold<'a> {
    rows: &'a FoldRows,
    annealing: Annealing<'a>,
}

/// All folds, on which candidates are fitted and judged.
pub(super) struct Folds<'a> {
    folds: Vec<Fold<'a>>,
    /// Weights of the rows that judge, fold after fold.
    weights: Vec<f64>,
    rest: IsotropicRest,
}

impl<'a> Folds<'a> {
    pub(super) fn new(rows: &'a [FoldRows], rest: IsotropicRest) -> Result<Self> {
        let weights = rows.iter().flat_map(|fold| fold.held_out.weights.clone()).collect();
        let fold = |rows: &'a FoldRows| Ok(Fold { rows, annealing: Annealing::new(&rows.training)? });
        Ok(Self { folds: rows.iter().map(fold).collect::<Result<_>>()?, weights, rest })
    }

    pub(super) fn len(&self) -> usize {
        self.folds.len()
    }

    /// The annealed path of every fold, down to a state of `cells` cells or the nearest smaller number.
    pub(super) fn annealed(&mut self, cells: usize) -> Result<Vec<MixtureParameters>> {
        map_each_mut(&mut self.folds, |fold| fold.annealing.state_with(cells)).into_iter().collect()
    }

    /// Whether no path goes on.
    pub(super) fn are_cold(&self) -> bool {
        self.folds.iter().all(|fold| fold.annealing.is_cold())
    }

    /// A few EM steps on every fold, and the log-density of the rows that it did not see.
    pub(super) fn refine(&mut self, starts: Vec<MixtureParameters>) -> Candidate {
        let rest = self.rest;
        let mut work: Vec<(&FoldRows, MixtureParameters)> =
            self.folds.iter().map(|fold| fold.rows).zip(starts).collect();
        let held_out = map_each_mut(&mut work, |(rows, mixture)| rows.refine(mixture, rest));
        let mixtures = work.into_iter().map(|(_, mixture)| mixture).collect();
        Candidate { mixtures, held_out: held_out.concat(), steps: STEPS }
    }

    /// Further EM steps while they raise the held-out likelihood.
    pub(super) fn polish(&mut self, candidate: &mut Candidate) {
        while candidate.steps < MOST_STEPS {
            let refined = self.refine(candidate.mixtures.clone());
            let gain = self.likelihood(&refined) - self.likelihood(candidate);
            candidate.steps += STEPS;
            if gain > 0.0 {
                *candidate = Candidate { steps: candidate.steps, ..refined };
            }
            if gain < SMALLEST_GAIN {
                return;
            }
        }
    }

    /// Many EM steps, whether or not the first of them gain anything: clusters that are long and near each
    /// other, side by side, are told apart only slowly from halves across both.
    pub(super) fn settle(&mut self, candidate: &mut Candidate) {
        while candidate.steps < SETTLED {
            let refined = self.refine(candidate.mixtures.clone());
            *candidate = Candidate { steps: candidate.steps + STEPS, ..refined };
        }
    }

    /// Replaces the mixtures of `candidate` by those that merging the cheapest pairs of a larger one
    /// leads to, on every fold where they fit its training rows better: annealed paths may miss a
    /// cluster that is much narrower than others, or much longer than wide, until more cells are there.
    pub(super) fn mend(&mut self, candidate: &mut Candidate, larger: &Candidate) {
        let rest = self.rest;
        let folds = self.folds.iter().map(|fold| fold.rows).zip(&mut candidate.mixtures);
        let mut work: Vec<_> = folds.zip(&larger.mixtures).collect();
        let held_out = map_each_mut(&mut work, |((rows, own), larger)| {
            let mut merged = merge_down_to(own.masses.len(), (*larger).clone());
            for _ in 0..STEPS {
                merged = expectation_maximisation_step(&rows.training, &merged, rest);
            }
            let likelihood = |mixture: &MixtureParameters| {
                weighted_sum(&mixture_log_density(&rows.training, mixture), &rows.training.weights)
            };
            if likelihood(&merged) > likelihood(own) {
                **own = merged;
            }
            judging_log_density(&rows.held_out, own)
        });
        candidate.held_out = held_out.concat();
    }

    /// A candidate of `cells` cells, merged from a larger one.
    pub(super) fn merged(&mut self, cells: usize, larger: &Candidate) -> Candidate {
        let merged = larger.mixtures.iter().map(|mixture| merge_down_to(cells, mixture.clone())).collect();
        self.refine(merged)
    }

    /// `candidate` with its heavy cells in parts, where these are far ahead: on the fold that is behind the others,
    /// and on all.
    pub(super) fn parted(&mut self, candidate: &Candidate) -> Result<Option<Candidate>> {
        let Some((fold, held_out)) = self.behind(candidate) else { return Ok(None) };
        let (rows, rest) = (self.folds[fold].rows, self.rest);
        let mut parted = part(&rows.training, &candidate.mixtures[fold])?;
        if !is_far_ahead(paired(&rows.refine(&mut parted, rest), held_out, &rows.held_out.weights)) {
            return Ok(None);
        }
        let mut work: Vec<_> = self.folds.iter().map(|fold| fold.rows).zip(&candidate.mixtures).collect();
        let starts = map_each_mut(&mut work, |(rows, mixture)| part(&rows.training, mixture));
        let parted = self.refine(starts.into_iter().collect::<Result<_>>()?);
        Ok(is_far_ahead(self.paired(&parted, candidate)).then_some(parted))
    }

    /// The fold whose mixture its held-out rows like the least when they compare it with that of the next fold; and
    /// their log-densities.
    fn behind<'b>(&self, candidate: &'b Candidate) -> Option<(usize, &'b [f64])> {
        let mut rest = candidate.held_out.as_slice();
        let of_fold = |(fold, Fold { rows, .. }): (usize, &Fold<'a>)| {
            let weights = &rows.held_out.weights;
            let (own, others) = rest.split_at(weights.len());
            rest = others;
            let next = &candidate.mixtures[(fold + 1) % candidate.mixtures.len()];
            let (lead, _) = paired(&judging_log_density(&rows.held_out, next), own, weights);
            (lead / weights.iter().sum::<f64>(), (fold, own))
        };
        // A fold without weight has no average.
        let folds = self.folds.iter().enumerate().map(of_fold).filter(|(lead, _)| lead.is_finite());
        folds.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, fold)| fold)
    }

    /// Held-out log-likelihood.
    pub(super) fn likelihood(&self, candidate: &Candidate) -> f64 {
        weighted_sum(&candidate.held_out, &self.weights)
    }

    /// Σ w of the rows that judge.
    pub(super) fn weight(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// By how much `better` is ahead of `worse` in held-out log-likelihood, and the standard error of that.
    pub(super) fn paired(&self, better: &Candidate, worse: &Candidate) -> (f64, f64) {
        paired(&better.held_out, &worse.held_out, &self.weights)
    }
}

/// Σ w (a − b) over the rows of `weights`, and its standard error.
fn paired(better: &[f64], worse: &[f64], weights: &[f64]) -> (f64, f64) {
    // Squares of weights of extreme scale have no place in a double.
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let rows = better.iter().zip(worse).zip(weights);
    let gains: Vec<f64> = rows.map(|((a, b), w)| w / largest * (a - b)).collect();
    let n = gains.len() as f64;
    let sum: f64 = gains.iter().sum();
    let spread: f64 = gains.iter().map(|gain| (gain - sum / n).powi(2)).sum();
    (largest * sum, largest * spread.sqrt())
}

fn is_far_ahead((lead, std_error): (f64, f64)) -> bool {
    lead > FAR_AHEAD * std_error
}

fn weighted_sum(values: &[f64], weights: &[f64]) -> f64 {
    values.iter().zip(weights).map(|(value, weight)| value * weight).sum()
}
