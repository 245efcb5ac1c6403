use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};

use super::partition::{Partition, check_room_for_weights};
use crate::error::{Error, Result};
use crate::kernels::linear_forms_into;
use crate::mixture::{MixtureParameters, check_finite, check_masses};
use crate::shapes::check_room_for_rows;

/// Voronoi cells around centres c₁ … c_k.
///
/// Hard cells (the paper's) assign a point to its nearest centre. Soft cells are the posterior of
/// the centres, r = softmax(log wⱼ − |y − cⱼ|²/2τ²), so that the field they carry is smooth and
/// with Û = cⱼ in each cell it is the centre denoiser of the mixture Σ wⱼ N(cⱼ, τ² I). Hard cells are
/// the limit of zero temperature.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::{DMatrix, DVector};
/// use gmix_diffusion::{Partition, VoronoiCells};
///
/// let centres = DMatrix::from_row_slice(2, 1, &[-1.0, 1.0]);
/// let point = DMatrix::from_row_slice(1, 1, &[0.5]);
/// let soft = VoronoiCells::soft(centres.clone(), DVector::from_vec(vec![0.5, 0.5]))?;
/// assert!((soft.responsibilities(1.0, &point)?[(0, 1)] - 1.0 / (1.0 + (-1.0f64).exp())).abs() < 1e-15);
/// let hard = VoronoiCells::hard(centres)?;
/// assert_eq!(hard.responsibilities(1.0, &point)?[(0, 1)], 1.0);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct VoronoiCells {
    pub(crate) centres: DMatrix<f64>,
    /// Masses of soft cells; `None` for hard ones.
    pub(crate) masses: Option<DVector<f64>>,
}

impl VoronoiCells {
    /// Soft cells with `masses` (length k, normalised here) around `centres` (k × m).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when sizes disagree or there is no cell, [`Error::InvalidSetting`]
    /// when a mass is not positive and finite, [`Error::NotFinite`] when a centre is not finite.
    pub fn soft(centres: DMatrix<f64>, masses: DVector<f64>) -> Result<Self> {
        check_centres(&centres)?;
        check_masses(&masses, centres.nrows())?;
        let masses = &masses / masses.sum();
        Ok(Self { centres, masses: Some(masses) })
    }

    /// Hard cells around `centres` (k × m).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when there is no cell, [`Error::NotFinite`] when a centre is not finite.
    pub fn hard(centres: DMatrix<f64>) -> Result<Self> {
        check_centres(&centres)?;
        Ok(Self { centres, masses: None })
    }

    /// log wⱼ + y·cⱼ/τ² − |cⱼ|²/2τ², which orders the cells like log wⱼ − |y − cⱼ|²/2τ² without cancelling far
    /// away: coefficients of y (m × k) and constants.
    fn affinities(&self, bandwidth: f64) -> (DMatrix<f64>, Vec<f64>) {
        let precision = 1.0 / (bandwidth * bandwidth);
        let log_mass = |cell: usize| self.masses.as_ref().map_or(0.0, |masses| masses[cell].ln());
        let centres = self.centres.row_iter().enumerate();
        let constants = centres.map(|(cell, c)| log_mass(cell) - 0.5 * precision * c.norm_squared());
        (self.centres.transpose() * precision, constants.collect())
    }
}

impl Partition for VoronoiCells {
    fn centres(&self) -> &DMatrix<f64> {
        &self.centres
    }

    fn log_weights_into(
        &self,
        bandwidth: f64,
        points: DMatrixView<'_, f64>,
        mut log_weights: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        check_room_for_weights(self, &points, &log_weights)?;
        let (coefficients, constants) = self.affinities(bandwidth);
        linear_forms_into(points, &coefficients, &constants, log_weights.as_view_mut());
        if self.masses.is_none() {
            for row in 0..points.nrows() {
                let nearest = (0..self.centres.nrows())
                    .reduce(|a, b| if log_weights[(row, b)] > log_weights[(row, a)] { b } else { a });
                for cell in 0..self.centres.nrows() {
                    log_weights[(row, cell)] = if Some(cell) == nearest { 0.0 } else { f64::NEG_INFINITY };
                }
            }
        }
        Ok(())
    }

    fn log_weight_gradient_into(
        &self,
        bandwidth: f64,
        cell: usize,
        points: DMatrixView<'_, f64>,
        mut gradient: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        check_room_for_rows(self.centres.ncols(), &points, &gradient)?;
        if self.masses.is_none() {
            gradient.fill(0.0);
            return Ok(());
        }
        // −y/τ² is common to all cells and cancels in the responsibilities, as in the affinities.
        let precision = 1.0 / (bandwidth * bandwidth);
        for (axis, &c) in self.centres.row(cell).iter().enumerate() {
            gradient.column_mut(axis).fill(precision * c);
        }
        Ok(())
    }

    fn is_smooth(&self) -> bool {
        self.masses.is_some()
    }

    fn centre_mixture(&self) -> Option<MixtureParameters> {
        let dim = self.centres.ncols();
        self.masses.as_ref().map(|masses| MixtureParameters {
            masses: masses.clone(),
            means: self.centres.clone(),
            covariances: vec![DMatrix::zeros(dim, dim); masses.len()],
        })
    }
}

fn check_centres(centres: &DMatrix<f64>) -> Result<()> {
    if centres.nrows() == 0 {
        return Err(Error::ShapeMismatch { what: "centres", expected: 1, found: 0 });
    }
    check_finite(centres)
}
