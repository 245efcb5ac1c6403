//! The driver of noise levels: from the cells proposed for a level to the best candidate's polynomials, and on to the
//! next. A base needs none of it.

use std::sync::Arc;

use super::base::Base;
use super::fitted::Fitted;
use super::one_cell::OneCell;
use super::plan::Plan;
use super::proposed_cells::ProposedCells;
use super::setup::Setup;
use super::tuning::TUNING;
use crate::cells::{Partition, Partitioner};
use crate::coordinates::Geometry;
use crate::error::{Error, Result};
use crate::mixture::MixtureLaw;
use crate::passes::{Kind, PassFrame, RegressionTask, Task};
use crate::polynomial::{LevelScore, NormalEquations};
use crate::process::NoiseLevels;
use crate::report::{LevelReport, Work};

/// The noise levels of a fit under way.
#[derive(Debug, Clone)]
pub(crate) struct LevelFits {
    setup: Setup,
    proposed: ProposedCells,
    frame: Arc<PassFrame>,
    /// For the level after those done.
    planned: Option<Plan>,
    /// The polynomials of the levels done, noisiest first.
    done: Vec<LevelScore>,
}

/// What all levels have learned.
#[derive(Debug, Clone)]
pub(crate) struct Learned {
    pub(crate) geometry: Arc<Geometry>,
    pub(crate) levels: NoiseLevels,
    /// The mixture that is the score of every level; `None` where each level has cells of its own.
    pub(crate) base: Option<MixtureLaw>,
    /// One a level where there is no base, and none where there is.
    pub(crate) scores: Vec<LevelScore>,
    /// The cells that name the parts of the law.
    pub(crate) cells: Arc<dyn Partition>,
}

impl LevelFits {
    /// Levels with cells of their own.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for so many levels that learning one after the other would not end.
    pub(crate) fn level_by_level(
        partitioner: Arc<dyn Partitioner>,
        one_cell: OneCell,
        setup: Setup,
    ) -> Result<Self> {
        if setup.levels.len() > TUNING.most_levels {
            let name = "number of noise levels that are learned one after the other";
            let (value, requirement) = (setup.levels.len() as f64, "at most two thousand");
            return Err(Error::InvalidSetting { name, value, requirement });
        }
        let frame = Arc::new(setup.geometry.as_ref().into());
        let proposed = ProposedCells { partitioner, one_cell };
        Ok(Self { setup, proposed, frame, planned: None, done: Vec::new() })
    }

    pub(crate) fn levels(&self) -> &NoiseLevels {
        &self.setup.levels
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
            if let Some(plan) = self.planned.take() {
                self.settle(plan, &mut sums, n_rows, reports)?;
            }
            if self.done.len() == self.setup.levels.len() {
                return Ok(None);
            }
            let plan = self.proposed.next_level(&self.setup, &self.done)?;
            let task = match &plan {
                Plan::Regress(task) => Some(task.clone()),
                _ => None,
            };
            self.planned = Some(plan);
            if let Some(task) = task {
                return Ok(Some(Task::Matrices(self.frame.clone(), Kind::Regression(vec![task]))));
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
                let before = self.done.last().ok_or(Error::NoLevels)?;
                reports.push(unregressed_report(setup, index, cells, reports.last()));
                self.done.push(before.at_bandwidth(bandwidth));
                return Ok(());
            }
            Plan::Fitted(fitted) => (*fitted, 1, 0),
            Plan::Regress(task) => {
                let candidates = task.candidates.len();
                let best = self.best(&task, sums.take(candidates))?;
                let kept = self.proposed.kept(setup, setup.levels[index], best)?;
                (kept, candidates, task.gram_updates(n_rows))
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
            let fitted = Fitted::in_cells(basis.clone(), folds, self.setup.regression.ridge())?;
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
        let last = self.done.last().ok_or(Error::NoLevels)?;
        let cells = last.basis().partition().clone();
        Ok(Learned { geometry, levels, base: None, scores: self.done, cells })
    }
}

impl Learned {
    /// A base is the score of every level, which leaves nothing to be learned there.
    pub(crate) fn of_base(base: Base, setup: Setup, reports: &mut Vec<LevelReport>) -> Self {
        let Base { mixture, cells, .. } = base;
        let n_cells = cells.centres().nrows();
        reports.extend((0..setup.levels.len()).map(|index| unregressed_report(&setup, index, n_cells, None)));
        let Setup { geometry, levels, .. } = setup;
        Self { geometry, levels, base: Some(mixture), scores: Vec::new(), cells }
    }
}

/// What is to be said of a level that was not regressed: what was said of the level before, if there is one.
fn unregressed_report(
    setup: &Setup,
    index: usize,
    n_cells: usize,
    before: Option<&LevelReport>,
) -> LevelReport {
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
