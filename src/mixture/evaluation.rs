//! What is asked of a mixture, and where the answers go.

use nalgebra::{DMatrixView, DMatrixViewMut};

use crate::error::Result;
use crate::shapes::{check_room_for_rows, check_room_for_values};

/// The points of one evaluation.
pub(super) struct Points<'a> {
    /// n × m.
    pub(super) points: DMatrixView<'a, f64>,
    /// n × o, in further directions.
    pub(super) further: DMatrixView<'a, f64>,
}

/// Rows evaluated together, so that their coordinates stay in the cache.
pub(super) const ROW_BLOCK: usize = 128;

/// Where the answers go; what is `None` is not computed.
pub(super) struct Outputs<'a> {
    /// n × m, or n × (m + o) with o further directions.
    pub(super) score: Option<DMatrixViewMut<'a, f64>>,
    /// Length n.
    pub(super) divergence: Option<&'a mut [f64]>,
    /// Length n.
    pub(super) log_density: Option<&'a mut [f64]>,
}

impl Outputs<'_> {
    /// Is there room for the answers at points of dimension `dim`?
    pub(super) fn check(&self, dim: usize, points: &DMatrixView<'_, f64>) -> Result<()> {
        if let Some(score) = &self.score {
            check_room_for_rows(dim, points, score)?;
        }
        for values in [&self.divergence, &self.log_density].into_iter().flatten() {
            check_room_for_values(dim, points, values)?;
        }
        Ok(())
    }

    /// Those of `size` rows from `start` on.
    pub(super) fn rows(&mut self, start: usize, size: usize) -> Outputs<'_> {
        Outputs {
            score: self.score.as_mut().map(|score| score.rows_mut(start, size)),
            divergence: self.divergence.as_deref_mut().map(|values| &mut values[start..start + size]),
            log_density: self.log_density.as_deref_mut().map(|values| &mut values[start..start + size]),
        }
    }
}
