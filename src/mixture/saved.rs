//! Mixtures that are saved.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::{Embedding, MixtureLaw, MixtureParameters, RadialShape};
use crate::error::{Error, Result};
use crate::format::{
    COVARIANCE, Check, LENGTH, POSITIVE_VARIANCE, check_shares, checked, invalid, matrix_within, orthonormal,
    plain, positive_semidefinite, require, through, within, zero_or_positive,
};
use crate::score::ScoreModel;

/// A learner's shapes are of order one.
const SHAPE: std::ops::RangeInclusive<f64> = -1e6..=1e6;

/// A mixture that is a law: k cells in m active directions.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedLaw {
    /// Length k.
    #[serde(with = "plain")]
    masses: DVector<f64>,
    /// k × m.
    #[serde(with = "plain")]
    means: DMatrix<f64>,
    /// κS of each cell, m × m.
    #[serde(with = "plain")]
    scaled_covariances: Vec<DMatrix<f64>>,
    /// β of the radial shape.
    shape: f64,
    embedding: SavedEmbedding,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedEmbedding {
    /// d × m.
    #[serde(with = "plain")]
    axes: DMatrix<f64>,
    /// d × (d − m).
    #[serde(with = "plain")]
    rest: DMatrix<f64>,
    rest_variance: f64,
    /// k × (d − m), unless they are all zero.
    #[serde(default, with = "plain")]
    rest_means: Option<DMatrix<f64>>,
}

through!(MixtureLaw, SavedLaw);

impl From<MixtureLaw> for SavedLaw {
    fn from(law: MixtureLaw) -> Self {
        let (masses, means) = (law.masses().clone(), law.means().clone());
        let embedding = law.embedding().cloned().unwrap_or_else(|| all_active(means.ncols()));
        let Embedding { axes, rest, rest_variance, rest_means } = embedding;
        let rest_means = (rest_means.ncols() > 0).then_some(rest_means);
        Self {
            scaled_covariances: (0..masses.len()).map(|cell| law.scaled_covariance(cell)).collect(),
            masses,
            means,
            shape: law.shape().beta,
            embedding: SavedEmbedding { axes, rest, rest_variance, rest_means },
        }
    }
}

impl TryFrom<SavedLaw> for MixtureLaw {
    type Error = Error;

    fn try_from(saved: SavedLaw) -> Result<Self> {
        let SavedLaw { masses, means, scaled_covariances: covariances, shape, embedding } = saved;
        let scaled = MixtureParameters { masses, means, covariances };
        check_cells("base", &scaled)?;
        within("shape of the base", &[shape], SHAPE)?;
        let (cells, dim) = scaled.means.shape();
        let embedding = embedding.load(cells, dim)?;
        let embedding = (embedding != all_active(dim)).then_some(embedding);
        let law = Self::from_scaled(scaled, RadialShape { beta: shape }, embedding).map_err(invalid)?;
        zero_or_positive("smallest standard deviation of the base", law.component_std())?;
        Ok(law)
    }
}

/// How a law without an embedding is written.
fn all_active(dim: usize) -> Embedding {
    let none = DMatrix::zeros(0, 0);
    Embedding {
        axes: DMatrix::identity(dim, dim),
        rest: DMatrix::zeros(dim, 0),
        rest_variance: 1.0,
        rest_means: none,
    }
}

impl SavedEmbedding {
    fn load(self, cells: usize, active_dim: usize) -> Result<Embedding> {
        let Self { axes, rest, rest_variance, rest_means } = self;
        let dim = axes.nrows();
        matrix_within("active directions of the base", &axes, (dim, active_dim), LENGTH)?;
        let rest_dim = dim.saturating_sub(active_dim);
        matrix_within("other directions of the base", &rest, (dim, rest_dim), LENGTH)?;
        let mut all = axes.clone().resize_horizontally(dim.max(active_dim), 0.0);
        all.columns_mut(active_dim, rest_dim).copy_from(&rest);
        orthonormal("directions of the base", &all)?;
        within("variance of the base's other directions", &[rest_variance], POSITIVE_VARIANCE)?;
        if let Some(means) = &rest_means {
            matrix_within("other means of the base", means, (cells, rest_dim), LENGTH)?;
        }
        Ok(Embedding { axes, rest, rest_variance, rest_means: rest_means.unwrap_or(DMatrix::zeros(0, 0)) })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "MixtureParameters", deny_unknown_fields)]
struct Parameters {
    #[serde(with = "plain")]
    masses: DVector<f64>,
    #[serde(with = "plain")]
    means: DMatrix<f64>,
    #[serde(with = "plain")]
    covariances: Vec<DMatrix<f64>>,
}

checked!(MixtureParameters, Parameters);

impl Check for MixtureParameters {
    fn check_saved(&self) -> Result<()> {
        check_cells("mixture", self)
    }
}

fn check_cells(what: &str, mixture: &MixtureParameters) -> Result<()> {
    let (cells, dim) = mixture.means.shape();
    check_shares(format_args!("masses of the {what}"), mixture.masses.as_slice(), cells)?;
    within(format_args!("means of the {what}"), mixture.means.as_slice(), LENGTH)?;
    let covariances = &mixture.covariances;
    require!(covariances.len() == cells, "the {what} needs a covariance for each of its {cells} cells")?;
    covariances.iter().try_for_each(|covariance| {
        let what = format!("covariance of the {what}");
        matrix_within(&what, covariance, (dim, dim), COVARIANCE)?;
        positive_semidefinite(&what, covariance)
    })
}
