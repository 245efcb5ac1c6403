//! A kernel density of the rows: what structure there is that cells have not found yet.

use nalgebra::{DMatrix, DVector};

use super::background::Background;
use super::decision::{CLEARLY, Lead};
use crate::kernels::{add_exponential_sums, squared_distances};
use crate::rows::{FoldedSample, WeightedRows};

/// So many rows judge, or as many as make so many pairs with kernels. These stand on all other rows: fewer would not show
/// what is fine; and a few hundred that judge tell no half of a nat a row from chance.
const ROWS: usize = 500;
const PAIRS: usize = 4_000_000;
/// And so many where units are compared, in which structure shows by far or hardly.
const ROWS_FOR_UNITS: usize = 250;
/// Bandwidths, each less than the one before by √2: from that of one Gaussian to a four-thousandth of it.
const BANDWIDTHS: usize = 24;

/// What a kernel density says of some of the rows that judge: with the bandwidth that these like best.
///
/// A search that goes from few cells to many passes over stretches where more cells gain nothing: a lattice of
/// clusters has no use for a number of cells that is no multiple of theirs. A kernel density knows no number of cells:
/// where it is ahead, there is something finer to find.
pub(super) struct Witness {
    /// Places of these rows among all that judge.
    pub(super) rows: Vec<usize>,
    /// At each of them.
    pub(super) log_densities: Vec<f64>,
    bandwidth: f64,
    is_narrowest: bool,
}

impl Witness {
    /// Kernels on the rows `training`, before the `background`; of the rows `judging`.
    pub(super) fn new(training: &WeightedRows, judging: &WeightedRows, background: &Background) -> Self {
        let most = ROWS.max(PAIRS / training.weights.len().max(1));
        Self::of_rows(training, judging, background, most)
    }

    /// Of `most` of the rows that judge.
    fn of_rows(
        training: &WeightedRows,
        judging: &WeightedRows,
        background: &Background,
        most: usize,
    ) -> Self {
        let step = judging.weights.len().div_ceil(most).max(1);
        let rows: Vec<usize> = (0..judging.weights.len()).step_by(step).collect();
        let points = judging.select(&rows);
        let dim = points.rows.ncols() as f64;
        let variances = training.rows.column_iter().map(|column| column.variance());
        // The rule of thumb for one Gaussian (Silverman 1986) is the widest that can be of use.
        let count = training.weights.len() as f64;
        let widest = variances.fold(0.0, f64::max).sqrt() * count.powf(-1.0 / (dim + 4.0));
        let sums = kernel_sums(training, &points.rows, widest);
        let total: f64 = training.weights.iter().sum();
        let behind = background.log_density(&points.rows);
        let width = |bandwidth: usize| widest * 0.5f64.powf(0.5 * bandwidth as f64);
        let of = |bandwidth: usize| -> Vec<f64> {
            let width = width(bandwidth);
            let log_height = -dim * (width.ln() + 0.5 * std::f64::consts::TAU.ln()) - total.ln();
            let before = (1.0 - background.least_mass).ln() + log_height;
            let at = |(row, behind): (usize, &f64)| {
                let own = before + sums[(bandwidth, row)].ln();
                let peak = own.max(*behind);
                peak + ((own - peak).exp() + (behind - peak).exp()).ln()
            };
            behind.iter().enumerate().map(at).collect()
        };
        let likelihood =
            |values: &Vec<f64>| values.iter().zip(&points.weights).map(|(v, w)| v * w).sum::<f64>();
        let candidates = (0..BANDWIDTHS).map(|bandwidth| (bandwidth, of(bandwidth)));
        let best = candidates.max_by(|a, b| likelihood(&a.1).total_cmp(&likelihood(&b.1)));
        let (best, log_densities) = best.unwrap_or_default();
        Self { rows, log_densities, bandwidth: width(best), is_narrowest: best + 1 == BANDWIDTHS }
    }
}

/// Which of several units of the columns show most structure: the first, unless a kernel density of one bandwidth for
/// all columns says clearly more of held-out rows in others.
pub(crate) fn sharpest_units<'a>(
    sample: &FoldedSample,
    candidates: impl Iterator<Item = &'a DVector<f64>>,
) -> usize {
    sharpest(candidates.map(|units| {
        let mut scaled = sample.clone();
        for (mut column, unit) in scaled.rows.column_iter_mut().zip(units.iter()) {
            column /= *unit;
        }
        (scaled, units.iter().map(|unit| unit.ln()).sum())
    }))
}

/// Which of several views of the same rows shows most structure, as [`sharpest_units`]: rows in coordinates of some sort,
/// with the logarithm of the volume of their unit.
pub(super) fn sharpest(views: impl Iterator<Item = (FoldedSample, f64)>) -> usize {
    let mut sharpest: Option<(usize, Vec<f64>)> = None;
    for (index, (sample, log_volume)) in views.enumerate() {
        let (training, judging) = (sample.training(0), sample.part(0, true));
        if training.weights.is_empty() || judging.weights.is_empty() {
            return 0;
        }
        let background = Background::of(&training);
        let witness = Witness::of_rows(&training, &judging, &background, ROWS_FOR_UNITS);
        let values: Vec<f64> = witness.log_densities.iter().map(|value| value - log_volume).collect();
        let weights: Vec<f64> = witness.rows.iter().map(|&row| judging.weights[row]).collect();
        match &sharpest {
            Some((_, before)) if !Lead::of(&values, before, &weights).exceeds(CLEARLY) => {}
            _ => sharpest = Some((index, values)),
        }
    }
    sharpest.map_or(0, |(index, _)| index)
}

/// The bandwidth of a kernel density of each column alone that says most of held-out rows; 1 where a column repeats
/// values, or has but one, and no bandwidth is too narrow.
pub(crate) fn column_bandwidths(sample: &FoldedSample) -> DVector<f64> {
    let (training, judging) = (sample.training(0), sample.part(0, true));
    let column = |part: &WeightedRows, j: usize| WeightedRows {
        rows: part.rows.columns(j, 1).into_owned(),
        weights: part.weights.clone(),
    };
    DVector::from_fn(sample.rows.ncols(), |j, _| {
        let (training, judging) = (column(&training, j), column(&judging, j));
        let witness = Witness::of_rows(&training, &judging, &Background::of(&training), ROWS_FOR_UNITS);
        if witness.bandwidth > 0.0 && !witness.is_narrowest { witness.bandwidth } else { 1.0 }
    })
}

/// Σ w exp(−|x − y|²/2h²) over the rows y of `kernels` at the rows x of `points`, one column a point and one row a
/// bandwidth h. A bandwidth less by √2 has twice the exponent.
fn kernel_sums(kernels: &WeightedRows, points: &DMatrix<f64>, widest: f64) -> DMatrix<f64> {
    let mut sums = DMatrix::zeros(BANDWIDTHS, points.nrows());
    let mut exponents = Vec::new();
    for (point, mut sums) in points.row_iter().zip(sums.column_iter_mut()) {
        squared_distances(&kernels.rows, point.iter().copied(), &mut exponents);
        exponents.iter_mut().for_each(|value| *value *= -0.5 / (widest * widest));
        add_exponential_sums(&exponents, &kernels.weights, sums.as_mut_slice());
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the definition, at the bandwidth that is found by trying all.
    #[test]
    fn it_is_the_kernel_density_of_the_best_bandwidth() {
        let rows = |n: usize, shift: f64| {
            let rows = DMatrix::from_fn(n, 2, |i, axis| {
                let centre = [[0.0, 0.0], [6.0, 1.0]][i % 2][axis];
                centre + 0.4 * ((i as f64 * [0.618, 0.414][axis] + shift).fract() - 0.5)
            });
            WeightedRows { rows, weights: (0..n).map(|i| 1.0 + (i % 3) as f64).collect() }
        };
        let (training, judging) = (rows(120, 0.0), rows(40, 0.3));
        let background = Background::of(&training);
        let witness = Witness::new(&training, &judging, &background);
        let total: f64 = training.weights.iter().sum();
        let spread = training.rows.column_iter().map(|column| column.variance()).fold(0.0, f64::max).sqrt();
        let behind = background.log_density(&judging.rows);
        let density = |i: usize, width: f64| -> f64 {
            let kernels = training.rows.row_iter().zip(&training.weights).map(|(row, weight)| {
                let square = (row - judging.rows.row(i)).norm_squared();
                weight * (-0.5 * square / (width * width)).exp() / (std::f64::consts::TAU * width * width)
            });
            ((1.0 - background.least_mass) * kernels.sum::<f64>() / total + behind[i].exp()).ln()
        };
        let likelihood =
            |width: f64| -> f64 { (0..40).map(|i| judging.weights[i] * density(i, width)).sum() };
        let widths = (0..BANDWIDTHS).map(|b| spread * 120f64.powf(-1.0 / 6.0) * 0.5f64.powf(0.5 * b as f64));
        let best = widths.max_by(|a, b| likelihood(*a).total_cmp(&likelihood(*b))).unwrap();
        assert_eq!(witness.rows, (0..40).collect::<Vec<_>>());
        for i in 0..40 {
            approx::assert_relative_eq!(witness.log_densities[i], density(i, best), epsilon = 1e-9);
        }
    }
}
