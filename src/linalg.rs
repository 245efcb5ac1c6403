//! What the rooms share of linear algebra on row blocks.

use nalgebra::{Const, DMatrix, DMatrixView, Dyn, MatrixView};

/// A matrix view whose rows are strided and whose columns are contiguous in memory.
pub(crate) type TransposedView<'a> = MatrixView<'a, f64, Dyn, Dyn, Dyn, Const<1>>;

/// Consecutive columns of length `n`, seen as the rows of a `columns` × `n` matrix. A plain product
/// with it runs at the full speed of `gemm`, which the transposing products do not reach.
pub(crate) fn transposed(data: &[f64], n: usize, columns: usize) -> TransposedView<'_> {
    strided_transposed(data, n, columns, n)
}

/// As [`transposed`], of columns that start `stride` apart.
pub(crate) fn strided_transposed(data: &[f64], n: usize, columns: usize, stride: usize) -> TransposedView<'_> {
    DMatrixView::from_slice_with_strides_generic(data, Dyn(columns), Dyn(n), Dyn(stride), Const::<1>)
}

/// aᵀb of two matrices with equally many rows.
pub(crate) fn transposed_product(a: &DMatrix<f64>, b: &DMatrix<f64>) -> DMatrix<f64> {
    transposed(a.as_slice(), a.nrows(), a.ncols()) * b
}
