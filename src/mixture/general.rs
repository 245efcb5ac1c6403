//! Cells of any covariance and, if they share one, a radial shape: 2 n k m² operations.

use nalgebra::{DMatrix, DMatrixView, DVector};

use super::component::Component;
use super::embedding::Embedding;
use super::evaluation::{Outputs, Points, ROW_BLOCK};
use super::factors::Factors;
use super::noised::NoisedMixture;
use super::radial_shape::{NoisedShape, RadialShape};
use crate::error::{Error, Result};
use crate::kernels::{FARTHEST, Gaussian, Gaussians};
use crate::process::NoiseLevel;

/// How the cells lie around their means, in m active directions.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GeneralCells {
    /// Covariances κS, with κ that of the shape.
    pub(super) components: Vec<Component>,
    pub(super) shape: RadialShape,
    /// `None` where all coordinates are active.
    pub(super) embedding: Option<Embedding>,
}

impl GeneralCells {
    /// The law of Y in the active directions, with the cells' masses and means (k × m).
    pub(super) fn at_level(
        &self,
        level: NoiseLevel,
        masses: &DVector<f64>,
        means: &DMatrix<f64>,
    ) -> Result<NoisedMixture> {
        let (a, s) = (level.signal(), level.noise());
        let mut gaussians = Vec::with_capacity(self.components.len());
        let mut shares = Vec::new();
        for (index, component) in self.components.iter().enumerate() {
            let variances: Vec<f64> = component.eigenvalues.iter().map(|v| a * a * v + s * s).collect();
            if variances.iter().any(|&variance| variance <= 0.0) {
                return Err(Error::NotPositiveDefinite { what: "covariance of component", index });
            }
            let own = component.eigenvalues.iter().zip(&variances);
            shares.extend(own.map(|(own, variance)| (a * a * own / variance, s * s / variance)));
            let log_weight = masses[index].ln() - self.rest_exponent(level, index);
            let centre = means.row(index).iter().map(|mean| a * mean).collect();
            gaussians.push(Gaussian::along_axes(log_weight, centre, &component.eigenvectors, &variances));
        }
        let shaped = !self.shape.is_gaussian();
        let pulls = self.embedding.as_ref().map_or(DMatrix::zeros(0, 0), |embedding| {
            &embedding.rest_means * (a / noised_rest_variance(embedding, level))
        });
        Ok(NoisedMixture {
            gaussians: Gaussians::new(means.ncols(), gaussians),
            factors: Factors {
                shape: shaped.then(|| NoisedShape::new(self.shape, means.ncols(), shares.into_iter())),
                pulls,
            },
        })
    }

    /// a²|o|²/2v of a cell with mean o along the rest, where Y has variance v.
    fn rest_exponent(&self, level: NoiseLevel, cell: usize) -> f64 {
        match &self.embedding {
            Some(embedding) if embedding.rest_means.ncols() > 0 => {
                let (a, offset) = (level.signal(), embedding.rest_means.row(cell).norm_squared());
                0.5 * a * a * offset / noised_rest_variance(embedding, level)
            }
            _ => 0.0,
        }
    }

    /// The law of Y in all directions, ready for any number of points.
    pub(super) fn prepare(
        &self,
        level: NoiseLevel,
        masses: &DVector<f64>,
        means: &DMatrix<f64>,
    ) -> Result<PreparedCells<'_>> {
        let noised = self.at_level(level, masses, means)?;
        let embedded = self.embedding.as_ref().and_then(|embedding| {
            let precision = 1.0 / noised_rest_variance(embedding, level);
            Some((embedding, embedding.frame()?, precision))
        });
        Ok(PreparedCells { noised, embedded })
    }
}

/// Cells at one level.
pub(super) struct PreparedCells<'a> {
    noised: NoisedMixture,
    /// With its frame, and the precision in the rest of the directions.
    embedded: Option<(&'a Embedding, DMatrix<f64>, f64)>,
}

impl PreparedCells<'_> {
    /// Score, divergence and log-density of Y at `points` (n × d).
    pub(super) fn evaluate(&self, points: DMatrixView<'_, f64>, mut outputs: Outputs<'_>) {
        let Some((embedding, frame, precision)) = &self.embedded else {
            self.noised.evaluate(&Points { points, further: points.columns(0, 0) }, outputs);
            return;
        };
        for start in (0..points.nrows()).step_by(ROW_BLOCK) {
            let size = ROW_BLOCK.min(points.nrows() - start);
            let coordinates = points.rows(start, size).map(|value| value.clamp(-FARTHEST, FARTHEST)) * frame;
            embedding.evaluate(&self.noised, *precision, frame, &coordinates, outputs.rows(start, size));
        }
    }
}

/// Variance of Y in the rest of the directions.
fn noised_rest_variance(embedding: &Embedding, level: NoiseLevel) -> f64 {
    level.signal().powi(2) * embedding.rest_variance + level.noise().powi(2)
}
