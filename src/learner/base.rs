use std::sync::Arc;

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use crate::error::Result;
use crate::partition::{CrossFittedMixture, GaussianCells, MixtureParameters, Partition, TriedCells};
use crate::process::NoiseLevel;
use crate::score::{GaussianMixture, centres_into};

/// The Gaussian mixture that a partitioner found in one go: the cells' own score at every level.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// The average of the folds' densities in all working coordinates, d columns.
    pub(crate) mixture: GaussianMixture,
    /// In active coordinates, each fold's mixture, fitted to the rows outside it.
    folds: Vec<GaussianMixture>,
    /// The cells of the fit to all rows, in active coordinates.
    pub(crate) cells: Arc<dyn Partition>,
    /// Every number of cells that was tried.
    pub(crate) tried: Vec<TriedCells>,
}

/// Coordinates outside the active subspace, in which all components have one variance.
pub(crate) struct RestCoordinates<'a> {
    /// Orthonormal columns, d × (d − m).
    pub(crate) axes: DMatrix<f64>,
    pub(crate) variance: f64,
    /// The sample's coordinates along them, n × (d − m).
    pub(crate) rows: DMatrix<f64>,
    /// The sample's active coordinates, n × m, its weights and folds.
    pub(crate) active_rows: &'a DMatrix<f64>,
    pub(crate) weights: &'a [f64],
    pub(crate) folds: &'a [usize],
}

impl Base {
    /// `axes` (d × m) are the active directions.
    pub(crate) fn new(
        found: CrossFittedMixture,
        axes: &DMatrix<f64>,
        rest: &RestCoordinates<'_>,
        component_std: f64,
    ) -> Result<Self> {
        let dim = axes.ncols();
        let n_folds = found.folds.len() as f64;
        let cells = found.folds.iter().map(|m| m.masses.len() as f64).sum::<f64>() / n_folds;
        // The centres of at most m + 1 cells span the active space, so that the other coordinates of
        // their means are free; with more cells they are the common mean.
        let free = rest.axes.ncols() > 0 && cells <= dim as f64 + 1.0;
        let (mut masses, mut means, mut covariances) = (Vec::new(), Vec::new(), Vec::new());
        let mut folds = Vec::with_capacity(found.folds.len());
        for (fold, mixture) in found.folds.into_iter().enumerate() {
            let active = GaussianMixture::new(
                mixture.masses.clone(),
                mixture.means.clone(),
                mixture.covariances.clone(),
            )?;
            let mut full_means = &mixture.means * axes.transpose();
            if free {
                full_means += rest.component_means(&active, fold)? * rest.axes.transpose();
            }
            for (cell, covariance) in mixture.covariances.iter().enumerate() {
                masses.push(mixture.masses[cell] / n_folds);
                means.push(full_means.row(cell).into_owned());
                covariances.push(rest.full_covariance(axes, covariance));
            }
            folds.push(active);
        }
        let mixture =
            GaussianMixture::new(DVector::from_vec(masses), DMatrix::from_rows(&means), covariances)?;
        let cells = cells_of(found.all_rows, component_std)?;
        Ok(Self { mixture, folds, cells: Arc::new(cells), tried: found.tried })
    }

    /// Û of the mixture that was fitted without `fold`, at points in active coordinates (n × m).
    pub(crate) fn held_out_centre(
        &self,
        fold: usize,
        component_std: f64,
        level: NoiseLevel,
        points: &DMatrix<f64>,
    ) -> Result<DMatrix<f64>> {
        let mut centres = DMatrix::zeros(points.nrows(), points.ncols());
        centres_into(&self.folds[fold], component_std, level, points, &mut centres)?;
        Ok(centres)
    }
}

impl RestCoordinates<'_> {
    /// The components' means along the rest axes, by one M-step on the rows outside `fold`: k × (d − m).
    fn component_means(&self, mixture: &GaussianMixture, fold: usize) -> Result<DMatrix<f64>> {
        let mut responsibilities = mixture.responsibilities(NoiseLevel::CLEAN, self.active_rows)?;
        for (i, mut row) in responsibilities.row_iter_mut().enumerate() {
            row *= if self.folds[i] == fold { 0.0 } else { self.weights[i] };
        }
        let mut means = responsibilities.transpose() * &self.rows;
        for (cell, mut row) in means.row_iter_mut().enumerate() {
            row /= responsibilities.column(cell).sum().max(f64::MIN_POSITIVE);
        }
        Ok(means)
    }

    /// QSQᵀ + v(I − QQᵀ) for the active axes Q and the rest's variance v.
    fn full_covariance(&self, axes: &DMatrix<f64>, covariance: &DMatrix<f64>) -> DMatrix<f64> {
        let full = axes * covariance * axes.transpose() + &self.axes * self.axes.transpose() * self.variance;
        (&full + full.transpose()) * 0.5
    }
}

/// Cells whose centres have what the components' covariances have beyond σ₀².
fn cells_of(mixture: MixtureParameters, component_std: f64) -> Result<GaussianCells> {
    let dim = mixture.means.ncols();
    let variance = component_std * component_std;
    let centre_covariances = mixture.covariances.into_iter().map(|covariance| {
        let eigen = SymmetricEigen::new(covariance);
        let excess = eigen.eigenvalues.map(|v| (v - variance).max(0.0));
        let mut scaled = eigen.eigenvectors.clone();
        for (axis, mut column) in scaled.column_iter_mut().enumerate().take(dim) {
            column *= excess[axis];
        }
        scaled * eigen.eigenvectors.transpose()
    });
    GaussianCells::new(mixture.masses, mixture.means, centre_covariances.collect())
}

/// The smallest standard deviation of any component in any direction.
pub(crate) fn smallest_std(found: &CrossFittedMixture) -> f64 {
    let mixtures = found.folds.iter().chain(std::iter::once(&found.all_rows));
    let covariances = mixtures.flat_map(|mixture| &mixture.covariances);
    let smallest = covariances.map(|covariance| covariance.symmetric_eigenvalues().min());
    smallest.fold(f64::INFINITY, f64::min).max(0.0).sqrt()
}
