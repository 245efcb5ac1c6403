use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::check::{
    COVARIANCE, LENGTH, POSITIVE_VARIANCE, invalid, orthonormal, positive_semidefinite, require, shares,
    within, zero_or_positive,
};
use super::matrix::SavedMatrix;
use crate::error::Result;
use crate::mixture::{Embedding, MixtureLaw, MixtureParameters, RadialShape};
use crate::score::ScoreModel;

/// A learner's shapes are of order one.
const SHAPE: std::ops::RangeInclusive<f64> = -1e6..=1e6;

/// The mixture whose score the polynomials correct: k cells in m active directions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedBase {
    /// Length k.
    masses: Vec<f64>,
    /// k × m.
    means: SavedMatrix,
    /// κS of each cell, m × m.
    scaled_covariances: Vec<SavedMatrix>,
    /// β of the radial shape.
    shape: f64,
    embedding: SavedEmbedding,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedEmbedding {
    /// d × m.
    axes: SavedMatrix,
    /// d × (d − m).
    rest: SavedMatrix,
    rest_variance: f64,
    /// k × (d − m), unless they are all zero.
    rest_means: Option<SavedMatrix>,
}

impl From<&MixtureLaw> for SavedBase {
    fn from(base: &MixtureLaw) -> Self {
        let (masses, means) = (base.masses(), base.means());
        let embedding = base.embedding().cloned().unwrap_or_else(|| all_active(means.ncols()));
        let Embedding { axes, rest, rest_variance, rest_means } = &embedding;
        Self {
            masses: masses.as_slice().to_vec(),
            means: means.into(),
            scaled_covariances: (0..masses.len())
                .map(|cell| (&base.scaled_covariance(cell)).into())
                .collect(),
            shape: base.shape().beta,
            embedding: SavedEmbedding {
                axes: axes.into(),
                rest: rest.into(),
                rest_variance: *rest_variance,
                rest_means: (rest_means.ncols() > 0).then(|| rest_means.into()),
            },
        }
    }
}

impl SavedBase {
    /// The mixture in `dim` dimensions, `active_dim` of them active.
    pub(super) fn load(self, dim: usize, active_dim: usize) -> Result<MixtureLaw> {
        let cells = self.means.rows;
        let masses = shares("masses of the base", self.masses, cells)?;
        let means = self.means.load("means of the base", cells, active_dim, LENGTH)?;
        require(
            self.scaled_covariances.len() == cells,
            format_args!("the base needs a covariance for each of its {cells} cells"),
        )?;
        let covariances: Result<Vec<_>> =
            self.scaled_covariances.into_iter().map(|saved| load_covariance(saved, active_dim)).collect();
        within("shape of the base", &[self.shape], SHAPE)?;
        let embedding = self.embedding.load(cells, dim, active_dim)?;
        let shape = RadialShape { beta: self.shape };
        let embedding = (embedding != all_active(dim)).then_some(embedding);
        let scaled = MixtureParameters { masses, means, covariances: covariances? };
        let base = MixtureLaw::from_scaled(scaled, shape, embedding).map_err(invalid)?;
        zero_or_positive("smallest standard deviation of the base", base.component_std())?;
        Ok(base)
    }
}

impl SavedEmbedding {
    fn load(self, cells: usize, dim: usize, active_dim: usize) -> Result<Embedding> {
        let rest_dim = dim - active_dim;
        let axes = self.axes.load("active directions of the base", dim, active_dim, LENGTH)?;
        let rest = self.rest.load("other directions of the base", dim, rest_dim, LENGTH)?;
        let mut all = axes.clone().resize_horizontally(dim, 0.0);
        all.columns_mut(active_dim, rest_dim).copy_from(&rest);
        orthonormal("directions of the base", &all)?;
        within("variance of the base's other directions", &[self.rest_variance], POSITIVE_VARIANCE)?;
        let load_means = |means: SavedMatrix| means.load("other means of the base", cells, rest_dim, LENGTH);
        let rest_means = self.rest_means.map(load_means).transpose()?.unwrap_or(DMatrix::zeros(0, 0));
        Ok(Embedding { axes, rest, rest_variance: self.rest_variance, rest_means })
    }
}

/// How a law without an embedding is written.
fn all_active(dim: usize) -> Embedding {
    Embedding {
        axes: DMatrix::identity(dim, dim),
        rest: DMatrix::zeros(dim, 0),
        rest_variance: 1.0,
        rest_means: DMatrix::zeros(0, 0),
    }
}

fn load_covariance(saved: SavedMatrix, dim: usize) -> Result<DMatrix<f64>> {
    let covariance = saved.load("covariance of the base", dim, dim, COVARIANCE)?;
    positive_semidefinite("covariance of the base", &covariance)?;
    Ok(covariance)
}
