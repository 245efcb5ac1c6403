use std::fmt;

use nalgebra::DMatrix;

use super::mixture::Mixture;
use crate::error::{Error, Result};
use crate::mixture::PreparedLaw;
use crate::process::NoiseLevel;
use crate::score::{LogDensity, ScoreModel};
use crate::shapes::check_size;

/// A law prepared for one row after the other, each a slice: what a sampler of a posterior or an optimiser asks.
///
/// # Examples
/// ```
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::reference::{Law, Sphere};
/// use gmix_diffusion::DiffusionLearner;
///
/// let mut rng = StdRng::seed_from_u64(1);
/// let rows = Sphere::circle(3.0, 2, 0.3)?.draw(600, &mut rng);
/// let law = DiffusionLearner::fast().fit(&rows, &mut rng)?.mixture()?;
/// let prior = law.evaluator()?;
/// let mut gradient = [0.0; 2];
/// let log_density = prior.log_density_and_gradient(&[3.5, 0.0], &mut gradient)?;
/// assert!(gradient[0] < 0.0 && log_density < prior.log_density(&[3.0, 0.0])?);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub struct Evaluator<'a> {
    law: &'a Mixture,
    /// `None` on an affine hull, where there is more to do.
    prepared: Option<PreparedLaw<'a>>,
    log_volume: f64,
}

impl fmt::Debug for Evaluator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator").field("law", self.law).finish_non_exhaustive()
    }
}

impl Mixture {
    /// The law prepared for one row after the other.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] for a cell without a density.
    pub fn evaluator(&self) -> Result<Evaluator<'_>> {
        let whole = self.units.hull_axes().is_none();
        let prepared = if whole { Some(self.law.prepare(NoiseLevel::CLEAN)?) } else { None };
        Ok(Evaluator { law: self, prepared, log_volume: self.units.log_volume() })
    }
}

impl Evaluator<'_> {
    /// Natural logarithm of the density at `row`, as [`Mixture::log_density`].
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for another length than the law has columns, [`Error::NotFinite`].
    pub fn log_density(&self, row: &[f64]) -> Result<f64> {
        self.evaluate(row, None)
    }

    /// As [`log_density`](Self::log_density), with the gradient there in `gradient`, of the same length.
    ///
    /// # Errors
    /// As [`log_density`](Self::log_density).
    pub fn log_density_and_gradient(&self, row: &[f64], gradient: &mut [f64]) -> Result<f64> {
        check_size("values of a gradient", row.len(), gradient.len())?;
        self.evaluate(row, Some(gradient))
    }

    fn evaluate(&self, row: &[f64], gradient: Option<&mut [f64]>) -> Result<f64> {
        check_size("values of a point", self.law.dim(), row.len())?;
        if let Some(column) = row.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { row: 0, column, value: row[column] });
        }
        let (shift, scale) = (self.law.units.shift(), self.law.units.scale());
        let Some(prepared) = &self.prepared else {
            let points = DMatrix::from_row_slice(1, row.len(), row);
            if let Some(gradient) = gradient {
                let score = self.law.score(NoiseLevel::CLEAN, &points)?;
                gradient.copy_from_slice(score.as_slice());
            }
            return Ok(LogDensity::log_density(self.law, NoiseLevel::CLEAN, &points)?[0]);
        };
        let columns = shift.iter().zip(scale.iter());
        let working: Vec<f64> =
            row.iter().zip(columns).map(|(x, (shift, scale))| (x - shift) / scale).collect();
        let log_density = match gradient {
            Some(gradient) => {
                let log_density = prepared.log_density(&working, Some(&mut *gradient))?;
                gradient.iter_mut().zip(scale.iter()).for_each(|(value, scale)| *value /= scale);
                log_density
            }
            None => prepared.log_density(&working, None)?,
        };
        Ok(log_density - self.log_volume)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::super::observation::Observation;
    use super::super::testing::{Case, flat};
    use super::*;

    #[test]
    fn one_row_after_the_other_is_the_same_law() {
        let embedded = |beta| Case { active: 2, ratio: 3.0, ..Case::plain(110, 3, beta) }.law();
        let seen = Observation::with_std(&[0], &[0.3], &[0.2]).unwrap();
        for law in [embedded(0.0), embedded(0.35), embedded(0.35).given(&seen).unwrap(), flat(0.0, 2.0)] {
            let rows = law.sample(20, &mut Xoshiro256PlusPlus::seed_from_u64(14)).unwrap();
            let (logs, scores) =
                (law.log_density(&rows).unwrap(), law.score(NoiseLevel::CLEAN, &rows).unwrap());
            let evaluator = law.evaluator().unwrap();
            let mut gradient = vec![0.0; law.dim()];
            for (i, row) in rows.row_iter().enumerate() {
                let row: Vec<f64> = row.iter().copied().collect();
                let log = evaluator.log_density_and_gradient(&row, &mut gradient).unwrap();
                assert_eq!(log, evaluator.log_density(&row).unwrap());
                approx::assert_relative_eq!(log, logs[i], epsilon = 1e-10);
                for (found, expected) in gradient.iter().zip(scores.row(i).iter()) {
                    approx::assert_relative_eq!(found, expected, epsilon = 1e-9, max_relative = 1e-9);
                }
            }
            assert!(matches!(evaluator.log_density(&[0.0]), Err(Error::ShapeMismatch { .. })));
            let nan = vec![f64::NAN; law.dim()];
            assert!(matches!(evaluator.log_density(&nan), Err(Error::NotFinite { column: 0, .. })));
        }
    }
}
