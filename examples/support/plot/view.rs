//! What part of space a picture shows.

use std::ops::Range;

use gmix_diffusion::nalgebra::{DMatrix, DVector, SymmetricEigen};

/// The range of each axis.
pub(super) struct View(Vec<Range<f64>>);

impl View {
    /// The range of each column of `data`, with a margin of this share of it on either side.
    pub(super) fn of(data: &DMatrix<f64>, margin: f64) -> Self {
        Self(
            data.column_iter()
                .map(|column| {
                    let (low, high) = (column.min(), column.max());
                    let width = high - low;
                    // A constant column still needs an axis.
                    let pad = if width > 0.0 { margin * width } else { 0.5 * low.abs().max(1.0) };
                    low - pad..high + pad
                })
                .collect(),
        )
    }

    /// The range of an axis.
    pub(super) fn axis(&self, axis: usize) -> Range<f64> {
        self.0[axis].clone()
    }

    /// Of some of the axes.
    pub(super) fn of_columns(&self, axes: &[usize]) -> Self {
        Self(axes.iter().map(|&axis| self.axis(axis)).collect())
    }

    /// Whether a point can be seen; one that is not finite cannot.
    pub(super) fn contains(&self, point: impl IntoIterator<Item = f64>) -> bool {
        self.0.iter().zip(point).all(|(range, value)| range.contains(&value))
    }

    /// `n` points from one end of an axis to the other, both included.
    pub(super) fn nodes(&self, axis: usize, n: usize) -> Vec<f64> {
        let Range { start, end } = self.axis(axis);
        (0..n).map(|i| start + (end - start) * i as f64 / (n - 1) as f64).collect()
    }
}

/// The data in their first two principal directions, standardised, and the names of these directions.
pub(super) fn two_columns(data: &DMatrix<f64>) -> (Vec<String>, DMatrix<f64>) {
    let means: Vec<f64> = data.column_iter().map(|column| column.mean()).collect();
    // A constant column stays at 0.
    let scales: Vec<f64> = data
        .column_iter()
        .map(|column| column.variance().sqrt())
        .map(|std| if std > 0.0 { 1.0 / std } else { 0.0 })
        .collect();
    let standardised =
        DMatrix::from_fn(data.nrows(), data.ncols(), |i, j| (data[(i, j)] - means[j]) * scales[j]);
    let correlation = standardised.transpose() * &standardised / data.nrows() as f64;
    let eigen = SymmetricEigen::new(correlation);
    let mut order: Vec<usize> = (0..data.ncols()).collect();
    order.sort_by(|&i, &j| eigen.eigenvalues[j].total_cmp(&eigen.eigenvalues[i]));
    let total = eigen.eigenvalues.sum().max(f64::MIN_POSITIVE);
    let names = order[..2]
        .iter()
        .enumerate()
        .map(|(rank, &index)| {
            let share = 100.0 * eigen.eigenvalues[index] / total;
            format!("principal direction {} ({share:.0} % of the variance)", rank + 1)
        })
        .collect();
    // An eigenvector's sign is arbitrary: let the largest loading be positive.
    let directions: Vec<DVector<f64>> = order[..2]
        .iter()
        .map(|&index| {
            let direction = eigen.eigenvectors.column(index).into_owned();
            let largest = direction[direction.iamax()];
            direction * largest.signum()
        })
        .collect();
    let directions = DMatrix::from_columns(&directions);
    (names, standardised * directions)
}
