//! The Gaussian of the highest likelihood of what was seen.

use nalgebra::{DMatrix, DVector};

use super::posterior::SeenSums;
use super::seen::SeenRows;
use crate::error::Result;
use crate::mixture::MixtureParameters;

/// Variance that every direction has at least, in scaled units.
const LEAST_VARIANCE: f64 = 1e-9;

impl SeenRows {
    /// The Gaussian of the highest likelihood, in scaled units, by expectation maximisation: at most so many `steps`, of
    /// which one that gains less than `least_gain` nats a unit of weight is the last.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`](crate::Error::NotPositiveDefinite).
    pub(crate) fn one_gaussian(&self, steps: usize, least_gain: f64) -> Result<MixtureParameters> {
        let dim = self.dim();
        let mut law = MixtureParameters {
            masses: DVector::from_element(1, 1.0),
            means: DMatrix::zeros(1, dim),
            covariances: vec![DMatrix::identity(dim, dim)],
        };
        let mut before = f64::NEG_INFINITY;
        for _ in 0..steps {
            let sums = self.sums(&law)?;
            if sums.log_likelihood - before < least_gain * self.weight() {
                break;
            }
            before = sums.log_likelihood;
            law = maximised(&sums, &law);
        }
        Ok(law)
    }
}

/// The M-step without a prior (Bovy, Hogg, Roweis 2011).
pub(super) fn maximised(sums: &SeenSums, before: &MixtureParameters) -> MixtureParameters {
    let mut after = before.clone();
    for cell in 0..before.masses.len() {
        let mass = sums.masses[cell];
        after.masses[cell] = mass / sums.masses.sum();
        let offset = sums.first.column(cell) / mass;
        let mut covariance = &sums.second[cell] / mass;
        covariance.ger(-1.0, &offset, &offset, 1.0);
        covariance = (&covariance + covariance.transpose()) * 0.5;
        for i in 0..covariance.nrows() {
            covariance[(i, i)] = covariance[(i, i)].max(0.0) + LEAST_VARIANCE;
        }
        for (column, value) in offset.iter().enumerate() {
            after.means[(cell, column)] += value;
        }
        after.covariances[cell] = covariance;
    }
    after
}
