//! What exact draws from mixtures share.

use nalgebra::{DMatrix, DMatrixViewMut, DVector};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// Every row below `n` chooses a component with probability proportional to `weights`: the rows of each.
pub(crate) fn rows_by_component(weights: &[f64], n: usize, rng: &mut dyn Rng) -> Vec<Vec<usize>> {
    let mut total = 0.0;
    let cumulated = weights.iter().map(|weight| {
        total += weight;
        total
    });
    let cumulated: Vec<f64> = cumulated.collect();
    let mut members = vec![Vec::new(); weights.len()];
    for row in 0..n {
        // Below the total, also when rounded: 1 − 2⁻⁵³ is the largest factor.
        let chosen = rng.random::<f64>() * total;
        let component = cumulated.partition_point(|&sum| sum <= chosen);
        if let Some(members) = members.get_mut(component) {
            members.push(row);
        }
    }
    members
}

/// Independent standard normal numbers, n × d.
pub(crate) fn standard_normals(n: usize, dim: usize, rng: &mut dyn Rng) -> DMatrix<f64> {
    DMatrix::from_fn(n, dim, |_, _| StandardNormal.sample(rng))
}

/// Fills the rows of `rows` (n × d) with draws of a law that draws one at a time, of dimension d.
pub(crate) fn draw_rows_into(
    law: &impl Distribution<DVector<f64>>,
    rng: &mut dyn Rng,
    mut rows: DMatrixViewMut<'_, f64>,
) {
    for mut row in rows.row_iter_mut() {
        row.tr_copy_from(&law.sample(rng));
    }
}
