use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector, SymmetricEigen};

use super::partition::{LocalFrame, Partition, check_room_for_weights};
use crate::error::Result;
use crate::kernels::{Gaussian, Gaussians};
use crate::mixture::MixtureParameters;
use crate::shapes::check_room_for_rows;

/// Soft cells whose centres spread: U in cell j is N(cⱼ, Cⱼ), so the responsibilities at bandwidth
/// τ are the posteriors of Σ wⱼ N(cⱼ, Cⱼ + τ² I), and the cell's own centre denoiser is
/// cⱼ + Cⱼ(Cⱼ + τ² I)⁻¹(y − cⱼ).
///
/// With C = 0 these are soft Voronoi cells; one cell with the covariance of all centres is the
/// Gaussian that a fit starts from. Each Cⱼ is kept as its eigendecomposition, so every bandwidth
/// is a diagonal away and the conditioning is (λ_max + τ²)/(λ_min + τ²).
#[derive(Debug, Clone)]
pub struct GaussianCells {
    pub(crate) masses: DVector<f64>,
    pub(crate) centres: DMatrix<f64>,
    pub(crate) axes: Vec<DMatrix<f64>>,
    pub(crate) variances: Vec<DVector<f64>>,
}

impl GaussianCells {
    /// Cells of `masses` (length k, normalised here) at `centres` (k × m) with centre covariances
    /// `covariances` (k matrices m × m, positive semidefinite).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) when sizes disagree,
    /// [`Error::InvalidSetting`](crate::Error::InvalidSetting) when a mass is not positive and finite,
    /// [`Error::NotFinite`](crate::Error::NotFinite) when a centre is not finite,
    /// [`Error::NotPositiveDefinite`](crate::Error::NotPositiveDefinite) when a covariance is not finite, not
    /// symmetric or has a negative eigenvalue beyond rounding.
    pub fn new(masses: DVector<f64>, centres: DMatrix<f64>, covariances: Vec<DMatrix<f64>>) -> Result<Self> {
        let parameters = MixtureParameters { masses, means: centres, covariances };
        parameters.check(parameters.means.ncols())?;
        let MixtureParameters { masses, means: centres, covariances } = parameters;
        let decomposed = covariances.into_iter().map(|covariance| {
            let SymmetricEigen { eigenvalues, eigenvectors } = SymmetricEigen::new(covariance);
            (eigenvectors, eigenvalues.map(|v| v.max(0.0)))
        });
        let (axes, variances) = decomposed.unzip();
        let masses = &masses / masses.sum();
        Ok(Self { masses, centres, axes, variances })
    }

    /// One cell at `centre` (length m) whose centres vary independently with `variances` along the
    /// coordinate axes.
    pub(crate) fn axis_aligned(centre: &DVector<f64>, variances: DVector<f64>) -> Self {
        let dim = centre.len();
        Self {
            masses: DVector::from_element(1, 1.0),
            centres: DMatrix::from_row_slice(1, dim, centre.as_slice()),
            axes: vec![DMatrix::identity(dim, dim)],
            variances: vec![variances],
        }
    }
}

impl GaussianCells {
    /// wⱼ N(cⱼ, Cⱼ + τ² I) of a cell.
    fn blurred(&self, bandwidth: f64, cell: usize) -> Gaussian {
        let variances: Vec<f64> = self.variances[cell].iter().map(|v| v + bandwidth * bandwidth).collect();
        let centre = self.centres.row(cell).iter().copied().collect();
        Gaussian::along_axes(self.masses[cell].ln(), centre, &self.axes[cell], &variances)
    }
}

impl Partition for GaussianCells {
    fn centres(&self) -> &DMatrix<f64> {
        &self.centres
    }

    fn log_weights_into(
        &self,
        bandwidth: f64,
        points: DMatrixView<'_, f64>,
        log_weights: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        check_room_for_weights(self, &points, &log_weights)?;
        let gaussians = (0..self.masses.len()).map(|cell| self.blurred(bandwidth, cell));
        let gaussians = Gaussians::new(points.ncols(), gaussians.collect());
        gaussians.log_joint_into(points, log_weights);
        Ok(())
    }

    fn log_weight_gradient_into(
        &self,
        bandwidth: f64,
        cell: usize,
        points: DMatrixView<'_, f64>,
        gradient: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        check_room_for_rows(self.centres.ncols(), &points, &gradient)?;
        let gaussian = self.blurred(bandwidth, cell);
        Gaussians::new(points.ncols(), vec![gaussian]).gradient_into(0, points, gradient);
        Ok(())
    }

    fn local_frame(&self, bandwidth: f64, cell: usize) -> LocalFrame {
        let (axes, variances) = (&self.axes[cell], &self.variances[cell]);
        let scales = variances.map(|v| (v + bandwidth * bandwidth).sqrt());
        // Column-scaled copies: A = diag(1/√(λ + τ²)) Qᵀ, B = Q diag(λ/√(λ + τ²)).
        let scaling = DMatrix::from_fn(axes.ncols(), axes.nrows(), |i, j| axes[(j, i)] / scales[i]);
        let slope =
            DMatrix::from_fn(axes.nrows(), axes.ncols(), |i, j| axes[(i, j)] * variances[j] / scales[j]);
        LocalFrame { scaling, slope }
    }

    fn centre_mixture(&self) -> Option<MixtureParameters> {
        let covariances = self
            .axes
            .iter()
            .zip(&self.variances)
            .map(|(axes, variances)| axes * DMatrix::from_diagonal(variances) * axes.transpose())
            .collect();
        Some(MixtureParameters { masses: self.masses.clone(), means: self.centres.clone(), covariances })
    }
}
