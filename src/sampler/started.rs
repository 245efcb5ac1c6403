use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};
use rand::Rng;

use crate::error::Result;
use crate::process::NoiseLevel;
use crate::score::{GaussianLaw, ScoreModel};
use crate::shapes::check_size;

/// A score model whose reverse diffusion starts from given rows of Y instead of draws.
pub(super) struct Started<'a> {
    pub(super) model: &'a dyn ScoreModel,
    pub(super) rows: DMatrix<f64>,
}

impl ScoreModel for Started<'_> {
    fn dim(&self) -> usize {
        self.model.dim()
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.model.score_into(level, points, score)
    }

    fn denoise_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        denoised: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.model.denoise_into(level, points, denoised)
    }

    fn component_std(&self) -> f64 {
        self.model.component_std()
    }

    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        self.model.start(level)
    }

    fn start_sample_into(
        &self,
        _: NoiseLevel,
        _: &mut dyn Rng,
        mut rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        check_size("rows to start from", rows.nrows(), self.rows.nrows())?;
        rows.copy_from(&self.rows);
        Ok(())
    }
}
