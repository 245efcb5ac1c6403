use nalgebra::{DMatrix, DVector};

use super::parameters::MixtureParameters;
use crate::error::{Error, Result};
#[cfg(feature = "serde")]
use crate::format::finite;
use crate::rows::FoldedSample;

/// A Gaussian mixture fitted once without each fold, and once to all rows.
///
/// The average of the folds' densities is a better density than any one of them; the fit to all rows
/// names the cells. Where only the first fold was left out, the density is that of all rows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CrossFittedMixture {
    /// For every fold, or for the first alone, the mixture fitted to the rows outside it.
    pub folds: Vec<MixtureParameters>,
    /// The mixture fitted to all rows.
    pub all_rows: MixtureParameters,
    /// Larger numbers of cells, whose densities are averaged in.
    pub also: Vec<CrossFit>,
    /// Within how many paired standard errors of the best they are, where there may be any.
    pub average_within: Option<f64>,
    /// Every number of cells that was tried, by rising number.
    pub tried: Vec<TriedCells>,
    /// Larger numbers of cells, rising, which more rows than the sample's may prefer; none where the
    /// sample holds all rows.
    pub larger: Vec<CrossFit>,
    /// By how many nats a row a kernel density of the rows is clearly ahead of the mixture on rows that neither has seen;
    /// `None` where it is not.
    pub behind_witness: Option<f64>,
}

impl CrossFittedMixture {
    /// One number of cells, with nothing else tried: a mixture for every fold, or for the first alone, and
    /// that of all rows.
    pub fn new(folds: Vec<MixtureParameters>, all_rows: MixtureParameters) -> Self {
        let (also, tried, larger) = (Vec::new(), Vec::new(), Vec::new());
        Self { folds, all_rows, also, average_within: None, tried, larger, behind_witness: None }
    }

    /// Has this mixture, which may be a user's own, the folds and the dimension of `sample`?
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] where it has not, and those of bad masses.
    pub(crate) fn check(&self, sample: &FoldedSample) -> Result<()> {
        let expected = if self.folds.len() == 1 { 1 } else { sample.n_folds };
        let others = self.also.iter().chain(&self.larger).map(|fit| &fit.folds);
        for folds in std::iter::once(&self.folds).chain(others) {
            if folds.len() != expected {
                return Err(Error::ShapeMismatch {
                    what: "folds of a mixture",
                    expected,
                    found: folds.len(),
                });
            }
            folds.iter().try_for_each(|mixture| mixture.check(sample.rows.ncols()))?;
        }
        self.all_rows.check(sample.rows.ncols())
    }

    /// For every fold the average of the densities fitted to the rows outside it.
    pub(crate) fn held_out_densities(&self) -> Vec<MixtureParameters> {
        let of_fold = |fold: usize| {
            average(std::iter::once(&self.folds[fold]).chain(self.also.iter().map(|fit| &fit.folds[fold])))
        };
        (0..self.folds.len()).map(of_fold).collect()
    }

    /// Whether every row has a mixture that has not seen it.
    pub(crate) fn is_cross_fitted(&self) -> bool {
        self.folds.len() > 1
    }
}

/// The mixture whose density is the average of those of `mixtures`.
pub(crate) fn average<'a>(
    mixtures: impl Iterator<Item = &'a MixtureParameters> + Clone,
) -> MixtureParameters {
    let share = 1.0 / mixtures.clone().count() as f64;
    let masses: Vec<f64> = mixtures.clone().flat_map(|m| m.masses.iter().map(|w| w * share)).collect();
    let means: Vec<_> =
        mixtures.clone().flat_map(|m| m.means.row_iter().map(|row| row.into_owned())).collect();
    MixtureParameters {
        masses: DVector::from_vec(masses),
        means: DMatrix::from_rows(&means),
        covariances: mixtures.flat_map(|m| m.covariances.clone()).collect(),
    }
}

/// Number of cells of all folds together.
pub(crate) fn total_cells(folds: &[MixtureParameters]) -> usize {
    folds.iter().map(|mixture| mixture.masses.len()).sum()
}

/// Number of cells, averaged over the folds.
pub(crate) fn mean_cells(folds: &[MixtureParameters]) -> f64 {
    total_cells(folds) as f64 / folds.len() as f64
}

/// Mixtures of one number of cells, for every fold the one fitted to the rows outside it.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct CrossFit {
    /// One mixture a fold.
    pub folds: Vec<MixtureParameters>,
}

impl CrossFit {
    /// Number of cells, averaged over the folds.
    pub fn mean_cells(&self) -> f64 {
        mean_cells(&self.folds)
    }
}

/// One number of cells on the path of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct TriedCells {
    /// Number of cells, averaged over the folds.
    #[cfg_attr(feature = "serde", serde(with = "finite"))]
    pub cells: f64,
    /// Held-out log-likelihood a unit of weight.
    #[cfg_attr(feature = "serde", serde(with = "finite"))]
    pub log_likelihood: f64,
    /// Standard error of its difference from the best one.
    #[cfg_attr(feature = "serde", serde(with = "finite"))]
    pub std_error: f64,
    /// Whether this number was chosen.
    pub chosen: bool,
}
