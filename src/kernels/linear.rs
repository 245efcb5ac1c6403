//! Linear forms of points, all cells together.

use fearless_simd::prelude::*;
use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};

use super::lanes::{LANES, Lanes, Rows};

/// With more axes than this, nalgebra's products are faster.
const FEW: usize = 5;

/// Writes offsetⱼ + coefficientsⱼ·x at the rows x of `points` (n × m) into `out` (n × k); `coefficients` is
/// m × k.
pub(crate) fn linear_forms_into(
    points: DMatrixView<'_, f64>,
    coefficients: &DMatrix<f64>,
    offsets: &[f64],
    mut out: DMatrixViewMut<'_, f64>,
) {
    if points.ncols() <= FEW {
        vectorised!(simd => few_axes(simd, points, coefficients, offsets, out));
        return;
    }
    out.gemm(1.0, &points, coefficients, 0.0);
    for (mut column, &offset) in out.column_iter_mut().zip(offsets) {
        column.add_scalar_mut(offset);
    }
}

#[inline(always)]
fn few_axes<S: Simd>(
    simd: S,
    points: DMatrixView<'_, f64>,
    coefficients: &DMatrix<f64>,
    offsets: &[f64],
    mut out: DMatrixViewMut<'_, f64>,
) {
    let dim = points.ncols();
    let mut x = [Lanes::splat(simd, 0.0); FEW];
    for start in (0..points.nrows()).step_by(LANES) {
        for (axis, x) in x.iter_mut().enumerate().take(dim) {
            *x = Lanes::load(simd, points.column(axis).as_slice(), start);
        }
        let forms = coefficients.as_slice().chunks_exact(dim).zip(offsets);
        for (j, (coefficients, &offset)) in forms.enumerate() {
            let mut value = Lanes::splat(simd, offset);
            for (&x, &coefficient) in x.iter().zip(coefficients) {
                value += x * coefficient;
            }
            value.store(out.column_mut(j).as_mut_slice(), start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_few_and_of_many_axes_are_sums_of_products() {
        for (n, dim, cells) in [(21, 1, 3), (8, 3, 7), (64, 5, 2), (70, 6, 9)] {
            let points = DMatrix::from_fn(n, dim, |i, j| ((i * 3 + j) as f64).sin());
            let coefficients = DMatrix::from_fn(dim, cells, |i, j| ((i * 5 + j * 2) as f64).cos());
            let offsets: Vec<f64> = (0..cells).map(|j| j as f64).collect();
            let mut found = DMatrix::zeros(n, cells);
            linear_forms_into(points.as_view(), &coefficients, &offsets, found.as_view_mut());
            let expected = DMatrix::from_fn(n, cells, |i, j| {
                offsets[j] + (0..dim).map(|axis| points[(i, axis)] * coefficients[(axis, j)]).sum::<f64>()
            });
            approx::assert_relative_eq!(found, expected, epsilon = 1e-12);
        }
    }
}
