//! Which cell rows belong to.

use nalgebra::DMatrix;

use super::mixture::Mixture;
use super::table::Cells;
use crate::error::Result;
use crate::parallel::map_blocks;
use crate::rows::Rows;
use crate::score::ScoreModel;

impl Mixture {
    /// The probability of each cell given a row: n × k. Rows with empty cells by what they have.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch), [`Error::NotFinite`](crate::Error::NotFinite),
    /// [`Error::OffHull`](crate::Error::OffHull).
    pub(crate) fn responsibilities(&self, rows: &Rows<'_>) -> Result<DMatrix<f64>> {
        let cells = Cells::read(rows, self.dim())?;
        let mut all = DMatrix::zeros(cells.len(), self.masses().len());
        let groups = cells.groups(&[]);
        let parts = map_blocks(groups.len(), 1, |range| {
            let group = &groups[range.start];
            if group.seen.is_empty() {
                let row = self.masses().transpose();
                return Ok(DMatrix::from_fn(group.rows.len(), row.len(), |_, cell| row[cell]));
            }
            let values = cells.select(&group.rows, &group.seen);
            let pattern = self.pattern(&group.seen, &[])?;
            Ok(pattern.answers(values.as_view(), |row| group.rows[row])?.masses.transpose())
        })?;
        for (group, part) in groups.iter().zip(parts) {
            for (from, &row) in group.rows.iter().enumerate() {
                all.row_mut(row).copy_from(&part.row(from));
            }
        }
        Ok(all)
    }
}
