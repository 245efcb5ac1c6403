//! The law of a table: cells that are Gaussian in latent values, each with probabilities of labels of its own.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use nalgebra::{Cholesky, DMatrix};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::encoder::{Encoded, Label};
use crate::columns::{Sight, normal};
use crate::error::{Error, Result};
use crate::mixture::draw_part;
use crate::parallel::map_blocks;

/// Paths through the intervals of a row, where they matter.
const PATHS: usize = 16;
/// Intervals narrower than this share of what is left of a cell's width may be taken at their middle.
const NARROW: f64 = 0.25;
/// Paths of which one is drawn, where rows are completed.
const DRAWN_PATHS: usize = 16;
/// Paths by which it is told whether a cell counts.
const TRIED_PATHS: usize = 4;
/// Intervals of a row that paths pass in ways of their own; further ones are passed as these are.
const PLACES: usize = 64;
/// Rows that are evaluated together.
const BLOCK: usize = 64;
/// Added to variances, as a share of each: directions without variation have this much. Of latent values without any, which
/// are of order one, it is the variance.
const LEAST_VARIANCE: f64 = 1e-9;

/// p(row) = Σⱼ mⱼ Nⱼ(latent values) Π_c π_jc(label).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TableLaw {
    /// Length k, summing to 1.
    pub(super) masses: Vec<f64>,
    /// k × m.
    pub(super) means: DMatrix<f64>,
    /// k of m × m.
    pub(super) covariances: Vec<DMatrix<f64>>,
    /// For each column of labels k × the number of its labels, rows summing to 1.
    pub(super) labels: Vec<DMatrix<f64>>,
}

/// The cells for rows of which the same was seen.
struct Pattern {
    /// Places of latent values seen exactly, in an interval, and not at all.
    points: Vec<usize>,
    intervals: Vec<usize>,
    open: Vec<usize>,
    /// Of each cell in this order: means and the Cholesky factor of the covariance.
    cells: Vec<(Vec<f64>, DMatrix<f64>)>,
}

/// How a latent value was seen.
fn kind(sight: &Sight) -> u8 {
    match sight {
        Sight::Point(..) => 0,
        Sight::Interval(..) => 1,
        Sight::Unseen | Sight::Outside => 2,
    }
}

fn factor(mut covariance: DMatrix<f64>) -> Result<DMatrix<f64>> {
    let mut least = LEAST_VARIANCE;
    for _ in 0..8 {
        for i in 0..covariance.nrows() {
            let own = covariance[(i, i)];
            covariance[(i, i)] += least * if own > 0.0 { own } else { 1.0 };
        }
        if let Some(factor) = Cholesky::new(covariance.clone()) {
            return Ok(factor.l());
        }
        least *= 10.0;
    }
    Err(Error::NotPositiveDefinite { what: "covariance of cell", index: 0 })
}

/// The share of the interval at which path `path` passes the value at `place`: a Latin hypercube, so that paths are spread
/// evenly over every interval, the first two together as the points of Hammersley are, and the others at random.
fn share(path: usize, place: usize) -> f64 {
    static SHARES: OnceLock<Vec<[f64; PATHS]>> = OnceLock::new();
    let shares = SHARES.get_or_init(|| {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let place = |place: usize| {
            let mut order: [usize; PATHS] = std::array::from_fn(|path| path);
            match place {
                0 => {}
                1 => order = order.map(|path| path.reverse_bits() >> (usize::BITS - PATHS.ilog2())),
                _ => order.shuffle(&mut rng),
            }
            order.map(|at| (at as f64 + 0.5) / PATHS as f64)
        };
        (0..PLACES).map(place).collect()
    });
    shares[place % PLACES][path]
}

impl Pattern {
    fn new(law: &TableLaw, sights: &[Sight]) -> Result<Self> {
        let of = |wanted: u8| -> Vec<usize> {
            (0..sights.len()).filter(|&i| kind(&sights[i]) == wanted).collect()
        };
        let (points, intervals, open) = (of(0), of(1), of(2));
        let order: Vec<usize> = points.iter().chain(&intervals).chain(&open).copied().collect();
        let cell = |(j, covariance): (usize, &DMatrix<f64>)| {
            let own = DMatrix::from_fn(order.len(), order.len(), |a, b| covariance[(order[a], order[b])]);
            let mean = order.iter().map(|&i| law.means[(j, i)]).collect();
            Ok((mean, factor(own)?))
        };
        let cells = law.covariances.iter().enumerate().map(cell).collect::<Result<_>>()?;
        Ok(Self { points, intervals, open, cells })
    }

    /// Mean of the value at `place` given those before, whose standard values are `before`.
    fn centre(&self, cell: usize, place: usize, before: &[f64]) -> f64 {
        let (mean, factor) = &self.cells[cell];
        mean[place] + before.iter().enumerate().map(|(i, e)| factor[(place, i)] * e).sum::<f64>()
    }

    /// ln of the density of the exact values in a cell; their standard values go into `standard`.
    fn points(&self, cell: usize, sights: &[Sight], standard: &mut Vec<f64>) -> f64 {
        let mut log = 0.0;
        for (place, &at) in self.points.iter().enumerate() {
            let Sight::Point(z, _) = sights[at] else { continue };
            let std = self.cells[cell].1[(place, place)];
            let e = (z - self.centre(cell, place, standard)) / std;
            log += normal::log_density(e) - std.ln();
            standard.push(e);
        }
        log
    }

    /// ln of the probability of the intervals along one path, whose standard values go into `standard`; `share` says
    /// where it passes each.
    fn path(
        &self,
        cell: usize,
        sights: &[Sight],
        standard: &mut Vec<f64>,
        mut share: impl FnMut(usize) -> f64,
    ) -> f64 {
        let mut log = 0.0;
        for (index, &at) in self.intervals.iter().enumerate() {
            let Sight::Interval(low, high) = sights[at] else { continue };
            let place = self.points.len() + index;
            let (centre, std) = (self.centre(cell, place, standard), self.cells[cell].1[(place, place)]);
            let (low, high) = ((low - centre) / std, (high - centre) / std);
            log += normal::log_interval(low, high);
            standard.push(normal::within(low, high, share(index)));
        }
        log
    }

    /// Whether several paths say more than one.
    fn is_wide(&self, cell: usize, sights: &[Sight]) -> bool {
        self.intervals.len() > 1
            && self.intervals.iter().enumerate().any(|(index, &at)| {
                let place = self.points.len() + index;
                let std = self.cells[cell].1[(place, place)];
                matches!(sights[at], Sight::Interval(low, high) if high - low > NARROW * std)
            })
    }

    /// ln of the probability of what was seen of latent values in a cell, without slopes.
    fn log_probability(&self, cell: usize, sights: &[Sight], standard: &mut Vec<f64>, least: f64) -> f64 {
        standard.clear();
        let exact = self.points(cell, sights, standard);
        if self.intervals.is_empty() {
            return exact;
        }
        if !self.is_wide(cell, sights) {
            return exact + self.path(cell, sights, standard, |_| 0.5);
        }
        let known = standard.len();
        let mut logs = [0.0; PATHS];
        let mean = |logs: &[f64]| exact + log_sum(logs) - (logs.len() as f64).ln();
        for step in 0..PATHS {
            // Cells that count on none of several paths are not looked at further.
            if step == TRIED_PATHS && logs[..step].iter().all(|log| exact + log < least) {
                return mean(&logs[..step]);
            }
            standard.truncate(known);
            // In steps of five, so that the first paths are spread too.
            logs[step] = self.path(cell, sights, standard, |index| share(5 * step % PATHS, index));
        }
        mean(&logs)
    }
}

impl TableLaw {
    pub(super) fn cells(&self) -> usize {
        self.masses.len()
    }

    /// ln of a cell's mass and its probabilities of the labels seen.
    pub(super) fn log_labels(&self, cell: usize, labels: &[Label]) -> f64 {
        let seen = labels.iter().zip(&self.labels).map(|(label, table)| match label {
            Label::Seen(label) => table[(cell, *label)].ln(),
            Label::Unseen => 0.0,
            Label::Outside => f64::NEG_INFINITY,
        });
        self.masses[cell].ln() + seen.sum::<f64>()
    }

    /// Rows of which the same was seen.
    fn groups(rows: &Encoded) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        for row in 0..rows.n {
            groups.entry(rows.sights(row).iter().map(kind).collect()).or_default().push(row);
        }
        let pieces = |rows: Vec<usize>| rows.chunks(1024).map(<[usize]>::to_vec).collect::<Vec<_>>();
        groups.into_values().flat_map(pieces).collect()
    }

    /// ln of the joint probability of each row and each cell: a row after the other, k each, without slopes.
    pub(super) fn log_joint(&self, rows: &Encoded) -> Result<Vec<Vec<f64>>> {
        let k = self.cells();
        let mut all = vec![Vec::new(); rows.n];
        for group in Self::groups(rows) {
            let pattern = Pattern::new(self, rows.sights(group[0]))?;
            let blocks = map_blocks(group.len(), BLOCK, |range| {
                let mut standard = Vec::new();
                let row = |&row: &usize| {
                    let mut logs = Vec::with_capacity(k);
                    let mut largest = f64::NEG_INFINITY;
                    for cell in 0..k {
                        let mut log = self.log_labels(cell, rows.labels(row));
                        if log > f64::NEG_INFINITY {
                            // Cells this far below the best add nothing to the last digit that matters.
                            let least = largest - log - 20.0;
                            log += pattern.log_probability(cell, rows.sights(row), &mut standard, least);
                        }
                        largest = largest.max(log);
                        logs.push(log);
                    }
                    logs
                };
                Ok(group[range].iter().map(row).collect::<Vec<_>>())
            })?;
            for (&row, logs) in group.iter().zip(blocks.into_iter().flatten()) {
                all[row] = logs;
            }
        }
        Ok(all)
    }

    /// ln of the probability of each row; −∞ for one that cannot be.
    pub(super) fn log_probability(&self, rows: &Encoded) -> Result<Vec<f64>> {
        let joint = self.log_joint(rows)?;
        let one = |(row, logs): (usize, &Vec<f64>)| {
            if rows.is_outside(row) {
                return f64::NEG_INFINITY;
            }
            let slope = |sight: &Sight| if let Sight::Point(_, log_slope) = sight { *log_slope } else { 0.0 };
            log_sum(logs) + rows.sights(row).iter().map(slope).sum::<f64>()
        };
        Ok(joint.iter().enumerate().map(one).collect())
    }

    /// A row: latent values and labels.
    fn draw(
        &self,
        factors: &[DMatrix<f64>],
        rng: &mut dyn Rng,
        latents: &mut Vec<f64>,
        labels: &mut Vec<usize>,
    ) {
        let cell = draw_part(&self.masses, rng);
        let m = self.means.ncols();
        let standard: Vec<f64> = (0..m).map(|_| StandardNormal.sample(rng)).collect();
        let factor = &factors[cell];
        for i in 0..m {
            latents.push(self.means[(cell, i)] + (0..=i).map(|j| factor[(i, j)] * standard[j]).sum::<f64>());
        }
        for table in &self.labels {
            let shares: Vec<f64> = table.row(cell).iter().copied().collect();
            labels.push(draw_part(&shares, rng));
        }
    }

    /// Latent values and labels of rows, one after the other, a stream of random numbers for each chunk.
    pub(super) fn sample<R: Rng + Send + Sync + Clone>(
        &self,
        n: usize,
        chunk: usize,
        streams: &[R],
    ) -> Result<(Vec<f64>, Vec<usize>)> {
        let factors = self.covariances.iter().cloned().map(factor).collect::<Result<Vec<_>>>()?;
        let parts = map_blocks(n, chunk, |range| {
            let mut rng = streams[range.start / chunk].clone();
            let (mut latents, mut labels) = (Vec::new(), Vec::new());
            for _ in range {
                self.draw(&factors, &mut rng, &mut latents, &mut labels);
            }
            Ok((latents, labels))
        })?;
        let (latents, labels): (Vec<Vec<f64>>, Vec<Vec<usize>>) = parts.into_iter().unzip();
        Ok((latents.concat(), labels.concat()))
    }

    /// Draws of whole rows given what was seen of each, `draws` a row: latent values and labels.
    pub(super) fn complete<R: Rng>(
        &self,
        rows: &Encoded,
        draws: usize,
        stream: impl Fn(usize) -> R + Sync + Send,
    ) -> Result<Vec<(Vec<f64>, Vec<usize>)>> {
        let joint = self.log_joint(rows)?;
        let m = self.means.ncols();
        let mut all = vec![(Vec::new(), Vec::new()); rows.n];
        for group in Self::groups(rows) {
            let pattern = Pattern::new(self, rows.sights(group[0]))?;
            let order: Vec<usize> =
                pattern.points.iter().chain(&pattern.intervals).chain(&pattern.open).copied().collect();
            let blocks = map_blocks(group.len(), BLOCK, |range| {
                let complete = |&row: &usize| {
                    let mut rng = stream(row);
                    let weights = shares(&joint[row]);
                    let (mut latents, mut labels) = (Vec::new(), Vec::new());
                    for _ in 0..draws {
                        let cell = draw_part(&weights, &mut rng);
                        let mut standard = pattern.through(cell, rows.sights(row), &mut rng);
                        let mut whole = vec![0.0; m];
                        for (place, &at) in order.iter().enumerate() {
                            if place >= standard.len() {
                                standard.push(StandardNormal.sample(&mut rng));
                            }
                            let e = standard[place];
                            whole[at] = pattern.centre(cell, place, &standard[..place])
                                + pattern.cells[cell].1[(place, place)] * e;
                        }
                        latents.extend(whole);
                        for (label, table) in rows.labels(row).iter().zip(&self.labels) {
                            labels.push(match label {
                                Label::Seen(label) => *label,
                                _ => {
                                    draw_part(&table.row(cell).iter().copied().collect::<Vec<_>>(), &mut rng)
                                }
                            });
                        }
                    }
                    (latents, labels)
                };
                Ok(group[range].iter().map(complete).collect::<Vec<_>>())
            })?;
            for (&row, drawn) in group.iter().zip(blocks.into_iter().flatten()) {
                all[row] = drawn;
            }
        }
        Ok(all)
    }
}

impl Pattern {
    /// Standard values of what was seen: one path of several through the intervals, by its probability.
    fn through(&self, cell: usize, sights: &[Sight], rng: &mut impl Rng) -> Vec<f64> {
        let mut known = Vec::new();
        self.points(cell, sights, &mut known);
        if self.intervals.is_empty() {
            return known;
        }
        let count = if self.is_wide(cell, sights) { DRAWN_PATHS } else { 1 };
        let mut paths: Vec<(f64, Vec<f64>)> = (0..count)
            .map(|_| {
                let mut standard = known.clone();
                let log = self.path(cell, sights, &mut standard, |_| rng.random());
                (log, standard)
            })
            .collect();
        let weights = shares(&paths.iter().map(|(log, _)| *log).collect::<Vec<_>>());
        paths.swap_remove(draw_part(&weights, rng)).1
    }
}

/// ln Σ exp, −∞ for none.
pub(super) fn log_sum(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return largest;
    }
    largest + logs.iter().map(|log| (log - largest).exp()).sum::<f64>().ln()
}

/// Shares in proportion to exp of logarithms; equal ones where all are −∞.
pub(super) fn shares(logs: &[f64]) -> Vec<f64> {
    let total = log_sum(logs);
    if total.is_infinite() {
        return vec![1.0 / logs.len() as f64; logs.len()];
    }
    logs.iter().map(|log| (log - total).exp()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four latent values of one common factor, seen in intervals one or two wide: given the factor they are independent, so
    /// that the probability is an integral over one line.
    #[test]
    fn the_probability_of_several_intervals_is_that_of_a_quadrature() {
        let dim = 4;
        for (correlation, step) in [(0.5, 1.0), (0.8, 1.0), (0.8, 2.0)] {
            let covariance = DMatrix::from_fn(dim, dim, |i, j| if i == j { 1.0 } else { correlation });
            let law = TableLaw {
                masses: vec![1.0],
                means: DMatrix::zeros(1, dim),
                covariances: vec![covariance],
                labels: Vec::new(),
            };
            for shift in [0.0, 0.4, 1.3] {
                let low: Vec<f64> = (0..dim).map(|i| shift * (1.0 - 0.7 * i as f64) - 0.5 * step).collect();
                let sights: Vec<Sight> = low.iter().map(|low| Sight::Interval(*low, low + step)).collect();
                let pattern = Pattern::new(&law, &sights).unwrap();
                let found = pattern.log_probability(0, &sights, &mut Vec::new(), f64::NEG_INFINITY);
                let own = (1.0f64 - correlation).sqrt();
                let given = |factor: f64| -> f64 {
                    let centre = f64::sqrt(correlation) * factor;
                    let log =
                        |low: &f64| normal::log_interval((low - centre) / own, (low + step - centre) / own);
                    (normal::log_density(factor) + low.iter().map(log).sum::<f64>()).exp()
                };
                let exact =
                    (0..4000).map(|i| 0.004 * given(-8.0 + 0.004 * (f64::from(i) + 0.5))).sum::<f64>();
                assert!(
                    (found - exact.ln()).abs() < 0.12,
                    "{correlation} {step} {shift}: {found} {}",
                    exact.ln()
                );
            }
        }
    }
}
