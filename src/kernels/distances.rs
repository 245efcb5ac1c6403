//! Distances of many rows from one point.

use nalgebra::DMatrix;

/// |x − y|² of every row x of `rows`, y being `point`. Of differences, so that rows near each other keep their digits.
pub(crate) fn squared_distances(
    rows: &DMatrix<f64>,
    point: impl Iterator<Item = f64>,
    squares: &mut Vec<f64>,
) {
    squares.clear();
    squares.resize(rows.nrows(), 0.0);
    for (column, own) in rows.as_slice().chunks_exact(rows.nrows().max(1)).zip(point) {
        vectorised!(_simd => add_squares(column, own, squares));
    }
}

#[inline(always)]
fn add_squares(column: &[f64], own: f64, squares: &mut [f64]) {
    for (square, other) in squares.iter_mut().zip(column) {
        *square += (other - own) * (other - own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_differences() {
        let rows = DMatrix::from_row_slice(3, 2, &[1.0, 2.0, 4.0, 6.0, 1e9, 2.0]);
        let mut squares = vec![7.0];
        squared_distances(&rows, [1.0, 2.0].into_iter(), &mut squares);
        assert_eq!(squares, [0.0, 25.0, (1e9 - 1.0) * (1e9 - 1.0)]);
    }
}
