use nalgebra::{DMatrix, DVector};

use super::column_scales::column_scales;
use super::columns::Columns;
use super::hull::DEGENERATE;
use super::spectrum::Spectrum;
use super::units::Units;
use crate::error::{Error, Result};
use crate::mixture::MixtureEstimator;

/// Component std and data may differ by this factor.
const FARTHEST_SCALES: f64 = 1e9;

/// Columns in working units, before any direction is left out.
#[derive(Debug, Clone)]
pub(crate) struct Scaled<'a> {
    pub(crate) columns: Columns<'a>,
    /// Without a hull.
    pub(super) units: Units,
    /// d × d.
    pub(super) covariance: DMatrix<f64>,
    pub(super) spectrum: Spectrum,
    /// σ₀ where it is given.
    pub(crate) given_std: Option<f64>,
}

impl<'a> Scaled<'a> {
    /// One scale for all columns where σ₀ is given, in the data's units; else scales of their own, by the cells of a
    /// mixture that `estimator` finds. With `nearest_powers` only by what these say of one column against another:
    /// columns alike have the power of ten nearest to their standard deviation, if that is one for all.
    ///
    /// # Errors
    /// [`Error::NoVariation`] when all rows are equal, [`Error::InvalidSetting`] for a σ₀ of another order
    /// than the data, and those of the estimator.
    pub(crate) fn new(
        columns: Columns<'a>,
        given_std: Option<f64>,
        estimator: &dyn MixtureEstimator,
        nearest_powers: bool,
    ) -> Result<Self> {
        let moments = columns.moments;
        let mut units = Units::of_columns(&moments.mean, &columns.std, given_std.is_some());
        if given_std.is_none() {
            let found = column_scales(&columns, &units, estimator)?;
            if !(nearest_powers && in_proportion(&found, &units.scale, &columns.std)) {
                units.scale = found;
            }
        }
        let scale = &units.scale;
        let covariance = DMatrix::from_fn(scale.len(), scale.len(), |i, j| {
            moments.scatter[(i, j)] / moments.weight / (scale[i] * scale[j])
        });
        let spectrum = Spectrum::new(&covariance)?;
        let given_std = given_std.map(|std| std / scale[0]);
        check_component_std(given_std, spectrum.variances.max().sqrt())?;
        Ok(Self { columns, units, covariance, spectrum, given_std })
    }

    /// The smallest standard deviation of any direction.
    pub(crate) fn smallest_std(&self) -> f64 {
        self.spectrum.variances.min().max(0.0).sqrt()
    }

    /// That as a share of the largest one, where it is so small that the direction is degenerate.
    pub(crate) fn degenerate_share(&self) -> Option<f64> {
        let variances = &self.spectrum.variances;
        let share = (variances.min().max(0.0) / variances.max()).sqrt();
        (share < DEGENERATE).then_some(share)
    }

    /// σ₀ where it is given and larger than the rows can be blurred by.
    pub(crate) fn std_above_rows(&self) -> Option<f64> {
        let rows = self.columns.moments.rows as f64;
        self.given_std.filter(|std| self.spectrum.is_narrower_than(*std, rows))
    }
}

/// Do two lists of scales differ by one factor, as far as columns of standard deviations `std` vary?
fn in_proportion(a: &DVector<f64>, b: &DVector<f64>, std: &DVector<f64>) -> bool {
    let varying = (0..std.len()).filter(|&j| std[j] > 0.0);
    let (least, most) = varying
        .map(|j| a[j] / b[j])
        .fold((f64::INFINITY, 0.0), |(least, most), ratio| (ratio.min(least), ratio.max(most)));
    most <= least * (1.0 + 1e-9)
}

/// Is a given component std of an order that can be told from 0 and from the data?
fn check_component_std(given: Option<f64>, data_std: f64) -> Result<()> {
    match given.map(|std| std / data_std) {
        Some(share) if !(1.0 / FARTHEST_SCALES..=FARTHEST_SCALES).contains(&share) => {
            Err(Error::InvalidSetting {
                name: "component std, in standard deviations of the data,",
                value: share,
                requirement: "between 1e-9 and 1e9",
            })
        }
        _ => Ok(()),
    }
}
