//! Components of any covariance: 2 n k d² operations.

use nalgebra::DMatrix;

use super::component::Component;
use crate::error::{Error, Result};
use crate::kernels::{Gaussian, Gaussians};
use crate::process::NoiseLevel;

/// The components of Y at a level, N(a μⱼ, V diag(a² λ + s²) Vᵀ).
pub(super) fn at_level(
    level: NoiseLevel,
    weights: &[f64],
    means: &DMatrix<f64>,
    components: &[Component],
) -> Result<Gaussians> {
    let (signal, noise) = (level.signal(), level.noise());
    let noised = |(index, component): (usize, &Component)| {
        let variances: Vec<f64> =
            component.eigenvalues.iter().map(|value| signal * signal * value + noise * noise).collect();
        if variances.iter().any(|&variance| variance <= 0.0) {
            return Err(Error::NotPositiveDefinite { what: "covariance of component", index });
        }
        let centre = means.row(index).iter().map(|mean| signal * mean).collect();
        Ok(Gaussian::along_axes(weights[index].ln(), centre, &component.eigenvectors, &variances))
    };
    let gaussians: Result<Vec<Gaussian>> = components.iter().enumerate().map(noised).collect();
    Ok(Gaussians::new(means.ncols(), gaussians?))
}
