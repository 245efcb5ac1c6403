//! Score, divergence and log-density of a mixture from its components, one after the other.

use nalgebra::DMatrix;

use super::evaluation::{LOWEST_LOGIT, Outputs};

/// Weights whose logarithm lies this far below the largest one's are zero: 10⁻²² of it.
const LOWEST_RELATIVE: f64 = -50.0;

/// Weighted means over the components seen so far, one a row.
pub(in crate::score) struct RunningMeans {
    /// Largest log-weight.
    peak: Vec<f64>,
    /// Σ exp(log-weight − peak), before and after the newest component.
    total_before: Vec<f64>,
    total: Vec<f64>,
    /// The factor that the newest change of peak asks of everything summed before.
    shrink: Vec<f64>,
    /// Weight of the newest component relative to the peak.
    weight: Vec<f64>,
    gradient: DMatrix<f64>,
    squared_deviations: Vec<f64>,
    trace: Vec<f64>,
}

impl RunningMeans {
    pub(in crate::score) fn new(rows: usize, dim: usize) -> Self {
        let zeros = vec![0.0; rows];
        Self {
            peak: vec![LOWEST_LOGIT; rows],
            total_before: zeros.clone(),
            total: zeros.clone(),
            shrink: zeros.clone(),
            weight: zeros.clone(),
            gradient: DMatrix::zeros(rows, dim),
            squared_deviations: zeros.clone(),
            trace: zeros,
        }
    }

    pub(in crate::score) fn add_weights(&mut self, log_joint: &[f64]) {
        for (row, &logit) in log_joint.iter().enumerate() {
            // One of the two is the peak, so there is one exponential to take.
            let before = self.peak[row];
            let peak = before.max(logit);
            (self.shrink[row], self.weight[row]) =
                if logit > before { (relative(before - peak), 1.0) } else { (1.0, relative(logit - peak)) };
            self.total_before[row] = self.total[row] * self.shrink[row];
            self.total[row] = self.total_before[row] + self.weight[row];
            self.peak[row] = peak;
        }
    }

    /// The gradients of the newest component (n × d) and the traces of its Hessian (length n).
    pub(in crate::score) fn add_gradients(&mut self, gradient: &DMatrix<f64>, trace: &[f64]) {
        let share: Vec<f64> =
            self.weight.iter().zip(&self.total).map(|(weight, total)| weight / total).collect();
        let mut squared = vec![0.0; share.len()];
        for (mut mean, new) in self.gradient.column_iter_mut().zip(gradient.column_iter()) {
            for (((mean, new), share), squared) in
                mean.iter_mut().zip(new.iter()).zip(&share).zip(&mut squared)
            {
                let deviation = new - *mean;
                *squared += deviation * deviation;
                *mean += share * deviation;
            }
        }
        for row in 0..share.len() {
            // A product of zero and an overflow would be NaN.
            let added = self.total_before[row] * share[row] * squared[row].min(f64::MAX);
            self.squared_deviations[row] = self.squared_deviations[row] * self.shrink[row] + added;
            self.trace[row] += share[row] * (trace[row] - self.trace[row]);
        }
    }

    /// Score (n × d), divergence and log-density of the mixture, for what was added.
    pub(in crate::score) fn finish(self) -> MixtureValues {
        let by_row = |values: &[f64], f: fn(f64, f64) -> f64| -> Vec<f64> {
            values.iter().zip(&self.total).map(|(&value, &total)| f(value, total)).collect()
        };
        let spread = by_row(&self.squared_deviations, |value, total| value / total);
        MixtureValues {
            log_density: by_row(&self.peak, |peak, total| peak + total.ln()),
            divergence: spread.iter().zip(&self.trace).map(|(spread, trace)| spread + trace).collect(),
            score: self.gradient,
        }
    }
}

/// e to a power that is not positive; zero where it would not change a sum with one.
fn relative(log: f64) -> f64 {
    if log < LOWEST_RELATIVE { 0.0 } else { log.exp() }
}

/// A mixture at a block of n points.
pub(in crate::score) struct MixtureValues {
    /// n × d.
    pub(in crate::score) score: DMatrix<f64>,
    pub(in crate::score) divergence: Vec<f64>,
    pub(in crate::score) log_density: Vec<f64>,
}

impl MixtureValues {
    /// Writes what is wanted of the rows from `start` on.
    pub(in crate::score) fn write(&self, start: usize, outputs: &mut Outputs<'_>) {
        let rows = self.log_density.len();
        if let Some(score) = &mut outputs.score {
            score.rows_mut(start, rows).copy_from(&self.score);
        }
        if let Some(divergence) = &mut outputs.divergence {
            divergence[start..start + rows].copy_from_slice(&self.divergence);
        }
        if let Some(log_density) = &mut outputs.log_density {
            log_density[start..start + rows].copy_from_slice(&self.log_density);
        }
    }
}
