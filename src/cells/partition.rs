use std::any::Any;
use std::fmt::Debug;

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};

use crate::error::Result;
use crate::kernels::responsibilities_in_place;
use crate::mixture::MixtureParameters;
use crate::shapes::check_size;

/// A partition of space into k cells around centres, by responsibilities
/// r = softmax(log-weights): a partition of unity by construction.
///
/// Points are rows (`n × m`) of Y/a in the working coordinates of the active subspace; the
/// bandwidth is τ = √(σ₀² + s²/a²) of the noise level at which the cells are used. Hard cells give
/// log-weight 0 inside and −∞ outside; their gradients cannot express the faces.
///
/// # Examples
/// Two half-planes with a soft border of fixed width:
/// ```
/// use gmix_diffusion::nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};
/// use gmix_diffusion::{Partition, Result};
///
/// #[derive(Debug)]
/// struct HalfPlanes(DMatrix<f64>);
///
/// impl Partition for HalfPlanes {
///     fn centres(&self) -> &DMatrix<f64> {
///         &self.0
///     }
///     fn log_weights_into(&self, _: f64, points: DMatrixView<'_, f64>, mut out: DMatrixViewMut<'_, f64>) -> Result<()> {
///         for row in 0..points.nrows() {
///             out[(row, 0)] = -points[(row, 0)];
///             out[(row, 1)] = points[(row, 0)];
///         }
///         Ok(())
///     }
///     fn log_weight_gradient_into(&self, _: f64, cell: usize, _: DMatrixView<'_, f64>, mut out: DMatrixViewMut<'_, f64>) -> Result<()> {
///         out.fill(0.0);
///         out.column_mut(0).fill(if cell == 0 { -1.0 } else { 1.0 });
///         Ok(())
///     }
/// }
///
/// let cells = HalfPlanes(DMatrix::from_row_slice(2, 2, &[-1.0, 0.0, 1.0, 0.0]));
/// let r = cells.responsibilities(1.0, &DMatrix::zeros(1, 2))?;
/// assert_eq!((r[(0, 0)], r[(0, 1)]), (0.5, 0.5));
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub trait Partition: Any + Debug + Send + Sync {
    /// The centres: k × m, origins of the cells' local coordinates.
    fn centres(&self) -> &DMatrix<f64>;

    /// Writes the unnormalised log-weights of all cells at the rows of `points` (n × m) into
    /// `log_weights` (n × k).
    ///
    /// # Errors
    /// Those of a user's own cells; the cells of this crate say
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch).
    fn log_weights_into(
        &self,
        bandwidth: f64,
        points: DMatrixView<'_, f64>,
        log_weights: DMatrixViewMut<'_, f64>,
    ) -> Result<()>;

    /// Writes the gradient of one cell's log-weight at the rows of `points` into `gradient` (both n × m).
    ///
    /// # Errors
    /// Those of a user's own cells; the cells of this crate say
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch).
    fn log_weight_gradient_into(
        &self,
        bandwidth: f64,
        cell: usize,
        points: DMatrixView<'_, f64>,
        gradient: DMatrixViewMut<'_, f64>,
    ) -> Result<()>;

    /// Whether the responsibilities are differentiable, which the clean-row target and an exact
    /// divergence need. `true` unless overridden; hard cells say `false`.
    fn is_smooth(&self) -> bool {
        true
    }

    /// Local coordinates of a cell, and its own guess of the centre denoiser in them. By default
    /// u = (y − c)/τ and Û = c.
    fn local_frame(&self, bandwidth: f64, cell: usize) -> LocalFrame {
        let _ = cell;
        let dim = self.centres().ncols();
        LocalFrame {
            scaling: DMatrix::from_diagonal_element(dim, dim, 1.0 / bandwidth),
            slope: DMatrix::zeros(dim, dim),
        }
    }

    /// The law of the centres U for which the responsibilities are exact posteriors, when there is
    /// one. Its masses are those of the cells of a fitted model; `None` unless overridden.
    fn centre_mixture(&self) -> Option<MixtureParameters> {
        None
    }

    /// The responsibilities r at the rows of `points` (n × m): n × k, rows summing to 1.
    ///
    /// # Errors
    /// Those of `log_weights_into`.
    fn responsibilities(&self, bandwidth: f64, points: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        let mut weights = DMatrix::zeros(points.nrows(), self.centres().nrows());
        self.log_weights_into(bandwidth, points.as_view(), weights.as_view_mut())?;
        responsibilities_in_place(&mut weights);
        Ok(weights)
    }
}

/// Points of the cells' dimension, and room for their log-weights?
pub(super) fn check_room_for_weights(
    cells: &dyn Partition,
    points: &DMatrixView<'_, f64>,
    log_weights: &DMatrixViewMut<'_, f64>,
) -> Result<()> {
    let (count, dim) = cells.centres().shape();
    check_size("columns of the points", dim, points.ncols())?;
    check_size("rows of log-weights", points.nrows(), log_weights.nrows())?;
    check_size("columns of log-weights", count, log_weights.ncols())
}

/// Local coordinates u = A(y − c) of a cell, and the cell's own centre denoiser c + Bu.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalFrame {
    /// A, m × m.
    pub scaling: DMatrix<f64>,
    /// B, m × m.
    pub slope: DMatrix<f64>,
}
