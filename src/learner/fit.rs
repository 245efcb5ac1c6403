use std::sync::Arc;

use super::diagnosis;
use super::model::DiffusionModel;
use super::settings::{CellSource, DiffusionLearner};
use crate::cells::Partition;
use crate::coordinates::{ActiveRows, Columns, Geometry, Principal, Scaled};
use crate::error::{Error, Result};
use crate::levels::{Base, Induction, Tried, correct_base, correction_tasks, smallest_std};
use crate::mixture::CellMixture;
use crate::passes::{Pass, PassFrame, RegressionTask, Statistics, Sums, Task};
use crate::polynomial::{LevelScore, NormalEquations, PiecewisePolynomialScore};
use crate::process::NoiseLevels;
use crate::report::{FitReport, FitWarning, LevelReport};
use crate::rows::Moments;
use crate::search::{Next, Refinement};

/// A quietest level whose bandwidth exceeds σ₀ by this factor still blurs the data.
const BLURRED: f64 = 1.5;
/// Under more noise than this many standard deviations of the data rounding loses them.
const DROWNED: f64 = 1e10;

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
/// With the feature `serde` a fit can be saved between two passes and goes on to the same bits on the same kind
/// of processor; passes and sums travel as bytes. Levels that are learned one after the other, with cells of
/// their own, cannot be saved.
#[derive(Debug, Clone)]
pub struct Fit {
    pub(crate) learner: DiffusionLearner,
    pub(crate) seed: u64,
    next: Option<Pass>,
    state: State,
    report: FitReport,
    /// The sums of the passes absorbed, of which all else follows; without those of levels that are learned
    /// one after the other, which can be large.
    #[cfg(feature = "serde")]
    pub(crate) absorbed: Vec<Arc<Sums>>,
}

/// What is known so far.
#[derive(Debug, Clone)]
enum State {
    /// Nothing.
    Start,
    /// Units; the base mixture is being refined on all rows.
    Refinement(Arc<Geometry>, Box<Refinement>),
    /// Units and noise levels; levels are learned one after the other, each with cells of its own.
    Induction(Arc<Geometry>, NoiseLevels, Box<Induction>),
    /// Units, noise levels and a base mixture, whose score is corrected at all promising levels together.
    Correction(Arc<Geometry>, NoiseLevels, Box<Base>, Tried),
    /// Everything.
    Done(Arc<Geometry>, NoiseLevels, Scores),
}

/// The scores of all levels and the cells that name the parts of the law.
#[derive(Debug, Clone)]
struct Scores {
    base: Option<CellMixture>,
    by_level: Vec<Option<LevelScore>>,
    cells: Arc<dyn Partition>,
}

impl Fit {
    pub(crate) fn new(learner: DiffusionLearner, seed: u64) -> Self {
        let report = FitReport::default();
        let first = Pass { number: 0, seed, task: Task::Moments };
        Self {
            learner,
            seed,
            next: Some(first),
            state: State::Start,
            report,
            #[cfg(feature = "serde")]
            absorbed: Vec::new(),
        }
    }

    /// A fit that has absorbed these sums of its first passes over `n_rows` rows.
    #[cfg(feature = "serde")]
    pub(crate) fn resume(
        learner: DiffusionLearner,
        seed: u64,
        n_rows: u64,
        absorbed: Vec<Sums>,
    ) -> Result<Self> {
        let mut fit = Self::new(learner, seed);
        for sums in absorbed {
            let Some(pass) = fit.next_pass() else {
                return Err(Error::ForeignStatistics { pass: fit.report.passes, foreign: fit.report.passes });
            };
            pass.check_shape(&sums)?;
            fit.advance(&pass, sums, n_rows)?;
        }
        Ok(fit)
    }

    /// The pass to run next over all rows; `None` when the fit is complete.
    pub fn next_pass(&self) -> Option<Pass> {
        self.next.clone()
    }

    /// Takes in the sums of the pass over all rows. Returns the levels that it completed: none, one,
    /// or several at once. After an error the fit still waits for the same pass.
    ///
    /// # Errors
    /// [`Error::IncompletePass`], [`Error::ForeignStatistics`] or [`Error::ForeignFit`] when `sums` are not
    /// those of [`next_pass`](Self::next_pass) over all rows, [`Error::NoRows`] when there are none, and
    /// errors of the parts: schedule, estimator or partitioner, cells.
    pub fn absorb(&mut self, sums: Statistics) -> Result<&[LevelReport]> {
        let Some(pass) = self.next.clone() else {
            let foreign = sums.origin().map_or(0, |origin| origin.pass);
            return Err(Error::ForeignStatistics { pass: self.report.passes, foreign });
        };
        if let Some(origin) = sums.origin() {
            pass.origin().check(origin)?;
        }
        sums.sums().try_for_each(|part| pass.check_shape(part))?;
        let expected = (pass.number > 0).then_some(self.report.n_rows);
        let (total, n_rows) = sums.total(expected, &pass)?;
        let done = self.report.levels.len();
        let mut advanced = self.clone();
        advanced.advance(&pass, total, n_rows)?;
        *self = advanced;
        Ok(&self.report.levels[done..])
    }

    /// One step: from the sums of `pass` to the next pass or the end.
    fn advance(&mut self, pass: &Pass, total: Sums, n_rows: u64) -> Result<()> {
        self.report.passes = pass.number + 1;
        self.report.n_rows = n_rows;
        let state = std::mem::replace(&mut self.state, State::Start);
        #[cfg(feature = "serde")]
        if !matches!((&state, &total), (State::Induction(..), Sums::Regression(_))) {
            self.absorbed.push(Arc::new(total.clone()));
        }
        match (state, total, &pass.task) {
            (State::Start, Sums::Moments(moments), _) => self.begin(&moments),
            (State::Refinement(geometry, refinement), Sums::Cells(sums), _) => {
                self.refine(refinement.absorb_cells(&sums, &geometry), geometry)
            }
            (State::Refinement(geometry, refinement), Sums::Likelihoods(judged), _) => {
                self.refine(refinement.absorb_likelihoods(&judged, &geometry), geometry)
            }
            (State::Induction(geometry, levels, mut induction), Sums::Smoothing(moments), _) => {
                induction.absorb_moments(moments);
                self.induct(geometry, levels, induction)
            }
            (
                State::Induction(geometry, levels, mut induction),
                Sums::Regression(sums),
                Task::Regression(_, tasks),
            ) => {
                for task in tasks {
                    induction.choose_cells(task, sums.clone(), n_rows, &mut self.report.levels)?;
                }
                self.induct(geometry, levels, induction)
            }
            (
                State::Correction(geometry, levels, base, tried),
                Sums::Regression(sums),
                Task::Regression(_, tasks),
            ) => self.correct(geometry, levels, *base, tried, tasks, sums),
            _ => Err(Error::ForeignStatistics { pass: pass.number, foreign: pass.number }),
        }
    }

    fn set_next(&mut self, task: Task) {
        self.next = Some(Pass { number: self.report.passes, seed: self.seed, task });
    }

    /// Units and active subspace from the moments, and the base mixture where there is one.
    fn begin(&mut self, moments: &Moments) -> Result<()> {
        let columns = Columns::new(moments, self.seed)?;
        let cells = self.learner.cells.clone();
        let estimator = match &cells {
            CellSource::Mixture(estimator) => Some(estimator.as_ref()),
            CellSource::LevelByLevel(_) => None,
        };
        let scaled = Scaled::new(columns, self.learner.component_std, estimator)?;
        let principal = Principal::new(&scaled)?;
        self.report.dim = principal.units.dim();
        self.report.working_unit = principal.units.uniform_scale();
        match cells {
            CellSource::Mixture(estimator) => {
                let given_std = scaled.given_std;
                let above_noise = |std| principal.above_noise(std);
                let active = given_std.map_or_else(|| principal.above_bottom(), above_noise);
                self.report.warnings.extend(diagnosis::of_coordinates(&scaled, &principal, &active)?);
                let found = estimator.mixture(&active.sample)?;
                found.check(&active.sample)?;
                let component_std =
                    given_std.unwrap_or_else(|| smallest_std(&found).min(active.split.rest_std()));
                let geometry = self.settle(principal, active, component_std);
                let next = if geometry.subsample().is_complete() {
                    Next::Done(found)
                } else {
                    Refinement::new(found).next(&geometry)
                };
                self.refine(next, geometry)
            }
            CellSource::LevelByLevel(partitioner) => {
                let component_std = scaled.given_std.map_or_else(|| principal.blur(), Ok)?;
                let active = principal.above_noise(component_std);
                self.report.warnings.extend(diagnosis::of_coordinates(&scaled, &principal, &active)?);
                let geometry = self.settle(principal, active, component_std);
                let levels = self.choose_levels(&geometry)?;
                let induction = Induction::new(
                    self.learner.clone(),
                    partitioner,
                    self.seed,
                    geometry.clone(),
                    levels.clone(),
                );
                let frame = Arc::new(geometry.as_ref().into());
                self.set_next(Task::Smoothing(frame, induction.smoothing()));
                self.state = State::Induction(geometry, levels, Box::new(induction));
                Ok(())
            }
        }
    }

    fn settle(&mut self, principal: Principal, active: ActiveRows, component_std: f64) -> Arc<Geometry> {
        let geometry = Geometry::new(principal, active, component_std);
        self.report.active_dim = geometry.active_dim();
        Arc::new(geometry)
    }

    /// Another pass of refinement, or the base and the levels at which it is to be corrected.
    fn refine(&mut self, next: Next, geometry: Arc<Geometry>) -> Result<()> {
        match next {
            Next::Pass(refinement, task) => {
                self.set_next(task);
                self.state = State::Refinement(geometry, Box::new(refinement));
            }
            Next::Done(found) => {
                let mut geometry = geometry;
                if self.learner.component_std.is_none() {
                    let std = smallest_std(&found).min(geometry.active.split.rest_std());
                    geometry = Arc::new(Arc::unwrap_or_clone(geometry).with_component_std(std));
                }
                let base = Box::new(Base::new(found, &geometry)?);
                let levels = self.choose_levels(&geometry)?;
                self.report.cell_path = base.tried.clone();
                self.report.radial_shape = base.radial_shape();
                let tasks = correction_tasks(&self.learner, &geometry, &base, &levels)?;
                let frame = PassFrame::from(geometry.as_ref()).with_held_out(base.folds.clone());
                let frame = Arc::new(frame);
                let (tasks, tried) = Tried::of(tasks, &self.learner, &geometry, &frame, &levels, self.seed)?;
                if tasks.is_empty() {
                    return self.correct(geometry, levels, *base, tried, &[], Vec::new());
                }
                self.set_next(Task::Regression(frame, tasks));
                self.state = State::Correction(geometry, levels, base, tried);
            }
        }
        Ok(())
    }

    /// The schedule's noise levels for the data's scale.
    fn choose_levels(&mut self, geometry: &Geometry) -> Result<NoiseLevels> {
        let scale = geometry.scale();
        let levels = self.learner.schedule.levels(scale)?;
        let ratio = levels.noisiest().noise_to_signal() / scale.data_std;
        if ratio > DROWNED {
            return Err(Error::InvalidSetting {
                name: "noise of the noisiest level, in standard deviations of the data,",
                value: ratio,
                requirement: "at most 1e10",
            });
        }
        if ratio < 1.0 {
            self.report.warnings.push(FitWarning::NoisiestNotGaussian { ratio });
        }
        let bandwidth = levels.quietest().bandwidth(scale.component_std);
        if bandwidth > BLURRED * scale.component_std {
            let component_std = scale.component_std;
            self.report.warnings.push(FitWarning::QuietestAboveComponent { bandwidth, component_std });
        }
        self.report.component_std = geometry.component_std;
        Ok(levels)
    }

    /// Level after level until rows are needed again, or all levels are done.
    fn induct(
        &mut self,
        geometry: Arc<Geometry>,
        levels: NoiseLevels,
        mut induction: Box<Induction>,
    ) -> Result<()> {
        if let Some(task) = induction.descend(&mut self.report.levels)? {
            self.set_next(Task::Regression(Arc::new(geometry.as_ref().into()), vec![task]));
            self.state = State::Induction(geometry, levels, induction);
            return Ok(());
        }
        let scores = induction.into_scores();
        self.report.warnings.extend(diagnosis::of_levels(&scores, &levels, &geometry, self.seed)?);
        let cells = scores.last().map(|score| score.basis().partition().clone()).ok_or(Error::NoLevels)?;
        let by_level = scores.into_iter().map(Some).collect();
        self.next = None;
        self.state = State::Done(geometry, levels, Scores { base: None, by_level, cells });
        Ok(())
    }

    /// Polynomials on what the base leaves over, at all levels that promise anything.
    fn correct(
        &mut self,
        geometry: Arc<Geometry>,
        levels: NoiseLevels,
        base: Base,
        tried: Tried,
        tasks: &[RegressionTask],
        sums: Vec<Vec<NormalEquations>>,
    ) -> Result<()> {
        let (by_level, reports) =
            correct_base(&self.learner, &geometry, &base, &levels, tried, tasks, sums, self.report.n_rows)?;
        self.report.levels = reports;
        self.next = None;
        self.state =
            State::Done(geometry, levels, Scores { base: Some(base.mixture), by_level, cells: base.cells });
        Ok(())
    }

    /// The noise levels, once the first pass has chosen them.
    pub fn levels(&self) -> Option<&NoiseLevels> {
        match &self.state {
            State::Start | State::Refinement(..) => None,
            State::Induction(_, levels, _) | State::Correction(_, levels, ..) | State::Done(_, levels, _) => {
                Some(levels)
            }
        }
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
        let State::Done(geometry, levels, scores) = self.state else {
            let (pass, expected) = (self.report.passes, self.report.n_rows);
            return Err(Error::IncompletePass { pass, expected, found: 0 });
        };
        let geometry = Arc::unwrap_or_clone(geometry);
        let score = PiecewisePolynomialScore::new(
            geometry.active.subspace(),
            geometry.covariance,
            geometry.component_std,
            levels,
            scores.base,
            scores.by_level,
        );
        DiffusionModel::new(score, scores.cells, geometry.units, self.learner.sampler, self.report)
    }
}
