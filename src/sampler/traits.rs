use std::any::Any;
use std::fmt::Debug;

use nalgebra::{DMatrix, DMatrixViewMut};
use rand::Rng;

use crate::error::Result;
use crate::process::NoiseLevels;
use crate::score::ScoreModel;

/// Draws new rows from a score model by running a diffusion backwards.
pub trait Sampler: Any + Debug + Send + Sync {
    /// Fills the rows of `rows` (n × d) with independent draws, from the one stream `rng`.
    ///
    /// # Errors
    /// Those of the score model.
    fn sample_into(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        rng: &mut dyn Rng,
        rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()>;

    /// `n` independent draws: n × d.
    ///
    /// Rows are drawn in chunks of a fixed size, one stream a chunk, seeded from `rng` in order, so
    /// that the same seed gives the same rows for any number of threads.
    ///
    /// # Errors
    /// Those of `sample_into`.
    fn sample(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        n: usize,
        rng: &mut dyn Rng,
    ) -> Result<DMatrix<f64>> {
        let mut rows = DMatrix::zeros(n, model.dim());
        self.sample_into(model, levels, rng, rows.as_view_mut())?;
        Ok(rows)
    }
}
