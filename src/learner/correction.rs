//! What a base mixture leaves over, regressed at all levels in one pass.

use std::sync::Arc;

use super::base::Base;
use super::composition::DiffusionLearner;
use super::fitted::Fitted;
use super::geometry::Geometry;
use super::induction::REUSE_BELOW;
use super::pass::RegressionTask;
use super::report::{LevelReport, Work};
use crate::error::Result;
use crate::process::{NoiseLevel, NoiseLevels};
use crate::regression::{LevelBasis, NormalEquations};
use crate::score::LevelScore;

/// Features of a level at most.
const FEATURES: usize = 80;
/// Noise draws a row and level.
const DRAWS: usize = 2;
/// Standard errors by which polynomials have to lower the held-out loss of a level. With five folds a
/// level whose base is exact passes in 2 % of cases (Student's t with four degrees of freedom).
const ACCEPTANCE: f64 = 3.0;
/// Polynomials of a lower degree are what the cells' own means and covariances are.
const LEAST_DEGREE: usize = 2;

/// The tasks of all levels that are noisy enough to be regressed; none where there are so many cells that
/// polynomials worth having exceed the features of a level, since cells are the finer tool then, and where
/// the base was not fitted without each fold, since what it leaves over is unknown.
pub(super) fn correction_tasks(
    learner: &DiffusionLearner,
    geometry: &Geometry,
    base: &Base,
    levels: &NoiseLevels,
) -> Result<Vec<RegressionTask>> {
    let dim = geometry.active_dim();
    let regression = &learner.regression;
    let degree = regression.degree_in_cells(base.cells.centres().nrows(), dim, FEATURES);
    if degree < LEAST_DEGREE.min(regression.wanted_degree()) || !base.is_cross_fitted() {
        return Ok(Vec::new());
    }
    let noisy = |level: &NoiseLevel| level.noise_to_signal() >= REUSE_BELOW * geometry.component_std;
    levels
        .iter()
        .enumerate()
        .filter(|(_, level)| noisy(level) && level.noise() > 0.0)
        .map(|(index, level)| {
            let bandwidth = level.bandwidth(geometry.component_std);
            Ok(RegressionTask {
                index,
                level: NoiseLevel::variance_exploding(level.noise_to_signal())?,
                target: regression.target(),
                draws: DRAWS,
                candidates: vec![LevelBasis::new(base.cells.clone(), bandwidth, degree)],
            })
        })
        .collect()
}

/// Polynomials at every level where they earn their place, with the levels' reports.
pub(super) fn correct_base(
    learner: &DiffusionLearner,
    geometry: &Arc<Geometry>,
    levels: &NoiseLevels,
    tasks: &[RegressionTask],
    sums: Vec<Vec<NormalEquations>>,
    n_rows: u64,
) -> Result<(Vec<Option<LevelScore>>, Vec<LevelReport>)> {
    let component_std = geometry.component_std;
    let (mut scores, mut reports): (Vec<Option<LevelScore>>, Vec<LevelReport>) = (Vec::new(), Vec::new());
    for (task, folds) in tasks.iter().zip(sums) {
        let basis = &task.candidates[0];
        let folds = task.completed(basis, folds, component_std);
        let own_loss = known_loss(&folds, geometry, task.level) - geometry.centre_variances().sum();
        let mut fitted = Fitted::of_residual(basis.clone(), folds, learner.regression.ridge(), own_loss)?;
        if !fitted.gains(ACCEPTANCE) {
            fitted = fitted.uncorrected();
        }
        let report = fitted.report(task.index, levels, geometry, 1, task.gram_updates(n_rows));
        scores.push(report.degree.map(|_| fitted.into_score()));
        reports.push(report);
    }
    // The quiet levels at the end keep the polynomials of the last one regressed.
    for level in &levels[scores.len()..] {
        let bandwidth = level.bandwidth(component_std);
        let last = scores.last().and_then(Option::as_ref).map(|score| score.at_bandwidth(bandwidth));
        scores.push(last);
        let before = reports.last().cloned().unwrap_or_else(|| unregressed(geometry, levels));
        let (index, candidates, work) = (reports.len(), 0, Work::default());
        reports.push(LevelReport { index, level: *level, bandwidth, candidates, work, ..before });
    }
    Ok((scores, reports))
}

/// What is to be said of a level when none was noisy enough to be regressed.
fn unregressed(geometry: &Geometry, levels: &NoiseLevels) -> LevelReport {
    let level = levels.noisiest();
    LevelReport {
        index: 0,
        n_levels: levels.len(),
        level,
        bandwidth: level.bandwidth(geometry.component_std),
        n_cells: geometry.base.as_ref().map_or(0, |base| base.cells.centres().nrows()),
        degree: None,
        held_out_loss: None,
        mixture_loss: None,
        candidates: 0,
        work: Work::default(),
    }
}

/// E|Û − U|² of the base: its denoising loss, less the noise of the target y − τ²z/s = U + σ₀z₀ − (σ₀²/s)z.
fn known_loss(folds: &[NormalEquations], geometry: &Geometry, level: NoiseLevel) -> f64 {
    let weight: f64 = folds.iter().map(|fold| fold.weight).sum();
    let loss = folds.iter().map(|fold| fold.known_loss).sum::<f64>() / weight;
    let variance = geometry.component_std.powi(2);
    let noise = geometry.active_dim() as f64 * variance * (1.0 + variance / level.noise().powi(2));
    (loss - noise).max(0.0)
}
