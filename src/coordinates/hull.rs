//! The affine hull of rows that do not vary in every direction.

use nalgebra::{DMatrix, SymmetricEigen};

use super::tuning::TUNING;

/// Directions with less than this share of the largest standard deviation count as degenerate: what
/// rounding leaves of none at all.
pub(super) const DEGENERATE: f64 = 1e-7;

/// Orthonormal directions of the hull (d × q) of rows with this covariance (d × d), in the coordinates of
/// the covariance; `None` where the rows vary in every direction, or in none.
///
/// A column that does not vary at all has no part in any of them, to the last bit. Other directions are
/// looked at only when there are more rows than columns that vary: fewer are flat whatever their law.
pub(super) fn hull_axes(
    covariance: &DMatrix<f64>,
    rows: u64,
    given_std: Option<f64>,
) -> Option<DMatrix<f64>> {
    let dim = covariance.nrows();
    let varying: Vec<usize> = (0..dim).filter(|&j| covariance[(j, j)] > 0.0).collect();
    if varying.is_empty() {
        return None;
    }
    let within = match flat_directions(&covariance.select_rows(&varying).select_columns(&varying), given_std)
    {
        Some(flat) if rows > varying.len() as u64 => complement(flat),
        _ => DMatrix::identity(varying.len(), varying.len()),
    };
    if within.ncols() == dim {
        return None;
    }
    let mut axes = DMatrix::zeros(dim, within.ncols());
    for (row, &column) in within.row_iter().zip(&varying) {
        axes.row_mut(column).copy_from(&row);
    }
    Some(axes)
}

/// Directions in which nothing varies: unit columns, which need not be orthogonal.
fn flat_directions(covariance: &DMatrix<f64>, given_std: Option<f64>) -> Option<DMatrix<f64>> {
    // Of correlations, so that columns of different scale lose no digits to each other.
    let std = covariance.diagonal().map(f64::sqrt);
    let correlation = DMatrix::from_fn(std.len(), std.len(), |i, j| covariance[(i, j)] / std[i] / std[j]);
    let eigen = SymmetricEigen::new(correlation);
    let largest = eigen.eigenvalues.max();
    let flat = eigen.eigenvectors.column_iter().zip(eigen.eigenvalues.iter());
    let flat = flat
        .filter(|(_, variance)| **variance <= DEGENERATE * DEGENERATE * largest)
        .map(|(direction, _)| direction.component_div(&std).normalize())
        .filter(|direction| {
            let variance = (covariance * direction).dot(direction);
            given_std.is_none_or(|std| variance < (TUNING.degenerate_below_component * std).powi(2))
        });
    let flat: Vec<_> = flat.collect();
    (!flat.is_empty()).then(|| DMatrix::from_columns(&flat))
}

/// An orthonormal basis of what is orthogonal to all columns.
fn complement(columns: DMatrix<f64>) -> DMatrix<f64> {
    let dim = columns.nrows();
    let q = columns.qr().q();
    let projector = DMatrix::identity(dim, dim) - &q * q.transpose();
    let eigen = SymmetricEigen::new(projector);
    // Eigenvalues are 0 and 1.
    let kept: Vec<usize> = (0..dim).filter(|&i| eigen.eigenvalues[i] > 0.5).collect();
    eigen.eigenvectors.select_columns(&kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_do_not_vary_are_left_out_to_the_last_bit() {
        let covariance = DMatrix::from_row_slice(3, 3, &[2.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.5, 0.0, 1.0]);
        let axes = hull_axes(&covariance, 3, Some(0.1)).unwrap();
        assert_eq!(axes, DMatrix::from_row_slice(3, 2, &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0]));
        assert_eq!(hull_axes(&DMatrix::identity(2, 2), 9, None), None);
        assert_eq!(hull_axes(&DMatrix::zeros(2, 2), 9, None), None);
    }

    #[test]
    fn a_flat_direction_counts_when_there_are_rows_enough_to_tell() {
        // The second column is twice the first.
        let covariance = DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 2.0, 4.0]);
        assert_eq!(hull_axes(&covariance, 2, None), None);
        let axes = hull_axes(&covariance, 3, None).unwrap();
        assert_eq!(axes.shape(), (2, 1));
        assert!((axes[1] - 2.0 * axes[0]).abs() < 1e-15 && (axes.norm() - 1.0).abs() < 1e-15);
        assert!(hull_axes(&covariance, 3, Some(1e-3)).is_some());
        // A direction 10⁻⁸ times as wide, but in a unit of its own, is as good as any.
        let narrow = DMatrix::from_row_slice(2, 2, &[1.0, 0.0, 0.0, 1e-16]);
        assert_eq!(hull_axes(&narrow, 100, None), None);
    }
}
