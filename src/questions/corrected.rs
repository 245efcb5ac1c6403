//! Laws without a closed form of their own that are close to one: proposals from the one, weights by the ratio of the
//! two densities.

#[cfg(test)]
mod tests;

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};

use super::mixture::Mixture;
use super::observation::{Observation, check_named_once};
use super::pattern::{Answers, Pattern};
use super::table::{Cells, Group, Predictions};
use crate::error::Result;
use crate::mixture::{ColumnLaw, draw_part};
use crate::rows::{Rows, stream};
use crate::score::ScoreModel;

/// Proposals for a row of a table. The two laws are close, so that hardly any is lost.
const PROPOSALS: usize = 64;
/// Rows of a table whose proposals are evaluated together.
const BLOCK: usize = 32;
/// Purposes of streams of random numbers, one a row.
const PROPOSING: u64 = 43;
const CHOOSING: u64 = 44;

/// Draws from a law given what was seen, with weights.
///
/// Proposals come from the cells' law in closed form; a weight is the density of the corrected law relative to theirs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WeightedDraws {
    /// The columns that are open, by their index among those learned.
    pub columns: Vec<usize>,
    /// The draws, n × the number of these columns.
    pub rows: DMatrix<f64>,
    /// They sum to 1: length n.
    pub weights: DVector<f64>,
    /// The effective sample size (Σ w)²/Σ w²: so many equally weighted draws are worth as much.
    pub effective: f64,
    /// Natural logarithm of the density of what was seen, by the same draws.
    pub log_density: f64,
}

impl WeightedDraws {
    /// The mean of the open columns.
    pub fn mean(&self) -> DVector<f64> {
        self.rows.transpose() * &self.weights
    }

    /// `n` of the draws with probabilities equal to their weights: draws of the law up to the number of proposals.
    pub fn resample<R: Rng + ?Sized>(&self, n: usize, mut rng: &mut R) -> DMatrix<f64> {
        let chosen: Vec<usize> = (0..n).map(|_| draw_part(self.weights.as_slice(), &mut rng)).collect();
        self.rows.select_rows(&chosen)
    }
}

/// A law close to `base`, with its log-density at whole rows.
pub(crate) struct Corrected<'a> {
    pub(crate) base: &'a Mixture,
    pub(crate) log_density: &'a (dyn Fn(&DMatrix<f64>) -> Result<DVector<f64>> + Sync),
}

/// What was proposed for one row of a table.
struct Proposed {
    /// Of the open columns: m × their number.
    open: DMatrix<f64>,
    weights: Vec<f64>,
    /// ln of the mean of the weights before they were normalised.
    log_mean: f64,
    effective: f64,
}

/// Weights that sum to one, the logarithm of their mean before, and the effective sample size.
fn normalised(logs: &[f64]) -> (Vec<f64>, f64, f64) {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        let share = 1.0 / logs.len() as f64;
        return (vec![share; logs.len()], largest, 0.0);
    }
    let weights: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    let square: f64 = weights.iter().map(|weight| weight * weight).sum();
    let log_mean = largest + (total / logs.len() as f64).ln();
    (weights.iter().map(|weight| weight / total).collect(), log_mean, total * total / square)
}

impl Corrected<'_> {
    /// ln of the ratio of the densities at whole rows.
    fn log_ratio(&self, rows: &DMatrix<f64>) -> Result<DVector<f64>> {
        Ok((self.log_density)(rows)? - self.base.log_density(rows)?)
    }

    /// `proposals` draws given `observation`.
    pub(crate) fn given(
        &self,
        observation: &Observation,
        proposals: usize,
        rng: &mut impl Rng,
    ) -> Result<WeightedDraws> {
        let law = self.base.given(observation)?;
        let rows = law.sample(proposals, rng)?;
        let logs = self.log_ratio(&whole_rows(self.base, observation, law.columns(), &rows))?;
        let (weights, log_mean, effective) = normalised(logs.as_slice());
        Ok(WeightedDraws {
            columns: law.columns().to_vec(),
            rows,
            weights: DVector::from_vec(weights),
            effective,
            log_density: self.base.log_density_of(observation)? + log_mean,
        })
    }

    /// Proposals for the columns at `open` of each of `rows`, of which those of the group were seen.
    fn propose(
        &self,
        cells: &Cells,
        rows: &[usize],
        open: &[usize],
        (pattern, answers): (&Pattern, &Answers),
        seed: u64,
    ) -> Result<Vec<Proposed>> {
        let m = PROPOSALS;
        let mut whole = DMatrix::zeros(rows.len() * m, self.base.dim());
        for (i, &row) in rows.iter().enumerate() {
            let mut own = stream(seed, PROPOSING, row as u64);
            let column = (open.len() == 1).then(|| pattern.column(answers, i, 0));
            for proposal in 0..m {
                let at = i * m + proposal;
                for (index, &value) in cells.row(row).iter().enumerate() {
                    whole[(at, index)] = value;
                }
                match &column {
                    // One column: its quantiles, evenly spread.
                    Some(column) => {
                        whole[(at, open[0])] = column.quantile((proposal as f64 + 0.5) / m as f64)?
                    }
                    None => {
                        let drawn = pattern.draw(answers, i, &mut own);
                        open.iter().zip(drawn.iter()).for_each(|(&index, &value)| whole[(at, index)] = value);
                    }
                }
            }
        }
        let logs = self.log_ratio(&whole)?;
        let of_row = |i: usize| {
            let (weights, log_mean, effective) = normalised(&logs.as_slice()[i * m..(i + 1) * m]);
            let open = whole.rows(i * m, m).into_owned().select_columns(open);
            Proposed { open, weights, log_mean, effective }
        };
        Ok((0..rows.len()).map(of_row).collect())
    }

    /// As [`Mixture::predict`].
    pub(crate) fn predict(
        &self,
        rows: &Rows<'_>,
        columns: &[usize],
        quantiles: &[f64],
        rng: &mut impl Rng,
    ) -> Result<Predictions> {
        check_named_once(columns)?;
        let targets = self.base.positions(columns)?;
        let cells = Cells::read(rows, self.base.dim())?;
        // Checks what is asked; and what cells say is where the corrections start from.
        let mut all = self.base.predict(*rows, columns, quantiles)?;
        let mut effective = DVector::zeros(cells.len());
        let seed = rng.random::<u64>();
        for group in cells.groups(&targets) {
            self.correct_group(&cells, &group, &targets, quantiles, seed, (&mut all, &mut effective))?;
        }
        all.effective = Some(effective);
        Ok(all)
    }

    fn correct_group(
        &self,
        cells: &Cells,
        group: &Group,
        targets: &[usize],
        quantiles: &[f64],
        seed: u64,
        (all, effective): (&mut Predictions, &mut DVector<f64>),
    ) -> Result<()> {
        let open: Vec<usize> = (0..self.base.dim()).filter(|column| !group.seen.contains(column)).collect();
        let (pattern, with_targets) =
            (self.base.pattern(&group.seen, &open)?, [&group.seen[..], targets].concat());
        let further: Vec<usize> = open.iter().copied().filter(|column| !targets.contains(column)).collect();
        let judge = self.base.pattern(&with_targets, &further)?;
        for rows in group.rows.chunks(BLOCK) {
            let answers = pattern.answers(cells.select(rows, &group.seen).as_view(), |row| rows[row])?;
            let proposed = self.propose(cells, rows, &open, (&pattern, &answers), seed)?;
            for (i, (&row, proposed)) in rows.iter().zip(&proposed).enumerate() {
                effective[row] = proposed.effective;
                for (index, target) in targets.iter().enumerate() {
                    let Some(place) = open.iter().position(|column| column == target) else { continue };
                    let corrected = Column { law: pattern.column(&answers, i, place), proposed, place };
                    let (mean, std) = corrected.mean_and_std();
                    all.mean[(row, index)] = mean;
                    all.std[(row, index)] = std;
                    for (out, &p) in all.quantiles.iter_mut().zip(quantiles) {
                        out[(row, index)] = corrected.quantile(p)?;
                    }
                }
            }
            // The density of their own values, where they have them and these are possible.
            let judged: Vec<usize> =
                (0..rows.len()).filter(|&i| all.log_density[rows[i]].is_finite()).collect();
            if judged.is_empty() {
                continue;
            }
            let own: Vec<usize> = judged.iter().map(|&i| rows[i]).collect();
            let joint: Vec<f64> = if further.is_empty() {
                (self.log_density)(&cells.select(&own, &(0..self.base.dim()).collect::<Vec<_>>()))?
                    .iter()
                    .copied()
                    .collect()
            } else {
                let answers = judge.answers(cells.select(&own, &with_targets).as_view(), |row| own[row])?;
                let proposed = self.propose(cells, &own, &further, (&judge, &answers), seed)?;
                answers
                    .log_density
                    .iter()
                    .zip(&proposed)
                    .map(|(log, proposed)| log + proposed.log_mean)
                    .collect()
            };
            for (&i, joint) in judged.iter().zip(joint) {
                all.log_density[rows[i]] = joint - (answers.log_density[i] + proposed[i].log_mean);
            }
        }
        Ok(())
    }

    /// As [`Mixture::impute`]; means for no draws.
    pub(crate) fn impute(
        &self,
        rows: &Rows<'_>,
        draws: usize,
        rng: &mut impl Rng,
    ) -> Result<Vec<DMatrix<f64>>> {
        let cells = Cells::read(rows, self.base.dim())?;
        let seed = rng.random::<u64>();
        let mut all = vec![cells.matrix(); draws.max(1)];
        for group in cells.groups(&[]) {
            let open: Vec<usize> =
                (0..self.base.dim()).filter(|column| !group.seen.contains(column)).collect();
            if open.is_empty() {
                continue;
            }
            let pattern = self.base.pattern(&group.seen, &open)?;
            for rows in group.rows.chunks(BLOCK) {
                let answers = pattern.answers(cells.select(rows, &group.seen).as_view(), |row| rows[row])?;
                let proposed = self.propose(&cells, rows, &open, (&pattern, &answers), seed)?;
                for (i, (&row, proposed)) in rows.iter().zip(&proposed).enumerate() {
                    let mut own = stream(seed, CHOOSING, row as u64);
                    for table in &mut all {
                        let chosen = draw_part(&proposed.weights, &mut own);
                        for (place, &column) in open.iter().enumerate() {
                            table[(row, column)] = if draws == 0 {
                                Column { law: pattern.column(&answers, i, place), proposed, place }
                                    .mean_and_std()
                                    .0
                            } else {
                                proposed.open[(chosen, place)]
                            };
                        }
                    }
                }
            }
        }
        Ok(all)
    }
}

/// One open column of a row: the cells' law of it, corrected by the weights of the proposals relative to equal ones,
/// so that where these are equal nothing is lost to their number.
struct Column<'a> {
    law: ColumnLaw,
    proposed: &'a Proposed,
    place: usize,
}

impl Column<'_> {
    fn values(&self) -> impl Iterator<Item = (f64, f64)> {
        let Proposed { open, weights, .. } = self.proposed;
        (0..weights.len()).map(move |index| (open[(index, self.place)], weights[index]))
    }

    fn mean_and_std(&self) -> (f64, f64) {
        let (mean, std) = self.law.mean_and_std();
        let share = 1.0 / self.proposed.weights.len() as f64;
        let moments = |weight: &dyn Fn(f64) -> f64| {
            let first: f64 = self.values().map(|(x, w)| weight(w) * (x - mean)).sum();
            let second: f64 = self.values().map(|(x, w)| weight(w) * (x - mean - first).powi(2)).sum();
            (first, second)
        };
        let ((first, second), (plain_first, plain_second)) = (moments(&|w| w), moments(&|_| share));
        let ratio = if plain_second > 0.0 { (second / plain_second).sqrt() } else { 1.0 };
        (mean + first - plain_first, std * ratio)
    }

    /// Where u + (weighted − plain share of proposals below the law's quantile at u) is `p`.
    fn quantile(&self, p: f64) -> Result<f64> {
        if p == 0.0 || p == 1.0 {
            return self.law.quantile(p);
        }
        let share = 1.0 / self.proposed.weights.len() as f64;
        let mut steps: Vec<(f64, f64)> = self.values().map(|(x, w)| (self.law.cdf(x), w - share)).collect();
        steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Each step is spread linearly from the middle before to the middle behind.
        let (mut from, mut value_from, mut shift) = (0.0, 0.0, 0.0);
        for (index, &(u, step)) in steps.iter().enumerate() {
            let to = steps.get(index + 1).map_or(1.0, |next| 0.5 * (u + next.0));
            shift += step;
            let value_to = if index + 1 == steps.len() { 1.0 } else { to + shift };
            if value_to >= p && value_to > value_from {
                let at = from + (to - from) * ((p - value_from) / (value_to - value_from)).clamp(0.0, 1.0);
                return self.law.quantile(at.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON));
            }
            (from, value_from) = (to, value_from.max(value_to));
        }
        self.law.quantile(p)
    }
}

/// Whole rows of `base` with `rows` in the columns `open` and the exact values of `observation` in the others.
pub(crate) fn whole_rows(
    base: &Mixture,
    observation: &Observation,
    open: &[usize],
    rows: &DMatrix<f64>,
) -> DMatrix<f64> {
    let mut whole = DMatrix::zeros(rows.nrows(), base.dim());
    for (place, column) in base.columns().iter().enumerate() {
        if let Some(index) = open.iter().position(|own| own == column) {
            whole.set_column(place, &rows.column(index));
        } else if let Some(index) = observation.columns().iter().position(|own| own == column) {
            whole.column_mut(place).fill(observation.values()[index]);
        }
    }
    whole
}
