use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use nalgebra::DMatrixView;
use rand::Rng;

use super::partition::Partition;
use crate::error::Result;
use crate::process::NoiseLevel;
use crate::shapes::check_size;

/// What a [`Partitioner`] sees of a level: a bounded sample of rows, and where the level before
/// believes their centres to be. Coordinates are the working ones of the active subspace.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CentreEstimates<'a> {
    /// The level whose cells are wanted.
    pub level: NoiseLevel,
    /// Its bandwidth τ.
    pub bandwidth: f64,
    /// Clean rows, n × m.
    pub rows: DMatrixView<'a, f64>,
    /// E\[U | Y\] of those rows under the previous level's score, n × m; the rows themselves at the first level.
    pub estimates: DMatrixView<'a, f64>,
    /// Weights of the rows, length n.
    pub weights: &'a [f64],
    /// The previous level's partition; `None` at the first level.
    pub previous: Option<&'a Arc<dyn Partition>>,
}

impl<'a> CentreEstimates<'a> {
    /// Estimates with no previous partition, as a partitioner sees them at the first level.
    pub fn new(
        level: NoiseLevel,
        bandwidth: f64,
        rows: DMatrixView<'a, f64>,
        estimates: DMatrixView<'a, f64>,
        weights: &'a [f64],
    ) -> Self {
        Self { level, bandwidth, rows, estimates, weights, previous: None }
    }

    /// The same estimates after a level that used `previous`.
    pub fn with_previous(self, previous: &'a Arc<dyn Partition>) -> Self {
        Self { previous: Some(previous), ..self }
    }

    /// Is there one estimate and one weight for each of the rows, and has the previous partition their dimension?
    pub(super) fn check(&self) -> Result<()> {
        check_size("rows of the estimates", self.rows.nrows(), self.estimates.nrows())?;
        check_size("columns of the estimates", self.rows.ncols(), self.estimates.ncols())?;
        check_size("row weights", self.rows.nrows(), self.weights.len())?;
        let previous = self.previous.map_or(self.rows.ncols(), |cells| cells.centres().ncols());
        check_size("dimension of the previous partition", self.rows.ncols(), previous)
    }
}

/// Proposes candidate partitions for a level out of the centre denoiser of the level before; the
/// learner keeps the candidate of lowest held-out loss.
///
/// One cell is always a candidate and need not be proposed.
pub trait Partitioner: Any + Debug + Send + Sync {
    /// Candidate partitions for the level of `estimates`; none means one cell. A fit refuses more than a thousand
    /// cells, and cells whose weights, gradients or frames are no numbers or have the wrong shape.
    ///
    /// # Errors
    /// Those of a user's own partitioner.
    fn candidates(
        &self,
        estimates: &CentreEstimates<'_>,
        rng: &mut dyn Rng,
    ) -> Result<Vec<Arc<dyn Partition>>>;
}

impl<T: Partitioner + ?Sized> Partitioner for Box<T> {
    fn candidates(
        &self,
        estimates: &CentreEstimates<'_>,
        rng: &mut dyn Rng,
    ) -> Result<Vec<Arc<dyn Partition>>> {
        (**self).candidates(estimates, rng)
    }
}

/// One cell at every level: the score of a level is one polynomial.
#[derive(Debug, Clone, Copy, Default)]
pub struct SingleCell;

impl Partitioner for SingleCell {
    fn candidates(&self, _: &CentreEstimates<'_>, _: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
        Ok(Vec::new())
    }
}
