use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};
use rand::Rng;

use super::units::Units;
use crate::density::check_points;
use crate::error::Result;
use crate::process::NoiseLevel;
use crate::score::{DifferentiableScore, GaussianLaw, ScoreModel, standard_normals};
use crate::shapes::{check_room, check_room_for_rows, check_room_for_values};

/// A score model of working units, asked in the data's.
pub(crate) struct InUnits<'a, M> {
    pub(crate) model: &'a M,
    pub(crate) units: &'a Units,
}

impl<M> InUnits<'_, M> {
    /// `level` of the data's units in working units.
    pub(crate) fn working_level(&self, level: NoiseLevel) -> Result<NoiseLevel> {
        if level.noise() == 0.0 {
            return Ok(level);
        }
        let scale = self.units.one_scale()?;
        NoiseLevel::new(level.signal(), level.noise() / scale)
    }
}

impl<M: ScoreModel> ScoreModel for InUnits<'_, M> {
    fn dim(&self) -> usize {
        self.units.dim()
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        check_room_for_rows(self.dim(), &points, &score)?;
        let points = points.into_owned();
        check_points(self.dim(), &points)?;
        let working = self.units.noised_to_working(level.signal(), points.clone());
        let inner = self.model.score(self.working_level(level)?, &working)?;
        let mut outer = self.units.gradient_to_data(&inner);
        self.units.add_score_across(level, &points, &mut outer);
        score.copy_from(&outer);
        Ok(())
    }

    /// σ₀ in the data's units where all columns vary and share one scale; 0, no claim, otherwise.
    fn component_std(&self) -> f64 {
        let scale = self.units.uniform_scale().filter(|_| self.units.hull_axes().is_none());
        scale.map_or(0.0, |scale| scale * self.model.component_std())
    }

    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        let law = self.model.start(self.working_level(level)?)?;
        let mean = self.units.noised_to_data(
            level.signal(),
            &DMatrix::from_row_slice(1, self.model.dim(), law.mean.as_slice()),
        );
        Ok(GaussianLaw {
            mean: mean.row(0).transpose(),
            covariance: self.units.covariance_to_data(level.noise(), &law.covariance),
        })
    }

    fn start_sample_into(
        &self,
        level: NoiseLevel,
        rng: &mut dyn Rng,
        mut rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        check_room(self.dim(), &rows)?;
        let mut working = DMatrix::zeros(rows.nrows(), self.model.dim());
        self.model.start_sample_into(self.working_level(level)?, rng, working.as_view_mut())?;
        rows.copy_from(&self.units.noised_to_data(level.signal(), &working));
        if let Some(across) = self.units.across_hull() {
            let noise = standard_normals(rows.nrows(), self.dim(), rng) * across * level.noise();
            rows += noise;
        }
        Ok(())
    }

    fn exact_sample_into(&self, rng: &mut dyn Rng, mut rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        check_room(self.dim(), &rows)?;
        let mut working = DMatrix::zeros(rows.nrows(), self.model.dim());
        self.model.exact_sample_into(rng, working.as_view_mut())?;
        rows.copy_from(&self.units.to_data(&working)?);
        Ok(())
    }
}

impl<M: DifferentiableScore> DifferentiableScore for InUnits<'_, M> {
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        check_room_for_rows(self.dim(), &points, &score)?;
        check_room_for_values(self.dim(), &points, divergence)?;
        // The trace of the Hessian scales as a whole only with one scale for all columns.
        let scale = self.units.one_scale()?;
        let points = points.into_owned();
        check_points(self.dim(), &points)?;
        let working = self.units.noised_to_working(level.signal(), points.clone());
        let mut inner = DMatrix::zeros(working.nrows(), working.ncols());
        let inner_level = self.working_level(level)?;
        self.model.score_and_divergence_into(
            inner_level,
            working.as_view(),
            inner.as_view_mut(),
            divergence,
        )?;
        let mut outer = self.units.gradient_to_data(&inner);
        self.units.add_score_across(level, &points, &mut outer);
        score.copy_from(&outer);
        for value in divergence {
            *value = *value / (scale * scale) + self.units.divergence_across(level);
        }
        Ok(())
    }

    fn start_log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        check_room_for_values(self.dim(), &points, log_density)?;
        let points = points.into_owned();
        let working = self.units.noised_to_working(level.signal(), points.clone());
        self.model.start_log_density_into(self.working_level(level)?, working.as_view(), log_density)?;
        self.units.add_log_density_across(level, &points, log_density);
        log_density.iter_mut().for_each(|value| *value -= self.units.log_volume());
        Ok(())
    }
}
