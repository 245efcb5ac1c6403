use std::sync::Arc;

use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::Rng;
use gmix_diffusion::{CentreEstimates, Partition, Partitioner, Result, VoronoiCells};

/// Soft Voronoi cells around estimates that are far from each other: each new centre is the
/// estimate farthest from those chosen, until all lie within two bandwidths of one.
#[derive(Debug)]
pub(crate) struct FarthestPoints {
    /// The most cells proposed.
    pub(crate) most: usize,
    /// Cells with a smaller share of the weight are dropped.
    pub(crate) lightest: f64,
}

impl Partitioner for FarthestPoints {
    fn candidates(&self, seen: &CentreEstimates<'_>, _: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
        let points = seen.estimates;
        // Squared distance to the nearest centre, and which one it is.
        let mut nearest = vec![(f64::INFINITY, 0); points.nrows()];
        let (mut cells, mut farthest) = (0, 0);
        while cells < self.most && nearest[farthest].0 > (2.0 * seen.bandwidth).powi(2) {
            for (row, nearest) in nearest.iter_mut().enumerate() {
                let distance = (points.row(row) - points.row(farthest)).norm_squared();
                if distance < nearest.0 {
                    *nearest = (distance, cells);
                }
            }
            cells += 1;
            farthest = (0..nearest.len()).max_by(|&i, &j| nearest[i].0.total_cmp(&nearest[j].0)).unwrap_or(0);
        }
        let mut masses = DVector::<f64>::zeros(cells);
        let mut centres = DMatrix::zeros(cells, points.ncols());
        for (row, (&weight, &(_, cell))) in seen.weights.iter().zip(&nearest).enumerate() {
            masses[cell] += weight;
            centres.row_mut(cell).zip_apply(&points.row(row), |centre, x| *centre += weight * x);
        }
        let enough = self.lightest * masses.sum();
        let heavy: Vec<usize> = (0..cells).filter(|&cell| masses[cell] > enough).collect();
        for &cell in &heavy {
            centres.row_mut(cell).unscale_mut(masses[cell]);
        }
        let cells = VoronoiCells::soft(centres.select_rows(&heavy), masses.select_rows(&heavy))?;
        Ok(vec![Arc::new(cells)])
    }
}
