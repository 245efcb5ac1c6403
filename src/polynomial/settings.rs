use super::hermite::HermiteBasis;
use super::level_basis::RegressionTarget;
use crate::error::{Error, Result};

/// Degree in cells when the user sets none.
const DEFAULT_DEGREE: usize = 3;
/// Ridge strengths when the user sets none, relative to a unit-diagonal Gram matrix.
const DEFAULT_RIDGE: [f64; 6] = [1e-6, 1e-4, 1e-2, 1e-1, 1.0, 10.0];
/// Features of a single cell at most: exact smoothing makes degree cheap, not free.
const SINGLE_CELL_FEATURES: usize = 130;
/// Degree at most.
const HIGHEST_DEGREE: usize = 12;

/// How the score of a level is regressed: polynomials of bounded total degree in each cell, ridge
/// strengths to choose from, and the target.
///
/// Degree and ridge of every level are chosen by five-fold held-out loss; "no correction of the
/// cells' own denoiser" competes with them.
///
/// # Examples
/// ```
/// use gmix_diffusion::{PolynomialRegression, RegressionTarget};
///
/// let quadratic = PolynomialRegression::default().with_max_degree(2).with_ridge([1e-3, 1e-1]);
/// let paper = PolynomialRegression::default().with_target(RegressionTarget::Denoising);
/// # let _ = (quadratic, paper);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct PolynomialRegression {
    pub(crate) max_degree: Option<usize>,
    pub(crate) ridge: Vec<f64>,
    pub(crate) target: RegressionTarget,
}

impl Default for PolynomialRegression {
    fn default() -> Self {
        Self { max_degree: None, ridge: DEFAULT_RIDGE.to_vec(), target: RegressionTarget::default() }
    }
}

impl PolynomialRegression {
    /// The highest total degree tried, 12 at most. By default 3 in cells, and in a single cell, where smoothing
    /// is exact, 12 in one and two active directions, 7 in three, 5 in four and fewer above. A single
    /// cell is a Gaussian to begin with, of degree 1, and so has at least that degree.
    pub fn with_max_degree(self, degree: usize) -> Self {
        Self { max_degree: Some(degree), ..self }
    }

    /// The ridge strengths tried, relative to a Gram matrix of unit diagonal: a on constants, growing
    /// four- or sixteenfold with each degree. Default 10⁻⁶, 10⁻⁴, 10⁻², 0.1, 1 and 10.
    pub fn with_ridge(self, strengths: impl IntoIterator<Item = f64>) -> Self {
        let mut ridge: Vec<f64> = strengths.into_iter().collect();
        ridge.sort_by(f64::total_cmp);
        Self { ridge, ..self }
    }

    /// What is regressed on; [`RegressionTarget::CleanRow`] by default.
    pub fn with_target(self, target: RegressionTarget) -> Self {
        Self { target, ..self }
    }

    /// What is regressed on.
    pub fn target(&self) -> RegressionTarget {
        self.target
    }

    pub(crate) fn ridge(&self) -> &[f64] {
        &self.ridge
    }

    /// Highest degree for `cells` cells in `dim` active directions with at most `features` features.
    pub(crate) fn degree_in_cells(&self, cells: usize, dim: usize, features: usize) -> usize {
        let fits = |degree: &usize| HermiteBasis::count(dim, *degree).saturating_mul(cells) <= features;
        (0..=self.wanted_degree()).rev().find(fits).unwrap_or(0)
    }

    /// The degree wanted in cells, whatever its cost.
    pub(crate) fn wanted_degree(&self) -> usize {
        self.max_degree.unwrap_or(DEFAULT_DEGREE).min(HIGHEST_DEGREE)
    }

    /// Highest degree of a single cell in `dim` active directions.
    pub(crate) fn single_cell_degree(&self, dim: usize) -> usize {
        let wanted = self.max_degree.unwrap_or(HIGHEST_DEGREE).clamp(1, HIGHEST_DEGREE);
        (2..=wanted)
            .rev()
            .find(|&degree| HermiteBasis::count(dim, degree) <= SINGLE_CELL_FEATURES)
            .unwrap_or(1)
    }

    /// # Errors
    /// [`Error::InvalidSetting`] when a ridge is negative or not finite, or there is none.
    pub(crate) fn validate(&self) -> Result<()> {
        let invalid = |value| Error::InvalidSetting {
            name: "ridge strength",
            value,
            requirement: "finite and not negative, and there must be at least one",
        };
        match self.ridge.iter().find(|a| !(**a >= 0.0 && a.is_finite())) {
            Some(&value) => Err(invalid(value)),
            None if self.ridge.is_empty() => Err(invalid(f64::NAN)),
            None => Ok(()),
        }
    }
}
