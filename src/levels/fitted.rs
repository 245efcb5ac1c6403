use nalgebra::DMatrix;

use crate::coordinates::Geometry;
use crate::error::Result;
use crate::polynomial::{LevelBasis, LevelScore, NormalEquations, RidgeFit, fit_ridge};
use crate::process::{NoiseLevel, NoiseLevels};
use crate::report::{LevelReport, Work};

/// A partition with the polynomials of lowest held-out loss in its cells, at one level.
#[derive(Debug, Clone)]
pub(crate) struct Fitted {
    basis: LevelBasis,
    /// Whether the polynomials correct the cells' own centre denoiser, or a base.
    of_cells: bool,
    ridge: RidgeFit,
    /// Loss of what was there before, up to a constant that all candidates of a level share.
    own_loss: f64,
}

impl Fitted {
    /// Corrects the cells' own centre denoiser.
    pub(crate) fn in_cells(basis: LevelBasis, folds: Vec<NormalEquations>, ridge: &[f64]) -> Result<Self> {
        let own = basis.own_denoiser();
        let weight: f64 = folds.iter().map(|fold| fold.weight).sum();
        let own_loss = folds.iter().map(|fold| fold.loss(&own)).sum::<f64>() / weight;
        let residuals: Vec<NormalEquations> = folds.into_iter().map(|fold| fold.residual(&own)).collect();
        let ridge = fit_ridge(&residuals, &basis.orders(), ridge)?;
        Ok(Self { basis, of_cells: true, ridge, own_loss })
    }

    /// Corrects a base that the equations have been freed of already.
    pub(crate) fn of_residual(
        basis: LevelBasis,
        folds: Vec<NormalEquations>,
        ridge: &[f64],
        own_loss: f64,
    ) -> Result<Self> {
        let ridge = fit_ridge(&folds, &basis.orders(), ridge)?;
        Ok(Self { basis, of_cells: false, ridge, own_loss })
    }

    pub(crate) fn cells(&self) -> usize {
        self.basis.cells()
    }

    /// Held-out loss, comparable between the candidates of a level.
    pub(crate) fn loss(&self) -> f64 {
        self.own_loss + self.ridge.held_out_loss
    }

    /// Whether the polynomials lower the held-out loss by more than `errors` standard errors, degree and
    /// ridge being chosen without the rows that judge them.
    pub(crate) fn gains(&self, errors: f64) -> bool {
        self.ridge.degree.is_some() && self.ridge.judged_loss < -errors * self.ridge.std_error
    }

    /// Without the polynomials.
    pub(crate) fn uncorrected(self) -> Self {
        let correction = DMatrix::zeros(self.ridge.correction.nrows(), self.ridge.correction.ncols());
        let ridge = RidgeFit { degree: None, held_out_loss: 0.0, correction, ..self.ridge };
        Self { ridge, ..self }
    }

    pub(crate) fn report(
        &self,
        index: usize,
        levels: &NoiseLevels,
        geometry: &Geometry,
        candidates: usize,
        gram_updates: u64,
    ) -> LevelReport {
        let variance = geometry.centre_variances().sum();
        let share = |loss: f64| if variance > 0.0 { 1.0 + loss / variance } else { 0.0 };
        let level: NoiseLevel = levels[index];
        LevelReport {
            index,
            n_levels: levels.len(),
            level,
            bandwidth: self.basis.bandwidth(),
            n_cells: self.basis.cells(),
            degree: self.ridge.degree,
            held_out_loss: Some(share(self.loss())),
            mixture_loss: Some(share(self.own_loss)),
            candidates,
            work: Work { gram_updates, solves: self.ridge.solves as u64 },
        }
    }

    /// The polynomials, unless they add nothing to a base.
    pub(crate) fn into_score(self) -> Option<LevelScore> {
        let adds = self.of_cells || self.ridge.degree.is_some();
        adds.then(|| LevelScore::new(&self.basis, &self.ridge.correction, self.of_cells))
    }
}
