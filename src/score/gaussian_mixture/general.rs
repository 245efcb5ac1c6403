//! Components of any covariance: 2 n k d² operations.

use std::f64::consts::PI;

use nalgebra::{DMatrix, DMatrixView, Dyn};

use super::component::Component;
use super::evaluation::{LOWEST_LOGIT, Outputs, ROW_BLOCK, centred_block};
use super::running_means::RunningMeans;
use crate::error::{Error, Result};
use crate::process::NoiseLevel;

/// Component j of Y at a level: N(centre, V diag(variances) Vᵀ).
struct NoisedComponent<'a> {
    /// log w − ½ Σ log(2π v).
    log_weight: f64,
    centre: Vec<f64>,
    variances: Vec<f64>,
    eigenvectors: &'a DMatrix<f64>,
}

fn at_level<'a>(
    level: NoiseLevel,
    weights: &[f64],
    means: &DMatrix<f64>,
    components: &'a [Component],
) -> Result<Vec<NoisedComponent<'a>>> {
    let (signal, noise) = (level.signal(), level.noise());
    let noised = |(index, component): (usize, &'a Component)| {
        let variances: Vec<f64> =
            component.eigenvalues.iter().map(|value| signal * signal * value + noise * noise).collect();
        if variances.iter().any(|&variance| variance <= 0.0) {
            return Err(Error::NotPositiveDefinite { what: "covariance of component", index });
        }
        let log_normaliser: f64 = variances.iter().map(|variance| (2.0 * PI * variance).ln()).sum();
        Ok(NoisedComponent {
            log_weight: weights[index].ln() - 0.5 * log_normaliser,
            centre: means.row(index).iter().map(|mean| signal * mean).collect(),
            variances,
            eigenvectors: &component.eigenvectors,
        })
    };
    components.iter().enumerate().map(noised).collect()
}

impl NoisedComponent<'_> {
    /// Writes log (weight × density) of a block of rows, and returns −(coordinates/variances) in
    /// the frame of the eigenvectors.
    fn log_joint(&self, points: &DMatrixView<'_, f64>, start: usize, log_joint: &mut [f64]) -> DMatrix<f64> {
        let mut frame = centred_block(points, start, |axis| self.centre[axis]) * self.eigenvectors;
        log_joint.fill(0.0);
        for (mut column, variance) in frame.column_iter_mut().zip(&self.variances) {
            let precision = 1.0 / variance;
            for (value, sum) in column.iter_mut().zip(log_joint.iter_mut()) {
                *sum += *value * *value * precision;
                *value *= -precision;
            }
        }
        for value in log_joint {
            *value = (self.log_weight - 0.5 * *value).max(LOWEST_LOGIT);
        }
        frame
    }

    /// ∇ log density of the component, from the frame of its eigenvectors back to the axes.
    fn gradient_into(&self, frame: &DMatrix<f64>, gradient: &mut DMatrix<f64>) {
        let dim = self.variances.len();
        let transposed = DMatrixView::<f64, Dyn, Dyn>::from_slice_with_strides(
            self.eigenvectors.as_slice(),
            dim,
            dim,
            dim,
            1,
        );
        gradient.gemm(1.0, frame, &transposed, 0.0);
    }
}

/// log (w_j N(y; …)): n × k.
pub(super) fn log_joint(
    level: NoiseLevel,
    weights: &[f64],
    means: &DMatrix<f64>,
    components: &[Component],
    points: &DMatrixView<'_, f64>,
) -> Result<DMatrix<f64>> {
    let components = at_level(level, weights, means, components)?;
    let mut result = DMatrix::zeros(points.nrows(), components.len());
    for (component, mut column) in components.iter().zip(result.column_iter_mut()) {
        for (block, values) in column.as_mut_slice().chunks_mut(ROW_BLOCK).enumerate() {
            component.log_joint(points, block * ROW_BLOCK, values);
        }
    }
    Ok(result)
}

/// Score, divergence and log-density, by running weighted means over the components.
///
/// With r_j the responsibilities and g_j the components' gradients, the score is ḡ = Σ r_j g_j and
/// its divergence Σ r_j (|g_j − ḡ|² − tr S_j⁻¹). Means and squared deviations are updated as
/// components come in, so that nothing cancels however far out a point is.
pub(super) fn evaluate(
    level: NoiseLevel,
    weights: &[f64],
    means: &DMatrix<f64>,
    components: &[Component],
    points: &DMatrixView<'_, f64>,
    mut outputs: Outputs<'_>,
) -> Result<()> {
    let components = at_level(level, weights, means, components)?;
    let with_gradient = outputs.score.is_some() || outputs.divergence.is_some();
    for start in (0..points.nrows()).step_by(ROW_BLOCK) {
        let rows = ROW_BLOCK.min(points.nrows() - start);
        let mut running = RunningMeans::new(rows, points.ncols());
        let mut log_joint = vec![0.0; rows];
        let mut gradient = DMatrix::zeros(rows, points.ncols());
        for component in &components {
            let frame = component.log_joint(points, start, &mut log_joint);
            running.add_weights(&log_joint);
            if with_gradient {
                component.gradient_into(&frame, &mut gradient);
                let trace = -component.variances.iter().map(|v| 1.0 / v).sum::<f64>();
                running.add_gradients(&gradient, &vec![trace; rows]);
            }
        }
        running.finish().write(start, &mut outputs);
    }
    Ok(())
}
