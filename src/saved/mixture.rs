use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::check::{
    COVARIANCE, LENGTH, NOT_NEGATIVE, invalid, positive_semidefinite, require, shares, within,
};
use super::matrix::SavedMatrix;
use crate::error::Result;
use crate::score::GaussianMixture;

/// A Gaussian mixture in working coordinates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedMixture {
    weights: Vec<f64>,
    /// k × d.
    means: SavedMatrix,
    covariances: SavedCovariances,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum SavedCovariances {
    /// All are std² I.
    Spherical { std: f64 },
    /// One d × d matrix a component.
    General(Vec<SavedMatrix>),
}

impl From<&GaussianMixture> for SavedMixture {
    fn from(mixture: &GaussianMixture) -> Self {
        let covariances = match mixture.shared_std() {
            Some(std) => SavedCovariances::Spherical { std },
            None => {
                let covariances = (0..mixture.n_components()).map(|j| mixture.covariance(j));
                SavedCovariances::General(covariances.map(|covariance| (&covariance).into()).collect())
            }
        };
        Self { weights: mixture.weights().as_slice().to_vec(), means: mixture.means().into(), covariances }
    }
}

impl SavedMixture {
    /// The mixture in `dim` dimensions.
    pub(super) fn load(self, dim: usize) -> Result<GaussianMixture> {
        let components = self.means.rows;
        let weights = shares("weights of the base mixture", self.weights, components)?;
        let means = self.means.load("means of the base mixture", components, dim, LENGTH)?;
        let mixture = match self.covariances {
            SavedCovariances::Spherical { std } => {
                within("standard deviation of the base mixture", &[std], NOT_NEGATIVE)?;
                GaussianMixture::spherical(weights.clone(), means, std)
            }
            SavedCovariances::General(covariances) => {
                require(
                    covariances.len() == components,
                    "the base mixture needs one covariance a component",
                )?;
                let covariances: Result<Vec<DMatrix<f64>>> = covariances
                    .into_iter()
                    .enumerate()
                    .map(|(j, saved)| load_covariance(saved, j, dim))
                    .collect();
                GaussianMixture::new(weights.clone(), means, covariances?)
            }
        };
        Ok(mixture.map_err(invalid)?.with_normalised_weights(weights))
    }
}

fn load_covariance(saved: SavedMatrix, component: usize, dim: usize) -> Result<DMatrix<f64>> {
    let what = format!("covariance of component {component} of the base mixture");
    let covariance = saved.load(&what, dim, dim, COVARIANCE)?;
    positive_semidefinite(what, &covariance)?;
    Ok(covariance)
}
