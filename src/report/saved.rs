use serde::{Deserialize, Serialize};

use super::{LevelReport, Work};
use crate::format::{finite, through};
use crate::process::NoiseLevel;

/// A level's report with its work counters among the other numbers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedLevelReport {
    index: usize,
    n_levels: usize,
    level: NoiseLevel,
    #[serde(with = "finite")]
    bandwidth: f64,
    n_cells: usize,
    degree: Option<usize>,
    #[serde(default, with = "finite")]
    held_out_loss: Option<f64>,
    #[serde(default, with = "finite")]
    mixture_loss: Option<f64>,
    candidates: usize,
    gram_updates: u64,
    solves: u64,
}

through!(LevelReport, SavedLevelReport);

impl From<LevelReport> for SavedLevelReport {
    fn from(report: LevelReport) -> Self {
        Self {
            index: report.index,
            n_levels: report.n_levels,
            level: report.level,
            bandwidth: report.bandwidth,
            n_cells: report.n_cells,
            degree: report.degree,
            held_out_loss: report.held_out_loss,
            mixture_loss: report.mixture_loss,
            candidates: report.candidates,
            gram_updates: report.work.gram_updates,
            solves: report.work.solves,
        }
    }
}

impl From<SavedLevelReport> for LevelReport {
    fn from(saved: SavedLevelReport) -> Self {
        Self {
            index: saved.index,
            n_levels: saved.n_levels,
            level: saved.level,
            bandwidth: saved.bandwidth,
            n_cells: saved.n_cells,
            degree: saved.degree,
            held_out_loss: saved.held_out_loss,
            mixture_loss: saved.mixture_loss,
            candidates: saved.candidates,
            work: Work { gram_updates: saved.gram_updates, solves: saved.solves },
        }
    }
}
