//! How widely columns vary within cells.

use nalgebra::{DMatrix, DVector};

use super::spectrum::Spectrum;
use crate::error::Result;
use crate::linalg::transposed_product;
use crate::partition::{CellSums, FoldedSample, MixtureParameters, Partitioner, WeightedRows};
use crate::process::NoiseLevel;
use crate::score::GaussianMixture;

/// Cells are sought in this share of the subsample.
const SHARE: f64 = 0.2;
/// In this many rows at least, if there are as many.
const FEWEST_ROWS: usize = 500;
/// In this many principal directions at most, those of largest variance.
const MOST_DIRECTIONS: usize = 10;
/// EM steps on the whole subsample.
const STEPS: usize = 4;
/// A column whose standard deviation within cells is a smaller share of the whole one repeats a few values.
const SMALLEST_SHARE: f64 = 1e-3;
/// Standard errors by which a cumulant may be wrong.
const CUMULANT_ERRORS: f64 = 2.0;

/// Standard deviations of the columns of `sample` within cells; `None` where the partitioner finds none.
///
/// The cells are sought in some of the rows, in coordinates in which no column's blur is much too wide.
pub(super) fn std_within_cells(
    sample: &FoldedSample,
    partitioner: &dyn Partitioner,
) -> Result<Option<DVector<f64>>> {
    let start = largest_blur(sample);
    let mut working = sample.clone();
    for (mut column, blur) in working.rows.column_iter_mut().zip(start.iter()) {
        column /= *blur;
    }
    let spectrum = Spectrum::new(&covariance(&working))?;
    let mut split = spectrum.split_flat_bottom(&working, effective_rows(&sample.weights));
    if split.variances.len() > MOST_DIRECTIONS {
        split = spectrum.split_leading(MOST_DIRECTIONS);
    }
    let active = split.project(&working);
    let Some(found) = partitioner.mixture(&first_rows(&active))? else { return Ok(None) };
    found.all_rows.check(active.rows.ncols())?;
    let rest = active.rest;
    let active = WeightedRows { rows: active.rows, weights: active.weights };
    let mixture = (0..STEPS).fold(found.all_rows, |m, _| CellSums::of(&active, &m).maximise(rest, &m));
    let variances = variances_within(mixture, &active, &working.rows)?;
    let within = variances.zip_map(&start, |variance, blur| variance.max(0.0).sqrt() * blur);
    let credible = |std: f64| if std >= SMALLEST_SHARE { std } else { 1.0 };
    Ok(Some(within.map(credible)))
}

/// The largest standard deviation of a Gaussian blur that every column of `sample` can carry, for columns
/// of standard deviation 1.
///
/// A Gaussian has no fourth cumulant, and that of centres of variance c is −2c² at least, so that the
/// fourth cumulant κ of the column leaves √(−κ/2) to the centres at least.
fn largest_blur(sample: &FoldedSample) -> DVector<f64> {
    let total: f64 = sample.weights.iter().sum();
    let std_error = (24.0 / effective_rows(&sample.weights)).sqrt();
    let blur = sample.rows.column_iter().map(|column| {
        let moment = |power: i32| {
            column.iter().zip(&sample.weights).map(|(x, w)| w * x.powi(power)).sum::<f64>() / total
        };
        let (variance, fourth) = (moment(2), moment(4));
        let cumulant = fourth - 3.0 * variance * variance + CUMULANT_ERRORS * std_error;
        let blur = variance - (-0.5 * cumulant.min(0.0)).sqrt();
        if blur > SMALLEST_SHARE * SMALLEST_SHARE { blur.sqrt() } else { 1.0 }
    });
    DVector::from_iterator(sample.rows.ncols(), blur)
}

/// (Σ w)² / Σ w²: as many rows of equal weight tell as much.
pub(super) fn effective_rows(weights: &[f64]) -> f64 {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let (mut sum, mut squares) = (0.0, 0.0);
    for weight in weights.iter().map(|weight| weight / largest) {
        sum += weight;
        squares += weight * weight;
    }
    sum * sum / squares
}

/// Weighted second moments of the rows around the origin.
fn covariance(sample: &FoldedSample) -> DMatrix<f64> {
    let total: f64 = sample.weights.iter().sum();
    let mut weighted = sample.rows.clone();
    for (mut row, weight) in weighted.row_iter_mut().zip(&sample.weights) {
        row *= *weight / total;
    }
    transposed_product(&weighted, &sample.rows)
}

/// The share of a sample in which cells are sought.
fn first_rows(sample: &FoldedSample) -> FoldedSample {
    let rows = sample.rows.nrows();
    let few = ((rows as f64 * SHARE) as usize).max(FEWEST_ROWS).min(rows);
    FoldedSample {
        rows: sample.rows.rows(0, few).into_owned(),
        weights: sample.weights[..few].to_vec(),
        folds: sample.folds[..few].to_vec(),
        stands_for: few as u64,
        ..*sample
    }
}

/// Variances of all columns of `rows` (n × d) around the means of the cells of `mixture`, which is one
/// of `active`, the same rows in other coordinates.
fn variances_within(
    mixture: MixtureParameters,
    active: &WeightedRows,
    rows: &DMatrix<f64>,
) -> Result<DVector<f64>> {
    let mixture = GaussianMixture::new(mixture.masses, mixture.means, mixture.covariances)?;
    let mut shares = mixture.responsibilities(NoiseLevel::CLEAN, &active.rows)?;
    let total: f64 = active.weights.iter().sum();
    for (mut row, weight) in shares.row_iter_mut().zip(&active.weights) {
        row *= *weight / total;
    }
    let sums = transposed_product(&shares, rows);
    let masses = shares.row_sum();
    let means = DMatrix::from_fn(sums.nrows(), sums.ncols(), |cell, j| {
        sums[(cell, j)] / masses[cell].max(f64::MIN_POSITIVE)
    });
    let variances = rows.column_iter().enumerate().map(|(j, column)| {
        let mut variance = 0.0;
        for (cell, shares) in shares.column_iter().enumerate() {
            for (x, share) in column.iter().zip(shares.iter()) {
                variance += share * (x - means[(cell, j)]).powi(2);
            }
        }
        variance
    });
    Ok(DVector::from_iterator(rows.ncols(), variances))
}
