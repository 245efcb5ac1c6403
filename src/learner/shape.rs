//! One radial shape for all cells, kept where rows that no cell has seen want it.

use nalgebra::DMatrix;

use crate::error::Result;
use crate::parallel::map_blocks;
use crate::partition::{CrossFittedMixture, FoldedSample};
use crate::process::NoiseLevel;
use crate::score::{CellMixture, Embedding, LogDensity, RadialShape};

/// Shapes tried first, on either side of the Gaussian, and the step between those tried around the best.
const COARSE: f64 = 0.1;
const COARSE_STEPS: i32 = 6;
const FINE: f64 = 0.02;
const FINE_STEPS: i32 = 4;
/// Paired standard errors by which a shape has to raise the held-out log-likelihood.
const ACCEPTANCE: f64 = 2.0;

/// The shape of highest held-out log-likelihood, if it is ahead of the Gaussian by two standard errors.
///
/// Every row is judged by the mixture that has not seen its fold, and by the shape that is best on the
/// other folds.
pub(super) fn choose_shape(found: &CrossFittedMixture, sample: &FoldedSample) -> Result<RadialShape> {
    let gaussian = Trial::new(0.0, found, sample)?;
    let coarse: Vec<f64> =
        (-COARSE_STEPS..=COARSE_STEPS).filter(|&i| i != 0).map(|i| COARSE * f64::from(i)).collect();
    let mut trials = trials(&coarse, found, sample)?;
    trials.push(gaussian);
    let all = |trial: &Trial| trial.total(None);
    let best = trials.iter().max_by(|a, b| all(a).total_cmp(&all(b))).map_or(0.0, |trial| trial.beta);
    let fine: Vec<f64> = (-FINE_STEPS..=FINE_STEPS)
        .filter(|&i| i != 0)
        .map(|i| best + FINE * f64::from(i))
        .filter(|beta| beta.abs() > 0.5 * FINE)
        .collect();
    trials.extend(self::trials(&fine, found, sample)?);

    let Some(gaussian) = trials.iter().find(|trial| trial.beta == 0.0) else {
        return Ok(RadialShape::GAUSSIAN);
    };
    let mut gains = vec![0.0; sample.folds.len()];
    for fold in 0..sample.n_folds {
        let others = |trial: &Trial| trial.total(Some(fold));
        let Some(chosen) = trials.iter().max_by(|a, b| others(a).total_cmp(&others(b))) else { continue };
        for (i, gain) in gains.iter_mut().enumerate().filter(|(i, _)| sample.folds[*i] == fold) {
            *gain = chosen.log_density[i] - gaussian.log_density[i];
        }
    }
    let n = gains.len() as f64;
    let sum: f64 = gains.iter().sum();
    let spread: f64 = gains.iter().map(|gain| (gain - sum / n).powi(2)).sum();
    if sum <= ACCEPTANCE * spread.sqrt() {
        return Ok(RadialShape::GAUSSIAN);
    }
    let best = trials.iter().max_by(|a, b| all(a).total_cmp(&all(b))).map_or(0.0, |trial| trial.beta);
    Ok(RadialShape::new(best))
}

/// One shape, and the weighted log-density that it gives every row of the sample.
struct Trial {
    beta: f64,
    log_density: Vec<f64>,
    by_fold: Vec<f64>,
}

fn trials(betas: &[f64], found: &CrossFittedMixture, sample: &FoldedSample) -> Result<Vec<Trial>> {
    map_blocks(betas.len(), 1, |range| Trial::new(betas[range.start], found, sample))
}

impl Trial {
    fn new(beta: f64, found: &CrossFittedMixture, sample: &FoldedSample) -> Result<Self> {
        let dim = sample.rows.ncols();
        let mut log_density = vec![0.0; sample.folds.len()];
        let mut by_fold = vec![0.0; sample.n_folds];
        for (fold, mixture) in found.folds.iter().enumerate() {
            let members: Vec<usize> = (0..log_density.len()).filter(|&i| sample.folds[i] == fold).collect();
            let rows: DMatrix<f64> = sample.rows.select_rows(&members);
            let cells = CellMixture::new(mixture, RadialShape::new(beta), Embedding::all_active(dim))?;
            let densities = cells.log_density(NoiseLevel::CLEAN, &rows)?;
            for (&i, density) in members.iter().zip(densities.iter()) {
                log_density[i] = sample.weights[i] * density;
                by_fold[fold] += log_density[i];
            }
        }
        Ok(Self { beta, log_density, by_fold })
    }

    /// Log-likelihood of all rows, or of those outside a fold.
    fn total(&self, without: Option<usize>) -> f64 {
        self.by_fold.iter().sum::<f64>() - without.map_or(0.0, |fold| self.by_fold[fold])
    }
}
