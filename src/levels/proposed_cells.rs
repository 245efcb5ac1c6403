//! Cells that are proposed level by level: the paper's induction.

use std::sync::Arc;

use nalgebra::DMatrix;
use rand_distr::{Distribution, StandardNormal};

use super::fitted::Fitted;
use super::one_cell::OneCell;
use super::plan::Plan;
use super::setup::Setup;
use super::tuning::TUNING;
use crate::cells::{CentreEstimates, Partition, Partitioner, check_usable};
use crate::error::{Error, Result};
use crate::passes::RegressionTask;
use crate::polynomial::{LevelBasis, LevelScore, RegressionTarget};
use crate::process::NoiseLevel;
use crate::rows::stream;

/// Purposes of streams: one a level.
const PARTITION_STREAM: u64 = 1 << 33;
const ESTIMATE_STREAM: u64 = 1 << 34;

/// Each level has cells of its own, whose own denoiser polynomials correct.
#[derive(Debug, Clone)]
pub(super) struct ProposedCells {
    pub(super) partitioner: Arc<dyn Partitioner>,
    pub(super) one_cell: OneCell,
}

impl ProposedCells {
    /// The induction of the paper (Gatmiry, Kelner, Lee 2024), from the scores of the levels `done`, noisiest first,
    /// to the plan for the next one: the score of the level before says where the centres of the rows are, a
    /// partition of space follows from them, and a regression in its cells gives the score of this level.
    pub(super) fn next_level(&self, setup: &Setup, done: &[LevelScore]) -> Result<Plan> {
        let index = done.len();
        let (level, before) = (setup.levels[index], done.last());
        let cells_before = before.map_or(1, |score| score.basis().cells());
        if setup.is_quiet(level) && cells_before > 1 {
            return Ok(Plan::Reuse { cells: cells_before });
        }
        let one_cell = || Ok(Plan::Fitted(Box::new(self.one_cell.fitted(setup, level)?)));
        if setup.is_quiet(level) && setup.regression.target() == RegressionTarget::Denoising {
            // z/s explodes.
            return one_cell();
        }

        // Where are the centres? E[U | Y] of the rows, noised to the level before, under its score; the
        // rows themselves at the first level.
        let rows = &setup.geometry.subsample().rows;
        let estimates = match before {
            None => rows.clone(),
            Some(score) => score.centre(&noised(setup, index))?,
        };

        // What cells follow from them? The partitioner's candidates, and one cell beside them while there
        // were few.
        let mut candidates = self.candidates(setup, index, before, &estimates)?;
        if candidates.is_empty() {
            return one_cell();
        }
        if cells_before <= TUNING.few_cells {
            candidates.push(OneCell::cell(setup));
        }

        // What is the score in them? The polynomials of each candidate are regressed on all rows, and that of
        // lowest held-out loss is the score of this level.
        Ok(Plan::Regress(task(setup, index, candidates)?))
    }

    /// The partitioner's candidates for a level, without those that have no cell.
    fn candidates(
        &self,
        setup: &Setup,
        index: usize,
        before: Option<&LevelScore>,
        estimates: &DMatrix<f64>,
    ) -> Result<Vec<Arc<dyn Partition>>> {
        let (level, sample) = (setup.levels[index], setup.geometry.subsample());
        let (rows, estimates) = (sample.rows.as_view(), estimates.as_view());
        let mut seen = CentreEstimates::new(level, setup.bandwidth(level), rows, estimates, &sample.weights);
        if let Some(before) = before {
            seen = seen.with_previous(before.basis().partition());
        }
        let mut rng = stream(setup.seed, PARTITION_STREAM, index as u64);
        let mut candidates = self.partitioner.candidates(&seen, &mut rng)?;
        let tried = sample.rows.rows(0, sample.rows.nrows().min(TUNING.rows_tried)).into_owned();
        for cells in &candidates {
            check_usable(cells.as_ref(), setup.geometry.active_dim(), setup.bandwidth(level), &tried)?;
        }
        let needs_smooth = setup.regression.target() == RegressionTarget::CleanRow;
        if needs_smooth && candidates.iter().any(|cells| !cells.is_smooth()) {
            return Err(Error::IncompatibleParts {
                first: "hard cells",
                second: "the clean-row target",
                reason: "it needs the derivative of the features, which hard cells do not have",
            });
        }
        candidates.retain(|cells| cells.centres().nrows() > 0);
        Ok(candidates)
    }

    /// Against the other candidates one cell stood with the same draws; now it gets all of them.
    pub(super) fn kept(&self, setup: &Setup, level: NoiseLevel, best: Fitted) -> Result<Fitted> {
        if best.cells() == 1 { self.one_cell.fitted(setup, level) } else { Ok(best) }
    }
}

/// The subsample, noised to the level before `index`.
fn noised(setup: &Setup, index: usize) -> DMatrix<f64> {
    let noise = setup.levels[index - 1].noise_to_signal();
    let mut rng = stream(setup.seed, ESTIMATE_STREAM, index as u64);
    setup.geometry.subsample().rows.map(|x| {
        let z: f64 = StandardNormal.sample(&mut rng);
        x + noise * z
    })
}

/// The regression of a level in all its candidates.
fn task(setup: &Setup, index: usize, candidates: Vec<Arc<dyn Partition>>) -> Result<RegressionTask> {
    let Setup { regression, geometry, .. } = setup;
    let (level, dim) = (setup.levels[index], geometry.active_dim());
    let [few, many] = TUNING.proposed_draws;
    let features = TUNING.proposed_features.min(geometry.subsample().rows.nrows() / TUNING.rows_per_feature);
    let bases = candidates.into_iter().map(|cells| {
        let degree = match cells.centres().nrows() {
            1 => regression.single_cell_degree(dim),
            k => regression.degree_in_cells(k, dim, features),
        };
        LevelBasis::new(cells, setup.bandwidth(level), degree)
    });
    Ok(RegressionTask {
        index,
        level: NoiseLevel::variance_exploding(level.noise_to_signal())?,
        target: regression.target(),
        draws: if dim <= 2 { few } else { many },
        candidates: bases.collect(),
    })
}
