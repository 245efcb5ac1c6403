//! How many cells, and which: coarse to fine on every fold's own path, judged on the rows it did not see.

use super::candidate::{Candidate, FoldRows, Folds, STEPS};
use super::cell_moments::feature_count;
use super::expectation_maximisation::expectation_maximisation_step;
use super::gaussian_partitioner::GaussianPartitioner;
use crate::error::{Error, Result};
use crate::mixture::{CrossFit, CrossFittedMixture, MixtureParameters, TriedCells, total_cells};
use crate::rows::FoldedSample;

/// Numbers of cells without a better held-out likelihood after which the search ends.
const PATIENCE: usize = 2;
/// One that is behind by this many paired standard errors is enough.
const CLEARLY_WORSE: f64 = 2.0;
/// Numbers of cells up to this are tried in any case: merging mends what smaller ones missed.
const LEAST_TRIED: usize = 8;
/// But where there are fewer rows than this for each parameter of a cell, [`PATIENCE`] clearly worse numbers in a
/// row end the search, and no cell is parted.
const ROWS_A_PARAMETER: usize = 10;
/// Up to this many cells every number is tried on the way up.
const COUNTED: usize = 6;
/// Beyond those the number of cells grows by this factor.
const GROWTH: f64 = 1.25;
/// How often heavy cells are parted at most.
const MOST_PARTINGS: usize = 3;
/// Fewer cells are preferred within this many paired standard errors of the best likelihood where cells may
/// be components to be counted, and where so many tile a law that is no finite mixture.
const TOLERANCE: f64 = 1.5;
const TILING_TOLERANCE: f64 = 0.5;

/// Finds the cells: for one, two, three … cells a few EM steps from the state of each fold's annealed
/// path, then the fewest cells within reach of the best held-out likelihood, polished.
pub(super) fn find_cells(
    sample: &FoldedSample,
    settings: &GaussianPartitioner,
) -> Result<CrossFittedMixture> {
    if sample.weights.is_empty() {
        return Err(Error::NoRows);
    }
    let rows = FoldRows::of(sample, settings.paths);
    let mut folds = Folds::new(&rows, sample.rest)?;
    let (candidates, chosen) = match settings.cells {
        Some(cells) => (vec![given_number(cells, &mut folds, sample)?], 0),
        None => search(&mut folds, sample)?,
    };
    let average_within = settings.average_within;
    let also = average_within.map_or_else(Vec::new, |reach| also(&candidates, chosen, reach, &folds));
    let tried = tried(&candidates, chosen, &folds);
    let larger = match settings.cells {
        Some(_) => Vec::new(),
        None => larger(&mut folds, &candidates, chosen, sample)?,
    };
    let mixtures = candidates[chosen].mixtures.clone();
    let all = sample.all();
    let start = mixtures.first().cloned().ok_or(Error::NoRows)?;
    let all_rows = (0..2 * STEPS).fold(start, |m, _| expectation_maximisation_step(&all, &m, sample.rest));
    Ok(CrossFittedMixture { folds: mixtures, all_rows, also, average_within, tried, larger })
}

/// All numbers of cells that were tried, rising, and the index of the fewest within reach of the best; their heavy
/// cells are parted as long as that is far better.
fn search(folds: &mut Folds<'_>, sample: &FoldedSample) -> Result<(Vec<Candidate>, usize)> {
    let mut candidates = candidates(folds, sample)?;
    let mut chosen = fewest(&mut candidates, folds);
    let partings = if has_few_rows(sample) { 0 } else { MOST_PARTINGS };
    for _ in 0..partings {
        let Some(parted) = folds.parted(&candidates[chosen])? else { break };
        if folds.likelihood(&parted) <= folds.likelihood(&candidates[best(&candidates, folds)]) {
            break;
        }
        match candidates.binary_search_by_key(&parted.size(), Candidate::size) {
            Ok(same) => candidates[same] = parted,
            Err(index) => candidates.insert(index, parted),
        }
        chosen = fewest(&mut candidates, folds);
    }
    Ok((candidates, chosen))
}

/// Whether there are few rows for each parameter of a cell.
fn has_few_rows(sample: &FoldedSample) -> bool {
    sample.rows.nrows() < ROWS_A_PARAMETER * feature_count(sample.rows.ncols())
}

/// The number of cells tried after `cells`.
fn next_number(cells: usize) -> usize {
    if cells < COUNTED { cells + 1 } else { (cells as f64 * GROWTH).round() as usize }
}

/// Candidates of rising size until further ones do not raise the held-out likelihood.
fn candidates(folds: &mut Folds<'_>, sample: &FoldedSample) -> Result<Vec<Candidate>> {
    let mut found: Vec<Candidate> = Vec::new();
    let (mut since, mut clearly_worse, mut wanted, mut last_size) = (0, 0, 1, 0);
    let rows = sample.rows.nrows();
    let patience = if has_few_rows(sample) { PATIENCE } else { usize::MAX };
    while (since < PATIENCE || wanted <= LEAST_TRIED)
        && clearly_worse < patience
        && (wanted == 1 || wanted < rows)
    {
        let starts = folds.annealed(wanted)?;
        let size = total_cells(&starts);
        if size > last_size {
            last_size = size;
            found.push(folds.refine(starts));
            let top = best(&found, folds);
            let (loss, std_error) = folds.paired(&found[top], &found[found.len() - 1]);
            since = if loss <= 0.0 { 0 } else { since + 1 };
            clearly_worse = if loss > CLEARLY_WORSE * std_error { clearly_worse + 1 } else { 0 };
            if clearly_worse > 0 {
                since = PATIENCE;
            }
        } else if folds.are_cold() {
            break;
        }
        wanted = next_number(wanted);
    }
    Ok(found)
}

/// The candidate of exactly `cells` cells, or as many as the rows carry: merged from more.
fn given_number(cells: usize, folds: &mut Folds<'_>, sample: &FoldedSample) -> Result<Candidate> {
    let starts = folds.annealed(cells)?;
    let mut candidate = folds.refine(starts);
    let (mut wanted, wanted_size) = (next_number(cells), cells * folds.len());
    loop {
        let starts = folds.annealed(wanted)?;
        let larger = folds.refine(starts);
        if larger.size() > wanted_size && candidate.size() < wanted_size {
            candidate = folds.merged(cells, &larger);
        } else if larger.size() > wanted_size {
            folds.mend(&mut candidate, &larger);
        }
        if larger.size() > wanted_size || folds.are_cold() || wanted >= sample.rows.nrows() {
            folds.polish(&mut candidate);
            return Ok(candidate);
        }
        wanted = next_number(wanted);
    }
}

/// Candidates above the chosen size, as far up as the rows behind the sample might want: the larger
/// ones that were tried, then further states of the annealed paths.
fn larger(
    folds: &mut Folds<'_>,
    candidates: &[Candidate],
    chosen: usize,
    sample: &FoldedSample,
) -> Result<Vec<CrossFit>> {
    if sample.is_complete() {
        return Ok(Vec::new());
    }
    let more_rows = sample.stands_for as f64 / sample.rows.nrows() as f64;
    let mut larger: Vec<CrossFit> =
        candidates[chosen + 1..].iter().map(|c| CrossFit { folds: c.mixtures.clone() }).collect();
    let mut last_size = candidates.last().map_or(0, Candidate::size);
    let most = candidates[chosen].mean_cells() * more_rows;
    let mut wanted = last_size as f64 / folds.len() as f64 * GROWTH;
    while wanted <= most && !folds.are_cold() {
        let starts: Vec<MixtureParameters> = folds.annealed(wanted.round() as usize)?;
        let size = total_cells(&starts);
        if size > last_size {
            last_size = size;
            larger.push(CrossFit { folds: folds.refine(starts).mixtures });
        }
        wanted *= GROWTH;
    }
    Ok(larger)
}

/// How many paired standard errors a candidate may be behind the best and still be preferred.
fn tolerance(candidate: &Candidate) -> f64 {
    if candidate.mean_cells() <= COUNTED as f64 { TOLERANCE } else { TILING_TOLERANCE }
}

/// The candidate of highest held-out likelihood.
fn best(candidates: &[Candidate], folds: &Folds<'_>) -> usize {
    let likelihood = |&index: &usize| folds.likelihood(&candidates[index]);
    (0..candidates.len()).max_by(|a, b| likelihood(a).total_cmp(&likelihood(b))).unwrap_or(0)
}

/// Index of the fewest cells within reach of the best.
fn fewest(candidates: &mut Vec<Candidate>, folds: &mut Folds<'_>) -> usize {
    let chosen = choose(candidates, folds);
    count_down(candidates, chosen, folds)
}

/// Index of the fewest cells that were tried and are within reach of the best, all of them mended and polished.
fn choose(candidates: &mut [Candidate], folds: &mut Folds<'_>) -> usize {
    let mut top = best(candidates, folds);
    // One cell is chosen only over two that had time to part.
    if let (0, Some(two)) = (top, candidates.get_mut(1)) {
        folds.settle(two);
        top = best(candidates, folds);
    }
    let mut chosen = top;
    for index in (0..=top).rev() {
        let (smaller, larger) = candidates.split_at_mut(index + 1);
        if let (Some(candidate), Some(larger)) = (smaller.last_mut(), larger.first()) {
            folds.mend(candidate, larger);
        }
        folds.polish(&mut candidates[index]);
        let (loss, std_error) = folds.paired(&candidates[top], &candidates[index]);
        if loss <= 0.0 {
            (top, chosen) = (index, index);
        } else if loss <= tolerance(&candidates[index]) * std_error {
            chosen = index;
        } else if loss > 2.0 * TOLERANCE * std_error {
            break;
        }
    }
    chosen
}

/// Halves the gap below the chosen number of cells, by merging, until there is none: numbers that the way up
/// has left out. Returns the index of the fewest cells within reach.
fn count_down(candidates: &mut Vec<Candidate>, mut chosen: usize, folds: &mut Folds<'_>) -> usize {
    let mut enough = candidates[chosen].mean_cells().round() as usize;
    if enough <= COUNTED {
        return chosen;
    }
    let mut too_few =
        chosen.checked_sub(1).map_or(0, |below| candidates[below].mean_cells().round() as usize);
    while enough > too_few + 1 {
        let middle = (too_few + enough) / 2;
        let mut fewer = folds.merged(middle, &candidates[chosen]);
        folds.polish(&mut fewer);
        let (loss, std_error) = folds.paired(&candidates[best(candidates, folds)], &fewer);
        let within_reach = loss <= tolerance(&fewer) * std_error;
        // Below smaller ones where folds differ in their numbers of cells.
        let index = candidates.partition_point(|candidate| candidate.size() < fewer.size());
        candidates.insert(index, fewer);
        if within_reach {
            enough = middle;
            chosen = index;
        } else {
            too_few = middle;
            chosen += 1;
        }
    }
    chosen
}

/// Larger candidates than the chosen one within `reach` standard errors of the best.
fn also(candidates: &[Candidate], chosen: usize, reach: f64, folds: &Folds<'_>) -> Vec<CrossFit> {
    let top = &candidates[best(candidates, folds)];
    let near = |candidate: &&Candidate| {
        let (loss, std_error) = folds.paired(top, candidate);
        loss <= reach * std_error
    };
    let larger = candidates[chosen + 1..].iter().filter(near);
    larger.map(|candidate| CrossFit { folds: candidate.mixtures.clone() }).collect()
}

fn tried(candidates: &[Candidate], chosen: usize, folds: &Folds<'_>) -> Vec<TriedCells> {
    let (total, top) = (folds.weight(), &candidates[best(candidates, folds)]);
    let describe = |(index, candidate): (usize, &Candidate)| TriedCells {
        cells: candidate.mean_cells(),
        log_likelihood: folds.likelihood(candidate) / total,
        std_error: folds.paired(top, candidate).1 / total,
        chosen: index == chosen,
    };
    candidates.iter().enumerate().map(describe).collect()
}
