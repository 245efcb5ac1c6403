//! How many cells, and which: coarse to fine on every fold's own path and back, judged on the rows it did not see.

use super::background::{Background, law};
use super::candidate::{Candidate, FoldRows, Folds, STEPS};
use super::cell_moments::feature_count;
use super::decision::{CLEARLY, COUNTED, tolerance};
use super::expectation_maximisation::expectation_maximisation_step;
use super::gaussian_partitioner::GaussianPartitioner;
use super::splitting::Split;
use super::witness::Witness;
use crate::error::{Error, Result};
use crate::mixture::{CrossFit, CrossFittedMixture, MixtureParameters, TriedCells, total_cells};
use crate::rows::FoldedSample;

/// Standard errors by which a witness has to be ahead of the end of a search: it is one of many looks at the same rows.
const BEHIND: f64 = 3.0;
/// Numbers of cells up to this are tried in any case.
const LEAST_TRIED: usize = 11;
/// The way up ends where the last number of cells is clearly behind and so many times the best one, or where it is so
/// many times the best one and no better.
const WIDE: f64 = 2.0;
const WIDEST: f64 = 6.0;
/// In more directions than these, where a number of cells takes seconds, one that is so many standard errors behind ends the
/// way up.
const MANY_DIRECTIONS: usize = 100;
const HOPELESS: f64 = 6.0;
/// Where there are fewer rows than this for each parameter of a cell no cell is split in place.
const ROWS_A_PARAMETER: f64 = 10.0;
/// Beyond [`COUNTED`] the number of cells grows by the first factor where more of them gain, and else by the second.
const GROWTH: f64 = 1.25;
const FAST_GROWTH: f64 = std::f64::consts::SQRT_2;
const KINDS: [Split; 3] = [Split::InPlace, Split::InScale, Split::AtSpots];
/// How often cells are split at most.
const MOST_SPLITS: usize = 4;

/// Finds the cells: on the way up a few EM steps from each state of the folds' annealed paths, on the way down what
/// merging the larger ones leads to, then the fewest cells within reach of the best held-out likelihood, and these
/// split where that pays.
pub(super) fn find_cells(
    sample: &FoldedSample,
    settings: &GaussianPartitioner,
) -> Result<CrossFittedMixture> {
    if sample.weights.is_empty() {
        return Err(Error::NoRows);
    }
    let rows = FoldRows::of(sample, settings.paths);
    let mut folds = Folds::new(&rows, sample.rest)?;
    let witness = folds.witness();
    let (candidates, chosen) = match settings.cells {
        Some(cells) => (vec![given_number(cells, &mut folds, sample)?], 0),
        None => search(&mut folds, sample, &witness)?,
    };
    let average_within = settings.average_within;
    let also = average_within.map_or_else(Vec::new, |reach| also(&candidates, chosen, reach, &folds));
    let tried = tried(&candidates, chosen, &folds);
    let larger = match settings.cells {
        Some(_) => Vec::new(),
        None => larger(&mut folds, &candidates, chosen, sample)?,
    };
    let all = sample.all();
    let background = Background::of(&all);
    let start = candidates[chosen].mixtures.first().cloned().ok_or(Error::NoRows)?;
    let step = |m: MixtureParameters, _| expectation_maximisation_step(&all, &m, sample.rest, &background);
    let given = settings.cells.is_some();
    let total = if given { 0.0 } else { sample.weights.iter().sum() };
    let all_rows = law(&(0..2 * STEPS).fold(start, step), total);
    let mixtures = folds.laws(&candidates[chosen], given);
    let behind_witness = behind_witness(&candidates[chosen], &folds, &witness);
    Ok(CrossFittedMixture { folds: mixtures, all_rows, also, average_within, tried, larger, behind_witness })
}

/// All numbers of cells that were tried, rising, and the index of the fewest within reach of the best, its cells split
/// as long as that is clearly better.
fn search(
    folds: &mut Folds<'_>,
    sample: &FoldedSample,
    witness: &Witness,
) -> Result<(Vec<Candidate>, usize)> {
    let mut candidates = way_up(folds, sample, witness)?;
    let most = candidates.len() - 1;
    let mut chosen = choose(&mut candidates, most, folds);
    let kinds: &[Split] = if has_few_rows(sample) { &KINDS[1..] } else { &KINDS };
    chosen = grow(&mut candidates, chosen, kinds, folds)?;
    'splits: for _ in 0..MOST_SPLITS {
        for &kind in kinds {
            let Some(split) = folds.split(&candidates[chosen], kind)? else { continue };
            let ahead_of_best = folds.lead(&split, &candidates[best(&candidates, folds)]).gain > 0.0;
            if ahead_of_best && folds.lead(&split, &candidates[chosen]).exceeds(CLEARLY) {
                let index = insert(&mut candidates, split, folds);
                chosen = choose(&mut candidates, index, folds);
                continue 'splits;
            }
        }
        break;
    }
    let chosen = count_down(&mut candidates, chosen, folds);
    Ok((candidates, chosen))
}

/// Cells that come of one by splits, as long as each gains and is not clearly behind as few cells of a path, in the
/// place of others that are no better; returns the index of the fewest within reach.
///
/// Where components are of unlike widths, narrow ones about the centre of a wide one say, or where a density falls
/// steeply at an edge, the states of a path, all of one width, are right only when many small cells tile the wide one.
fn grow(candidates: &mut Vec<Candidate>, chosen: usize, kinds: &[Split], folds: &Folds<'_>) -> Result<usize> {
    let most = candidates[chosen].mean_cells();
    let mut grown = candidates[0].clone();
    folds.settle(&mut grown);
    let mut last = None;
    while grown.mean_cells() < most {
        let mut better: Option<Candidate> = None;
        for &kind in kinds {
            let Some(split) = folds.split(&grown, kind)? else { continue };
            if split.mean_cells() > most || !folds.lead(&split, &grown).exceeds(0.0) {
                continue;
            }
            let wins = |before: &Candidate| {
                let reach = tolerance(before.mean_cells().min(split.mean_cells()));
                let fewer = split.size() < before.size();
                if fewer {
                    !folds.lead(before, &split).exceeds(reach)
                } else {
                    folds.lead(&split, before).exceeds(reach)
                }
            };
            if better.as_ref().is_none_or(wins) {
                better = Some(split);
            }
        }
        let Some(better) = better else { break };
        let is_ahead =
            |other: &Candidate| other.size() <= better.size() && folds.lead(other, &better).exceeds(CLEARLY);
        if candidates.iter().any(is_ahead) {
            break;
        }
        last = Some(insert(candidates, better.clone(), folds));
        grown = better;
    }
    Ok(last.map_or(chosen, |last| choose(candidates, last, folds)))
}

/// By how many nats a row a kernel density of the first fold's rows is ahead of what was found, if it clearly is.
fn behind_witness(chosen: &Candidate, folds: &Folds<'_>, witness: &Witness) -> Option<f64> {
    let (lead, weight) = folds.lead_of_witness(witness, chosen);
    lead.exceeds(BEHIND).then_some(lead.gain / weight)
}

/// Puts a candidate where it belongs by its size, in the place of one of the same size that is no better; returns its
/// index.
fn insert(candidates: &mut Vec<Candidate>, candidate: Candidate, folds: &Folds<'_>) -> usize {
    match candidates.binary_search_by_key(&candidate.size(), Candidate::size) {
        Ok(same) => {
            if folds.likelihood(&candidate) >= folds.likelihood(&candidates[same]) {
                candidates[same] = candidate;
            }
            same
        }
        Err(index) => {
            candidates.insert(index, candidate);
            index
        }
    }
}

/// Whether there are few rows for each parameter of a cell.
pub(super) fn has_few_rows(sample: &FoldedSample) -> bool {
    let rows: f64 = sample.weights.iter().sum();
    rows < ROWS_A_PARAMETER * feature_count(sample.rows.ncols()) as f64
}

/// Candidates of rising size, as far up as more cells may gain anything.
fn way_up(folds: &mut Folds<'_>, sample: &FoldedSample, witness: &Witness) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    go_up(&mut found, folds, sample, witness)?;
    if folds.are_cold() {
        let top = best(&found, folds);
        folds.settle(&mut found[top]);
        if folds.lead_of_witness(witness, &found[top]).0.exceeds(BEHIND) {
            folds.split_to_the_last();
            go_up(&mut found, folds, sample, witness)?;
        }
    }
    Ok(found)
}

/// Adds candidates to those `found`, until more cells gain nothing or paths end.
fn go_up(
    found: &mut Vec<Candidate>,
    folds: &mut Folds<'_>,
    sample: &FoldedSample,
    witness: &Witness,
) -> Result<()> {
    let mut last_size = found.last().map_or(0, Candidate::size);
    let after = |last: &Candidate| next_number(last.mean_cells().round() as usize, GROWTH);
    let mut wanted = found.last().map_or(1, after);
    while wanted == 1 || wanted < sample.rows.nrows() {
        let starts = folds.annealed(wanted)?;
        let size = total_cells(&starts);
        if size > last_size {
            last_size = size;
            found.push(folds.refine(starts));
            let top = best(found, folds);
            let lead = folds.lead(&found[top], &found[found.len() - 1]);
            let behind = lead.exceeds(CLEARLY);
            let times = found[found.len() - 1].mean_cells() / found[top].mean_cells();
            let is_over = wanted >= LEAST_TRIED && times >= if behind { WIDE } else { WIDEST };
            let is_hopeless = sample.rows.ncols() > MANY_DIRECTIONS && lead.exceeds(HOPELESS);
            if is_over || is_hopeless {
                // A few steps from the path may be far from what so many cells can do.
                folds.settle(&mut found[top]);
                if !folds.lead_of_witness(witness, &found[top]).0.exceeds(CLEARLY) {
                    break;
                }
            }
        } else if folds.are_cold() {
            break;
        }
        let gains = best(found, folds) + 1 == found.len();
        wanted = next_number(wanted, if gains { GROWTH } else { FAST_GROWTH });
    }
    Ok(())
}

/// The number of cells tried after `cells`.
fn next_number(cells: usize, growth: f64) -> usize {
    if cells < COUNTED { cells + 1 } else { (cells as f64 * growth).round() as usize }
}

/// The candidate of exactly `cells` cells, or as many as the rows carry: merged from more.
fn given_number(cells: usize, folds: &mut Folds<'_>, sample: &FoldedSample) -> Result<Candidate> {
    let starts = folds.annealed(cells)?;
    let mut candidate = folds.refine(starts);
    let (mut wanted, wanted_size) = (next_number(cells, GROWTH), cells * folds.len());
    loop {
        let starts = folds.annealed(wanted)?;
        let larger = folds.refine(starts);
        if larger.size() > wanted_size && candidate.size() < wanted_size {
            candidate = folds.merged(cells, &larger);
        } else if larger.size() > wanted_size {
            folds.mend(&mut candidate, &larger);
        }
        if larger.size() > wanted_size || folds.are_cold() || wanted >= sample.rows.nrows() {
            folds.settle(&mut candidate);
            return Ok(candidate);
        }
        wanted = next_number(wanted, GROWTH);
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
    let most = candidates[chosen].mean_cells() * more_rows;
    let mut larger: Vec<CrossFit> = candidates[chosen + 1..]
        .iter()
        .filter(|candidate| candidate.mean_cells() <= most)
        .map(|candidate| CrossFit { folds: folds.laws(candidate, false) })
        .collect();
    let mut last_size = candidates.last().map_or(0, Candidate::size);
    let mut wanted = last_size as f64 / folds.len() as f64 * GROWTH;
    while wanted <= most && !folds.are_cold() {
        let starts: Vec<MixtureParameters> = folds.annealed(wanted.round() as usize)?;
        let size = total_cells(&starts);
        if size > last_size {
            last_size = size;
            larger.push(CrossFit { folds: folds.laws(&folds.refine(starts), false) });
        }
        wanted *= GROWTH;
    }
    Ok(larger)
}

/// The candidate of highest held-out likelihood.
fn best(candidates: &[Candidate], folds: &Folds<'_>) -> usize {
    let likelihood = |&index: &usize| folds.likelihood(&candidates[index]);
    (0..candidates.len()).max_by(|a, b| likelihood(a).total_cmp(&likelihood(b))).unwrap_or(0)
}

/// Index of the fewest cells within reach of the best, after those from `index` downwards have been mended by merging
/// the next larger ones, and those that matter are near their maximum.
fn choose(candidates: &mut [Candidate], index: usize, folds: &Folds<'_>) -> usize {
    for below in (0..index).rev() {
        let (smaller, larger) = candidates.split_at_mut(below + 1);
        folds.mend(&mut smaller[below], &larger[0]);
    }
    loop {
        let top = best(candidates, folds);
        let is_near =
            |candidate: &Candidate, reach: f64| !folds.lead(&candidates[top], candidate).exceeds(reach);
        let unsettled = (0..=top).find(|&i| {
            let candidate = &candidates[i];
            !candidate.is_settled() && is_near(candidate, 2.0 * tolerance(candidate.mean_cells()))
        });
        match unsettled {
            Some(i) => folds.settle(&mut candidates[i]),
            None => {
                let fewest =
                    (0..=top).find(|&i| is_near(&candidates[i], tolerance(candidates[i].mean_cells())));
                return fewest.unwrap_or(top);
            }
        }
    }
}

/// Halves the gap below the chosen number of cells, by merging, until there is none: numbers that the way up
/// has left out. Returns the index of the fewest cells within reach.
fn count_down(candidates: &mut Vec<Candidate>, mut chosen: usize, folds: &Folds<'_>) -> usize {
    let mut enough = candidates[chosen].mean_cells().round() as usize;
    if enough <= COUNTED {
        return chosen;
    }
    let mut too_few =
        chosen.checked_sub(1).map_or(0, |below| candidates[below].mean_cells().round() as usize);
    while enough > too_few + 1 {
        let middle = (enough + too_few) / 2;
        let mut fewer = folds.merged(middle, &candidates[chosen]);
        folds.settle(&mut fewer);
        let lead = folds.lead(&candidates[best(candidates, folds)], &fewer);
        let within_reach = !lead.exceeds(tolerance(fewer.mean_cells()));
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
    let near = |candidate: &&Candidate| !folds.lead(top, candidate).exceeds(reach);
    let larger = candidates[chosen + 1..].iter().filter(near);
    larger.map(|candidate| CrossFit { folds: folds.laws(candidate, false) }).collect()
}

fn tried(candidates: &[Candidate], chosen: usize, folds: &Folds<'_>) -> Vec<TriedCells> {
    let (total, top) = (folds.weight(), &candidates[best(candidates, folds)]);
    let describe = |(index, candidate): (usize, &Candidate)| TriedCells {
        cells: candidate.mean_cells(),
        log_likelihood: folds.likelihood(candidate) / total,
        std_error: folds.lead(top, candidate).std_error / total,
        chosen: index == chosen,
    };
    candidates.iter().enumerate().map(describe).collect()
}
