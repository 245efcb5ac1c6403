use std::sync::Arc;

use rand::Rng;

use super::cells::GaussianCells;
use super::search::{CrossFittedMixture, FoldedSample, find_cells};
use crate::error::Result;
use crate::partition::cells::Partition;
use crate::partition::partitioner::{CentreEstimates, Partitioner};

/// Cells with covariances of their own, as free as the rows prove them to be, found coarse to fine in
/// one go; the default.
///
/// The scale τ falls from that of the whole data; cells split when they can be told apart, each fold
/// on a path of its own; for every number of cells a few EM steps follow whose covariances are
/// shrunk as far as sampling noise explains their differences; the number of cells is the smallest
/// within reach of the best held-out likelihood. What results is a Gaussian mixture, closed form at
/// every noise level, so the cells of all levels are the same; polynomials are regressed on what
/// it leaves over.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::{FoldedSample, GaussianPartitioner, Partitioner};
///
/// // Two clusters of a hundred rows.
/// let rows = DMatrix::from_fn(200, 1, |i, _| if i % 2 == 0 { 0.0 } else { 9.0 } + ((i * 71) % 97) as f64 / 97.0);
/// let sample = FoldedSample::new(rows, vec![1.0; 200], (0..200).map(|i| i % 5).collect(), 5)?;
/// let found = GaussianPartitioner::default().mixture(&sample)?.expect("this partitioner finds a mixture");
/// assert_eq!(found.folds.len(), 5);
/// assert!(found.all_rows.masses.len() >= 2);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GaussianPartitioner;

impl Partitioner for GaussianPartitioner {
    /// The cells of the level before; at the first level those found in the rows.
    fn candidates(&self, seen: &CentreEstimates<'_>, _: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
        if let Some(previous) = seen.previous {
            return Ok(vec![previous.clone()]);
        }
        const FOLDS: usize = 5;
        let folds = (0..seen.rows.nrows()).map(|i| i % FOLDS).collect();
        let sample = FoldedSample::new(seen.rows.into_owned(), seen.weights.to_vec(), folds, FOLDS)?;
        let found = find_cells(&sample)?.all_rows;
        Ok(vec![Arc::new(GaussianCells::new(found.masses, found.means, found.covariances)?)])
    }

    fn mixture(&self, sample: &FoldedSample) -> Result<Option<CrossFittedMixture>> {
        find_cells(sample).map(Some)
    }
}
