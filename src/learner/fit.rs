use std::sync::Arc;

use nalgebra::DMatrix;
use rand_distr::{Distribution, StandardNormal};

use super::composition::DiffusionLearner;
use super::geometry::Geometry;
use super::model::DiffusionModel;
use super::pass::{Pass, RegressionTask, Task};
use super::report::{FitReport, LevelReport, Work};
use super::statistics::{Statistics, Sums};
use super::streams::stream;
use super::warning::FitWarning;
use crate::error::{Error, Result};
use crate::partition::{CentreEstimates, GaussianCells, Partition};
use crate::process::{NoiseLevel, NoiseLevels};
use crate::regression::{
    HermiteMoments, LevelBasis, NormalEquations, RegressionTarget, RidgeFit, SmoothingBasis, fit_ridge,
};
use crate::score::{LevelScore, PiecewisePolynomialScore};

/// Purposes of streams: one a level.
const PARTITION_STREAM: u64 = 1 << 33;
const ESTIMATE_STREAM: u64 = 1 << 34;
/// One cell stays a candidate while the level before had this many cells or fewer.
const FEW_CELLS: usize = 6;
/// Below this share of σ₀ as noise a level keeps the coefficients of the level before: selection by
/// held-out loss turns erratic there, while the denoiser hardly changes.
const REUSE_BELOW: f64 = 0.4;

/// A fit under way: a sequence of passes over the rows, without input or output of its own.
///
/// [`DiffusionLearner::fit`] is the loop around it for rows in memory:
///
/// ```
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::DiffusionLearner;
///
/// let rows = DMatrix::from_fn(300, 1, |i, _| (i % 17) as f64 + 0.01 * i as f64);
/// let mut fit = DiffusionLearner::new().start(&mut StdRng::seed_from_u64(1))?;
/// while let Some(pass) = fit.next_pass() {
///     // Blocks of any size, in any order, from anywhere.
///     let mut sums = pass.accumulate(rows.rows(100, 200), 100)?;
///     pass.merge(&mut sums, pass.accumulate(rows.rows(0, 100), 0)?)?;
///     fit.absorb(sums)?;
/// }
/// let model = fit.finish()?;
/// assert_eq!(model.report().n_rows, 300);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fit {
    learner: DiffusionLearner,
    seed: u64,
    next: Option<Pass>,
    passes: usize,
    state: Option<State>,
    report: FitReport,
}

/// What is known from the first pass on.
#[derive(Debug, Clone)]
struct State {
    geometry: Arc<Geometry>,
    levels: NoiseLevels,
    smoothing: Arc<SmoothingBasis>,
    /// Hermite moments, one a fold; empty until the second pass.
    moments: Vec<HermiteMoments>,
    /// The scores of the levels done, noisiest first.
    scores: Vec<LevelScore>,
}

/// A candidate partition fitted to a level.
struct Fitted {
    basis: LevelBasis,
    ridge: RidgeFit,
    /// Held-out losses with and without polynomials, up to the same constant.
    loss: f64,
    own_loss: f64,
}

impl Fit {
    pub(crate) fn new(learner: DiffusionLearner, seed: u64) -> Self {
        let report = FitReport {
            levels: Vec::new(),
            n_rows: 0,
            dim: 0,
            active_dim: 0,
            component_std: 0.0,
            passes: 0,
            warnings: Vec::new(),
        };
        let first = Pass { number: 0, seed, task: Task::Moments };
        Self { learner, seed, next: Some(first), passes: 0, state: None, report }
    }

    /// The pass to run next over all rows; `None` when the fit is complete.
    pub fn next_pass(&self) -> Option<Pass> {
        self.next.clone()
    }

    /// Takes in the sums of the pass over all rows. Returns the levels that it completed: none, one,
    /// or several at once.
    ///
    /// # Errors
    /// [`Error::IncompletePass`] or [`Error::ForeignStatistics`] when `sums` are not those of
    /// [`next_pass`](Self::next_pass) over all rows, [`Error::NoRows`] when there are none, and
    /// errors of the parts: schedule, partitioner, cells.
    pub fn absorb(&mut self, sums: Statistics) -> Result<&[LevelReport]> {
        let Some(pass) = self.next.take() else {
            return Err(Error::ForeignStatistics { pass: self.passes, foreign: sums.pass().unwrap_or(0) });
        };
        let done = self.report.levels.len();
        let outcome = self.absorb_into(&pass, sums);
        if outcome.is_err() {
            self.next = Some(pass);
        }
        outcome?;
        Ok(&self.report.levels[done..])
    }

    fn absorb_into(&mut self, pass: &Pass, sums: Statistics) -> Result<()> {
        if let Some(foreign) = sums.pass().filter(|&p| p != pass.number) {
            return Err(Error::ForeignStatistics { pass: pass.number, foreign });
        }
        let expected = self.state.as_ref().map(|_| self.report.n_rows);
        let (total, n_rows) = sums.total(expected, pass)?;
        self.passes = pass.number + 1;
        self.report.passes = self.passes;
        self.report.n_rows = n_rows;
        match (total, &pass.task) {
            (Sums::Moments(moments), _) => {
                let state = self.begin(&moments, n_rows)?;
                let task = Task::Smoothing(state.geometry.clone(), state.smoothing.clone());
                self.state = Some(state);
                self.next = Some(self.pass(task));
                Ok(())
            }
            (Sums::Smoothing(moments), _) => {
                if let Some(state) = &mut self.state {
                    state.moments = moments;
                }
                self.descend()
            }
            (Sums::Regression(sums), Task::Regression(_, task)) => {
                self.choose_cells(task, sums)?;
                self.descend()
            }
            (Sums::Regression(_), _) => Ok(()),
        }
    }

    fn pass(&self, task: Task) -> Pass {
        Pass { number: self.passes, seed: self.seed, task }
    }

    /// Units, active subspace, noise levels.
    fn begin(&mut self, moments: &super::moments::Moments, n_rows: u64) -> Result<State> {
        let warnings = &mut self.report.warnings;
        let geometry = Geometry::new(moments, n_rows, self.learner.component_std, warnings)?;
        let scale = geometry.scale();
        let levels = self.learner.schedule.levels(scale)?;
        let ratio = levels.noisiest().noise_to_signal() / scale.data_std;
        if ratio < 1.0 {
            warnings.push(FitWarning::NoisiestNotGaussian { ratio });
        }
        let bandwidth = levels.quietest().bandwidth(scale.component_std);
        if bandwidth > 1.5 * scale.component_std {
            let component_std = scale.component_std;
            warnings.push(FitWarning::QuietestAboveComponent { bandwidth, component_std });
        }
        self.report.dim = geometry.covariance.nrows();
        self.report.active_dim = geometry.active_dim();
        self.report.component_std = geometry.component_std;
        let degree = self.learner.regression.single_cell_degree(geometry.active_dim());
        let centre = nalgebra::DVector::zeros(geometry.active_dim());
        let smoothing = SmoothingBasis::new(centre, geometry.variances.clone(), degree);
        Ok(State {
            geometry: Arc::new(geometry),
            levels,
            smoothing: Arc::new(smoothing),
            moments: Vec::new(),
            scores: Vec::new(),
        })
    }

    /// The paper's induction over noise levels, noisiest first: the score of the level before says
    /// where the centres are, a partition of space follows from them, and a regression in its cells
    /// gives the score of this level. Runs until a level needs a pass over the rows, or all are done.
    fn descend(&mut self) -> Result<()> {
        let Some(mut state) = self.state.take() else { return Ok(()) };
        self.next = None;
        while let Some(&level) = state.levels.get(state.scores.len()) {
            if let Some(score) = state.reused(level) {
                let before = self.report.levels.last().cloned();
                self.report.levels.extend(before.map(|report| state.reused_report(report, level)));
                state.scores.push(score);
                continue;
            }
            let candidates = self.candidates(&state, level)?;
            if candidates.is_empty() {
                let fitted = self.single_cell(&state, level)?;
                self.complete_level(&mut state, level, fitted, 1, 0);
            } else {
                let task = self.regression_task(&state, level, candidates);
                self.next = Some(self.pass(Task::Regression(state.geometry.clone(), task)));
                break;
            }
        }
        self.state = Some(state);
        Ok(())
    }

    /// Where the centres are, by the score of the level before, and the cells that follow from it.
    fn candidates(&self, state: &State, level: NoiseLevel) -> Result<Vec<Arc<dyn Partition>>> {
        let index = state.scores.len();
        let rows = &state.geometry.subsample;
        let estimates = match state.scores.last() {
            Some(previous) => {
                let noise = state.levels[index - 1].noise_to_signal();
                let mut rng = stream(self.seed, ESTIMATE_STREAM, index as u64);
                let noised = rows.rows.map(|x| {
                    let z: f64 = StandardNormal.sample(&mut rng);
                    x + noise * z
                });
                previous.centre(&noised)?
            }
            None => rows.rows.clone(),
        };
        let bandwidth = level.bandwidth(state.geometry.component_std);
        let seen =
            CentreEstimates::new(level, bandwidth, rows.rows.as_view(), estimates.as_view(), &rows.weights);
        let seen = match state.scores.last() {
            Some(previous) => seen.with_previous(previous.basis().partition()),
            None => seen,
        };
        let mut rng = stream(self.seed, PARTITION_STREAM, index as u64);
        let mut candidates = self.learner.partitioner.candidates(&seen, &mut rng)?;
        let clean_row = self.learner.regression.target() == RegressionTarget::CleanRow;
        if clean_row && candidates.iter().any(|cells| !cells.is_smooth()) {
            return Err(Error::IncompatibleParts {
                first: "hard cells",
                second: "the clean-row target",
                reason: "it needs the derivative of the features, which hard cells do not have",
            });
        }
        candidates.retain(|cells| cells.centres().nrows() > 0);
        let before = state.scores.last().map_or(1, |s| s.basis().cells());
        if !candidates.is_empty() && before <= FEW_CELLS {
            candidates.push(state.one_cell());
        }
        Ok(candidates)
    }

    fn regression_task(
        &self,
        state: &State,
        level: NoiseLevel,
        candidates: Vec<Arc<dyn Partition>>,
    ) -> RegressionTask {
        let dim = state.geometry.active_dim();
        let bandwidth = level.bandwidth(state.geometry.component_std);
        let regression = &self.learner.regression;
        let bases = candidates.into_iter().map(|cells| {
            let degree = match cells.centres().nrows() {
                1 => regression.single_cell_degree(dim),
                k => regression.degree_in_cells(k, dim),
            };
            LevelBasis::new(cells, bandwidth, degree)
        });
        RegressionTask {
            index: state.scores.len(),
            noise: level.noise_to_signal(),
            target: regression.target(),
            draws: if dim <= 2 { 8 } else { 4 },
            candidates: bases.collect(),
        }
    }

    /// The score of one cell with infinitely many draws.
    fn single_cell(&self, state: &State, level: NoiseLevel) -> Result<Fitted> {
        let geometry = &state.geometry;
        let dim = geometry.active_dim();
        let bandwidth = level.bandwidth(geometry.component_std);
        let degree = self.learner.regression.single_cell_degree(dim);
        let basis = LevelBasis::new(state.one_cell(), bandwidth, degree);
        let equations = state.moments.iter().map(|fold| {
            state.smoothing.normal_equations(fold, geometry.component_std, level.noise_to_signal())
        });
        self.fitted(basis, equations.collect())
    }

    /// The best coefficients for one partition and its held-out losses.
    fn fitted(&self, basis: LevelBasis, folds: Vec<NormalEquations>) -> Result<Fitted> {
        let own = basis.own_denoiser();
        let weight: f64 = folds.iter().map(|fold| fold.weight).sum();
        let own_loss = folds.iter().map(|fold| fold.loss(&own)).sum::<f64>() / weight;
        let residuals: Vec<NormalEquations> = folds.into_iter().map(|fold| fold.residual(&own)).collect();
        let ridge = fit_ridge(&residuals, &basis.orders(), self.learner.regression.ridge())?;
        Ok(Fitted { loss: own_loss + ridge.held_out_loss, own_loss, basis, ridge })
    }

    /// The candidate partition of lowest held-out loss becomes the level's score.
    fn choose_cells(&mut self, task: &RegressionTask, sums: Vec<Vec<NormalEquations>>) -> Result<()> {
        let Some(mut state) = self.state.take() else { return Ok(()) };
        let component_std = state.geometry.component_std;
        let n_candidates = task.candidates.len();
        let mut best: Option<(f64, Fitted)> = None;
        let mut updates = 0;
        for (basis, mut folds) in task.candidates.iter().zip(sums) {
            for fold in &mut folds {
                basis.complete(task.target, component_std, fold);
                fold.scale(1.0 / task.draws as f64);
            }
            updates += (basis.len() * basis.len() * task.draws) as u64 * self.report.n_rows;
            let fitted = self.fitted(basis.clone(), folds)?;
            // Warm starts have seen the held-out rows too; each coordinate of a centre costs σ₀²/n.
            let seen = (basis.cells() * state.geometry.active_dim()) as f64;
            let criterion = fitted.loss + seen * component_std * component_std / state.geometry.weight;
            if best.as_ref().is_none_or(|b| criterion < b.0) {
                best = Some((criterion, fitted));
            }
        }
        let level = state.levels[state.scores.len()];
        if let Some((_, mut fitted)) = best {
            if fitted.basis.cells() == 1 {
                // Against the other candidates it stood with the same draws; now it gets all of them.
                fitted = self.single_cell(&state, level)?;
            }
            self.complete_level(&mut state, level, fitted, n_candidates, updates);
        }
        self.state = Some(state);
        Ok(())
    }

    fn complete_level(
        &mut self,
        state: &mut State,
        level: NoiseLevel,
        fitted: Fitted,
        candidates: usize,
        gram_updates: u64,
    ) {
        let variance = state.geometry.centre_variances().sum();
        let share = |loss: f64| if variance > 0.0 { 1.0 + loss / variance } else { 0.0 };
        self.report.levels.push(LevelReport {
            index: state.scores.len(),
            n_levels: state.levels.len(),
            level,
            bandwidth: fitted.basis.bandwidth(),
            n_cells: fitted.basis.cells(),
            degree: fitted.ridge.degree,
            held_out_loss: share(fitted.loss),
            mixture_loss: share(fitted.own_loss),
            candidates,
            work: Work { gram_updates, solves: fitted.ridge.solves as u64 },
        });
        state.scores.push(fitted.into_score());
    }

    /// The noise levels, once the first pass has chosen them.
    pub fn levels(&self) -> Option<&NoiseLevels> {
        self.state.as_ref().map(|state| &state.levels)
    }

    /// What was done so far.
    pub fn report(&self) -> &FitReport {
        &self.report
    }

    /// The fitted model.
    ///
    /// # Errors
    /// [`Error::IncompletePass`] while a pass is still to be absorbed.
    pub fn finish(self) -> Result<DiffusionModel> {
        let (None, Some(state)) = (&self.next, self.state) else {
            return Err(Error::IncompletePass { pass: self.passes, expected: self.report.n_rows, found: 0 });
        };
        let geometry = Arc::unwrap_or_clone(state.geometry);
        let score = PiecewisePolynomialScore::new(
            geometry.subspace,
            geometry.covariance,
            geometry.component_std,
            state.levels,
            state.scores,
        );
        DiffusionModel::new(score, geometry.units, self.learner.sampler, self.report)
    }
}

impl State {
    /// The Gaussian of all rows as one cell.
    fn one_cell(&self) -> Arc<dyn Partition> {
        let centre = nalgebra::DVector::zeros(self.geometry.active_dim());
        Arc::new(GaussianCells::axis_aligned(&centre, self.geometry.centre_variances()))
    }

    /// The score of the level before at the bandwidth of `level`, where that is good enough.
    fn reused(&self, level: NoiseLevel) -> Option<LevelScore> {
        let previous = self.scores.last()?;
        let quiet = level.noise_to_signal() < REUSE_BELOW * self.geometry.component_std;
        (quiet && previous.basis().cells() > 1)
            .then(|| previous.at_bandwidth(level.bandwidth(self.geometry.component_std)))
    }

    fn reused_report(&self, before: LevelReport, level: NoiseLevel) -> LevelReport {
        let bandwidth = level.bandwidth(self.geometry.component_std);
        LevelReport {
            index: before.index + 1,
            level,
            bandwidth,
            candidates: 0,
            work: Work::default(),
            ..before
        }
    }
}

impl Fitted {
    fn into_score(self) -> LevelScore {
        let coefficients: DMatrix<f64> = self.basis.own_denoiser() + self.ridge.correction;
        LevelScore::new(self.basis, &coefficients)
    }
}
