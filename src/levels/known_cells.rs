//! Cells that are known beforehand: what a base mixture leaves over, regressed at all levels in one pass.

use std::sync::Arc;

use super::base::Base;
use super::fitted::Fitted;
use super::plan::Plan;
use super::setup::Setup;
use super::tuning::TUNING;
use crate::error::Result;
use crate::parallel::map_each_mut;
use crate::passes::{PassFrame, RegressionTask};
use crate::polynomial::{LevelBasis, NormalEquations};
use crate::process::NoiseLevel;
use crate::rows::WeightedRows;

/// Stands for the chunk whose noise is drawn in that trial.
const TRIAL: u64 = u64::MAX;

/// All levels have the cells of a base, whose score polynomials correct.
#[derive(Debug, Clone)]
pub(super) struct KnownCells {
    pub(super) base: Arc<Base>,
}

impl KnownCells {
    /// Regressions at the levels that are noisy enough and where a trial promises something.
    pub(super) fn all_levels(&self, setup: &Setup, frame: &PassFrame) -> Result<Vec<Plan>> {
        let mut plans = self.tried(self.tasks(setup)?, setup, frame)?;
        let cells = self.base.cells.centres().nrows();
        plans.resize(setup.levels.len(), Plan::Reuse { cells });
        Ok(plans)
    }

    /// The tasks of all levels that are noisy enough; none where there are so many cells that polynomials worth
    /// having exceed the features of a level, since cells are the finer tool then, and where the base was not
    /// fitted without each fold, since what it leaves over is unknown.
    fn tasks(&self, setup: &Setup) -> Result<Vec<RegressionTask>> {
        let Setup { regression, geometry, levels, .. } = setup;
        let cells = &self.base.cells;
        let degree =
            regression.degree_in_cells(cells.centres().nrows(), geometry.active_dim(), TUNING.known_features);
        if degree < TUNING.known_least_degree.min(regression.wanted_degree()) || !self.base.is_cross_fitted()
        {
            return Ok(Vec::new());
        }
        let noisy = levels.iter().enumerate().take_while(|(_, level)| !setup.is_quiet(**level));
        noisy
            .map(|(index, level)| {
                Ok(RegressionTask {
                    index,
                    level: NoiseLevel::variance_exploding(level.noise_to_signal())?,
                    target: regression.target(),
                    draws: TUNING.known_draws,
                    candidates: vec![LevelBasis::new(cells.clone(), setup.bandwidth(*level), degree)],
                })
            })
            .collect()
    }

    /// Keeps the tasks of levels where polynomials lower the held-out loss on a part of the rows, if that is
    /// much less than all.
    fn tried(&self, mut tasks: Vec<RegressionTask>, setup: &Setup, frame: &PassFrame) -> Result<Vec<Plan>> {
        let sample = setup.geometry.subsample();
        let rows = if sample.is_complete() { TUNING.tried_rows } else { sample.rows.nrows() };
        if sample.stands_for < 2 * rows as u64 {
            return Ok(tasks.into_iter().map(|task| Plan::Regress { task, tried: 0 }).collect());
        }
        let folds: Vec<WeightedRows> =
            (0..sample.n_folds).map(|fold| sample.first_rows(rows, fold)).collect();
        let fits = map_each_mut(&mut tasks, |task| {
            let sums = task.sums(setup.seed, TRIAL, frame, &folds)?.swap_remove(0);
            let basis = &task.candidates[0];
            let folds = task.completed(basis, sums, setup.geometry.component_std);
            Self::fitted(setup, task.level, basis, folds)
        });
        let rows = rows as u64;
        let plan = |(task, fit): (RegressionTask, Result<Fitted>)| {
            let fit = fit?;
            Ok(if fit.gains(0.0) {
                Plan::Regress { task, tried: rows }
            } else {
                Plan::Fitted(Box::new(fit.uncorrected()), task.gram_updates(rows))
            })
        };
        tasks.into_iter().zip(fits).map(plan).collect()
    }

    /// The polynomials of a level on what the base leaves over.
    pub(super) fn fitted(
        setup: &Setup,
        level: NoiseLevel,
        basis: &LevelBasis,
        folds: Vec<NormalEquations>,
    ) -> Result<Fitted> {
        let own_loss = known_loss(&folds, setup, level) - setup.geometry.centre_variances().sum();
        Fitted::of_residual(basis.clone(), folds, setup.regression.ridge(), own_loss)
    }

    /// Polynomials are kept where they earn their place.
    pub(super) fn kept(best: Fitted) -> Fitted {
        if best.gains(TUNING.acceptance) { best } else { best.uncorrected() }
    }
}

/// E|Û − U|² of the base: its denoising loss, less the noise of the target y − τ²z/s = U + σ₀z₀ − (σ₀²/s)z.
fn known_loss(folds: &[NormalEquations], setup: &Setup, level: NoiseLevel) -> f64 {
    let weight: f64 = folds.iter().map(|fold| fold.weight).sum();
    let loss = folds.iter().map(|fold| fold.known_loss).sum::<f64>() / weight;
    let variance = setup.geometry.component_std.powi(2);
    let noise = setup.geometry.active_dim() as f64 * variance * (1.0 + variance / level.noise().powi(2));
    (loss - noise).max(0.0)
}
