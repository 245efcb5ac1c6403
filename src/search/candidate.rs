//! One number of cells, fitted on every fold's training rows and judged on the rows it did not see.

use std::sync::OnceLock;

use super::annealing::Annealing;
use super::background::{Background, before_background, law, without_background};
use super::decision::Lead;
use super::expectation_maximisation::{CellSums, expectation_maximisation_step, mixture_log_density};
use super::merging::merge_down_to;
use super::splitting::{self, Split};
use super::spots::Spots;
use super::witness::Witness;
use crate::error::Result;
use crate::mixture::{MixtureParameters, mean_cells, total_cells};
use crate::parallel::map_each_mut;
use crate::rows::{FoldedSample, IsotropicRest, WeightedRows};

/// EM steps for every number of cells tried, and in every round towards the maximum.
pub(super) const STEPS: usize = 4;
/// Rounds towards the maximum at most, and cells at most times rounds: few cells that overlap approach it slowly, many
/// that tile have nothing to gain there.
const MOST_ROUNDS: usize = 40;
const MOST_CELL_ROUNDS: usize = 150;
/// A round that gains less than this a cell (in nats, over all rows of a fold) is the last.
const SMALLEST_GAIN: f64 = 0.25;

/// Standard errors by which one fold has to be for a split before it is tried on all.
const PROMISING: f64 = 0.5;

/// A larger share of the rows are no strays.
const MOST_STRAYS: f64 = 0.5;

/// Mixtures of one number of cells, one a fold, with the held-out log-density of every row. The last cell of each is
/// the background.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) mixtures: Vec<MixtureParameters>,
    held_out: Vec<f64>,
    settled: bool,
}

impl Candidate {
    /// Number of cells, averaged over the folds.
    pub(super) fn mean_cells(&self) -> f64 {
        mean_cells(&self.mixtures) - 1.0
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Number of cells of all folds together.
    pub(super) fn size(&self) -> usize {
        total_cells(&self.mixtures) - self.mixtures.len()
    }
}

/// The rows of every fold that is fitted: those to fit, and those that judge.
pub(super) struct FoldRows {
    pub(super) training: WeightedRows,
    pub(super) held_out: WeightedRows,
    pub(super) background: Background,
    /// Where the rows to fit may be dense, once that has been asked for.
    spots: OnceLock<Spots>,
}

impl FoldRows {
    /// The first `count` folds of `sample`.
    pub(super) fn of(sample: &FoldedSample, count: usize) -> Vec<Self> {
        let rows = |fold| {
            let training = sample.training(fold);
            let background = Background::of(&training);
            let held_out = sample.part(fold, true).in_spatial_order();
            Self { training, held_out, background, spots: OnceLock::new() }
        };
        let mut folds: Vec<Self> = (0..count.clamp(1, sample.n_folds)).map(rows).collect();
        if folds.iter().all(|fold| fold.held_out.weights.is_empty()) {
            folds[0].held_out = sample.all();
        }
        folds
    }

    fn steps(&self, mixture: MixtureParameters, count: usize, rest: IsotropicRest) -> MixtureParameters {
        let step = |m: MixtureParameters, _| {
            expectation_maximisation_step(&self.training, &m, rest, &self.background)
        };
        (0..count).fold(mixture, step)
    }

    /// Cells from a path before the background, after a first EM step: as they are of one width in every direction, the
    /// background is so too in that step, or it would take rows from them that are much narrower in some. Where a path
    /// could not split and its cells are narrower than any two rows are apart, the step is without it.
    fn begin(&self, start: &MixtureParameters, rest: IsotropicRest) -> MixtureParameters {
        let before = self.background.spherical().behind(start);
        let sums = CellSums::of(&self.training, &before);
        if sums.share(start.masses.len()) < MOST_STRAYS {
            return sums.maximise_before(rest, &before, &self.background);
        }
        self.background.behind(&CellSums::of(&self.training, start).maximise(rest, start))
    }

    fn training_likelihood(&self, mixture: &MixtureParameters) -> f64 {
        weighted_sum(&mixture_log_density(&self.training, mixture), &self.training.weights)
    }

    /// EM steps until they hardly gain anything on the rows that are fitted.
    fn settle(&self, mixture: MixtureParameters, rest: IsotropicRest) -> MixtureParameters {
        let (mut mixture, mut likelihood) = (mixture, f64::NEG_INFINITY);
        let rounds = (MOST_CELL_ROUNDS / mixture.masses.len()).clamp(3, MOST_ROUNDS);
        for _ in 0..rounds {
            mixture = self.steps(mixture, STEPS, rest);
            let after = self.training_likelihood(&mixture);
            if after < likelihood + SMALLEST_GAIN * mixture.masses.len() as f64 {
                break;
            }
            likelihood = after;
        }
        mixture
    }

    /// Log-densities of the rows that judge.
    fn judge(&self, mixture: &MixtureParameters) -> Vec<f64> {
        mixture_log_density(&self.held_out, mixture)
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

    fn first(&self) -> &'a FoldRows {
        self.folds[0].rows
    }

    /// The annealed path of every fold, down to a state of `cells` cells or the nearest smaller number.
    pub(super) fn annealed(&mut self, cells: usize) -> Result<Vec<MixtureParameters>> {
        map_each_mut(&mut self.folds, |fold| fold.annealing.state_with(cells)).into_iter().collect()
    }

    /// Whether no path goes on.
    pub(super) fn are_cold(&self) -> bool {
        self.folds.iter().all(|fold| fold.annealing.is_cold())
    }

    /// Lets the paths go on to cells of the fewest rows.
    pub(super) fn split_to_the_last(&mut self) {
        self.folds.iter_mut().for_each(|fold| fold.annealing.split_to_the_last());
    }

    /// Fits the mixtures of all folds by `fit`, and judges them.
    fn fitted(
        &self,
        mut starts: Vec<MixtureParameters>,
        settled: bool,
        fit: impl Fn(&FoldRows, MixtureParameters) -> MixtureParameters + Sync,
    ) -> Candidate {
        let mut work: Vec<(&FoldRows, &mut MixtureParameters)> =
            self.folds.iter().map(|fold| fold.rows).zip(&mut starts).collect();
        let held_out = map_each_mut(&mut work, |(rows, mixture)| {
            **mixture = fit(rows, mixture.clone());
            rows.judge(mixture)
        });
        Candidate { mixtures: starts, held_out: held_out.concat(), settled }
    }

    /// A few EM steps on every fold from cells without a background.
    pub(super) fn refine(&self, starts: Vec<MixtureParameters>) -> Candidate {
        let rest = self.rest;
        self.fitted(starts, false, |rows, start| rows.steps(rows.begin(&start, rest), STEPS, rest))
    }

    /// Further EM steps to near the maximum of the rows that are fitted, whatever those say that judge.
    pub(super) fn settle(&self, candidate: &mut Candidate) {
        if !candidate.settled {
            let rest = self.rest;
            let mixtures = std::mem::take(&mut candidate.mixtures);
            *candidate = self.fitted(mixtures, true, |rows, mixture| rows.settle(mixture, rest));
        }
    }

    /// Replaces the mixtures of `candidate` by those that merging the cheapest pairs of a larger one leads to, on
    /// every fold where they fit its training rows better: annealed paths may miss a cluster that is much narrower
    /// than others, or much longer than wide, until more cells are there.
    pub(super) fn mend(&self, candidate: &mut Candidate, larger: &Candidate) {
        let rest = self.rest;
        let mut mended = candidate.mixtures.clone();
        let folds = self.folds.iter().map(|fold| fold.rows).zip(&mut mended);
        let mut work: Vec<_> = folds.zip(&larger.mixtures).collect();
        let replaced = map_each_mut(&mut work, |((rows, own), larger)| {
            let merged = rows.steps(merged(own.masses.len() - 1, larger), STEPS, rest);
            let better = rows.training_likelihood(&merged) > rows.training_likelihood(own);
            if better {
                **own = merged;
            }
            better
        });
        if replaced.contains(&true) {
            *candidate = self.fitted(mended, false, |_, mixture| mixture);
        }
    }

    /// A candidate of `cells` cells, merged from a larger one.
    pub(super) fn merged(&self, cells: usize, larger: &Candidate) -> Candidate {
        let rest = self.rest;
        self.fitted(larger.mixtures.clone(), false, |rows, mixture| {
            rows.steps(merged(cells, &mixture), STEPS, rest)
        })
    }

    /// `candidate` with some of its cells in parts; `None` where none can be split, or where the first fold's rows are
    /// not for it after a few steps.
    pub(super) fn split(&self, candidate: &Candidate, kind: Split) -> Result<Option<Candidate>> {
        let rest = self.rest;
        let start = |rows: &FoldRows, mixture: &MixtureParameters| {
            let (cells, _) = without_background(mixture);
            Ok(rows.begin(&splitting::split(&rows.training, &rows.spots, mixture, &cells, kind)?, rest))
        };
        let (first, rows) = (&candidate.mixtures[0], self.first());
        let trial = start(rows, first)?;
        if trial.masses.len() == first.masses.len() {
            return Ok(None);
        }
        let trial = rows.judge(&rows.steps(trial, 2 * STEPS, rest));
        if !self.lead_of_first(&trial, candidate).exceeds(PROMISING) {
            return Ok(None);
        }
        let mut work: Vec<_> = self.folds.iter().map(|fold| fold.rows).zip(&candidate.mixtures).collect();
        let starts = map_each_mut(&mut work, |(rows, mixture)| start(rows, mixture));
        let starts: Vec<MixtureParameters> = starts.into_iter().collect::<Result<_>>()?;
        Ok(Some(self.fitted(starts, true, |rows, mixture| rows.settle(mixture, rest))))
    }

    /// The laws of a candidate, one a fold; where it is of a `given` number of cells, of these alone.
    pub(super) fn laws(&self, candidate: &Candidate, given: bool) -> Vec<MixtureParameters> {
        let of = |(mixture, fold): (&MixtureParameters, &Fold<'_>)| {
            law(mixture, if given { 0.0 } else { fold.rows.training.weights.iter().sum() })
        };
        candidate.mixtures.iter().zip(&self.folds).map(of).collect()
    }

    /// Held-out log-likelihood.
    pub(super) fn likelihood(&self, candidate: &Candidate) -> f64 {
        weighted_sum(&candidate.held_out, &self.weights)
    }

    /// Σ w of the rows that judge.
    pub(super) fn weight(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// By how much `ahead` is ahead of `behind`.
    pub(super) fn lead(&self, ahead: &Candidate, behind: &Candidate) -> Lead {
        Lead::of(&ahead.held_out, &behind.held_out, &self.weights)
    }

    /// By how much these log-densities of the first fold's held-out rows are ahead of a candidate's.
    fn lead_of_first(&self, log_densities: &[f64], candidate: &Candidate) -> Lead {
        let rows = log_densities.len();
        Lead::of(log_densities, &candidate.held_out[..rows], &self.weights[..rows])
    }

    /// What a kernel density of the first fold's rows says of those that judge.
    pub(super) fn witness(&self) -> Witness {
        let FoldRows { training, held_out, background, .. } = self.first();
        Witness::new(training, held_out, background)
    }

    /// By how much the witness is ahead of a candidate, and the weight of the rows that say so.
    pub(super) fn lead_of_witness(&self, witness: &Witness, candidate: &Candidate) -> (Lead, f64) {
        let of = |values: &[f64]| witness.rows.iter().map(|&row| values[row]).collect::<Vec<f64>>();
        let (held_out, weights) = (of(&candidate.held_out), of(&self.weights));
        (Lead::of(&witness.log_densities, &held_out, &weights), weights.iter().sum())
    }
}

/// `larger`, its cells before the background merged until `cells` are left.
fn merged(cells: usize, larger: &MixtureParameters) -> MixtureParameters {
    let (own, background) = without_background(larger);
    before_background(merge_down_to(cells, &own), &background)
}

fn weighted_sum(values: &[f64], weights: &[f64]) -> f64 {
    values.iter().zip(weights).map(|(value, weight)| value * weight).sum()
}
