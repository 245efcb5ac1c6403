//! What the rooms share of linear algebra on row blocks.

use nalgebra::{DMatrix, DMatrixView, Dyn};

/// nalgebra hands products to `gemm` when every size exceeds this; smaller ones are summed here.
const SMALL: usize = 5;

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

/// Σ aᵢbᵢ in eight interleaved sums, which the compiler turns into vector instructions.
fn dot(a: &[f64], b: &[f64]) -> f64 {
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
    fn products_agree_with_plain_sums_at_every_size() {
        for (n, p, q) in [(1, 1, 1), (37, 2, 3), (64, 7, 2), (64, 2, 7), (129, 8, 11), (4, 9, 9)] {
            let a = DMatrix::from_fn(n, p, |i, j| ((i * 7 + j * 3) as f64).sin());
            let b = DMatrix::from_fn(n, q, |i, j| ((i * 5 + j * 11) as f64).cos());
            let expected = a.transpose() * &b;
            approx::assert_relative_eq!(transposed_product(&a, &b), expected, epsilon = 1e-12);
        }
    }
}
