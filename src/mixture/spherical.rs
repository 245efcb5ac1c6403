//! Components of one shared spherical covariance: n k d operations, as the empirical score needs.

use std::f64::consts::PI;

use nalgebra::{DMatrix, DMatrixView, DVector};

use super::evaluation::{Outputs, ROW_BLOCK};
use crate::error::{Error, Result};
use crate::kernels::{FARTHEST, exponentials_in_place};
use crate::process::NoiseLevel;

/// Components evaluated together; with a block of rows their log-weights fill 256 kB.
const COMPONENT_BLOCK: usize = 256;

/// A log-weight that stands for zero and is still finite, so that differences of two are no NaN.
const LOWEST_LOGIT: f64 = -1e300;

/// N(mean, std² I) for every mean; the means relative to the mixture's mean, laid out for products with
/// blocks of rows.
///
/// The origin in the middle keeps |y|² and y·μ small; what cancels between them loses about
/// 1e-16 · (extent/std)² of a log-density.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SphericalCells {
    pub(super) std: f64,
    origin: DVector<f64>,
    /// d × k.
    transposed: DMatrix<f64>,
    /// k × (d + 2): mean, its squared length, 1. A product with weights gives all sums at once.
    augmented: DMatrix<f64>,
}

/// The law of Y at one level, as far as all components share it.
struct Shared {
    signal: f64,
    variance: f64,
    /// log w_j − a² |μ_j|²/2v.
    offsets: Vec<f64>,
}

impl SphericalCells {
    pub(super) fn new(weights: &DVector<f64>, means: &DMatrix<f64>, std: f64) -> Self {
        let (k, dim) = means.shape();
        let origin = DVector::from_iterator(dim, means.column_iter().map(|column| column.dot(weights)));
        let transposed = DMatrix::from_fn(dim, k, |axis, j| means[(j, axis)] - origin[axis]);
        let augmented = DMatrix::from_fn(k, dim + 2, |j, column| match column {
            axis if axis < dim => transposed[(axis, j)],
            axis if axis == dim => transposed.column(j).norm_squared(),
            _ => 1.0,
        });
        Self { std, origin, transposed, augmented }
    }

    fn at_level(&self, level: NoiseLevel, weights: &DVector<f64>) -> Result<Shared> {
        let signal = level.signal();
        let variance = (signal * self.std).powi(2) + level.noise().powi(2);
        if variance <= 0.0 {
            return Err(Error::NotPositiveDefinite { what: "covariance of component", index: 0 });
        }
        let squared_lengths = self.augmented.column(self.origin.len());
        let offset = |(weight, length): (&f64, &f64)| {
            (weight.ln() - 0.5 * signal * signal * length / variance).max(LOWEST_LOGIT)
        };
        let offsets = weights.iter().zip(squared_lengths.iter()).map(offset).collect();
        Ok(Shared { signal, variance, offsets })
    }

    /// log w_j + (a y·μ_j − a² |μ_j|²/2)/v for components from `first` on, without the part of the
    /// log-density that all components share.
    fn logits_into(&self, shared: &Shared, centred: &DMatrix<f64>, first: usize, logits: &mut DMatrix<f64>) {
        let means = self.transposed.columns(first, logits.ncols());
        logits.gemm(shared.signal / shared.variance, centred, &means, 0.0);
        for (mut column, offset) in logits.column_iter_mut().zip(&shared.offsets[first..]) {
            column.add_scalar_mut(*offset);
        }
    }

    /// log (w_j N(y; …)) up to a term that all components share: n × k.
    pub(super) fn relative_logits(
        &self,
        level: NoiseLevel,
        weights: &DVector<f64>,
        points: &DMatrixView<'_, f64>,
    ) -> Result<DMatrix<f64>> {
        let shared = self.at_level(level, weights)?;
        let mut result = DMatrix::zeros(points.nrows(), weights.len());
        for start in (0..points.nrows()).step_by(ROW_BLOCK) {
            let centred = centred_block(points, start, |axis| shared.signal * self.origin[axis]);
            let mut logits = DMatrix::zeros(centred.nrows(), weights.len());
            self.logits_into(&shared, &centred, 0, &mut logits);
            result.rows_mut(start, centred.nrows()).copy_from(&logits);
        }
        Ok(result)
    }

    /// Score (a μ̄ − y)/v with μ̄ = Σ r_j μ_j, divergence (a²/v · Var_r(μ) − d)/v and log-density.
    pub(super) fn evaluate(
        &self,
        level: NoiseLevel,
        weights: &DVector<f64>,
        points: &DMatrixView<'_, f64>,
        mut outputs: Outputs<'_>,
    ) -> Result<()> {
        let shared = self.at_level(level, weights)?;
        for start in (0..points.nrows()).step_by(ROW_BLOCK) {
            let centred = centred_block(points, start, |axis| shared.signal * self.origin[axis]);
            let (peak, sums) = self.sums(&shared, &centred);
            write(&shared, &centred, &peak, &sums, start, &mut outputs);
        }
        Ok(())
    }

    /// The largest logit of each row, and Σ_j exp(logit − largest) · (μ_j, |μ_j|², 1).
    fn sums(&self, shared: &Shared, centred: &DMatrix<f64>) -> (Vec<f64>, DMatrix<f64>) {
        let rows = centred.nrows();
        let mut peak = vec![LOWEST_LOGIT; rows];
        let mut sums = DMatrix::zeros(rows, self.augmented.ncols());
        let mut logits = DMatrix::zeros(rows, COMPONENT_BLOCK.min(shared.offsets.len()));
        for first in (0..shared.offsets.len()).step_by(COMPONENT_BLOCK) {
            let components = COMPONENT_BLOCK.min(shared.offsets.len() - first);
            if components != logits.ncols() {
                logits = DMatrix::zeros(rows, components);
            }
            self.logits_into(shared, centred, first, &mut logits);
            let before = peak.clone();
            for column in logits.column_iter() {
                for (peak, &logit) in peak.iter_mut().zip(column.iter()) {
                    *peak = peak.max(logit);
                }
            }
            // What was summed under a smaller peak shrinks to the new one.
            let shrink: Vec<f64> = before.iter().zip(&peak).map(|(old, new)| (old - new).exp()).collect();
            for mut column in sums.column_iter_mut() {
                column.iter_mut().zip(&shrink).for_each(|(sum, shrink)| *sum *= shrink);
            }
            for mut column in logits.column_iter_mut() {
                exponentials_in_place(column.as_mut_slice(), &peak);
            }
            sums.gemm(1.0, &logits, &self.augmented.rows(first, components), 1.0);
        }
        (peak, sums)
    }
}

/// A block of rows minus a common `origin`, with far points pulled in.
fn centred_block(points: &DMatrixView<'_, f64>, start: usize, origin: impl Fn(usize) -> f64) -> DMatrix<f64> {
    let rows = ROW_BLOCK.min(points.nrows() - start);
    let mut block = points.rows(start, rows).into_owned();
    for (axis, mut column) in block.column_iter_mut().enumerate() {
        let shift = origin(axis);
        column.apply(|value| *value = value.clamp(-FARTHEST, FARTHEST) - shift);
    }
    block
}

fn write(
    shared: &Shared,
    centred: &DMatrix<f64>,
    peak: &[f64],
    sums: &DMatrix<f64>,
    start: usize,
    outputs: &mut Outputs<'_>,
) {
    let (rows, dim) = centred.shape();
    let (signal, variance) = (shared.signal, shared.variance);
    let total = sums.column(dim + 1);
    if let Some(score) = &mut outputs.score {
        for axis in 0..dim {
            let mut column = score.column_mut(axis);
            let values = column.as_mut_slice()[start..start + rows].iter_mut();
            for (row, value) in values.enumerate() {
                *value = (signal * sums[(row, axis)] / total[row] - centred[(row, axis)]) / variance;
            }
        }
    }
    if let Some(divergence) = &mut outputs.divergence {
        let mut squared_mean = vec![0.0; rows];
        for axis in 0..dim {
            for (row, value) in squared_mean.iter_mut().enumerate() {
                *value += (sums[(row, axis)] / total[row]).powi(2);
            }
        }
        for (row, value) in divergence[start..start + rows].iter_mut().enumerate() {
            let spread = (sums[(row, dim)] / total[row] - squared_mean[row]).max(0.0);
            *value = (signal * signal / variance * spread - dim as f64) / variance;
        }
    }
    if let Some(log_density) = &mut outputs.log_density {
        let mut squared_length = vec![0.0; rows];
        for column in centred.column_iter() {
            squared_length.iter_mut().zip(column.iter()).for_each(|(sum, value)| *sum += value * value);
        }
        let log_normaliser = 0.5 * dim as f64 * (2.0 * PI * variance).ln();
        for (row, value) in log_density[start..start + rows].iter_mut().enumerate() {
            let common = -0.5 * squared_length[row] / variance - log_normaliser;
            *value = (peak[row] + common + total[row].ln()).max(-f64::MAX);
        }
    }
}
