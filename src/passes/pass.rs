use super::statistics::{CHUNK, ChunkSums, Origin, Statistics};
use super::sums::Sums;
use super::task::Task;
use crate::error::{Error, Result};
use crate::parallel::{map_blocks, threads};
use crate::rows::{MOST_ROWS, Rows, WeightedRows};

/// One pass over all rows: sums what a fit needs next.
///
/// A pass is a plain value that can be sent anywhere; [`accumulate`](Self::accumulate) runs it on
/// some of the rows and [`merge`](Self::merge) brings sums together.
#[derive(Debug, Clone)]
pub struct Pass {
    pub(crate) number: usize,
    pub(crate) seed: u64,
    pub(crate) task: Task,
}

impl Pass {
    /// Sums over `rows` (n × d), of which the first has index `first_row` among all rows.
    ///
    /// # Errors
    /// [`Error::NoColumns`], [`Error::NotFinite`], [`Error::ShapeMismatch`] for rows that are not
    /// what the fit began with; [`Error::IncompatibleParts`] for rows with errors; [`Error::InvalidSetting`] for a `first_row` of 2⁶⁰ or more; errors of a
    /// user's own cells.
    pub fn accumulate<'a>(&self, rows: impl Into<Rows<'a>>, first_row: u64) -> Result<Statistics> {
        let rows = rows.into();
        self.check_dim(rows.dim())?;
        rows.check_exact()?;
        let (n, mut start) = (rows.n_rows() as u64, 0);
        if first_row >= MOST_ROWS || n > MOST_ROWS {
            return Err(Error::InvalidSetting {
                name: "index of the first row",
                value: first_row as f64,
                requirement: "below 2^60",
            });
        }
        let mut sums = Statistics::of(self.origin());
        let mut whole = Vec::new();
        while start < n {
            let row = first_row + start;
            let chunk_end = (row / CHUNK + 1) * CHUNK;
            let count = (chunk_end - row).min(n - start);
            if count == CHUNK {
                whole.push((row / CHUNK, start));
            } else {
                sums.insert_rows(row, rows.block(start as usize, count as usize), self)?;
            }
            start += count;
        }
        // As many chunks at a time as there are threads: their sums are all that is held at once.
        for group in whole.chunks(threads()) {
            let parts = map_blocks(group.len(), 1, |own| {
                let (chunk, start) = group[own.start];
                self.sums(chunk, &rows.block(start as usize, CHUNK as usize))
            })?;
            for (&(chunk, _), part) in group.iter().zip(parts) {
                sums.insert_chunk(chunk, part)?;
            }
        }
        Ok(sums)
    }

    /// Takes `other` into `sums`, in any order; both have to be sums of this pass.
    ///
    /// # Errors
    /// [`Error::ForeignStatistics`] for sums of another pass, [`Error::ForeignFit`] for those of a fit with
    /// another seed, [`Error::OverlappingRows`] where rows would be summed twice, [`Error::ShapeMismatch`] where the rows differ in their number of columns.
    /// What `sums` hold after an error is not of use.
    pub fn merge(&self, sums: &mut Statistics, other: Statistics) -> Result<()> {
        for origin in [sums.origin(), other.origin()].into_iter().flatten() {
            self.origin().check(origin)?;
        }
        other.sums().try_for_each(|part| self.check_shape(part))?;
        sums.merge(other, self)
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin { seed: self.seed, pass: self.number }
    }

    /// Are these sums of the kind and the shapes that this pass makes? Sums that were read may be others.
    ///
    /// # Errors
    /// [`Error::ForeignFit`] when they are not.
    pub(crate) fn check_shape(&self, sums: &Sums) -> Result<()> {
        if self.task.is_of(sums) { Ok(()) } else { Err(Error::ForeignFit { pass: self.number }) }
    }

    fn check_dim(&self, dim: usize) -> Result<()> {
        let expected = self.task.dim().unwrap_or(dim);
        match dim {
            0 => Err(Error::NoColumns),
            _ if dim == expected => Ok(()),
            _ => Err(Error::ShapeMismatch { what: "columns of the rows", expected, found: dim }),
        }
    }
}

impl ChunkSums for Pass {
    fn sums(&self, chunk: u64, block: &WeightedRows) -> Result<Sums> {
        let first_row = chunk * CHUNK;
        block.check_finite(first_row)?;
        self.task.sums(self.seed, first_row, block)
    }
}
