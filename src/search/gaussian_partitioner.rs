use super::decision::{CLEARLY, Lead};
use super::expectation_maximisation::judging_log_density;
use super::in_sample::{find_cells, has_few_rows};
use super::whitening::Whitening;
use crate::error::Result;
use crate::mixture::{CrossFittedMixture, MixtureEstimator};
use crate::rows::FoldedSample;

/// Cells with covariances of their own, as free as the rows prove them to be, found coarse to fine in
/// one go: the default [`MixtureEstimator`].
///
/// The scale τ falls from that of the whole data; cells split when they can be told apart, each fold
/// on a path of its own; for every number of cells a few EM steps follow whose covariances are
/// shrunk as far as sampling noise explains their differences; the number of cells is the smallest
/// within reach of the best held-out likelihood. What results is a Gaussian mixture, closed form at
/// every noise level, so the cells of all levels are the same.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::{FoldedSample, GaussianPartitioner, MixtureEstimator};
///
/// // Two clusters of a hundred rows.
/// let rows = DMatrix::from_fn(200, 1, |i, _| if i % 2 == 0 { 0.0 } else { 9.0 } + ((i * 71) % 97) as f64 / 97.0);
/// let sample = FoldedSample::new(rows, vec![1.0; 200], (0..200).map(|i| i % 5).collect(), 5)?;
/// let found = GaussianPartitioner::default().mixture(&sample)?;
/// assert_eq!(found.folds.len(), 5);
/// assert!(found.all_rows.masses.len() >= 2);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianPartitioner {
    pub(crate) paths: usize,
    pub(crate) average_within: Option<f64>,
    pub(crate) cells: Option<usize>,
}

impl Default for GaussianPartitioner {
    fn default() -> Self {
        Self { paths: usize::MAX, average_within: None, cells: None }
    }
}

impl GaussianPartitioner {
    /// Whether cells are searched on one fold alone, each time without the fold's rows, or on all, the default: with
    /// any number above one, since the average of the densities is over all folds.
    /// With one, which takes a fifth of the time, the density is that of one fit to all rows, with no average.
    pub fn with_paths(self, paths: usize) -> Self {
        Self { paths: if paths > 1 { usize::MAX } else { 1 }, ..self }
    }

    /// Also averages the densities of more cells than the chosen number, where their held-out likelihood is
    /// within this many paired standard errors of the best; by default it does not. Laws that are no
    /// finite mixture may gain, Gaussian mixtures may lose.
    pub fn with_average_within(self, std_errors: f64) -> Self {
        Self { average_within: Some(std_errors), ..self }
    }

    /// Exactly this many cells, at least one, instead of a search for their number; for instance another
    /// number of [`FitReport::cell_path`](crate::FitReport::cell_path). Fewer where rows are too few.
    ///
    /// Only the search for their number parts heavy cells afterwards: where rows are scattered over a wide range,
    /// clusters in their midst may come apart there and share a cell here.
    pub fn with_cells(self, cells: usize) -> Self {
        Self { cells: Some(cells.max(1)), ..self }
    }
}

impl MixtureEstimator for GaussianPartitioner {
    fn mixture(&self, sample: &FoldedSample) -> Result<CrossFittedMixture> {
        let Some(whitening) = Whitening::of(sample) else { return find_cells(sample, self) };
        let whitened = whitening.undo(find_cells(&whitening.apply(sample), self)?);
        if !has_few_rows(sample) {
            return Ok(whitened);
        }
        // Few rows look alike in every direction once they are whitened by themselves, and no covariance is left to shrink to.
        let own = find_cells(sample, self)?;
        let is_ahead = lead_of_first(&whitened, &own, sample).exceeds(CLEARLY);
        Ok(if is_ahead { whitened } else { own })
    }
}

/// By how much the first fold's mixture of `ahead` is ahead of that of `behind` at the rows of which neither is made, nor the
/// whitening; the held-out likelihoods of other folds are no measure of this, since their rows have a part in it.
fn lead_of_first(ahead: &CrossFittedMixture, behind: &CrossFittedMixture, sample: &FoldedSample) -> Lead {
    let rows = sample.judging(0);
    let of = |found: &CrossFittedMixture| judging_log_density(&rows, &found.folds[0]);
    Lead::of(&of(ahead), &of(behind), &rows.weights)
}
