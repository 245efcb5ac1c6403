//! Piecewise polynomials: Hermite features in cells, their least squares, and the score they make.

mod hermite;
mod level_basis;
mod level_score;
mod normal_equations;
mod piecewise_polynomial;
mod ridge;
#[cfg(feature = "serde")]
mod saved;
mod settings;
mod smoothing;

pub use level_basis::RegressionTarget;
pub use piecewise_polynomial::PiecewisePolynomialScore;
pub use settings::PolynomialRegression;

pub(crate) use hermite::HermiteBasis;
pub(crate) use level_basis::{LevelBasis, NoisedBlock};
pub(crate) use level_score::LevelScore;
pub(crate) use normal_equations::NormalEquations;
pub(crate) use piecewise_polynomial::ActiveSubspace;
pub(crate) use ridge::{RidgeFit, fit_ridge};
#[cfg(feature = "serde")]
pub(crate) use saved::check_features;
pub(crate) use smoothing::{HermiteMoments, SmoothingBasis};
