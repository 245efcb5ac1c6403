//! What the rooms share of linear algebra on row blocks.

use nalgebra::{Cholesky, DMatrix, DMatrixView, DMatrixViewMut, Dyn};

use crate::error::{Error, Result};
use crate::shapes::check_size;

/// nalgebra hands products to `gemm` when every size exceeds this; smaller ones are summed here.
const SMALL: usize = 5;

/// Triangular systems up to this size are solved column by column.
const TRIANGLE: usize = 16;

/// Relative to a matrix's largest entry: what may be missing to symmetry and definiteness.
const DEFINITENESS: f64 = 1e-9;

/// A block of columns, each contiguous in memory, `stride` apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) data: &'a [f64],
    /// Length of a column.
    pub(crate) n: usize,
    /// Number of columns.
    pub(crate) count: usize,
    pub(crate) stride: usize,
}

impl<'a> Columns<'a> {
    /// Consecutive columns of length `n`.
    pub(crate) fn dense(data: &'a [f64], n: usize) -> Self {
        Self { data, n, count: data.len().checked_div(n).unwrap_or(0), stride: n }
    }

    fn column(&self, index: usize) -> &'a [f64] {
        &self.data[index * self.stride..index * self.stride + self.n]
    }
}

impl<'a> From<&'a DMatrix<f64>> for Columns<'a> {
    fn from(matrix: &'a DMatrix<f64>) -> Self {
        Self { data: matrix.as_slice(), n: matrix.nrows(), count: matrix.ncols(), stride: matrix.nrows() }
    }
}

/// The value that is made of these `N` matrices.
///
/// # Errors
/// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) unless there are so many.
pub(crate) fn read_one<const N: usize, T: From<[DMatrix<f64>; N]>>(matrices: Vec<DMatrix<f64>>) -> Result<T> {
    let exactly = <[_; N]>::try_from(matrices);
    exactly.map(T::from).map_err(|given| Error::ShapeMismatch {
        what: "matrices of the sums",
        expected: N,
        found: given.len(),
    })
}

/// `count` values, each made of the next `N` matrices.
///
/// # Errors
/// As [`read_one`].
pub(crate) fn read_matrices<const N: usize, T: From<[DMatrix<f64>; N]>>(
    matrices: Vec<DMatrix<f64>>,
    count: usize,
) -> Result<Vec<T>> {
    check_size("matrices of the sums", count * N, matrices.len())?;
    let mut left = matrices.into_iter();
    (0..count).map(|_| read_one(left.by_ref().take(N).collect())).collect()
}

/// out += aᵀb, for columns of equal length.
///
/// The transpose is a strided view, which `gemm` reads at full speed; nalgebra's transposing products
/// are an order of magnitude slower. Small products are summed here, because those of nalgebra 0.35
/// read past the end of a left factor whose rows are strided (`axcpy_uninit` takes the length of
/// the underlying slice for that of the vector).
pub(crate) fn add_transposed_product(a: Columns<'_>, b: Columns<'_>, out: &mut DMatrix<f64>) {
    if a.n > SMALL && a.count > SMALL && b.count > SMALL {
        let left = DMatrixView::from_slice_with_strides_generic(
            a.data,
            Dyn(a.count),
            Dyn(a.n),
            Dyn(a.stride),
            nalgebra::Const::<1>,
        );
        let right = DMatrixView::from_slice_with_strides_generic(
            b.data,
            Dyn(b.n),
            Dyn(b.count),
            nalgebra::Const::<1>,
            Dyn(b.stride),
        );
        out.gemm(1.0, &left, &right, 1.0);
        return;
    }
    for j in 0..b.count {
        let right = b.column(j);
        for (i, out) in out.column_mut(j).iter_mut().enumerate() {
            *out += dot(a.column(i), right);
        }
    }
}

/// aᵀb of two matrices with equally many rows.
pub(crate) fn transposed_product(a: &DMatrix<f64>, b: &DMatrix<f64>) -> DMatrix<f64> {
    let mut out = DMatrix::zeros(a.ncols(), b.ncols());
    add_transposed_product(a.into(), b.into(), &mut out);
    out
}

/// b ← L⁻¹b for lower triangular L. In halves, so that most of the work is products of matrices.
pub(crate) fn solve_lower_triangular(lower: DMatrixView<'_, f64>, mut b: DMatrixViewMut<'_, f64>) {
    let (n, half) = (lower.nrows(), lower.nrows() / 2);
    if n <= TRIANGLE {
        lower.solve_lower_triangular_mut(&mut b);
        return;
    }
    let (mut first, mut second) = b.rows_range_pair_mut(..half, half..);
    solve_lower_triangular(lower.view((0, 0), (half, half)), first.as_view_mut());
    second.gemm(-1.0, &lower.view((half, 0), (n - half, half)), &first, 1.0);
    solve_lower_triangular(lower.view((half, half), (n - half, n - half)), second);
}

/// b ← L⁻ᵀb for lower triangular L, likewise.
pub(crate) fn solve_transposed_lower_triangular(lower: DMatrixView<'_, f64>, mut b: DMatrixViewMut<'_, f64>) {
    let (n, half) = (lower.nrows(), lower.nrows() / 2);
    if n <= TRIANGLE {
        lower.tr_solve_lower_triangular_mut(&mut b);
        return;
    }
    let (mut first, mut second) = b.rows_range_pair_mut(..half, half..);
    solve_transposed_lower_triangular(lower.view((half, half), (n - half, n - half)), second.as_view_mut());
    first.gemm(-1.0, &lower.view((half, 0), (n - half, half)).transpose(), &second, 1.0);
    solve_transposed_lower_triangular(lower.view((0, 0), (half, half)), first);
}

/// Whether all entries beside the diagonal are zero.
pub(crate) fn is_diagonal(matrix: &DMatrix<f64>) -> bool {
    let mut columns = matrix.column_iter().enumerate();
    columns.all(|(j, column)| column.iter().enumerate().all(|(i, &value)| i == j || value == 0.0))
}

/// Whether the matrix equals its transpose up to [`DEFINITENESS`].
pub(crate) fn is_symmetric(matrix: &DMatrix<f64>) -> bool {
    (matrix - matrix.transpose()).amax() <= DEFINITENESS * matrix.amax()
}

/// Whether the symmetric matrix has no eigenvalue below zero, up to [`DEFINITENESS`].
pub(crate) fn is_positive_semidefinite(matrix: &DMatrix<f64>) -> bool {
    let largest = matrix.amax();
    if is_diagonal(matrix) {
        return matrix.diagonal().iter().all(|&value| value >= -DEFINITENESS * largest);
    }
    // Scaled to entries of order one, so that the factor neither over- nor underflows.
    let mut scaled = matrix / largest;
    for i in 0..scaled.nrows() {
        scaled[(i, i)] += DEFINITENESS;
    }
    Cholesky::new(scaled).is_some()
}

/// Σ aᵢbᵢ in eight interleaved sums, which the compiler turns into vector instructions.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triangular_systems_are_solved_at_every_size() {
        for (n, columns) in [(1, 1), (30, 2), (97, 1), (130, 40), (200, 7)] {
            let lower = DMatrix::from_fn(n, n, |i, j| match i.cmp(&j) {
                std::cmp::Ordering::Less => f64::NAN,
                std::cmp::Ordering::Equal => 2.0 + (i as f64).sin(),
                std::cmp::Ordering::Greater => ((i * 7 + j * 3) as f64).sin() / n as f64,
            });
            let triangle = lower.lower_triangle();
            let b = DMatrix::from_fn(n, columns, |i, j| ((i * 5 + j * 11) as f64).cos());
            let mut x = b.clone();
            solve_lower_triangular(lower.as_view(), x.as_view_mut());
            approx::assert_relative_eq!(&triangle * &x, b, epsilon = 1e-12);
            let mut x = b.clone();
            solve_transposed_lower_triangular(lower.as_view(), x.as_view_mut());
            approx::assert_relative_eq!(triangle.transpose() * &x, b, epsilon = 1e-12);
        }
    }

    #[test]
    fn products_agree_with_plain_sums_at_every_size() {
        for (n, p, q) in [(1, 1, 1), (37, 2, 3), (64, 7, 2), (64, 2, 7), (129, 8, 11), (4, 9, 9)] {
            let a = DMatrix::from_fn(n, p, |i, j| ((i * 7 + j * 3) as f64).sin());
            let b = DMatrix::from_fn(n, q, |i, j| ((i * 5 + j * 11) as f64).cos());
            let expected = a.transpose() * &b;
            approx::assert_relative_eq!(transposed_product(&a, &b), expected, epsilon = 1e-12);
        }
    }
}
