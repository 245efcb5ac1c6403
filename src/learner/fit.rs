use std::sync::Arc;

use super::diagnosis;
use super::model::DiffusionModel;
use super::settings::{CellSource, DiffusionLearner};
use crate::cells::Partitioner;
use crate::coordinates::{ActiveRows, Columns, Geometry, Principal, Scaled, Units};
use crate::error::{Error, Result};
use crate::levels::{Base, Learned, LevelFits, OneCell, Setup, smallest_std};
use crate::mixture::{MixtureEstimator, MixtureLaw};
use crate::passes::{Kind, Pass, RegressionTask, Statistics, Sums, Task};
use crate::polynomial::{NormalEquations, PiecewisePolynomialScore, SmoothingBasis};
use crate::process::{DataScale, NoiseLevels};
use crate::report::{FitReport, FitWarning, LevelReport};
use crate::rows::Moments;
use crate::search::{GaussianPartitioner, Next, Refinement};

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
/// let mut fit = DiffusionLearner::new().begin(&mut StdRng::seed_from_u64(1))?;
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
    /// Coordinates; the mixture of the subsample is being refined on all rows.
    Refine(Arc<Geometry>, Box<Refinement>),
    /// Coordinates and noise levels; before the first one, moments of all rows are taken.
    Smooth(Setup, Arc<dyn Partitioner>, Arc<SmoothingBasis>),
    /// Levels are being learned.
    Levels(Box<LevelFits>),
    /// Everything.
    Done(Box<Learned>),
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
        if !matches!(&state, State::Levels(_)) {
            self.absorbed.push(Arc::new(total.clone()));
        }
        match (state, total, &pass.task) {
            (State::Start, Sums::Moments(moments), _) => self.begin(&moments),
            (State::Refine(geometry, refinement), Sums::Matrices(sums), _) => {
                self.refine(refinement.absorb(sums, geometry.subsample().rest)?, geometry)
            }
            (State::Smooth(setup, partitioner, smoothing), Sums::Matrices(moments), _) => {
                let one_cell = OneCell::new(smoothing, moments);
                self.descend(LevelFits::level_by_level(partitioner, one_cell, setup)?, Vec::new())
            }
            (State::Levels(fits), Sums::Matrices(sums), Task::Matrices(_, Kind::Regression(tasks))) => {
                self.descend(*fits, RegressionTask::read(tasks, sums)?)
            }
            _ => Err(Error::ForeignStatistics { pass: pass.number, foreign: pass.number }),
        }
    }

    fn set_next(&mut self, task: Task) {
        self.next = Some(Pass { number: self.report.passes, seed: self.seed, task });
    }

    /// Coordinates from the moments, and a mixture where there is an estimator of one.
    fn begin(&mut self, moments: &Moments) -> Result<()> {
        let columns = Columns::new(moments, self.seed)?;
        let cells = self.learner.cells.clone();
        let own = GaussianPartitioner::default();
        let (estimator, nearest_powers): (&dyn MixtureEstimator, _) = match &cells {
            CellSource::Mixture(estimator) => (estimator.as_ref(), false),
            CellSource::LevelByLevel(_) => (&own, true),
        };
        let scaled = Scaled::new(columns, self.learner.component_std, estimator, nearest_powers)?;
        let principal = Principal::new(&scaled)?;
        self.report.dim = principal.units.dim();
        self.report.working_unit = principal.units.uniform_scale();
        match cells {
            CellSource::Mixture(estimator) => {
                let given_std = scaled.given_std;
                let active = principal.for_cells(given_std);
                self.report.warnings.extend(diagnosis::of_coordinates(&scaled, &principal, &active)?);
                let found = estimator.mixture(&active.sample)?;
                found.check(&active.sample)?;
                let behind = found.behind_witness.map(|lead| FitWarning::BehindWitness { lead });
                self.report.warnings.extend(behind);
                let component_std =
                    given_std.unwrap_or_else(|| smallest_std(&found).min(active.split.rest_std()));
                let geometry = self.settle(principal, active, component_std);
                let next = if geometry.subsample().is_complete() {
                    Next::Done(found)
                } else {
                    Next::Pass(Refinement::new(found))
                };
                self.refine(next, geometry)
            }
            CellSource::LevelByLevel(partitioner) => {
                let component_std = scaled.given_std.map_or_else(|| principal.blur(), Ok)?;
                let active = principal.above_noise(component_std);
                self.report.warnings.extend(diagnosis::of_coordinates(&scaled, &principal, &active)?);
                let geometry = self.settle(principal, active, component_std);
                let setup = self.setup(geometry)?;
                self.check_sampler(&setup, None)?;
                let smoothing = Arc::new(OneCell::smoothing(&setup));
                let frame = Arc::new(setup.geometry.as_ref().into());
                self.set_next(Task::Matrices(frame, Kind::Smoothing(smoothing.clone())));
                self.state = State::Smooth(setup, partitioner, smoothing);
                Ok(())
            }
        }
    }

    fn settle(&mut self, principal: Principal, active: ActiveRows, component_std: f64) -> Arc<Geometry> {
        let geometry = Geometry::new(principal, active, component_std);
        self.report.active_dim = geometry.active_dim();
        Arc::new(geometry)
    }

    /// Another pass of refinement, or the base, which is the law.
    fn refine(&mut self, next: Next, geometry: Arc<Geometry>) -> Result<()> {
        let found = match next {
            Next::Pass(refinement) => {
                let frame = Arc::new(geometry.as_ref().into());
                self.set_next(Task::Matrices(frame, Kind::Refinement(refinement.wanted())));
                self.state = State::Refine(geometry, Box::new(refinement));
                return Ok(());
            }
            Next::Done(found) => found,
        };
        let geometry = if self.learner.component_std.is_some() {
            geometry
        } else {
            let component_std = smallest_std(&found).min(geometry.active.split.rest_std());
            Arc::new(Arc::unwrap_or_clone(geometry).with_component_std(component_std))
        };
        let base = Base::new(found, &geometry)?;
        self.report.cell_path = base.tried.clone();
        self.report.radial_shape = base.radial_shape();
        let setup = self.setup(geometry)?;
        self.check_sampler(&setup, Some(base.mixture.clone()))?;
        let learned = Learned::of_base(base, setup, &mut self.report.levels);
        self.next = None;
        self.state = State::Done(Box::new(learned));
        Ok(())
    }

    /// Down the levels, until rows are needed again or all levels are done.
    fn descend(&mut self, mut fits: LevelFits, sums: Vec<Vec<NormalEquations>>) -> Result<()> {
        if let Some(task) = fits.advance(sums, self.report.n_rows, &mut self.report.levels)? {
            self.set_next(task);
            self.state = State::Levels(Box::new(fits));
            return Ok(());
        }
        let learned = fits.finish()?;
        self.report.warnings.extend(diagnosis::of_levels(&learned, self.seed)?);
        self.next = None;
        self.state = State::Done(Box::new(learned));
        Ok(())
    }

    /// What levels are learned with.
    fn setup(&mut self, geometry: Arc<Geometry>) -> Result<Setup> {
        let levels = self.choose_levels(&geometry)?;
        Ok(Setup { regression: self.learner.regression.clone(), seed: self.seed, geometry, levels })
    }

    /// Can the sampler serve a model of this base, before anything is learned of it?
    fn check_sampler(&self, setup: &Setup, base: Option<MixtureLaw>) -> Result<()> {
        let Setup { geometry, levels, .. } = setup;
        let score = PiecewisePolynomialScore::new(
            geometry.active.subspace(),
            geometry.covariance.clone(),
            geometry.component_std,
            levels.clone(),
            base,
            vec![None; levels.len()],
        );
        self.learner.sampler.check(&score, levels)
    }

    /// The schedule's noise levels for the data's scale.
    fn choose_levels(&mut self, geometry: &Geometry) -> Result<NoiseLevels> {
        let scale = geometry.scale();
        let levels = self.scheduled(scale, &geometry.units)?;
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

    /// The schedule's levels for data of this scale, in working units.
    fn scheduled(&self, scale: DataScale, units: &Units) -> Result<NoiseLevels> {
        let schedule = &self.learner.schedule;
        if !schedule.in_data_units() {
            return schedule.levels(scale);
        }
        let unit = units.one_scale().map_err(|_| Error::NoUnitOfNoise)?;
        let DataScale { component_std, data_std } = scale;
        let levels =
            schedule.levels(DataScale { component_std: unit * component_std, data_std: unit * data_std })?;
        levels.scaled(1.0 / unit)
    }

    /// The noise levels in working units, once the first pass, or those that refine a mixture, have chosen them.
    pub fn levels(&self) -> Option<&NoiseLevels> {
        match &self.state {
            State::Start | State::Refine(..) => None,
            State::Smooth(setup, ..) => Some(&setup.levels),
            State::Levels(fits) => Some(fits.levels()),
            State::Done(learned) => Some(&learned.levels),
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
        let State::Done(learned) = self.state else {
            let (pass, expected) = (self.report.passes, self.report.n_rows);
            return Err(Error::IncompletePass { pass, expected, found: 0 });
        };
        let Learned { geometry, levels, base, scores, cells } = *learned;
        let geometry = Arc::unwrap_or_clone(geometry);
        let scores =
            if base.is_some() { vec![None; levels.len()] } else { scores.into_iter().map(Some).collect() };
        let score = PiecewisePolynomialScore::new(
            geometry.active.subspace(),
            geometry.covariance,
            geometry.component_std,
            levels,
            base,
            scores,
        );
        DiffusionModel::new(score, cells, geometry.units, self.learner.sampler, self.report)
    }
}
