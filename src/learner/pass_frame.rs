use nalgebra::DMatrix;

use super::geometry::Geometry;
use super::streams::{FOLDS, FoldRule};
use super::units::Units;
use crate::error::Result;
use crate::partition::WeightedRows;
use crate::process::NoiseLevel;
use crate::score::{ActiveSubspace, CellMixture, centres_into};

/// What a pass has to know of the geometry: how rows become active coordinates and folds, and the mixtures
/// that have not seen a fold. It travels with the pass, so it holds no rows.
#[derive(Debug, Clone)]
pub(crate) struct PassFrame {
    pub(crate) units: Units,
    pub(crate) subspace: ActiveSubspace,
    pub(crate) fold_rule: FoldRule,
    pub(crate) component_std: f64,
    /// In active coordinates, each fold's mixture, fitted to the rows outside it; none without a base.
    pub(crate) held_out: Vec<CellMixture>,
}

impl From<&Geometry> for PassFrame {
    fn from(geometry: &Geometry) -> Self {
        Self {
            units: geometry.units.clone(),
            subspace: geometry.subspace.clone(),
            fold_rule: geometry.fold_rule,
            component_std: geometry.component_std,
            held_out: geometry.base.as_ref().map_or(Vec::new(), |base| base.folds.clone()),
        }
    }
}

impl PassFrame {
    /// Number of active directions m.
    pub(crate) fn active_dim(&self) -> usize {
        self.subspace.axes.ncols()
    }

    /// The rows of a chunk in active coordinates, one block a fold.
    pub(super) fn active_folds(&self, seed: u64, first_row: u64, block: &WeightedRows) -> Vec<WeightedRows> {
        let working = self.units.noised_to_working(1.0, block.rows.clone());
        let active = self.subspace.project(&working);
        let mut members = vec![Vec::new(); FOLDS];
        for (i, values) in working.row_iter().enumerate() {
            members[self.fold_rule.fold(seed, first_row + i as u64, values.iter().copied())].push(i);
        }
        let active = WeightedRows { rows: active, weights: block.weights.clone() };
        members.iter().map(|members| active.select(members)).collect()
    }

    /// Û of the mixture that was fitted without `fold`, at points in active coordinates (n × m); `None` where
    /// there is no base.
    pub(super) fn held_out_centre(
        &self,
        fold: usize,
        level: NoiseLevel,
        points: &DMatrix<f64>,
    ) -> Result<Option<DMatrix<f64>>> {
        let Some(mixture) = self.held_out.get(fold) else { return Ok(None) };
        let mut centres = DMatrix::zeros(points.nrows(), points.ncols());
        centres_into(mixture, self.component_std, level, points, &mut centres)?;
        Ok(Some(centres))
    }
}
