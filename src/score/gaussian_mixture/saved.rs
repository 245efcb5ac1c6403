//! What saving a mixture needs to see, and loading one to restore.

use nalgebra::DVector;

use super::spherical::SphericalMeans;
use super::{GaussianMixture, Shape};

impl GaussianMixture {
    /// The standard deviation that all components have in all directions, if they share one.
    pub(crate) fn shared_std(&self) -> Option<f64> {
        match &self.shape {
            Shape::Spherical { std, .. } => Some(*std),
            Shape::General(_) => None,
        }
    }

    /// The mixture with these weights (length k), which sum to one up to rounding: normalising them
    /// again would change their last bits.
    pub(crate) fn with_normalised_weights(self, weights: DVector<f64>) -> Self {
        let shape = match self.shape {
            Shape::Spherical { std, .. } => {
                Shape::Spherical { std, means: SphericalMeans::new(&weights, &self.means) }
            }
            general => general,
        };
        Self { weights, shape, ..self }
    }
}
