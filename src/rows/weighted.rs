use nalgebra::{DMatrix, DVector};

use super::spatial_order::spatial_order;
use crate::error::{Error, Result};
use crate::linalg::transposed_product;

/// Rows (n × d) with their weights.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct WeightedRows {
    #[cfg_attr(feature = "serde", serde(with = "crate::format::plain"))]
    pub(crate) rows: DMatrix<f64>,
    pub(crate) weights: Vec<f64>,
}

impl WeightedRows {
    /// The rows `members` of `rows` (n × d) with `weights` (length n).
    pub(crate) fn of(rows: &DMatrix<f64>, weights: &[f64], members: &[usize]) -> Self {
        let weights = members.iter().map(|&i| weights[i]).collect();
        Self { rows: rows.select_rows(members), weights }
    }

    /// The rows `members`.
    pub(crate) fn select(&self, members: &[usize]) -> Self {
        Self::of(&self.rows, &self.weights, members)
    }

    /// So many of the rows at most, evenly spread over their order.
    pub(crate) fn thinned(&self, most: usize) -> Self {
        let n = self.weights.len();
        let step = n.div_ceil(most).max(1);
        self.select(&(0..n).step_by(step).collect::<Vec<_>>())
    }

    /// Every other row, and the rest.
    pub(crate) fn halves(&self) -> [Self; 2] {
        [0, 1].map(|first| self.select(&(first..self.weights.len()).step_by(2).collect::<Vec<_>>()))
    }

    /// The same rows, near ones beside each other.
    pub(crate) fn in_spatial_order(&self) -> Self {
        self.select(&spatial_order(&self.rows))
    }

    /// Their mean, and their covariance around it.
    pub(crate) fn mean_and_covariance(&self) -> (DVector<f64>, DMatrix<f64>) {
        let total: f64 = self.weights.iter().sum();
        let weights = DVector::from_column_slice(&self.weights) / total;
        let mean = self.rows.tr_mul(&weights);
        let centred = self.around(&mean);
        let mut weighted = centred.clone();
        for mut column in weighted.column_iter_mut() {
            column.component_mul_assign(&weights);
        }
        (mean, transposed_product(&weighted, &centred))
    }

    /// The rows less `centre`.
    pub(crate) fn around(&self, centre: &DVector<f64>) -> DMatrix<f64> {
        let mut centred = self.rows.clone();
        for (mut column, centre) in centred.column_iter_mut().zip(centre.iter()) {
            column.add_scalar_mut(-centre);
        }
        centred
    }

    /// Are all values finite? `first_row` is the index of the first row in the data.
    pub(crate) fn check_finite(&self, first_row: u64) -> Result<()> {
        for (row, values) in self.rows.row_iter().enumerate() {
            if let Some(column) = values.iter().position(|value| !value.is_finite()) {
                let row = first_row as usize + row;
                return Err(Error::NotFinite { row, column, value: values[column] });
            }
        }
        Ok(())
    }
}
