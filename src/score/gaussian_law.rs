use nalgebra::{DMatrix, DVector};

/// A Gaussian law N(mean, covariance), the start of a reverse diffusion.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianLaw {
    /// Mean, of length d.
    pub mean: DVector<f64>,
    /// Covariance, d × d.
    pub covariance: DMatrix<f64>,
}
