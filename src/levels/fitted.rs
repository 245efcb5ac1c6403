use crate::coordinates::Geometry;
use crate::error::Result;
use crate::polynomial::{LevelBasis, LevelScore, NormalEquations, RidgeFit, fit_ridge};
use crate::process::{NoiseLevel, NoiseLevels};
use crate::report::{LevelReport, Work};

/// A partition with the polynomials of lowest held-out loss in its cells, at one level.
#[derive(Debug, Clone)]
pub(crate) struct Fitted {
    basis: LevelBasis,
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
        Ok(Self { basis, ridge, own_loss })
    }

    pub(crate) fn cells(&self) -> usize {
        self.basis.cells()
    }

    /// Held-out loss, comparable between the candidates of a level.
    pub(crate) fn loss(&self) -> f64 {
        self.own_loss + self.ridge.held_out_loss
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

    /// The cells' own denoiser with the polynomials.
    pub(crate) fn into_score(self) -> LevelScore {
        LevelScore::new(&self.basis, &self.ridge.correction, true)
    }
}
