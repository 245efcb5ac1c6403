//! One radial shape for all cells, kept where rows that no cell has seen want it.

use nalgebra::DMatrix;

use super::cell_moments::feature_count;
use super::expectation_maximisation::{least_judging, log_joint_densities};
use crate::kernels::responsibilities_in_place;
use crate::mixture::{MixtureParameters, RadialShape, mean_cells};
use crate::parallel::map_each_mut;
use crate::rows::{FoldedSample, WeightedRows};

/// Shapes tried first, on either side of the Gaussian, and the step between those tried around the best.
const COARSE: f64 = 0.1;
const COARSE_STEPS: i32 = 6;
const FINE: f64 = 0.02;
const FINE_STEPS: i32 = 4;
/// By how much (in nats, over all rows) a shape has to raise the held-out log-likelihood: ln 100. A ratio of
/// likelihoods whose alternative was chosen on other rows has expectation 1 where the Gaussian cells
/// are the truth, and so exceeds 100 in one case of 100 at most (Wasserman, Ramdas, Balakrishnan 2020).
const EVIDENCE: f64 = 4.605_170_185_988_092;

/// A shape wants this many rows for each parameter of a cell. The error of a covariance is a factor of about 1 + d/n on
/// the radii of rows that it has not seen, which a shape takes back in part: some d²/n nats that say nothing of shapes,
/// and are a small part of the evidence asked for where there are ten rows a parameter.
const ROWS_A_PARAMETER: f64 = 10.0;

/// A cell of this share of another's width is one value.
const ATOM: f64 = 1e-5;

/// The shape of highest held-out log-likelihood, if there is evidence of it at the level of one hundredth.
///
/// `mixtures` are those of the sample's folds. Every row is judged by the mixture that has not seen its fold,
/// and by the shape that is best on the other folds; with one mixture, on the other half of its fold.
pub(crate) fn choose_shape(mixtures: &[MixtureParameters], sample: &FoldedSample) -> RadialShape {
    let (dim, rows) = (sample.rows.ncols(), sample.weights.iter().sum::<f64>());
    let cells = mean_cells(mixtures);
    if rows < ROWS_A_PARAMETER * cells * feature_count(dim) as f64 || mixtures.iter().any(has_atom) {
        return RadialShape::GAUSSIAN;
    }
    let folds: Vec<HeldOut> = match mixtures {
        [only] => sample.part(0, true).halves().map(|rows| HeldOut::new(rows, only)).into(),
        _ => {
            let of_fold = |(fold, mixture)| HeldOut::new(sample.part(fold, true), mixture);
            mixtures.iter().enumerate().map(of_fold).collect()
        }
    };
    let coarse: Vec<f64> = (-COARSE_STEPS..=COARSE_STEPS).map(|i| COARSE * f64::from(i)).collect();
    let gaussian: Vec<f64> = folds.iter().map(|fold| fold.log_likelihood(RadialShape::GAUSSIAN)).collect();
    let mut trials = trials(coarse, &folds, &gaussian);
    let near = best(&trials, None).beta;
    let fine: Vec<f64> = (-FINE_STEPS..=FINE_STEPS)
        .map(|i| near + FINE * f64::from(i))
        .filter(|beta| beta.abs() > 0.5 * FINE)
        .collect();
    trials.extend(self::trials(fine, &folds, &gaussian));
    let gain: f64 = (0..folds.len()).map(|fold| best(&trials, Some(fold)).gains[fold]).sum();
    if gain > EVIDENCE { RadialShape::new(best(&trials, None).beta) } else { RadialShape::GAUSSIAN }
}

/// Whether a cell stands for one value that comes again and again: all its rows lie at its centre, and say nothing of the
/// shape of others.
fn has_atom(mixture: &MixtureParameters) -> bool {
    let widths = mixture.covariances.iter().map(|covariance| covariance.diagonal().max());
    let (least, largest) =
        widths.fold((f64::INFINITY, 0.0_f64), |(a, b), width| (a.min(width), b.max(width)));
    least < ATOM * ATOM * largest
}

/// The rows of one fold under the Gaussian cells of a mixture that has not seen them.
struct HeldOut {
    weights: Vec<f64>,
    dim: usize,
    /// log wⱼ N(x; mⱼ, Sⱼ), n × k.
    log_joint: DMatrix<f64>,
    /// Squared Mahalanobis radii, n × k.
    radii: DMatrix<f64>,
}

impl HeldOut {
    fn new(rows: WeightedRows, mixture: &MixtureParameters) -> Self {
        let log_joint = log_joint_densities(&rows, mixture);
        let cells = mixture.means.nrows();
        let centres = WeightedRows { rows: mixture.means.clone(), weights: vec![1.0; cells] };
        let at_centres = log_joint_densities(&centres, mixture);
        let radius = |i, cell| 2.0 * (at_centres[(cell, cell)] - log_joint[(i, cell)]).max(0.0);
        let radii = DMatrix::from_fn(log_joint.nrows(), cells, radius);
        Self { weights: rows.weights, dim: mixture.means.ncols(), log_joint, radii }
    }

    /// Log-likelihood of the rows when all cells have this shape.
    fn log_likelihood(&self, shape: RadialShape) -> f64 {
        let factor = shape.covariance_factor(self.dim);
        let volume = 0.5 * self.dim as f64 * factor.ln();
        let mut shares = self
            .log_joint
            .zip_map(&self.radii, |log_joint, radius| log_joint + 0.5 * (radius - radius / factor));
        let mut densities = responsibilities_in_place(&mut shares);
        let mut shaped = vec![0.0; densities.len()];
        for (shares, radii) in shares.column_iter().zip(self.radii.column_iter()) {
            for ((shaped, share), radius) in shaped.iter_mut().zip(shares.iter()).zip(radii.iter()) {
                *shaped += share * shape.factor(self.dim, radius / factor);
            }
        }
        for (density, shaped) in densities.iter_mut().zip(&shaped) {
            *density += shaped.ln() - volume;
        }
        let floor = least_judging(self.dim);
        densities.iter().zip(&self.weights).map(|(density, weight)| density.max(floor) * weight).sum()
    }
}

/// One shape, and by how much it is ahead of the Gaussian on the rows of every fold.
struct Trial {
    beta: f64,
    gains: Vec<f64>,
}

/// Every β, against the log-likelihoods of the folds under Gaussian cells.
fn trials(mut betas: Vec<f64>, folds: &[HeldOut], gaussian: &[f64]) -> Vec<Trial> {
    map_each_mut(&mut betas, |&mut beta| {
        let shape = RadialShape::new(beta);
        let gains = folds.iter().zip(gaussian).map(|(fold, gaussian)| fold.log_likelihood(shape) - gaussian);
        Trial { beta, gains: gains.collect() }
    })
}

/// The trial of highest gain on all folds, or on all but one.
fn best(trials: &[Trial], without: Option<usize>) -> &Trial {
    let gain = |trial: &Trial| -> f64 {
        trial.gains.iter().enumerate().filter(|(fold, _)| Some(*fold) != without).map(|(_, gain)| gain).sum()
    };
    trials.iter().fold(&trials[0], |best, trial| if gain(trial) > gain(best) { trial } else { best })
}
