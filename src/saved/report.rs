use serde::{Deserialize, Serialize};

use super::level::SavedLevel;
use crate::mixture::TriedCells;
use crate::report::{FitReport, FitWarning, LevelReport, Work};

/// The report of a fit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedReport {
    levels: Vec<SavedLevelReport>,
    n_rows: u64,
    dim: usize,
    active_dim: usize,
    #[serde(with = "finite")]
    component_std: f64,
    cell_path: Vec<SavedTriedCells>,
    radial_shape: Option<Finite>,
    passes: usize,
    warnings: Vec<SavedWarning>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedLevelReport {
    index: usize,
    n_levels: usize,
    level: SavedLevel,
    #[serde(with = "finite")]
    bandwidth: f64,
    n_cells: usize,
    degree: Option<usize>,
    held_out_loss: Option<Finite>,
    mixture_loss: Option<Finite>,
    candidates: usize,
    gram_updates: u64,
    solves: u64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct Finite(#[serde(with = "finite")] f64);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct SavedTriedCells(#[serde(with = "TriedCellsFields")] TriedCells);

#[derive(Serialize, Deserialize)]
#[serde(remote = "TriedCells", deny_unknown_fields)]
struct TriedCellsFields {
    #[serde(with = "finite")]
    cells: f64,
    #[serde(with = "finite")]
    log_likelihood: f64,
    #[serde(with = "finite")]
    std_error: f64,
    chosen: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct SavedWarning(#[serde(with = "FitWarningVariants")] FitWarning);

#[derive(Serialize, Deserialize)]
#[serde(remote = "FitWarning", rename_all = "snake_case", deny_unknown_fields)]
enum FitWarningVariants {
    FewRowsInCell {
        level: usize,
        cell: usize,
        #[serde(with = "finite")]
        rows: f64,
        features: usize,
    },
    RowsFarFromCentres {
        #[serde(with = "finite")]
        share: f64,
        #[serde(with = "finite")]
        expected: f64,
    },
    CoarseSchedule {
        level: usize,
        #[serde(with = "finite")]
        change: f64,
    },
    NoisiestNotGaussian {
        #[serde(with = "finite")]
        ratio: f64,
    },
    QuietestAboveComponent {
        #[serde(with = "finite")]
        bandwidth: f64,
        #[serde(with = "finite")]
        component_std: f64,
    },
    ComponentStdTooLarge {
        #[serde(with = "finite")]
        component_std: f64,
        #[serde(with = "finite")]
        smallest_std: f64,
    },
    HeavyTails {
        #[serde(with = "finite")]
        farthest: f64,
    },
    RepeatedRows {
        #[serde(with = "finite")]
        share: f64,
    },
    DegenerateDirection {
        #[serde(with = "finite")]
        relative_std: f64,
    },
    FewRows {
        rows: u64,
        dim: usize,
    },
}

impl From<&FitReport> for SavedReport {
    fn from(report: &FitReport) -> Self {
        Self {
            levels: report.levels.iter().map(SavedLevelReport::from).collect(),
            n_rows: report.n_rows,
            dim: report.dim,
            active_dim: report.active_dim,
            component_std: report.component_std,
            radial_shape: report.radial_shape.map(Finite),
            cell_path: report.cell_path.iter().copied().map(SavedTriedCells).collect(),
            passes: report.passes,
            warnings: report.warnings.iter().cloned().map(SavedWarning).collect(),
        }
    }
}

/// Without the working unit, which the model's units say.
impl From<SavedReport> for FitReport {
    fn from(saved: SavedReport) -> Self {
        Self {
            levels: saved.levels.into_iter().map(LevelReport::from).collect(),
            n_rows: saved.n_rows,
            dim: saved.dim,
            active_dim: saved.active_dim,
            component_std: saved.component_std,
            radial_shape: saved.radial_shape.map(|beta| beta.0),
            working_unit: None,
            cell_path: saved.cell_path.into_iter().map(|tried| tried.0).collect(),
            passes: saved.passes,
            warnings: saved.warnings.into_iter().map(|warning| warning.0).collect(),
        }
    }
}

impl From<&LevelReport> for SavedLevelReport {
    fn from(report: &LevelReport) -> Self {
        Self {
            index: report.index,
            n_levels: report.n_levels,
            level: report.level.into(),
            bandwidth: report.bandwidth,
            n_cells: report.n_cells,
            degree: report.degree,
            held_out_loss: report.held_out_loss.map(Finite),
            mixture_loss: report.mixture_loss.map(Finite),
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
            level: saved.level.into(),
            bandwidth: saved.bandwidth,
            n_cells: saved.n_cells,
            degree: saved.degree,
            held_out_loss: saved.held_out_loss.map(|loss| loss.0),
            mixture_loss: saved.mixture_loss.map(|loss| loss.0),
            candidates: saved.candidates,
            work: Work { gram_updates: saved.gram_updates, solves: saved.solves },
        }
    }
}

/// Numbers that are neither NaN nor infinite, which not every format could hold.
mod finite {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

    use super::super::check::invalid;
    use crate::error::Result;

    fn checked(value: f64) -> Result<f64> {
        if value.is_finite() { Ok(value) } else { Err(invalid(format_args!("the report contains {value}"))) }
    }

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        checked(*value).map_err(ser::Error::custom)?.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        checked(f64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
