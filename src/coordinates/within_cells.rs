//! How widely columns vary within cells.

use std::f64::consts::TAU;

use nalgebra::{DMatrix, DVector};

use super::hull::DEGENERATE;
use super::spectrum::Spectrum;
use super::tuning::TUNING;
use crate::error::Result;
use crate::linalg::transposed_product;
use crate::mixture::{GaussianMixture, MixtureEstimator, MixtureParameters};
use crate::process::NoiseLevel;
use crate::rows::{FoldedSample, WeightedRows};
use crate::search::{CellSums, column_bandwidths, sharpest_units};

/// Standard deviations of the columns of `sample` within cells, for columns of standard deviation 1;
/// `None` where the mixture found is as good in the units `given`.
///
/// Cells are sought in coordinates in which no column's blur is much wider than others'. Few rows hardly
/// show the blur, and then the units that are given may tell more of it.
pub(crate) fn std_within_cells(
    sample: &FoldedSample,
    given: &DVector<f64>,
    estimator: &dyn MixtureEstimator,
) -> Result<Option<DVector<f64>>> {
    let blur = largest_blur(sample);
    let found = Cells::find(sample, &blur, estimator)?;
    let within = found.std.map(|std| if std >= TUNING.width_smallest { std } else { 1.0 });
    let rows = effective_rows(&sample.weights);
    // The fitted scales have seen the rows that judge them: a nat each (Akaike 1974).
    let optimism = (within.len() as f64 - 1.0) / rows;
    let unequal = within.component_div(given);
    if rows < TUNING.width_few_rows && unequal.max() < TUNING.width_most_unequal * unequal.min() {
        let rescaled = Cells::find(sample, &within, estimator)?;
        let plain = Cells::find(sample, given, estimator)?;
        if plain.log_likelihood > rescaled.log_likelihood - optimism {
            return Ok(None);
        }
    }
    // Some of the rows may not show cells that are many and small, and then what was found has their range for its widths.
    let (some, whole) = (first_rows(sample), within.map(|_| 1.0));
    let bandwidths = column_bandwidths(&some);
    let candidates = [within, whole, bandwidths];
    let sharpest = sharpest_units(&some, candidates.iter());
    Ok(candidates.into_iter().nth(sharpest))
}

/// Cells found in some of the rows of a sample.
struct Cells {
    /// Standard deviations of all columns within the cells, in the units of the sample.
    std: DVector<f64>,
    /// Held-out log-likelihood a unit of weight.
    log_likelihood: f64,
}

impl Cells {
    /// The cells of the mixture that `estimator` finds in working units of these sizes.
    fn find(sample: &FoldedSample, units: &DVector<f64>, estimator: &dyn MixtureEstimator) -> Result<Self> {
        let mut working = sample.clone();
        for (mut column, unit) in working.rows.column_iter_mut().zip(units.iter()) {
            column /= *unit;
        }
        let spectrum = Spectrum::new(&covariance(&working))?;
        let mut split = spectrum.split_flat_bottom(&working, effective_rows(&working.weights));
        if split.variances.len() > TUNING.width_directions {
            split = spectrum.split_leading(TUNING.width_directions);
        }
        let active = split.project(&working);
        let found = estimator.mixture(&first_rows(&active))?;
        found.all_rows.check(active.rows.ncols())?;

        // Of directions in which nothing varies there is no likelihood: all have one.
        let least = DEGENERATE * DEGENERATE * spectrum.variances.max();
        let chosen = found.tried.iter().find(|tried| tried.chosen);
        let along = chosen.map_or(f64::NAN, |tried| tried.log_likelihood);
        let apart = spectrum.variances.rows(0, sample.rows.ncols() - split.variances.len());
        let apart = apart.iter().map(|v| if split.is_flat() { split.rest_std().powi(2) } else { *v });
        let apart: f64 = apart.map(|v| -0.5 * (1.0 + (TAU * v.max(least)).ln())).sum();
        let volume: f64 = units.iter().map(|unit| unit.ln()).sum();

        let rest = active.rest;
        let active = WeightedRows { rows: active.rows, weights: active.weights };
        let mixture =
            (0..TUNING.width_steps).fold(found.all_rows, |m, _| CellSums::of(&active, &m).maximise(rest, &m));
        let variances = variances_within(mixture, &active, &working.rows)?;
        let std = variances.zip_map(units, |variance, unit| variance.max(0.0).sqrt() * unit);
        Ok(Self { std, log_likelihood: along + apart - volume })
    }
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
        let cumulant = fourth - 3.0 * variance * variance + TUNING.cumulant_errors * std_error;
        let blur = variance - (-0.5 * cumulant.min(0.0)).sqrt();
        if blur > TUNING.width_smallest * TUNING.width_smallest { blur.sqrt() } else { 1.0 }
    });
    DVector::from_iterator(sample.rows.ncols(), blur)
}

/// (Σ w)² / Σ w²: as many rows of equal weight tell as much.
pub(crate) fn effective_rows(weights: &[f64]) -> f64 {
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

/// The rows of a sample in which cells are sought.
pub(crate) fn first_rows(sample: &FoldedSample) -> FoldedSample {
    let mut some = sample.first(TUNING.width_rows);
    some.folds.iter_mut().for_each(|fold| *fold %= TUNING.width_folds);
    FoldedSample { n_folds: TUNING.width_folds, stands_for: some.weights.len() as u64, ..some }
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::reference::{GaussianMixture as Law, Law as _, Sphere};
    use crate::search::GaussianPartitioner;

    /// 4,000 rows, their columns of standard deviation 1, and these standard deviations.
    fn standardised(mut rows: DMatrix<f64>) -> (FoldedSample, Vec<f64>) {
        let mut stds = Vec::new();
        for mut column in rows.column_iter_mut() {
            column.add_scalar_mut(-column.mean());
            stds.push(column.variance().sqrt());
            column /= column.variance().sqrt();
        }
        let n = rows.nrows();
        let sample = FoldedSample::new(rows, vec![1.0; n], (0..n).map(|i| i % 5).collect(), 5).unwrap();
        (sample, stds)
    }

    #[test]
    fn the_blur_of_a_ring_is_bounded_and_that_of_a_gaussian_is_its_all() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let ring = Sphere::circle(3.0, 3, 0.3).unwrap().draw(4_000, &mut rng);
        let (sample, stds) = standardised(ring);
        let blur = largest_blur(&sample);
        for j in 0..2 {
            assert!((0.3..0.6 * stds[j]).contains(&(blur[j] * stds[j])), "{blur}");
        }
        assert!((blur[2] - 1.0).abs() < 0.1, "{blur}");
    }

    #[test]
    fn it_is_the_components_standard_deviation_of_a_mixture() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        let means = DMatrix::from_row_slice(3, 2, &[0.0, 3.0, -2.6, -1.5, 2.6, -1.5]);
        let weights = DVector::from_row_slice(&[0.5, 0.3, 0.2]);
        let law = Law::spherical(weights, means, 1.0).unwrap();
        let (sample, stds) = standardised(law.draw(4_000, &mut rng));
        let given = DVector::from_element(2, 1.0);
        let within = std_within_cells(&sample, &given, &GaussianPartitioner::default()).unwrap().unwrap();
        // Four standard errors: √(1/2n) = 1.1 %, and as much again for rows between cells.
        for j in 0..2 {
            assert!((within[j] * stds[j] - 1.0).abs() < 0.06, "{within} {stds:?}");
        }
    }

    /// One Gaussian has nothing more to show in other units, and few rows keep theirs.
    #[test]
    fn few_rows_keep_the_units_that_show_as_much() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let law = Law::spherical(DVector::from_element(1, 1.0), DMatrix::zeros(1, 2), 1.0).unwrap();
        let given = DVector::from_element(2, 1.0);
        let partitioner = GaussianPartitioner::default();
        let (few, _) = standardised(law.draw(300, &mut rng));
        assert!(std_within_cells(&few, &given, &partitioner).unwrap().is_none());
        let (many, _) = standardised(law.draw(4_000, &mut rng));
        let within = std_within_cells(&many, &given, &partitioner).unwrap().unwrap();
        assert!((within - given).amax() < 0.1);
    }
}
