use nalgebra::{DMatrix, DMatrixView};

use crate::linalg::{add_transposed_product, transposed_product};

/// With so many axes a cell its second moments are one product of matrices each. Writing out the columns
/// xxᵀ of all rows, which serve all cells, was measured to be slower there, up to six times with one cell.
const AXES_A_CELL: usize = 8;

/// Σ w r (1, x, xxᵀ) of k cells, summed over blocks of rows; or Σ w r (1, x) where second moments are not
/// wanted.
pub(super) struct CellMoments {
    /// k × (1 + m), or k × (1 + m + m(m+1)/2).
    sums: DMatrix<f64>,
    dim: usize,
    /// Σ w r (1, x)(1, x)ᵀ, k matrices of m + 1 rows, where there are many axes a cell and second moments are
    /// wanted.
    scatters: Vec<DMatrix<f64>>,
}

impl CellMoments {
    pub(super) fn new(cells: usize, dim: usize, second: bool) -> Self {
        let count = if second { feature_count(dim) } else { 1 + dim };
        let products = if second && dim >= AXES_A_CELL * cells { cells } else { 0 };
        Self {
            sums: DMatrix::zeros(cells, count),
            dim,
            scatters: vec![DMatrix::zeros(1 + dim, 1 + dim); products],
        }
    }

    /// Adds a block of rows (n × m) with weights w r (n × k).
    pub(super) fn add(&mut self, rows: DMatrixView<'_, f64>, weights: &DMatrix<f64>) {
        let columns = weights.as_slice().chunks_exact(rows.nrows()).enumerate();
        let cells: Vec<usize> =
            columns.filter(|(_, weights)| !all_zero(weights)).map(|(cell, _)| cell).collect();
        if self.scatters.is_empty() {
            let features = features(rows, self.sums.ncols());
            let weights = weights.select_columns(&cells);
            for (&cell, sums) in cells.iter().zip(transposed_product(&weights, &features).row_iter()) {
                let mut total = self.sums.row_mut(cell);
                total += sums;
            }
            return;
        }
        let features = features(rows, 1 + self.dim);
        let mut weighted = features.clone();
        for cell in cells {
            weighted.copy_from(&features);
            weigh(&mut weighted, weights.column(cell).as_slice());
            add_transposed_product((&weighted).into(), (&features).into(), &mut self.scatters[cell]);
        }
    }

    /// Columns 1, x and, where they are wanted, xₐx_b for a ≤ b.
    pub(super) fn into_sums(mut self) -> DMatrix<f64> {
        for (cell, scatter) in self.scatters.iter().enumerate() {
            self.sums.row_mut(cell).columns_mut(0, 1 + self.dim).copy_from(&scatter.row(0));
            for (feature, (a, b)) in pairs(self.dim).enumerate() {
                self.sums[(cell, 1 + self.dim + feature)] = scatter[(1 + a, 1 + b)];
            }
        }
        self.sums
    }
}

/// Multiplies every row by its weight.
pub(super) fn weigh(rows: &mut DMatrix<f64>, weights: &[f64]) {
    for column in rows.as_mut_slice().chunks_exact_mut(weights.len()) {
        for (value, weight) in column.iter_mut().zip(weights) {
            *value *= weight;
        }
    }
}

/// 1 + m + m(m+1)/2.
pub(super) fn feature_count(dim: usize) -> usize {
    1 + dim + dim * (dim + 1) / 2
}

/// Index pairs a ≤ b.
pub(super) fn pairs(dim: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..dim).flat_map(move |a| (a..dim).map(move |b| (a, b)))
}

/// A few at a time, so that the compiler makes vector instructions of it.
fn all_zero(values: &[f64]) -> bool {
    values.chunks(8).all(|few| few.iter().fold(true, |zero, &value| zero & (value == 0.0)))
}

/// The first `count` of (1, x, xxᵀ) of every row: n × `count`.
fn features(rows: DMatrixView<'_, f64>, count: usize) -> DMatrix<f64> {
    let (n, dim) = rows.shape();
    let mut features = DMatrix::from_element(n, count, 1.0);
    features.columns_mut(1, dim).copy_from(&rows);
    for (feature, (a, b)) in pairs(dim).enumerate().take(count - 1 - dim) {
        let mut column = features.column_mut(1 + dim + feature);
        column.copy_from(&rows.column(a));
        column.component_mul_assign(&rows.column(b));
    }
    features
}

/// The covariance of one cell from its sums of (1, x, xxᵀ).
pub(super) fn covariance(moments: DMatrixView<'_, f64>, cell: usize, dim: usize) -> DMatrix<f64> {
    let weight = moments[(cell, 0)];
    let mean = |axis: usize| moments[(cell, 1 + axis)] / weight;
    let mut covariance = DMatrix::zeros(dim, dim);
    for (feature, (a, b)) in pairs(dim).enumerate() {
        covariance[(a, b)] = moments[(cell, 1 + dim + feature)] / weight - mean(a) * mean(b);
        covariance[(b, a)] = covariance[(a, b)];
    }
    covariance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_axes_and_many_have_the_same_moments() {
        for dim in [2, 3 * AXES_A_CELL - 1, 3 * AXES_A_CELL, 40] {
            let rows = DMatrix::from_fn(150, dim, |i, j| ((i * 7 + j * 13) as f64 * 0.3).sin());
            let weights = DMatrix::from_fn(150, 3, |i, cell| ((i + cell * 5) as f64 * 0.1).cos().abs());
            for second in [false, true] {
                let mut moments = CellMoments::new(3, dim, second);
                for start in [0, 100] {
                    let size = 100.min(150 - start);
                    moments.add(rows.rows(start, size), &weights.rows(start, size).into_owned());
                }
                let count = if second { feature_count(dim) } else { 1 + dim };
                let expected = weights.transpose() * features(rows.as_view(), count);
                approx::assert_relative_eq!(moments.into_sums(), expected, epsilon = 1e-10);
            }
        }
    }
}
