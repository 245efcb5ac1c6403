//! Least squares for the centre denoiser of one noise level: polynomial features of the cells, their
//! normal equations, and the ridge fit that they allow.

mod hermite;
mod level_basis;
mod normal_equations;
mod polynomial;
mod ridge;
mod smoothing;

pub use level_basis::RegressionTarget;
pub use polynomial::PolynomialRegression;

pub(crate) use hermite::HermiteBasis;
pub(crate) use level_basis::{LevelBasis, NoisedBlock};
pub(crate) use normal_equations::NormalEquations;
pub(crate) use ridge::{RidgeFit, fit_ridge};
pub(crate) use smoothing::{HermiteMoments, SmoothingBasis};
