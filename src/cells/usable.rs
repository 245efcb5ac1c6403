//! What a fit needs of cells that it did not make itself.

use nalgebra::DMatrix;

use super::partition::Partition;
use crate::error::{Error, Result};
use crate::shapes::check_size;

/// Cells of a level at most: the sums of a regression grow with the square of their number.
const MOST_CELLS: usize = 1_000;

/// Are the cells of dimension `dim` and not too many, their frames of the right shape, and all that they say of `points`
/// at this bandwidth numbers?
///
/// # Errors
/// [`Error::ShapeMismatch`], [`Error::InvalidSetting`] or [`Error::CheckFailed`] with the first that does not hold; errors
/// of the cells.
pub(crate) fn check_usable(
    cells: &dyn Partition,
    dim: usize,
    bandwidth: f64,
    points: &DMatrix<f64>,
) -> Result<()> {
    let count = cells.centres().nrows();
    check_size("columns of the centres of a partition", dim, cells.centres().ncols())?;
    if count > MOST_CELLS {
        let (name, requirement) = ("number of cells of a level", "at most a thousand");
        return Err(Error::InvalidSetting { name, value: count as f64, requirement });
    }
    require_finite("centres are finite", cells.centres())?;
    if let Some(mixture) = cells.centre_mixture() {
        check_size("masses of the mixture of a partition", count, mixture.masses.len())?;
    }
    for cell in 0..count {
        let frame = cells.local_frame(bandwidth, cell);
        for matrix in [&frame.scaling, &frame.slope] {
            check_size("rows of a local frame", dim, matrix.nrows())?;
            check_size("columns of a local frame", dim, matrix.ncols())?;
            require_finite("local frames are finite", matrix)?;
        }
    }
    require_finite("responsibilities are finite", &cells.responsibilities(bandwidth, points)?)?;
    if cells.is_smooth() {
        let mut gradient = DMatrix::zeros(points.nrows(), dim);
        for cell in 0..count {
            cells.log_weight_gradient_into(bandwidth, cell, points.as_view(), gradient.as_view_mut())?;
            require_finite("gradients of log-weights are finite", &gradient)?;
        }
    }
    Ok(())
}

fn require_finite(property: &'static str, values: &DMatrix<f64>) -> Result<()> {
    for (row, values) in values.row_iter().enumerate() {
        if let Some(&found) = values.iter().find(|value| !value.is_finite()) {
            return Err(Error::CheckFailed { property, row, expected: 0.0, found, tolerance: f64::MAX });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrixView, DMatrixViewMut, DVector};

    use super::*;
    use crate::cells::LocalFrame;
    use crate::mixture::MixtureParameters;

    /// Cells with one thing wrong.
    #[derive(Debug)]
    struct Wrong {
        centres: DMatrix<f64>,
        frame_rows: usize,
        slope: f64,
        masses: usize,
    }

    impl Partition for Wrong {
        fn centres(&self) -> &DMatrix<f64> {
            &self.centres
        }

        fn log_weights_into(
            &self,
            _: f64,
            _: DMatrixView<'_, f64>,
            mut out: DMatrixViewMut<'_, f64>,
        ) -> Result<()> {
            out.fill(0.0);
            Ok(())
        }

        fn log_weight_gradient_into(
            &self,
            _: f64,
            _: usize,
            _: DMatrixView<'_, f64>,
            mut out: DMatrixViewMut<'_, f64>,
        ) -> Result<()> {
            out.fill(self.slope);
            Ok(())
        }

        fn local_frame(&self, _: f64, _: usize) -> LocalFrame {
            LocalFrame { scaling: DMatrix::identity(self.frame_rows, 2), slope: DMatrix::zeros(2, 2) }
        }

        fn centre_mixture(&self) -> Option<MixtureParameters> {
            let masses = DVector::from_element(self.masses, 1.0 / self.masses as f64);
            let means = self.centres.clone();
            Some(MixtureParameters { covariances: vec![DMatrix::zeros(2, 2); self.masses], masses, means })
        }
    }

    #[test]
    fn what_a_fit_cannot_use_is_an_error() {
        let right = || Wrong { centres: DMatrix::zeros(3, 2), frame_rows: 2, slope: 0.0, masses: 3 };
        let usable = |cells: &Wrong| check_usable(cells, 2, 1.0, &DMatrix::zeros(4, 2));
        usable(&right()).unwrap();
        let mismatch = |found| matches!(found, Err(Error::ShapeMismatch { .. }));
        assert!(mismatch(usable(&Wrong { frame_rows: 3, ..right() })));
        assert!(mismatch(usable(&Wrong { masses: 2, ..right() })));
        assert!(mismatch(usable(&Wrong { centres: DMatrix::zeros(3, 1), ..right() })));
        let failed = |found| matches!(found, Err(Error::CheckFailed { .. }));
        assert!(failed(usable(&Wrong { slope: f64::NAN, ..right() })));
        assert!(failed(usable(&Wrong { centres: DMatrix::from_element(3, 2, f64::INFINITY), ..right() })));
        let many = Wrong { centres: DMatrix::zeros(3_000, 2), masses: 3_000, ..right() };
        assert!(matches!(usable(&many), Err(Error::InvalidSetting { value: 3000.0, .. })));
    }
}
