use nalgebra::{DMatrixView, DMatrixViewMut};

use super::evaluation::Outputs;
use super::general::PreparedCells;
use super::law::MixtureLaw;
use crate::error::Result;
use crate::process::NoiseLevel;
use crate::score::ScoreModel;
use crate::shapes::check_size;

/// A law at one level, ready for one point after the other.
pub(crate) struct PreparedLaw<'a> {
    law: &'a MixtureLaw,
    level: NoiseLevel,
    /// Where there is something to prepare.
    cells: Option<PreparedCells<'a>>,
}

impl MixtureLaw {
    /// The law at `level`, ready for one point after the other.
    pub(crate) fn prepare(&self, level: NoiseLevel) -> Result<PreparedLaw<'_>> {
        Ok(PreparedLaw { law: self, level, cells: self.prepared_cells(level)? })
    }
}

impl PreparedLaw<'_> {
    /// The log-density at a point of dimension d, and the score there into `score`, of length d, where it is wanted.
    pub(crate) fn log_density(&self, point: &[f64], score: Option<&mut [f64]>) -> Result<f64> {
        check_size("values of a point", self.law.dim(), point.len())?;
        let points = DMatrixView::from_slice(point, 1, point.len());
        let mut log_density = [0.0];
        let score = score.map(|score| DMatrixViewMut::from_slice(score, 1, point.len()));
        let outputs = Outputs { score, divergence: None, log_density: Some(&mut log_density) };
        match &self.cells {
            Some(cells) => cells.evaluate(points, outputs),
            None => self.law.evaluate(self.level, points, outputs)?,
        }
        Ok(log_density[0])
    }
}
