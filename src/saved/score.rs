use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cells::Partition;
use crate::error::Result;
use crate::format::{LENGTH, SavedMatrix, matrix_within, require};
use crate::polynomial::{HermiteBasis, LevelBasis, LevelScore};
use crate::process::NoiseLevel;

/// The piecewise polynomial of one level.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedScore {
    /// Index of its partition.
    pub(super) partition: usize,
    bandwidth: f64,
    degree: usize,
    /// Whether the cells' own denoisers are part of it.
    own: bool,
    /// Features × m, feature α of cell j at α·k + j.
    coefficients: SavedMatrix,
}

impl SavedScore {
    pub(super) fn of(score: &LevelScore, partition: usize) -> Self {
        let basis = score.basis();
        Self {
            partition,
            bandwidth: basis.bandwidth(),
            degree: basis.hermite().degree(),
            own: score.is_own(),
            coefficients: score.correction().into(),
        }
    }

    /// The polynomial of `level`, the noise level number `index`, in the cells of `partition`.
    pub(super) fn load(
        self,
        index: usize,
        level: NoiseLevel,
        component_std: f64,
        partition: Arc<dyn Partition>,
    ) -> Result<LevelScore> {
        let (cells, dim) = partition.centres().shape();
        let bandwidth = level.bandwidth(component_std);
        require!(
            // Bandwidths of other machines may differ in their last bits.
            bandwidth > 0.0 && (self.bandwidth - bandwidth).abs() <= 1e-12 * bandwidth,
            "level {index}: bandwidth {} does not fit its noise",
            self.bandwidth
        )?;
        require!(
            self.features_fit(cells, dim),
            "level {index}: the coefficients do not fit degree {} in {cells} cells",
            self.degree
        )?;
        let rows = self.coefficients.rows;
        let what = format_args!("coefficients of level {index}");
        let coefficients = self.coefficients.load()?;
        matrix_within(what, &coefficients, (rows, dim), LENGTH)?;
        let basis = LevelBasis::new(partition, self.bandwidth, self.degree);
        // Cells that slope need degree 1 at least.
        require!(basis.len() == rows, "level {index}: degree 0 does not fit its cells")?;
        Ok(LevelScore::new(&basis, &coefficients, self.own))
    }

    /// Numbers that it takes in memory, about: each coefficient is kept with its derivatives along all
    /// local axes, and each cell with its frame.
    pub(super) fn expanded(&self, cells: usize, dim: usize) -> usize {
        let square = dim.saturating_mul(dim);
        self.coefficients.rows.saturating_add(cells.saturating_mul(3)).saturating_mul(square)
    }

    /// Whether there are as many rows of coefficients as features of the degree claimed.
    fn features_fit(&self, cells: usize, dim: usize) -> bool {
        let rows = self.coefficients.rows;
        // There are more features than degrees, so that a huge degree is not counted out.
        self.degree < rows && HermiteBasis::count(dim, self.degree).checked_mul(cells) == Some(rows)
    }
}
