//! Exact draws from the mixture of cells.

use nalgebra::{DMatrix, DMatrixViewMut};
use rand::Rng;
use rand_distr::Distribution;

use super::cell_mixture::CellMixture;
use super::radius::RadiusLaw;
use crate::error::Result;
use crate::score::{rows_by_component, standard_normals};

impl CellMixture {
    /// Fills `rows` (n × d) with independent draws of X.
    pub(super) fn draw_into(&self, rng: &mut dyn Rng, mut rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        let (n, dim) = (rows.nrows(), self.means.ncols());
        let embedding = &self.embedding;
        let radius = if self.shape.is_gaussian() { None } else { Some(RadiusLaw::new(self.shape, dim)?) };
        let mut rest = standard_normals(n, embedding.rest.ncols(), rng) * embedding.rest_variance.sqrt();
        let mut active = DMatrix::zeros(n, dim);
        for (cell, members) in rows_by_component(self.masses.as_slice(), n, rng).iter().enumerate() {
            if members.is_empty() {
                continue;
            }
            let mut standard = standard_normals(members.len(), dim, rng);
            if let Some(radius) = &radius {
                redraw_lengths(&mut standard, radius, rng);
            }
            let placed = self.components[cell].spread(standard);
            for (axis, column) in placed.column_iter().enumerate() {
                for (&row, value) in members.iter().zip(column.iter()) {
                    active[(row, axis)] = self.means[(cell, axis)] + value;
                }
            }
            for (axis, offset) in embedding.rest_means.column_iter().enumerate() {
                for &row in members {
                    rest[(row, axis)] += offset[cell];
                }
            }
        }
        rows.gemm(1.0, &active, &embedding.axes.transpose(), 0.0);
        if rest.ncols() > 0 {
            rows.gemm(1.0, &rest, &embedding.rest.transpose(), 1.0);
        }
        Ok(())
    }
}

/// Gives every row a length of the law, whose square it is, and leaves the direction.
fn redraw_lengths(rows: &mut DMatrix<f64>, squared_length: &RadiusLaw, rng: &mut dyn Rng) {
    for mut row in rows.row_iter_mut() {
        let length = squared_length.sample(rng).sqrt();
        row *= length / row.norm().max(f64::MIN_POSITIVE);
    }
}
