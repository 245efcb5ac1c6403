use std::sync::Arc;

use nalgebra::{DMatrix, SymmetricEigen};

use crate::cells::{GaussianCells, Partition};
use crate::coordinates::{ActiveRows, Geometry};
use crate::error::Result;
use crate::linalg::transposed_product;
use crate::mixture::{
    CrossFittedMixture, Embedding, GaussianMixture, MixtureLaw, MixtureParameters, TriedCells, average,
};
use crate::process::NoiseLevel;
use crate::search::choose_shape;

/// The mixture that a partitioner found in one go: the cells' own score at every level.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// The average of the folds' densities, in all working coordinates.
    pub(crate) mixture: MixtureLaw,
    /// The cells of the fit to all rows, in active coordinates.
    pub(crate) cells: Arc<dyn Partition>,
    /// Every number of cells that was tried.
    pub(crate) tried: Vec<TriedCells>,
}

impl Base {
    /// The average of the folds of `found`, in the coordinates of `geometry`.
    pub(crate) fn new(found: CrossFittedMixture, geometry: &Geometry) -> Result<Self> {
        let (dim, sample, split) = (geometry.active_dim(), geometry.subsample(), &geometry.active.split);
        let held_out = found.held_out_densities();
        let shape = choose_shape(&held_out, sample);
        let parts: Vec<(Option<usize>, &MixtureParameters)> = if found.is_cross_fitted() {
            held_out.iter().enumerate().map(|(fold, part)| (Some(fold), part)).collect()
        } else {
            vec![(None, &found.all_rows)]
        };
        let density = average(parts.iter().map(|&(_, part)| part));
        let cells = density.masses.len() as f64 / parts.len() as f64;
        // The centres of at most m + 1 cells span the active space, so that the other coordinates of
        // their means are free; with more cells they are the common mean.
        // A sample of the rows would tell less of them than the active space, which all rows have found.
        let free = sample.is_complete() && split.rest.ncols() > 0 && cells <= dim as f64 + 1.0;
        let rest_means = if free { rest_means(&parts, &geometry.active)? } else { DMatrix::zeros(0, 0) };
        let embedding = Embedding {
            axes: split.active.clone(),
            rest: split.rest.clone(),
            rest_variance: split.isotropic.variance,
            rest_means,
        };
        let mixture = MixtureLaw::new(&density, shape, Some(embedding))?;
        let cells = cells_of(found.all_rows, geometry.component_std)?;
        Ok(Self { mixture, cells: Arc::new(cells), tried: found.tried })
    }

    /// β of the cells' radial shape, unless they are Gaussian.
    pub(crate) fn radial_shape(&self) -> Option<f64> {
        let shape = self.mixture.shape();
        (!shape.is_gaussian()).then_some(shape.beta)
    }
}

/// The means of all parts' components along the directions that are not active, each by one M-step on the
/// rows that its part was fitted to: Σk × (d − m).
fn rest_means(parts: &[(Option<usize>, &MixtureParameters)], active: &ActiveRows) -> Result<DMatrix<f64>> {
    let ActiveRows { sample, rest, .. } = active;
    let mut means = Vec::new();
    for &(fold, mixture) in parts {
        let MixtureParameters { masses, means: centres, covariances } = mixture.clone();
        let mixture = GaussianMixture::new(masses, centres, covariances)?;
        let mut responsibilities = mixture.responsibilities(NoiseLevel::CLEAN, &sample.rows)?;
        for (i, mut row) in responsibilities.row_iter_mut().enumerate() {
            row *= if Some(sample.folds[i]) == fold { 0.0 } else { sample.weights[i] };
        }
        let sums = transposed_product(&responsibilities, rest);
        for (cell, sum) in sums.row_iter().enumerate() {
            means.push(sum / responsibilities.column(cell).sum().max(f64::MIN_POSITIVE));
        }
    }
    Ok(DMatrix::from_rows(&means))
}

/// Cells whose centres have what the components' covariances have beyond σ₀².
pub(crate) fn cells_of(mixture: MixtureParameters, component_std: f64) -> Result<GaussianCells> {
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

#[cfg(test)]
mod tests {
    use nalgebra::DVector;

    use super::*;
    use crate::cells::Partition;

    #[test]
    fn centres_have_what_covariances_have_beyond_the_blur() {
        let covariance = DMatrix::from_row_slice(2, 2, &[3.0, 1.0, 1.0, 2.0]);
        let mixture = MixtureParameters {
            masses: DVector::from_element(1, 1.0),
            means: DMatrix::from_row_slice(1, 2, &[1.0, -1.0]),
            covariances: vec![covariance.clone()],
        };
        let centres = cells_of(mixture, 0.5).unwrap().centre_mixture().unwrap();
        let expected = covariance - DMatrix::identity(2, 2) * 0.25;
        assert!((&centres.covariances[0] - expected).amax() < 1e-12);
        assert_eq!(centres.means.as_slice(), [1.0, -1.0]);
    }
}
