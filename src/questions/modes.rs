//! The modes of a law.

#[cfg(test)]
mod tests;

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::mixture::Mixture;
use crate::error::Result;
use crate::mixture::WholeCell;
use crate::process::NoiseLevel;
use crate::score::{LogDensity, ScoreModel};

/// Steps of the ascent at most, and of Newton's method behind it.
const ASCENT: usize = 2_000;
const NEWTON: usize = 50;
/// In standard deviations of the cell from which the ascent began: steps below end it, two modes nearer than this are
/// one, and how far one is moved that is a saddle.
const STEP: f64 = 1e-4;
const SAME: f64 = 1e-3;
const NUDGE: f64 = 0.1;
/// Relative step of the differences of gradients.
const DIFFERENCE: f64 = 1e-4;

/// A local maximum of a density.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Mode {
    /// Where it is, in the data's units.
    pub location: DVector<f64>,
    /// Natural logarithm of the density there.
    pub log_density: f64,
}

/// The way up from one cell, in standard coordinates of that cell: u = mean + factor v.
struct Climb<'a> {
    law: &'a Mixture,
    origin: DVector<f64>,
    factor: &'a DMatrix<f64>,
}

impl Climb<'_> {
    fn point(&self, v: &DVector<f64>) -> DMatrix<f64> {
        let u = &self.origin + self.factor * v;
        DMatrix::from_row_slice(1, u.len(), u.as_slice())
    }

    fn height(&self, v: &DVector<f64>) -> Result<f64> {
        Ok(LogDensity::log_density(&self.law.law, NoiseLevel::CLEAN, &self.point(v))?[0])
    }

    fn gradient(&self, v: &DVector<f64>) -> Result<DVector<f64>> {
        let score = self.law.law.score(NoiseLevel::CLEAN, &self.point(v))?;
        Ok(self.factor.transpose() * score.row(0).transpose())
    }

    /// Symmetric, by central differences of the exact gradient.
    fn hessian(&self, v: &DVector<f64>) -> Result<DMatrix<f64>> {
        let dim = v.len();
        let mut hessian = DMatrix::zeros(dim, dim);
        for axis in 0..dim {
            let (mut ahead, mut behind) = (v.clone(), v.clone());
            ahead[axis] += DIFFERENCE;
            behind[axis] -= DIFFERENCE;
            let slope = (self.gradient(&ahead)? - self.gradient(&behind)?) / (2.0 * DIFFERENCE);
            hessian.set_column(axis, &slope);
        }
        Ok((&hessian + hessian.transpose()) * 0.5)
    }

    /// Up the gradient with steps that grow while they rise, then Newton's. A saddle is left along its steepest rise.
    fn top(&self) -> Result<(DVector<f64>, f64)> {
        let dim = self.factor.ncols();
        let (mut v, mut rate) = (DVector::zeros(dim), 0.5);
        let mut height = self.height(&v)?;
        for _ in 0..2 * dim + 1 {
            for _ in 0..ASCENT {
                let gradient = self.gradient(&v)?;
                let step = &gradient * rate;
                if step.norm() < STEP * rate.min(1.0) {
                    break;
                }
                let next = &v + step;
                let there = self.height(&next)?;
                if there >= height {
                    (v, height) = (next, there);
                    rate *= 1.5;
                } else {
                    rate *= 0.3;
                }
            }
            for _ in 0..NEWTON {
                let (gradient, hessian) = (self.gradient(&v)?, self.hessian(&v)?);
                let Some(step) = (-hessian).cholesky().map(|factor| factor.solve(&gradient)) else { break };
                let next = &v + &step;
                let there = self.height(&next)?;
                // Up to what rounding leaves of the height.
                if there < height - 1e-12 * height.abs().max(1.0) {
                    break;
                }
                (v, height) = (next, there);
                if step.norm() < 1e-12 {
                    break;
                }
            }
            let SymmetricEigen { eigenvalues, eigenvectors } = SymmetricEigen::new(self.hessian(&v)?);
            let steepest = eigenvalues.imax();
            if eigenvalues[steepest] <= 1e-9 {
                break;
            }
            v += eigenvectors.column(steepest) * NUDGE;
            (height, rate) = (self.height(&v)?, 0.5);
        }
        Ok((v, height))
    }
}

impl Mixture {
    /// The modes of the density, highest first: the tops that ascents of the exact gradient reach from all cells,
    /// each once.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`](crate::Error::NotPositiveDefinite) for a cell without a density.
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::nalgebra::DMatrix;
    /// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
    /// use gmix_diffusion::DiffusionLearner;
    ///
    /// let rows = DMatrix::from_fn(400, 1, |i, _| (i % 2) as f64 * 4.0 + ((i * 37) % 101) as f64 / 100.0);
    /// let law = DiffusionLearner::fast().fit(&rows, &mut StdRng::seed_from_u64(7))?.mixture()?;
    /// let modes = law.modes()?;
    /// assert!(modes.iter().any(|mode| (mode.location[0] - 0.5).abs() < 0.4));
    /// assert!(modes.iter().any(|mode| (mode.location[0] - 4.5).abs() < 0.4));
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn modes(&self) -> Result<Vec<Mode>> {
        // In working coordinates, with the cell that each was found from.
        let mut tops: Vec<(DVector<f64>, f64)> = Vec::new();
        for cell in self.cells.iter() {
            let climb = Climb { law: self, origin: cell.centre(), factor: &cell.factor };
            let (v, height) = climb.top()?;
            let found = &climb.origin + climb.factor * v;
            if !tops.iter().any(|(known, _)| is_near(cell, known, &found)) {
                tops.push((found, height));
            }
        }
        tops.sort_by(|a, b| b.1.total_cmp(&a.1));
        let volume = self.units.log_volume();
        let mode = |(location, height): (DVector<f64>, f64)| {
            let row = DMatrix::from_row_slice(1, location.len(), location.as_slice());
            let location = self.units.noised_to_data(1.0, &row).row(0).transpose();
            Mode { location, log_density: height - volume }
        };
        Ok(tops.into_iter().map(mode).collect())
    }
}

/// Whether two points are one in standard deviations of `cell`.
fn is_near(cell: &WholeCell, a: &DVector<f64>, b: &DVector<f64>) -> bool {
    cell.factor.clone().lu().solve(&(a - b)).is_none_or(|off| off.norm() < SAME)
}
