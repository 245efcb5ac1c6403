//! What a base mixture leaves over, regressed at all levels in one pass.

use super::base::Base;
use super::fitted::Fitted;
use super::induction::REUSE_BELOW;
use crate::coordinates::Geometry;
use crate::error::Result;
use crate::learner::DiffusionLearner;
use crate::parallel::map_each_mut;
use crate::passes::{PassFrame, RegressionTask};
use crate::polynomial::{LevelBasis, LevelScore, NormalEquations};
use crate::process::{NoiseLevel, NoiseLevels};
use crate::report::{LevelReport, Work};
use crate::rows::WeightedRows;

/// Features of a level at most.
const FEATURES: usize = 80;
/// Rows of a sample on which the polynomials of a level are tried before they are fitted to all rows, which
/// is spared where they promise nothing. A sample of more rows than it holds is tried as a whole.
const TRIED: usize = 2500;
/// Stands for the chunk whose noise is drawn in that trial.
const TRIAL: u64 = u64::MAX;
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
pub(crate) fn correction_tasks(
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

/// What a trial on some of the rows has told of the levels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tried {
    /// Number of rows tried.
    rows: u64,
    /// Levels at which polynomials promise nothing.
    rejected: Vec<LevelReport>,
}

impl Tried {
    /// Keeps the tasks of levels where polynomials lower the held-out loss on a part of the rows, if that is
    /// much less than all.
    pub(crate) fn of(
        mut tasks: Vec<RegressionTask>,
        learner: &DiffusionLearner,
        geometry: &Geometry,
        frame: &PassFrame,
        levels: &NoiseLevels,
        seed: u64,
    ) -> Result<(Vec<RegressionTask>, Self)> {
        let sample = geometry.subsample();
        let rows = if sample.is_complete() { TRIED } else { sample.rows.nrows() };
        if sample.stands_for < 2 * rows as u64 {
            return Ok((tasks, Self::default()));
        }
        let folds: Vec<WeightedRows> =
            (0..sample.n_folds).map(|fold| sample.first_rows(rows, fold)).collect();
        let fits = map_each_mut(&mut tasks, |task| {
            let sums = task.sums(seed, TRIAL, frame, &folds)?.swap_remove(0);
            fitted(task, sums, learner, geometry)
        });
        let (mut promising, mut tried) = (Vec::new(), Self { rows: rows as u64, rejected: Vec::new() });
        for (task, fit) in tasks.into_iter().zip(fits) {
            let fit = fit?;
            if fit.gains(0.0) {
                promising.push(task);
            } else {
                let work = task.gram_updates(tried.rows);
                tried.rejected.push(fit.uncorrected().report(task.index, levels, geometry, 1, work));
            }
        }
        Ok((promising, tried))
    }
}

/// The polynomials of a level on what the base leaves over.
fn fitted(
    task: &RegressionTask,
    sums: Vec<NormalEquations>,
    learner: &DiffusionLearner,
    geometry: &Geometry,
) -> Result<Fitted> {
    let basis = &task.candidates[0];
    let folds = task.completed(basis, sums, geometry.component_std);
    let own_loss = known_loss(&folds, geometry, task.level) - geometry.centre_variances().sum();
    Fitted::of_residual(basis.clone(), folds, learner.regression.ridge(), own_loss)
}

/// Polynomials at every level where they earn their place, with the levels' reports.
pub(crate) fn correct_base(
    learner: &DiffusionLearner,
    geometry: &Geometry,
    base: &Base,
    levels: &NoiseLevels,
    tried: Tried,
    tasks: &[RegressionTask],
    sums: Vec<Vec<NormalEquations>>,
    n_rows: u64,
) -> Result<(Vec<Option<LevelScore>>, Vec<LevelReport>)> {
    let component_std = geometry.component_std;
    let rejected = tried.rejected.into_iter().map(|report| (None, report));
    let mut regressed: Vec<(Option<LevelScore>, LevelReport)> = rejected.collect();
    for (task, folds) in tasks.iter().zip(sums) {
        let mut fitted = fitted(task, folds, learner, geometry)?;
        if !fitted.gains(ACCEPTANCE) {
            fitted = fitted.uncorrected();
        }
        let work = task.gram_updates(tried.rows + n_rows);
        let report = fitted.report(task.index, levels, geometry, 1, work);
        regressed.push((report.degree.map(|_| fitted.into_score()), report));
    }
    regressed.sort_by_key(|(_, report)| report.index);
    let (mut scores, mut reports): (Vec<_>, Vec<_>) = regressed.into_iter().unzip();
    // The quiet levels at the end keep the polynomials of the last one regressed.
    for level in &levels[scores.len()..] {
        let bandwidth = level.bandwidth(component_std);
        let last =
            scores.last().and_then(Option::as_ref).map(|score: &LevelScore| score.at_bandwidth(bandwidth));
        scores.push(last);
        let before = reports.last().cloned().unwrap_or_else(|| unregressed(geometry, base, levels));
        let (index, candidates, work) = (reports.len(), 0, Work::default());
        reports.push(LevelReport { index, level: *level, bandwidth, candidates, work, ..before });
    }
    Ok((scores, reports))
}

/// What is to be said of a level when none was noisy enough to be regressed.
fn unregressed(geometry: &Geometry, base: &Base, levels: &NoiseLevels) -> LevelReport {
    let level = levels.noisiest();
    LevelReport {
        index: 0,
        n_levels: levels.len(),
        level,
        bandwidth: level.bandwidth(geometry.component_std),
        n_cells: base.cells.centres().nrows(),
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
