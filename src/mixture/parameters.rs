use nalgebra::{DMatrix, DVector};

use crate::error::{Error, Result};
use crate::shapes::check_size;

/// The parameters of a Gaussian mixture Σ wⱼ N(mⱼ, Sⱼ); a covariance may be zero.
#[derive(Debug, Clone, PartialEq)]
pub struct MixtureParameters {
    /// wⱼ, length k, summing to 1.
    pub masses: DVector<f64>,
    /// mⱼ, k × m.
    pub means: DMatrix<f64>,
    /// Sⱼ, k matrices m × m, positive semidefinite.
    pub covariances: Vec<DMatrix<f64>>,
}

impl MixtureParameters {
    /// Are these components in `dim` dimensions, with masses? (Covariances are checked where they are factored.)
    pub(crate) fn check(&self, dim: usize) -> Result<()> {
        let cells = self.means.nrows();
        check_masses(&self.masses, cells)?;
        let mut sizes = std::iter::once(("columns of the means of a mixture", dim, self.means.ncols()))
            .chain(std::iter::once(("covariances of a mixture", cells, self.covariances.len())))
            .chain(self.covariances.iter().map(|c| ("rows of a covariance of a mixture", dim, c.nrows())))
            .chain(self.covariances.iter().map(|c| ("columns of a covariance of a mixture", dim, c.ncols())));
        sizes.try_for_each(|(what, expected, found)| check_size(what, expected, found))
    }
}

/// Are these `cells` masses positive and finite?
pub(crate) fn check_masses(masses: &DVector<f64>, cells: usize) -> Result<()> {
    if masses.len() != cells || cells == 0 {
        return Err(Error::ShapeMismatch {
            what: "cell masses",
            expected: cells.max(1),
            found: masses.len(),
        });
    }
    match masses.iter().find(|m| !(**m > 0.0 && m.is_finite())) {
        Some(&value) => {
            Err(Error::InvalidSetting { name: "mass of a cell", value, requirement: "positive and finite" })
        }
        None => Ok(()),
    }
}
