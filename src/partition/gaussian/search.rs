//! How many cells, and which: coarse to fine on every fold's own path, judged on the rows it did not see.

use nalgebra::DMatrix;

use super::annealing::Annealing;
use super::covariance::IsotropicRest;
use super::expectation_maximisation::{
    WeightedRows, expectation_maximisation_step, judging_log_density, mixture_log_density,
};
use super::merging::merge_down_to;
use crate::error::{Error, Result};
use crate::parallel::map_each_mut;
use crate::partition::cells::MixtureParameters;

/// EM steps for every number of cells tried, and in every round of polishing.
const STEPS: usize = 4;
/// EM steps at most.
const MOST_STEPS: usize = 12;
/// Numbers of cells without a better held-out likelihood after which the search ends.
const PATIENCE: usize = 2;
/// Numbers of cells up to this are tried in any case: merging mends what smaller ones missed.
const LEAST_TRIED: usize = 8;
/// Beyond those the number of cells grows by this factor.
const GROWTH: f64 = 1.25;
/// Up to this many cells every number is tried, and their number may mean something; more cells tile a
/// law that is no finite mixture.
const COUNTED: usize = 6;
/// Fewer cells are preferred within this many paired standard errors of the best likelihood where cells are
/// counted, and where they tile.
const TOLERANCE: f64 = 1.5;
const TILING_TOLERANCE: f64 = 0.5;
/// A round of polishing that gains less than this (in nats, over all rows) is the last.
const SMALLEST_GAIN: f64 = 1.0;

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
        let members: Vec<usize> =
            (0..self.folds.len()).filter(|&i| (self.folds[i] == fold) == inside).collect();
        WeightedRows {
            rows: self.rows.select_rows(&members),
            weights: members.iter().map(|&i| self.weights[i]).collect(),
        }
    }

    /// The rows to fit for fold `fold`: those outside it, or all where these are none.
    fn training(&self, fold: usize) -> WeightedRows {
        let outside = self.part(fold, false);
        if outside.weights.is_empty() { self.all() } else { outside }
    }

    fn all(&self) -> WeightedRows {
        WeightedRows { rows: self.rows.clone(), weights: self.weights.clone() }
    }
}

/// A Gaussian mixture fitted once without each fold, and once to all rows.
///
/// The average of the folds' densities is a better density than any one of them; the fit to all rows
/// names the cells.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossFittedMixture {
    /// For every fold the mixture fitted to the rows outside it.
    pub folds: Vec<MixtureParameters>,
    /// The mixture fitted to all rows.
    pub all_rows: MixtureParameters,
    /// Every number of cells that was tried, by rising number.
    pub tried: Vec<TriedCells>,
    /// Larger numbers of cells, rising, which more rows than the sample's may prefer; none where the
    /// sample holds all rows.
    pub larger: Vec<CrossFit>,
}

impl CrossFittedMixture {
    /// Has this mixture, which may be a user's own, the folds and the dimension of `sample`?
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] where it has not, and those of bad masses.
    pub(crate) fn check(&self, sample: &FoldedSample) -> Result<()> {
        let all = std::iter::once(&self.folds).chain(self.larger.iter().map(|larger| &larger.folds));
        for folds in all {
            if folds.len() != sample.n_folds {
                let (what, expected) = ("folds of a mixture", sample.n_folds);
                return Err(Error::ShapeMismatch { what, expected, found: folds.len() });
            }
            folds.iter().try_for_each(|mixture| mixture.check(sample.rows.ncols()))?;
        }
        self.all_rows.check(sample.rows.ncols())
    }
}

/// Mixtures of one number of cells, for every fold the one fitted to the rows outside it.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossFit {
    /// One mixture a fold.
    pub folds: Vec<MixtureParameters>,
}

impl CrossFit {
    /// Number of cells, averaged over the folds.
    pub fn mean_cells(&self) -> f64 {
        mean_cells(&self.folds)
    }
}

/// One number of cells on the path of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TriedCells {
    /// Number of cells, averaged over the folds.
    pub cells: f64,
    /// Held-out log-likelihood a unit of weight.
    pub log_likelihood: f64,
    /// Standard error of its difference from the best one.
    pub std_error: f64,
    /// Whether this number was chosen.
    pub chosen: bool,
}

/// Mixtures of one number of cells, one a fold, with the held-out log-density of every row.
struct Candidate {
    mixtures: Vec<MixtureParameters>,
    held_out: Vec<f64>,
    steps: usize,
}

impl Candidate {
    /// Number of cells, averaged over the folds.
    fn mean_cells(&self) -> f64 {
        mean_cells(&self.mixtures)
    }
}

/// Number of cells, averaged over the folds.
fn mean_cells(folds: &[MixtureParameters]) -> f64 {
    folds.iter().map(|m| m.masses.len() as f64).sum::<f64>() / folds.len() as f64
}

/// One fold: the rows to fit, the rows that judge, the annealing that proposes starts.
struct Fold<'a> {
    training: &'a WeightedRows,
    held_out: &'a WeightedRows,
    annealing: Annealing<'a>,
}

/// Finds the cells: for one, two, three … cells a few EM steps from the state of each fold's annealed
/// path, then the fewest cells within reach of the best held-out likelihood, polished.
pub(super) fn find_cells(sample: &FoldedSample) -> Result<CrossFittedMixture> {
    if sample.weights.is_empty() {
        return Err(Error::NoRows);
    }
    let parts: Vec<(WeightedRows, WeightedRows)> =
        (0..sample.n_folds).map(|fold| (sample.training(fold), sample.part(fold, true))).collect();
    let mut folds: Vec<Fold<'_>> = Vec::with_capacity(parts.len());
    for (training, held_out) in &parts {
        folds.push(Fold { training, held_out, annealing: Annealing::new(training)? });
    }
    let weights: Vec<f64> = parts.iter().flat_map(|(_, held_out)| held_out.weights.clone()).collect();
    let mut candidates = candidates(&mut folds, &weights, sample)?;
    let chosen = choose(&mut candidates, &mut folds, &weights, sample.rest);
    let tried = tried(&candidates, chosen, &weights);
    let larger = larger(&mut folds, &candidates, chosen, sample)?;
    let mixtures = candidates.swap_remove(chosen).mixtures;
    let all = sample.all();
    let start = mixtures.first().cloned().ok_or(Error::NoRows)?;
    let all_rows = (0..2 * STEPS).fold(start, |m, _| expectation_maximisation_step(&all, &m, sample.rest));
    Ok(CrossFittedMixture { folds: mixtures, all_rows, tried, larger })
}

/// Candidates of rising size until two further ones do not raise the held-out likelihood.
fn candidates(folds: &mut [Fold<'_>], weights: &[f64], sample: &FoldedSample) -> Result<Vec<Candidate>> {
    let mut found: Vec<Candidate> = Vec::new();
    let (mut best, mut since, mut wanted, mut last_size) = (f64::NEG_INFINITY, 0, 1, 0);
    while (since < PATIENCE || wanted <= LEAST_TRIED) && (wanted == 1 || wanted < sample.rows.nrows()) {
        let starts: Result<Vec<MixtureParameters>> =
            map_each_mut(folds, |fold| fold.annealing.state_with(wanted)).into_iter().collect();
        let starts = starts?;
        let size: usize = starts.iter().map(|start| start.masses.len()).sum();
        if size > last_size {
            last_size = size;
            let candidate = refine(folds, starts, sample.rest, STEPS);
            let likelihood = weighted_sum(&candidate.held_out, weights);
            since = if likelihood > best { 0 } else { since + 1 };
            best = best.max(likelihood);
            found.push(candidate);
        } else if folds.iter().all(|fold| fold.annealing.is_cold()) {
            break;
        }
        wanted = if wanted < COUNTED { wanted + 1 } else { (wanted as f64 * GROWTH).round() as usize };
    }
    Ok(found)
}

/// Candidates above the chosen size, as far up as the rows behind the sample might want: the larger
/// ones that were tried, then further states of the annealed paths.
fn larger(
    folds: &mut [Fold<'_>],
    candidates: &[Candidate],
    chosen: usize,
    sample: &FoldedSample,
) -> Result<Vec<CrossFit>> {
    let more_rows = sample.stands_for as f64 / sample.rows.nrows().max(1) as f64;
    if more_rows <= 1.0 {
        return Ok(Vec::new());
    }
    let mut larger: Vec<CrossFit> =
        candidates[chosen + 1..].iter().map(|c| CrossFit { folds: c.mixtures.clone() }).collect();
    let size = |mixtures: &[MixtureParameters]| mixtures.iter().map(|m| m.masses.len()).sum::<usize>();
    let mut last_size = candidates.last().map_or(0, |c| size(&c.mixtures));
    let chosen_cells = size(&candidates[chosen].mixtures) as f64 / folds.len() as f64;
    let most = chosen_cells * more_rows;
    let mut wanted = last_size as f64 / folds.len() as f64 * GROWTH;
    while wanted <= most && !folds.iter().all(|fold| fold.annealing.is_cold()) {
        let target = wanted.round() as usize;
        let starts: Result<Vec<MixtureParameters>> =
            map_each_mut(folds, |fold| fold.annealing.state_with(target)).into_iter().collect();
        let starts = starts?;
        if size(&starts) > last_size {
            last_size = size(&starts);
            larger.push(CrossFit { folds: refine(folds, starts, sample.rest, STEPS).mixtures });
        }
        wanted *= GROWTH;
    }
    Ok(larger)
}

/// EM steps on every fold, and the log-density of the rows that it did not see.
fn refine(
    folds: &mut [Fold<'_>],
    starts: Vec<MixtureParameters>,
    rest: IsotropicRest,
    steps: usize,
) -> Candidate {
    let mut work: Vec<(&mut Fold<'_>, MixtureParameters)> = folds.iter_mut().zip(starts).collect();
    let held_out = map_each_mut(&mut work, |(fold, mixture)| {
        for _ in 0..steps {
            *mixture = expectation_maximisation_step(fold.training, mixture, rest);
        }
        judging_log_density(fold.held_out, mixture)
    });
    Candidate {
        mixtures: work.into_iter().map(|(_, mixture)| mixture).collect(),
        held_out: held_out.concat(),
        steps,
    }
}

/// Further EM steps while they raise the held-out likelihood.
fn polish(candidate: &mut Candidate, folds: &mut [Fold<'_>], weights: &[f64], rest: IsotropicRest) {
    while candidate.steps < MOST_STEPS {
        let refined = refine(folds, candidate.mixtures.clone(), rest, STEPS);
        let gain = weighted_sum(&refined.held_out, weights) - weighted_sum(&candidate.held_out, weights);
        candidate.steps += STEPS;
        if gain > 0.0 {
            *candidate = Candidate { steps: candidate.steps, ..refined };
        }
        if gain < SMALLEST_GAIN {
            return;
        }
    }
}

/// Replaces the mixtures of `candidate` by those that merging the cheapest pairs of the next larger one
/// leads to, on every fold where they fit its training rows better: annealed paths may miss a
/// cluster that is much narrower than others, or much longer than wide, until more cells are there.
fn mend(candidate: &mut Candidate, larger: &Candidate, folds: &mut [Fold<'_>], rest: IsotropicRest) {
    let mut work: Vec<(&mut Fold<'_>, &mut MixtureParameters, &MixtureParameters)> = folds
        .iter_mut()
        .zip(&mut candidate.mixtures)
        .zip(&larger.mixtures)
        .map(|((fold, own), larger)| (fold, own, larger))
        .collect();
    let held_out = map_each_mut(&mut work, |(fold, own, larger)| {
        let mut merged = merge_down_to(own.masses.len(), (*larger).clone());
        for _ in 0..STEPS {
            merged = expectation_maximisation_step(fold.training, &merged, rest);
        }
        let likelihood = |mixture: &MixtureParameters| {
            weighted_sum(&mixture_log_density(fold.training, mixture), &fold.training.weights)
        };
        if likelihood(&merged) > likelihood(own) {
            **own = merged;
        }
        judging_log_density(fold.held_out, own)
    });
    candidate.held_out = held_out.concat();
}

/// Index of the fewest cells within reach of the best, all of them mended and polished.
fn choose(
    candidates: &mut [Candidate],
    folds: &mut [Fold<'_>],
    weights: &[f64],
    rest: IsotropicRest,
) -> usize {
    let likelihood = |candidate: &Candidate| weighted_sum(&candidate.held_out, weights);
    let mut top = (0..candidates.len())
        .max_by(|&a, &b| likelihood(&candidates[a]).total_cmp(&likelihood(&candidates[b])))
        .unwrap_or(0);
    let mut chosen = top;
    for index in (0..=top).rev() {
        let (smaller, larger) = candidates.split_at_mut(index + 1);
        if let (Some(candidate), Some(larger)) = (smaller.last_mut(), larger.first()) {
            mend(candidate, larger, folds, rest);
        }
        polish(&mut candidates[index], folds, weights, rest);
        let (loss, std_error) = paired(&candidates[top], &candidates[index], weights);
        let counted = candidates[index].mean_cells() <= COUNTED as f64;
        if loss <= 0.0 {
            (top, chosen) = (index, index);
        } else if loss <= if counted { TOLERANCE } else { TILING_TOLERANCE } * std_error {
            chosen = index;
        } else if loss > 2.0 * TOLERANCE * std_error {
            break;
        }
    }
    chosen
}

fn tried(candidates: &[Candidate], chosen: usize, weights: &[f64]) -> Vec<TriedCells> {
    let total: f64 = weights.iter().sum();
    let best = candidates
        .iter()
        .max_by(|a, b| weighted_sum(&a.held_out, weights).total_cmp(&weighted_sum(&b.held_out, weights)));
    let describe = |(index, candidate): (usize, &Candidate)| TriedCells {
        cells: candidate.mean_cells(),
        log_likelihood: weighted_sum(&candidate.held_out, weights) / total,
        std_error: best.map_or(0.0, |best| paired(best, candidate, weights).1 / total),
        chosen: index == chosen,
    };
    candidates.iter().enumerate().map(describe).collect()
}

fn weighted_sum(values: &[f64], weights: &[f64]) -> f64 {
    values.iter().zip(weights).map(|(value, weight)| value * weight).sum()
}

/// By how much `better` is ahead of `worse` in held-out log-likelihood, and the standard error of that.
fn paired(better: &Candidate, worse: &Candidate, weights: &[f64]) -> (f64, f64) {
    let gains: Vec<f64> =
        better.held_out.iter().zip(&worse.held_out).zip(weights).map(|((a, b), w)| w * (a - b)).collect();
    let n = gains.len() as f64;
    let sum: f64 = gains.iter().sum();
    let spread: f64 = gains.iter().map(|gain| (gain - sum / n).powi(2)).sum();
    (sum, spread.sqrt())
}
