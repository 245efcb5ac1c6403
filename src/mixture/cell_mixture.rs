//! The base of a fitted score: a mixture of cells in the active subspace, closed form at every level.

#[cfg(test)]
mod tests;

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use rand::Rng;

use super::radial_shape::{NoisedShape, RadialShape};

use super::component::Component;
use super::noised::{Factors, NoisedMixture, Outputs, ROW_BLOCK};
use super::parameters::MixtureParameters;
use crate::error::{Error, Result};
use crate::kernels::{FARTHEST, Gaussian, Gaussians};
use crate::process::NoiseLevel;
use crate::score::{DifferentiableScore, GaussianLaw, LogDensity, ScoreModel};
use crate::shapes::check_room;

/// Cells of Gaussian shape, or of one radial shape that they share, in m active directions; in the
/// other d − m directions every cell is N(its mean, v I).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CellMixture {
    pub(crate) masses: DVector<f64>,
    /// k × m, in active coordinates.
    pub(crate) means: DMatrix<f64>,
    /// Covariances κS in active coordinates.
    pub(super) components: Vec<Component>,
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

    /// The active directions and the others: d × d.
    fn frame(&self) -> DMatrix<f64> {
        let columns: Vec<_> = self.axes.column_iter().chain(self.rest.column_iter()).collect();
        DMatrix::from_columns(&columns)
    }
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

    fn at_level(&self, level: NoiseLevel) -> Result<NoisedMixture> {
        let (a, s) = (level.signal(), level.noise());
        let Embedding { axes, rest_means, .. } = &self.embedding;
        let rest_variance = self.noised_rest_variance(level);
        let mut gaussians = Vec::with_capacity(self.components.len());
        let mut shares = Vec::new();
        for (index, component) in self.components.iter().enumerate() {
            let variances: Vec<f64> = component.eigenvalues.iter().map(|v| a * a * v + s * s).collect();
            if variances.iter().any(|&variance| variance <= 0.0) {
                return Err(Error::NotPositiveDefinite { what: "covariance of cell", index });
            }
            let own = component.eigenvalues.iter().zip(&variances);
            shares.extend(own.map(|(own, variance)| (a * a * own / variance, s * s / variance)));
            let offset = if rest_means.ncols() > 0 { rest_means.row(index).norm_squared() } else { 0.0 };
            let log_weight = self.masses[index].ln() - 0.5 * a * a * offset / rest_variance;
            let centre = self.means.row(index).iter().map(|mean| a * mean).collect();
            gaussians.push(Gaussian::along_axes(log_weight, centre, &component.eigenvectors, &variances));
        }
        let shaped = !self.shape.is_gaussian();
        Ok(NoisedMixture {
            gaussians: Gaussians::new(axes.ncols(), gaussians),
            factors: Factors {
                shape: shaped.then(|| NoisedShape::new(self.shape, axes.ncols(), shares.into_iter())),
                pulls: rest_means * (a / rest_variance),
            },
        })
    }

    /// Variance of Y in the rest of the directions.
    fn noised_rest_variance(&self, level: NoiseLevel) -> f64 {
        level.signal().powi(2) * self.embedding.rest_variance + level.noise().powi(2)
    }

    fn evaluate(
        &self,
        level: NoiseLevel,
        points: &DMatrixView<'_, f64>,
        mut outputs: Outputs<'_>,
    ) -> Result<()> {
        outputs.check(self.dim(), points)?;
        let noised = self.at_level(level)?;
        let frame = self.embedding.frame();
        if self.embedding.rest.ncols() == 0 && frame.is_identity(0.0) {
            noised.evaluate(points.as_view(), points.columns(0, 0), outputs);
            return Ok(());
        }
        let precision = 1.0 / self.noised_rest_variance(level);
        for start in (0..points.nrows()).step_by(ROW_BLOCK) {
            let size = ROW_BLOCK.min(points.nrows() - start);
            let coordinates = points.rows(start, size).map(|value| value.clamp(-FARTHEST, FARTHEST)) * &frame;
            self.evaluate_block(&noised, precision, &frame, &coordinates, outputs.rows(start, size));
        }
        Ok(())
    }

    /// In active directions by the cells, in the others as N(0, 1/precision); `coordinates` (n × d) are along
    /// the columns of `frame`, first the active ones.
    fn evaluate_block(
        &self,
        noised: &NoisedMixture,
        precision: f64,
        frame: &DMatrix<f64>,
        coordinates: &DMatrix<f64>,
        mut outputs: Outputs<'_>,
    ) {
        let (active, rest) = (self.embedding.axes.ncols(), self.embedding.rest.ncols());
        let mut score = DMatrix::zeros(coordinates.nrows(), active + rest);
        let in_frame = Outputs {
            score: outputs.score.as_ref().map(|_| score.as_view_mut()),
            divergence: outputs.divergence.as_deref_mut(),
            log_density: outputs.log_density.as_deref_mut(),
        };
        let rest_coordinates = coordinates.columns(active, rest);
        noised.evaluate(coordinates.columns(0, active), rest_coordinates, in_frame);
        if let Some(out) = &mut outputs.score {
            for axis in active..active + rest {
                score.column_mut(axis).axpy(-precision, &coordinates.column(axis), 1.0);
            }
            out.copy_from(&(score * frame.transpose()));
        }
        for divergence in outputs.divergence.into_iter().flatten() {
            *divergence -= precision * rest as f64;
        }
        if let Some(log_density) = outputs.log_density {
            let log_normaliser = 0.5 * rest as f64 * (precision / std::f64::consts::TAU).ln();
            for (value, row) in log_density.iter_mut().zip(rest_coordinates.row_iter()) {
                *value += log_normaliser - 0.5 * precision * row.norm_squared();
            }
        }
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

    fn exact_sample_into(&self, rng: &mut dyn Rng, rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        check_room(self.dim(), &rows)?;
        self.draw_into(rng, rows)
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
