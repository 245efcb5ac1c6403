//! One driver of noise levels: regress at all levels whose cells are known now, keep the best candidate of
//! each or none, go on.

use std::sync::Arc;

use super::base::Base;
use super::fitted::Fitted;
use super::known_cells::KnownCells;
use super::one_cell::OneCell;
use super::plan::Plan;
use super::proposed_cells::ProposedCells;
use super::setup::Setup;
use crate::cells::{Partition, Partitioner};
use crate::coordinates::Geometry;
use crate::error::{Error, Result};
use crate::mixture::MixtureLaw;
use crate::passes::{Kind, PassFrame, RegressionTask, Task};
use crate::polynomial::{LevelBasis, LevelScore, NormalEquations};
use crate::process::{NoiseLevel, NoiseLevels};
use crate::report::{LevelReport, Work};

/// How cells are come by, what is regressed in them, and what is kept of it.
#[derive(Debug, Clone)]
enum Strategy {
    Known(KnownCells),
    Proposed(ProposedCells),
}

impl Strategy {
    /// Plans for the levels after those `done`, as far as their cells are known: one at least.
    fn plan(&self, setup: &Setup, frame: &PassFrame, done: &[Option<LevelScore>]) -> Result<Vec<Plan>> {
        match self {
            Self::Known(known) => known.all_levels(setup, frame),
            Self::Proposed(proposed) => Ok(vec![proposed.next_level(setup, done)?]),
        }
    }

    /// The polynomials of lowest held-out loss in the cells of a basis.
    fn fitted(
        &self,
        setup: &Setup,
        level: NoiseLevel,
        basis: &LevelBasis,
        folds: Vec<NormalEquations>,
    ) -> Result<Fitted> {
        match self {
            Self::Known(_) => KnownCells::fitted(setup, level, basis, folds),
            Self::Proposed(_) => Fitted::in_cells(basis.clone(), folds, setup.regression.ridge()),
        }
    }

    /// What is kept of the best candidate of a level.
    fn kept(&self, setup: &Setup, level: NoiseLevel, best: Fitted) -> Result<Fitted> {
        match self {
            Self::Known(_) => Ok(KnownCells::kept(best)),
            Self::Proposed(proposed) => proposed.kept(setup, level, best),
        }
    }
}

/// The noise levels of a fit under way.
#[derive(Debug, Clone)]
pub(crate) struct LevelFits {
    setup: Setup,
    strategy: Strategy,
    frame: Arc<PassFrame>,
    /// For the levels after those done, as far as their cells are known.
    planned: Vec<Plan>,
    /// The polynomials of the levels done, noisiest first.
    done: Vec<Option<LevelScore>>,
}

/// What all levels have learned.
#[derive(Debug, Clone)]
pub(crate) struct Learned {
    pub(crate) geometry: Arc<Geometry>,
    pub(crate) levels: NoiseLevels,
    /// The mixture that polynomials correct; `None` where each level has cells of its own.
    pub(crate) base: Option<MixtureLaw>,
    /// One a level.
    pub(crate) scores: Vec<Option<LevelScore>>,
    /// The cells that name the parts of the law.
    pub(crate) cells: Arc<dyn Partition>,
}

impl LevelFits {
    /// Levels that share the cells of a base.
    pub(crate) fn in_cells_of(base: Base, setup: Setup) -> Self {
        let frame = PassFrame::from(setup.geometry.as_ref()).with_held_out(base.folds.clone());
        Self::new(Strategy::Known(KnownCells { base: Arc::new(base) }), setup, frame)
    }

    /// Levels with cells of their own.
    pub(crate) fn level_by_level(partitioner: Arc<dyn Partitioner>, one_cell: OneCell, setup: Setup) -> Self {
        let frame = setup.geometry.as_ref().into();
        Self::new(Strategy::Proposed(ProposedCells { partitioner, one_cell }), setup, frame)
    }

    fn new(strategy: Strategy, setup: Setup, frame: PassFrame) -> Self {
        Self { setup, strategy, frame: Arc::new(frame), planned: Vec::new(), done: Vec::new() }
    }

    pub(crate) fn levels(&self) -> &NoiseLevels {
        &self.setup.levels
    }

    /// Whether levels have cells of their own, so that a pass has the sums of one level only.
    #[cfg(feature = "serde")]
    pub(crate) fn are_level_by_level(&self) -> bool {
        matches!(self.strategy, Strategy::Proposed(_))
    }

    /// Goes on as far as is known from the `sums` of the pass before over `n_rows` rows, one a candidate; none
    /// before the first. Returns the next pass, or nothing when all levels are done.
    pub(crate) fn advance(
        &mut self,
        sums: Vec<Vec<NormalEquations>>,
        n_rows: u64,
        reports: &mut Vec<LevelReport>,
    ) -> Result<Option<Task>> {
        let mut sums = sums.into_iter();
        loop {
            for plan in std::mem::take(&mut self.planned) {
                self.settle(plan, &mut sums, n_rows, reports)?;
            }
            if self.done.len() == self.setup.levels.len() {
                return Ok(None);
            }
            self.planned = self.strategy.plan(&self.setup, &self.frame, &self.done)?;
            let tasks = self.planned.iter().filter_map(|plan| match plan {
                Plan::Regress { task, .. } => Some(task.clone()),
                _ => None,
            });
            let tasks: Vec<RegressionTask> = tasks.collect();
            if !tasks.is_empty() {
                return Ok(Some(Task::Matrices(self.frame.clone(), Kind::Regression(tasks))));
            }
        }
    }

    /// Brings the next level to its end.
    fn settle(
        &mut self,
        plan: Plan,
        sums: &mut impl Iterator<Item = Vec<NormalEquations>>,
        n_rows: u64,
        reports: &mut Vec<LevelReport>,
    ) -> Result<()> {
        let (index, setup) = (self.done.len(), &self.setup);
        let (fitted, candidates, gram_updates) = match plan {
            Plan::Reuse { cells } => {
                let bandwidth = setup.bandwidth(setup.levels[index]);
                let before = self.done.last().and_then(Option::as_ref);
                reports.push(reused_report(setup, index, cells, reports.last()));
                self.done.push(before.map(|score| score.at_bandwidth(bandwidth)));
                return Ok(());
            }
            Plan::Fitted(fitted, gram_updates) => (*fitted, 1, gram_updates),
            Plan::Regress { task, tried } => {
                let candidates = task.candidates.len();
                let best = self.best(&task, sums.take(candidates))?;
                let kept = self.strategy.kept(setup, setup.levels[index], best)?;
                (kept, candidates, task.gram_updates(tried + n_rows))
            }
        };
        reports.push(fitted.report(index, &setup.levels, &setup.geometry, candidates, gram_updates));
        self.done.push(fitted.into_score());
        Ok(())
    }

    /// The candidate of lowest held-out loss.
    fn best(
        &self,
        task: &RegressionTask,
        sums: impl Iterator<Item = Vec<NormalEquations>>,
    ) -> Result<Fitted> {
        let geometry = &self.setup.geometry;
        let variance = geometry.component_std * geometry.component_std;
        let mut best: Option<(f64, Fitted)> = None;
        for (basis, folds) in task.candidates.iter().zip(sums) {
            let folds = task.completed(basis, folds, geometry.component_std);
            let fitted = self.strategy.fitted(&self.setup, task.level, basis, folds)?;
            // Centres have seen the held-out rows too; each coordinate of one costs σ₀²/n.
            let seen = (basis.cells() * geometry.active_dim()) as f64;
            let criterion = fitted.loss() + seen * variance / geometry.weight;
            if best.as_ref().is_none_or(|b| criterion < b.0) {
                best = Some((criterion, fitted));
            }
        }
        let (what, expected) = ("sums of the candidates of a level", task.candidates.len());
        best.map(|(_, fitted)| fitted).ok_or(Error::ShapeMismatch { what, expected, found: 0 })
    }

    /// What was learned, once [`advance`](Self::advance) has no more pass.
    ///
    /// # Errors
    /// [`Error::NoLevels`] where no level has been learned.
    pub(crate) fn finish(self) -> Result<Learned> {
        let Setup { geometry, levels, .. } = self.setup;
        let scores = self.done;
        let (base, cells) = match self.strategy {
            Strategy::Known(KnownCells { base }) => {
                let Base { mixture, cells, .. } = Arc::unwrap_or_clone(base);
                (Some(mixture), cells)
            }
            Strategy::Proposed(_) => {
                let last = scores.last().and_then(Option::as_ref).ok_or(Error::NoLevels)?;
                (None, last.basis().partition().clone())
            }
        };
        Ok(Learned { geometry, levels, base, scores, cells })
    }
}

/// What is to be said of a level that was not regressed: what was said of the level before, if there is one.
fn reused_report(setup: &Setup, index: usize, n_cells: usize, before: Option<&LevelReport>) -> LevelReport {
    let level = setup.levels[index];
    LevelReport {
        index,
        n_levels: setup.levels.len(),
        level,
        bandwidth: setup.bandwidth(level),
        n_cells,
        degree: before.and_then(|before| before.degree),
        held_out_loss: before.and_then(|before| before.held_out_loss),
        mixture_loss: before.and_then(|before| before.mixture_loss),
        candidates: 0,
        work: Work::default(),
    }
}
