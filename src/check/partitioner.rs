//! A partitioner and the cells that it proposes.

use nalgebra::DMatrix;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::comparison::{require_close, require_equal};
use crate::cells::{CentreEstimates, Partition, Partitioner, check_usable};
use crate::error::Result;
use crate::process::NoiseLevel;

/// Rows that the partitioner sees.
const ROWS: usize = 600;
/// Bandwidths of the levels, noisiest first, and the component std of the rows.
const BANDWIDTHS: [f64; 3] = [4.0, 1.5, 0.6];
const COMPONENT_STD: f64 = 0.5;
/// Difference that a finite difference of log-weights may show, relative to their slope.
const TOLERANCE: f64 = 1e-5;

/// Calls `partitioner` on three clusters in the plane, level after level, and checks what it proposes.
///
/// Every candidate has at least one finite centre in two columns, local frames of the right shape,
/// responsibilities that are a partition of unity and independent of neighbouring rows, and, unless
/// the cells say that they are not smooth, log-weight gradients that agree with finite differences
/// (up to what is common to all cells, which cancels).
///
/// # Errors
/// [`Error::CheckFailed`](crate::Error::CheckFailed) with the first property that does not hold,
/// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for centres or frames of another shape; errors of the partitioner.
///
/// # Examples
/// ```
/// use gmix_diffusion::check::check_partitioner;
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::VoronoiPartitioner;
///
/// check_partitioner(&VoronoiPartitioner::hard(), &mut StdRng::seed_from_u64(1))?;
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn check_partitioner(partitioner: &dyn Partitioner, rng: &mut dyn Rng) -> Result<()> {
    let rows = three_clusters(rng);
    let weights = vec![1.0; ROWS];
    let mut previous = None;
    for bandwidth in BANDWIDTHS {
        let noise = (bandwidth * bandwidth - COMPONENT_STD * COMPONENT_STD).sqrt();
        let level = NoiseLevel::variance_exploding(noise)?;
        let mut seen = CentreEstimates::new(level, bandwidth, rows.as_view(), rows.as_view(), &weights);
        if let Some(cells) = &previous {
            seen = seen.with_previous(cells);
        }
        let candidates = partitioner.candidates(&seen, rng)?;
        for cells in &candidates {
            check_cells(cells.as_ref(), bandwidth, &rows.rows(0, 60).into_owned())?;
        }
        previous = candidates.into_iter().next_back().or(previous);
    }
    Ok(())
}

/// Three clusters of a standard deviation in the plane, as many rows of each.
pub(super) fn three_clusters(rng: &mut dyn Rng) -> DMatrix<f64> {
    let centres = [[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0]];
    DMatrix::from_fn(ROWS, 2, |i, axis| {
        let z: f64 = StandardNormal.sample(rng);
        centres[i % 3][axis] + COMPONENT_STD * z
    })
}

fn check_cells(cells: &dyn Partition, bandwidth: f64, points: &DMatrix<f64>) -> Result<()> {
    let count = cells.centres().nrows();
    require_equal("at least one centre", 0, 1, count.min(1))?;
    check_usable(cells, points.ncols(), bandwidth, points)?;
    let together = cells.responsibilities(bandwidth, points)?;
    for (row, r) in together.row_iter().enumerate() {
        require_close("responsibilities sum to one", row, 1.0, r.sum(), 1e-9)?;
        require_close("responsibilities are not negative", row, 0.0, r.min().min(0.0), 0.0)?;
        let alone = cells.responsibilities(bandwidth, &points.rows(row, 1).into_owned())?;
        for cell in 0..count {
            require_close("rows are independent of their neighbours", row, alone[cell], r[cell], 1e-9)?;
        }
    }
    if cells.is_smooth() { check_gradients(cells, bandwidth, points) } else { Ok(()) }
}

/// Differences between the cells' log-weights against those of their gradients.
fn check_gradients(cells: &dyn Partition, bandwidth: f64, points: &DMatrix<f64>) -> Result<()> {
    let (n, count, dim) = (points.nrows(), cells.centres().nrows(), points.ncols());
    let step = 1e-4 * bandwidth;
    let gradient = |cell: usize| -> Result<DMatrix<f64>> {
        let mut gradient = DMatrix::zeros(n, dim);
        cells.log_weight_gradient_into(bandwidth, cell, points.as_view(), gradient.as_view_mut())?;
        Ok(gradient)
    };
    let log_weights = |moved: &DMatrix<f64>| -> Result<DMatrix<f64>> {
        let mut weights = DMatrix::zeros(n, count);
        cells.log_weights_into(bandwidth, moved.as_view(), weights.as_view_mut())?;
        Ok(weights)
    };
    let first = gradient(0)?;
    for axis in 0..dim {
        let (mut up, mut down) = (points.clone(), points.clone());
        up.column_mut(axis).add_scalar_mut(step);
        down.column_mut(axis).add_scalar_mut(-step);
        let slope = (log_weights(&up)? - log_weights(&down)?) / (2.0 * step);
        for cell in 1..count {
            let own = gradient(cell)?;
            for row in 0..n {
                let expected = slope[(row, cell)] - slope[(row, 0)];
                let found = own[(row, axis)] - first[(row, axis)];
                let tolerance = TOLERANCE * (1.0 / bandwidth + expected.abs());
                require_close("log-weight gradients are derivatives", row, expected, found, tolerance)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nalgebra::{DMatrixView, DMatrixViewMut};
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::cells::{SingleCell, VoronoiPartitioner};

    #[test]
    fn shipped_partitioners_pass() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        let shipped: [&dyn Partitioner; 3] =
            [&VoronoiPartitioner::soft(), &VoronoiPartitioner::hard(), &SingleCell];
        for partitioner in shipped {
            check_partitioner(partitioner, &mut rng).unwrap();
        }
    }

    /// Cells whose gradient has the wrong sign.
    #[derive(Debug)]
    struct Wrong(DMatrix<f64>);
    impl Partition for Wrong {
        fn centres(&self) -> &DMatrix<f64> {
            &self.0
        }
        fn log_weights_into(
            &self,
            _: f64,
            y: DMatrixView<'_, f64>,
            mut out: DMatrixViewMut<'_, f64>,
        ) -> Result<()> {
            out.fill(0.0);
            out.column_mut(0).copy_from(&y.column(0));
            Ok(())
        }
        fn log_weight_gradient_into(
            &self,
            _: f64,
            cell: usize,
            _: DMatrixView<'_, f64>,
            mut out: DMatrixViewMut<'_, f64>,
        ) -> Result<()> {
            out.fill(0.0);
            out.column_mut(0).fill(if cell == 0 { -1.0 } else { 0.0 });
            Ok(())
        }
    }
    #[derive(Debug)]
    struct Proposes;
    impl Partitioner for Proposes {
        fn candidates(&self, _: &CentreEstimates<'_>, _: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
            Ok(vec![Arc::new(Wrong(DMatrix::zeros(2, 2)))])
        }
    }

    #[test]
    fn a_gradient_of_the_wrong_sign_is_found() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let error = check_partitioner(&Proposes, &mut rng).unwrap_err();
        assert!(error.to_string().contains("derivatives"), "{error}");
    }
}
