//! The paper's induction over noise levels, noisiest first.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, StandardNormal};

use super::fitted::Fitted;
use crate::cells::{CentreEstimates, GaussianCells, Partition, Partitioner};
use crate::coordinates::Geometry;
use crate::error::{Error, Result};
use crate::learner::DiffusionLearner;
use crate::passes::RegressionTask;
use crate::polynomial::{
    HermiteMoments, LevelBasis, LevelScore, NormalEquations, RegressionTarget, SmoothingBasis,
};
use crate::process::{NoiseLevel, NoiseLevels};
use crate::report::{LevelReport, Work};
use crate::rows::stream;

/// Purposes of streams: one a level.
const PARTITION_STREAM: u64 = 1 << 33;
const ESTIMATE_STREAM: u64 = 1 << 34;
/// One cell stays a candidate while the level before had this many cells or fewer.
const FEW_CELLS: usize = 6;
/// Features of a level at most, over all its cells.
const FEATURES: usize = 400;
/// Rows for every feature of a level at least, or its cells keep to constants.
const ROWS_PER_FEATURE: usize = 5;
/// Below this share of σ₀ as noise a level keeps the coefficients of the level before: selection by
/// held-out loss turns erratic there, while the denoiser hardly changes.
pub(crate) const REUSE_BELOW: f64 = 0.4;

/// Levels that are being learned one after the other, each with cells of its own.
#[derive(Debug, Clone)]
pub(crate) struct Induction {
    learner: DiffusionLearner,
    partitioner: Arc<dyn Partitioner>,
    seed: u64,
    geometry: Arc<Geometry>,
    levels: NoiseLevels,
    smoothing: Arc<SmoothingBasis>,
    /// Hermite moments, one a fold; empty until their pass is absorbed.
    moments: Vec<HermiteMoments>,
    /// The scores of the levels done, noisiest first.
    scores: Vec<LevelScore>,
}

impl Induction {
    pub(crate) fn new(
        learner: DiffusionLearner,
        partitioner: Arc<dyn Partitioner>,
        seed: u64,
        geometry: Arc<Geometry>,
        levels: NoiseLevels,
    ) -> Self {
        let dim = geometry.active_dim();
        let degree = learner.regression.single_cell_degree(dim);
        // The coordinates of the one cell: its variance is σ₀² at least, whatever the rows' may be.
        let variances = geometry.centre_variances().add_scalar(geometry.component_std.powi(2));
        let smoothing = SmoothingBasis::new(DVector::zeros(dim), variances, degree);
        let (moments, scores) = (Vec::new(), Vec::new());
        Self { learner, partitioner, seed, geometry, levels, smoothing: Arc::new(smoothing), moments, scores }
    }

    pub(crate) fn smoothing(&self) -> Arc<SmoothingBasis> {
        self.smoothing.clone()
    }

    pub(crate) fn absorb_moments(&mut self, moments: Vec<HermiteMoments>) {
        self.moments = moments;
    }

    pub(crate) fn into_scores(self) -> Vec<LevelScore> {
        self.scores
    }

    /// The score of the level before says where the centres are, a partition of space follows from
    /// them, and a regression in its cells gives the score of this level, noisiest level first. Runs
    /// until a level needs a pass over the rows, which it returns, or all levels are done.
    pub(crate) fn descend(&mut self, reports: &mut Vec<LevelReport>) -> Result<Option<RegressionTask>> {
        while let Some(&level) = self.levels.get(self.scores.len()) {
            if let Some(score) = self.reused(level) {
                let report = reports.last().cloned().map(|before| self.reused_report(before, level));
                reports.extend(report);
                self.scores.push(score);
                continue;
            }
            let estimates = self.centre_estimates()?;
            let candidates = self.candidates(level, &estimates)?;
            if !candidates.is_empty() {
                return self.regression_task(level, candidates).map(Some);
            }
            let fitted = self.single_cell(level)?;
            reports.push(fitted.report(self.scores.len(), &self.levels, &self.geometry, 1, 0));
            self.scores.push(fitted.into_score());
        }
        Ok(None)
    }

    /// E\[U | Y\] of the subsample, noised to the level before, under that level's score; the rows
    /// themselves at the first level.
    fn centre_estimates(&self) -> Result<DMatrix<f64>> {
        let rows = &self.geometry.subsample().rows;
        let Some(previous) = self.scores.last() else { return Ok(rows.clone()) };
        let index = self.scores.len();
        let noise = self.levels[index - 1].noise_to_signal();
        let mut rng = stream(self.seed, ESTIMATE_STREAM, index as u64);
        let noised = rows.map(|x| {
            let z: f64 = StandardNormal.sample(&mut rng);
            x + noise * z
        });
        previous.centre(&noised)
    }

    /// The partitioner's candidates, and one cell beside them while there are few; none means one cell.
    fn candidates(&self, level: NoiseLevel, estimates: &DMatrix<f64>) -> Result<Vec<Arc<dyn Partition>>> {
        let target = self.learner.regression.target();
        if target == RegressionTarget::Denoising && self.is_quiet(level) {
            // z/s explodes; the level before has one cell, or would have been reused.
            return Ok(Vec::new());
        }
        let sample = self.geometry.subsample();
        let bandwidth = level.bandwidth(self.geometry.component_std);
        let rows = sample.rows.as_view();
        let mut seen = CentreEstimates::new(level, bandwidth, rows, estimates.as_view(), &sample.weights);
        let mut cells_before = 1;
        if let Some(previous) = self.scores.last() {
            seen = seen.with_previous(previous.basis().partition());
            cells_before = previous.basis().cells();
        }
        let mut rng = stream(self.seed, PARTITION_STREAM, self.scores.len() as u64);
        let mut candidates = self.partitioner.candidates(&seen, &mut rng)?;
        let dim = self.geometry.active_dim();
        if let Some(cells) = candidates.iter().find(|cells| cells.centres().ncols() != dim) {
            let (what, found) = ("columns of the centres of a partition", cells.centres().ncols());
            return Err(Error::ShapeMismatch { what, expected: dim, found });
        }
        if target == RegressionTarget::CleanRow && candidates.iter().any(|cells| !cells.is_smooth()) {
            return Err(Error::IncompatibleParts {
                first: "hard cells",
                second: "the clean-row target",
                reason: "it needs the derivative of the features, which hard cells do not have",
            });
        }
        candidates.retain(|cells| cells.centres().nrows() > 0);
        if !candidates.is_empty() && cells_before <= FEW_CELLS {
            candidates.push(self.one_cell());
        }
        Ok(candidates)
    }

    fn regression_task(
        &self,
        level: NoiseLevel,
        candidates: Vec<Arc<dyn Partition>>,
    ) -> Result<RegressionTask> {
        let dim = self.geometry.active_dim();
        let bandwidth = level.bandwidth(self.geometry.component_std);
        let regression = &self.learner.regression;
        let features = FEATURES.min(self.geometry.subsample().rows.nrows() / ROWS_PER_FEATURE);
        let bases = candidates.into_iter().map(|cells| {
            let degree = match cells.centres().nrows() {
                1 => regression.single_cell_degree(dim),
                k => regression.degree_in_cells(k, dim, features),
            };
            LevelBasis::new(cells, bandwidth, degree)
        });
        Ok(RegressionTask {
            index: self.scores.len(),
            level: NoiseLevel::variance_exploding(level.noise_to_signal())?,
            target: regression.target(),
            draws: if dim <= 2 { 8 } else { 4 },
            candidates: bases.collect(),
        })
    }

    /// The Gaussian of all rows as one cell.
    fn one_cell(&self) -> Arc<dyn Partition> {
        let centre = DVector::zeros(self.geometry.active_dim());
        Arc::new(GaussianCells::axis_aligned(&centre, self.geometry.centre_variances()))
    }

    /// The score of one cell with infinitely many draws.
    fn single_cell(&self, level: NoiseLevel) -> Result<Fitted> {
        let component_std = self.geometry.component_std;
        let degree = self.learner.regression.single_cell_degree(self.geometry.active_dim());
        let basis = LevelBasis::new(self.one_cell(), level.bandwidth(component_std), degree);
        let equations = self
            .moments
            .iter()
            .map(|fold| self.smoothing.normal_equations(fold, component_std, level.noise_to_signal()));
        Fitted::in_cells(basis, equations.collect(), self.learner.regression.ridge())
    }

    /// The candidate partition of lowest held-out loss becomes the level's score.
    pub(crate) fn choose_cells(
        &mut self,
        task: &RegressionTask,
        sums: Vec<Vec<NormalEquations>>,
        n_rows: u64,
        reports: &mut Vec<LevelReport>,
    ) -> Result<()> {
        let component_std = self.geometry.component_std;
        let mut best: Option<(f64, Fitted)> = None;
        for (basis, folds) in task.candidates.iter().zip(sums) {
            let folds = task.completed(basis, folds, component_std);
            let fitted = Fitted::in_cells(basis.clone(), folds, self.learner.regression.ridge())?;
            // Warm starts have seen the held-out rows too; each coordinate of a centre costs σ₀²/n.
            let seen = (basis.cells() * self.geometry.active_dim()) as f64;
            let criterion = fitted.loss() + seen * component_std * component_std / self.geometry.weight;
            if best.as_ref().is_none_or(|b| criterion < b.0) {
                best = Some((criterion, fitted));
            }
        }
        let Some((_, mut fitted)) = best else { return Ok(()) };
        let index = self.scores.len();
        if fitted.cells() == 1 {
            // Against the other candidates it stood with the same draws; now it gets all of them.
            fitted = self.single_cell(self.levels[index])?;
        }
        let (candidates, updates) = (task.candidates.len(), task.gram_updates(n_rows));
        reports.push(fitted.report(index, &self.levels, &self.geometry, candidates, updates));
        self.scores.push(fitted.into_score());
        Ok(())
    }

    /// The score of the level before at the bandwidth of `level`, where that is good enough.
    fn reused(&self, level: NoiseLevel) -> Option<LevelScore> {
        let previous = self.scores.last()?;
        (self.is_quiet(level) && previous.basis().cells() > 1)
            .then(|| previous.at_bandwidth(level.bandwidth(self.geometry.component_std)))
    }

    fn is_quiet(&self, level: NoiseLevel) -> bool {
        level.noise_to_signal() < REUSE_BELOW * self.geometry.component_std
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
