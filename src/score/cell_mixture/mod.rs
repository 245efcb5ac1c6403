//! The base of a fitted score: a mixture of cells in the active subspace, closed form at every level.

mod shape;
#[cfg(test)]
mod tests;

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};

pub(crate) use shape::RadialShape;

use super::gaussian_mixture::{
    Component, LOWEST_LOGIT, MixtureValues, Outputs, ROW_BLOCK, RunningMeans, centred_block,
};
use super::model::{DifferentiableScore, GaussianLaw, LogDensity, ScoreModel};
use crate::error::{Error, Result};
use crate::partition::MixtureParameters;
use crate::process::NoiseLevel;
use shape::PosteriorFrame;

/// Cells of Gaussian shape, or of one radial shape that they share, in m active directions; in the
/// other d − m directions every cell is N(its mean, v I).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CellMixture {
    pub(crate) masses: DVector<f64>,
    /// k × m, in active coordinates.
    pub(crate) means: DMatrix<f64>,
    /// Covariances κS in active coordinates.
    components: Vec<Component>,
    pub(crate) shape: RadialShape,
    pub(crate) embedding: Embedding,
}

/// Where the active directions lie among all, and what is known of the others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Embedding {
    /// Orthonormal columns, d × m.
    pub(crate) axes: DMatrix<f64>,
    /// Orthonormal columns, d × (d − m).
    pub(crate) rest: DMatrix<f64>,
    /// v.
    pub(crate) rest_variance: f64,
    /// The cells' means along the rest, k × (d − m); no columns when they are all zero.
    pub(crate) rest_means: DMatrix<f64>,
}

impl Embedding {
    /// All of `dim` directions are active.
    pub(crate) fn all_active(dim: usize) -> Self {
        Self {
            axes: DMatrix::identity(dim, dim),
            rest: DMatrix::zeros(dim, 0),
            rest_variance: 1.0,
            rest_means: DMatrix::zeros(0, 0),
        }
    }
}

/// One cell at one level.
struct NoisedCell {
    /// log w − ½ Σ log(2π v), and what the rest means add.
    log_weight: f64,
    centre: Vec<f64>,
    variances: Vec<f64>,
    slopes: Vec<f64>,
    remainders: Vec<f64>,
    /// a·o/v of the rest means o: the part of the rest's score that is the cell's.
    rest_pull: Vec<f64>,
}

impl CellMixture {
    /// Cells with the masses, means and covariances of `mixture` (in active coordinates) and `shape`.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] for a covariance that is not positive semidefinite.
    pub(crate) fn new(mixture: &MixtureParameters, shape: RadialShape, embedding: Embedding) -> Result<Self> {
        let factor = shape.covariance_factor(mixture.means.ncols());
        let scaled = mixture.covariances.iter().map(|covariance| covariance * factor);
        Self::from_scaled(mixture.masses.clone(), mixture.means.clone(), scaled, shape, embedding)
    }

    /// As [`new`](Self::new), from covariances κS.
    pub(crate) fn from_scaled(
        masses: DVector<f64>,
        means: DMatrix<f64>,
        covariances: impl IntoIterator<Item = DMatrix<f64>>,
        shape: RadialShape,
        embedding: Embedding,
    ) -> Result<Self> {
        let component = |(index, covariance)| Component::new(covariance, means.ncols(), index);
        let components: Result<_> = covariances.into_iter().enumerate().map(component).collect();
        Ok(Self { masses, means, components: components?, shape, embedding })
    }

    /// The covariances κS, one a cell.
    #[cfg(feature = "serde")]
    pub(crate) fn scaled_covariances(&self) -> impl Iterator<Item = &DMatrix<f64>> {
        self.components.iter().map(|component| &component.covariance)
    }

    fn at_level(&self, level: NoiseLevel) -> Result<Vec<NoisedCell>> {
        let (a, s) = (level.signal(), level.noise());
        let rest_variance = a * a * self.embedding.rest_variance + s * s;
        let noised = |(index, component): (usize, &Component)| {
            let variances: Vec<f64> = component.eigenvalues.iter().map(|v| a * a * v + s * s).collect();
            if variances.iter().any(|&variance| variance <= 0.0) {
                return Err(Error::NotPositiveDefinite { what: "covariance of cell", index });
            }
            let of_axis = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
                component.eigenvalues.iter().zip(&variances).map(|(&own, &v)| f(own, v)).collect()
            };
            let log_normaliser: f64 = variances.iter().map(|v| (std::f64::consts::TAU * v).ln()).sum();
            let offsets = self.embedding.rest_means.ncols();
            let offset = |j: usize| a * self.embedding.rest_means[(index, j)];
            let offset_length: f64 = (0..offsets).map(|j| offset(j).powi(2)).sum();
            Ok(NoisedCell {
                log_weight: self.masses[index].ln()
                    - 0.5 * log_normaliser
                    - 0.5 * offset_length / rest_variance,
                centre: self.means.row(index).iter().map(|mean| a * mean).collect(),
                slopes: of_axis(&|own, v| a * own.sqrt() / v),
                remainders: of_axis(&|_, v| s * s / v),
                rest_pull: (0..offsets).map(|j| offset(j) / rest_variance).collect(),
                variances,
            })
        };
        self.components.iter().enumerate().map(noised).collect()
    }

    /// Everything in active coordinates, and the cells' share of the rest's score behind them.
    fn in_active_coordinates(
        &self,
        cells: &[NoisedCell],
        active: &DMatrix<f64>,
        rest: &DMatrix<f64>,
        derivatives: bool,
    ) -> MixtureValues {
        let (n, dim) = active.shape();
        let offsets = self.embedding.rest_means.ncols();
        let mut running = RunningMeans::new(n, dim + offsets);
        let mut log_joint = vec![0.0; n];
        let mut gradient = DMatrix::zeros(n, dim + offsets);
        let mut trace = vec![0.0; n];
        for (cell, component) in cells.iter().zip(&self.components) {
            let centred = centred_block(&active.as_view(), 0, |axis| cell.centre[axis]);
            let frame = centred * &component.eigenvectors;
            let mut in_frame = DMatrix::zeros(n, dim);
            log_joint.fill(cell.log_weight);
            trace.fill(-cell.variances.iter().map(|v| 1.0 / v).sum::<f64>());
            for (axis, &variance) in cell.variances.iter().enumerate() {
                let precision = 1.0 / variance;
                for ((p, g), sum) in
                    frame.column(axis).iter().zip(in_frame.column_mut(axis).iter_mut()).zip(&mut log_joint)
                {
                    *sum -= 0.5 * p * p * precision;
                    *g = -precision * p;
                }
            }
            for (axis, pull) in cell.rest_pull.iter().enumerate() {
                for (sum, y) in log_joint.iter_mut().zip(rest.column(axis).iter()) {
                    *sum += pull * y;
                }
            }
            if !self.shape.is_gaussian() {
                let posterior = PosteriorFrame { slopes: &cell.slopes, remainders: &cell.remainders };
                let wanted = derivatives.then_some((&mut in_frame, &mut trace[..]));
                self.shape.add_to(posterior, &frame, &mut log_joint, wanted);
            }
            for value in &mut log_joint {
                *value = value.max(LOWEST_LOGIT);
            }
            running.add_weights(&log_joint);
            if derivatives {
                gradient.columns_mut(0, dim).copy_from(&(in_frame * component.eigenvectors.transpose()));
                for (axis, pull) in cell.rest_pull.iter().enumerate() {
                    gradient.column_mut(dim + axis).fill(*pull);
                }
                running.add_gradients(&gradient, &trace);
            }
        }
        running.finish()
    }

    fn evaluate(
        &self,
        level: NoiseLevel,
        points: &DMatrixView<'_, f64>,
        mut outputs: Outputs<'_>,
    ) -> Result<()> {
        let cells = self.at_level(level)?;
        let Embedding { axes, rest, rest_variance, .. } = &self.embedding;
        let dim = axes.ncols();
        let precision = 1.0 / (level.signal().powi(2) * rest_variance + level.noise().powi(2));
        let derivatives = outputs.score.is_some() || outputs.divergence.is_some();
        for start in (0..points.nrows()).step_by(ROW_BLOCK) {
            let block = centred_block(points, start, |_| 0.0);
            let (active, rest_rows) = (&block * axes, &block * rest);
            let mut values = self.in_active_coordinates(&cells, &active, &rest_rows, derivatives);
            if rest.ncols() > 0 {
                let mut rest_score = &rest_rows * -precision;
                let offsets = self.embedding.rest_means.ncols();
                if offsets > 0 {
                    rest_score += values.score.columns(dim, offsets);
                }
                let log_normaliser = 0.5 * rest.ncols() as f64 * (precision / std::f64::consts::TAU).ln();
                for (i, row) in rest_rows.row_iter().enumerate() {
                    values.log_density[i] += log_normaliser - 0.5 * precision * row.norm_squared();
                    values.divergence[i] -= precision * rest.ncols() as f64;
                }
                values.score =
                    values.score.columns(0, dim) * axes.transpose() + rest_score * rest.transpose();
            } else {
                values.score *= axes.transpose();
            }
            values.write(start, &mut outputs);
        }
        Ok(())
    }
}

impl ScoreModel for CellMixture {
    fn dim(&self) -> usize {
        self.embedding.axes.nrows()
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.evaluate(level, &points, Outputs { score: Some(score), divergence: None, log_density: None })
    }

    /// The smallest standard deviation of a cell in any direction.
    fn component_std(&self) -> f64 {
        let factor = self.shape.covariance_factor(self.means.ncols());
        let own = self.components.iter().map(|component| component.eigenvalues.min() / factor);
        let rest = if self.embedding.rest.ncols() > 0 { self.embedding.rest_variance } else { f64::INFINITY };
        own.fold(rest, f64::min).max(0.0).sqrt()
    }

    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        let Embedding { axes, rest, rest_variance, rest_means } = &self.embedding;
        let (a, s) = (level.signal(), level.noise());
        let mut full_means = &self.means * axes.transpose();
        if rest_means.ncols() > 0 {
            full_means += rest_means * rest.transpose();
        }
        let mean = full_means.transpose() * &self.masses;
        let factor = self.shape.covariance_factor(self.means.ncols());
        let mut within = DMatrix::zeros(axes.ncols(), axes.ncols());
        let mut covariance = rest * rest.transpose() * *rest_variance;
        for (cell, component) in self.components.iter().enumerate() {
            within += &component.covariance * (self.masses[cell] / factor);
            let offset = full_means.row(cell).transpose() - &mean;
            covariance.ger(self.masses[cell], &offset, &offset, 1.0);
        }
        covariance += axes * within * axes.transpose();
        covariance *= a * a;
        for i in 0..covariance.nrows() {
            covariance[(i, i)] += s * s;
        }
        Ok(GaussianLaw { mean: mean * a, covariance: (&covariance + covariance.transpose()) * 0.5 })
    }
}

impl DifferentiableScore for CellMixture {
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        let outputs = Outputs { score: Some(score), divergence: Some(divergence), log_density: None };
        self.evaluate(level, &points, outputs)
    }
}

impl LogDensity for CellMixture {
    fn log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        let outputs = Outputs { score: None, divergence: None, log_density: Some(log_density) };
        self.evaluate(level, &points, outputs)
    }
}
