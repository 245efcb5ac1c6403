use super::statistics::CHUNK;
use crate::coordinates::{Geometry, Units};
use crate::polynomial::ActiveSubspace;
use crate::rows::{FOLDS, FoldRule, WeightedRows, spatial_order};

/// What a pass has to know of the geometry: how rows become active coordinates and folds. It travels with the pass, so it holds no rows.
#[derive(Debug, Clone)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(remote = "Self", deny_unknown_fields)
)]
pub(crate) struct PassFrame {
    pub(crate) units: Units,
    pub(crate) subspace: ActiveSubspace,
    pub(crate) fold_rule: FoldRule,
    pub(crate) component_std: f64,
}

/// Rows of a chunk in active coordinates, near ones beside each other, with their folds.
pub(crate) struct ActiveChunk {
    /// Of the fit, from which noise is drawn.
    pub(crate) seed: u64,
    /// Number of the chunk.
    pub(crate) index: u64,
    rows: WeightedRows,
    folds: Vec<usize>,
}

impl ActiveChunk {
    /// The rows of every fold.
    pub(crate) fn folds(&self) -> Vec<WeightedRows> {
        (0..FOLDS).map(|fold| self.select(|own| own == fold)).collect()
    }

    /// For every fold the rows of all others.
    pub(crate) fn complements(&self) -> Vec<WeightedRows> {
        (0..FOLDS).map(|fold| self.select(|own| own != fold)).collect()
    }

    fn select(&self, is_member: impl Fn(usize) -> bool) -> WeightedRows {
        let members = (0..self.folds.len()).filter(|&i| is_member(self.folds[i]));
        self.rows.select(&members.collect::<Vec<_>>())
    }
}

impl From<&Geometry> for PassFrame {
    fn from(geometry: &Geometry) -> Self {
        Self {
            units: geometry.units.clone(),
            subspace: geometry.active.subspace(),
            fold_rule: geometry.fold_rule,
            component_std: geometry.component_std,
        }
    }
}

impl PassFrame {
    /// Number of active directions m.
    pub(crate) fn active_dim(&self) -> usize {
        self.subspace.axes.ncols()
    }

    /// The rows of a chunk in active coordinates.
    pub(crate) fn active_chunk(&self, seed: u64, first_row: u64, block: &WeightedRows) -> ActiveChunk {
        let working = self.units.noised_to_working(1.0, block.rows.clone());
        let rows = self.subspace.project(&working);
        let order = spatial_order(&rows);
        let fold =
            |&i: &usize| self.fold_rule.fold(seed, first_row + i as u64, working.row(i).iter().copied());
        let folds = order.iter().map(fold).collect();
        let active = WeightedRows { rows, weights: block.weights.clone() };
        ActiveChunk { seed, index: first_row / CHUNK, rows: active.select(&order), folds }
    }
}
