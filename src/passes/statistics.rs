use std::collections::BTreeMap;
use std::ops::Range;

use nalgebra::DMatrix;

use super::sums::Sums;
use crate::error::{Error, Result};
use crate::rows::WeightedRows;
use crate::shapes::check_size;

/// Rows are summed in chunks of this many, by their index in the data.
pub(crate) const CHUNK: u64 = 2048;

/// Which pass of which fit: fits differ in their seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct Origin {
    pub(crate) seed: u64,
    pub(crate) pass: usize,
}

impl Origin {
    /// # Errors
    /// [`Error::ForeignStatistics`] or [`Error::ForeignFit`] unless `other` is the same pass of the same fit.
    pub(crate) fn check(self, other: Self) -> Result<()> {
        if other.seed != self.seed {
            return Err(Error::ForeignFit { pass: self.pass });
        }
        if other.pass != self.pass {
            return Err(Error::ForeignStatistics { pass: self.pass, foreign: other.pass });
        }
        Ok(())
    }
}

/// The sums of a pass over some of the rows; opaque, additive, and merged only between siblings of
/// the fixed binary tree over chunks of rows, so that every order gives the same bits.
///
/// Chunks that are not complete yet are kept as rows. The default has summed nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// What these sums belong to; `None` while empty.
    origin: Option<Origin>,
    /// Sums of 2ʰ chunks, by first chunk and height h.
    pub(super) nodes: BTreeMap<(u64, u32), Sums>,
    /// Runs of rows of incomplete chunks, by index of the first row.
    pub(super) pending: BTreeMap<u64, WeightedRows>,
}

/// Computes the sums of one whole chunk, or of the last, shorter one.
pub(crate) trait ChunkSums {
    fn sums(&self, chunk: u64, block: &WeightedRows) -> Result<Sums>;
}

impl Statistics {
    pub(crate) fn of(origin: Origin) -> Self {
        Self { origin: Some(origin), ..Self::default() }
    }

    /// What these sums belong to; `None` while they are empty.
    pub(crate) fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// The sums of all pieces.
    pub(crate) fn sums(&self) -> impl Iterator<Item = &Sums> {
        self.nodes.values()
    }

    fn pass(&self) -> usize {
        self.origin.map_or(0, |origin| origin.pass)
    }

    /// Adds the sums of chunk `chunk`, joining siblings as far as they are there.
    pub(crate) fn insert_chunk(&mut self, chunk: u64, sums: Sums) -> Result<()> {
        self.insert_node(chunk, 0, sums)
    }

    pub(crate) fn insert_node(&mut self, first: u64, height: u32, sums: Sums) -> Result<()> {
        let (mut first, mut height, mut sums) = (first, height, sums);
        let rows = first * CHUNK..(first + (1 << height)) * CHUNK;
        if self.covers(first, 1 << height) || self.pending.range(rows.clone()).next().is_some() {
            return Err(self.overlap(rows));
        }
        if let Some(other) = self.nodes.values().next() {
            other.check_like(&sums)?;
        }
        loop {
            let size = 1u64 << height;
            let is_left = first.is_multiple_of(2 * size);
            let sibling = if is_left { first + size } else { first - size };
            let Some(other) = self.nodes.remove(&(sibling, height)) else { break };
            let (mut left, right) = if is_left { (sums, other) } else { (other, sums) };
            left.add(right)?;
            (first, height, sums) = (first.min(sibling), height + 1, left);
        }
        self.nodes.insert((first, height), sums);
        Ok(())
    }

    fn overlap(&self, rows: Range<u64>) -> Error {
        Error::OverlappingRows { pass: self.pass(), first: rows.start, end: rows.end }
    }

    /// Whether any of `count` chunks from `first` on is summed already.
    fn covers(&self, first: u64, count: u64) -> bool {
        let before = self.nodes.range(..(first + count, 0)).next_back();
        before.is_some_and(|(&(start, height), _)| start + (1u64 << height) > first)
    }

    /// Adds rows of one incomplete chunk; sums the chunk once it is whole.
    pub(crate) fn insert_rows(
        &mut self,
        first_row: u64,
        block: WeightedRows,
        whole: &dyn ChunkSums,
    ) -> Result<()> {
        let (mut start, mut block) = (first_row, block);
        let chunk = start / CHUNK;
        let overlaps = |other: u64, rows: u64, start: u64, n: u64| other < start + n && start < other + rows;
        let n = block.rows.nrows() as u64;
        let clash = self.pending.iter().any(|(&other, b)| overlaps(other, b.rows.nrows() as u64, start, n));
        if clash || self.covers(chunk, 1) {
            return Err(self.overlap(start..start + n));
        }
        if let Some(other) = self.pending.values().next() {
            check_size("columns of the rows", other.rows.ncols(), block.rows.ncols())?;
        }
        // Join with the runs that end or start where this one does, within the chunk.
        let before = self.pending.range(..start).next_back();
        let touching = before.filter(|(s, b)| **s / CHUNK == chunk && **s + b.rows.nrows() as u64 == start);
        if let Some((&earlier, _)) = touching
            && let Some(head) = self.pending.remove(&earlier)
        {
            (start, block) = (earlier, join(head, block));
        }
        let end = start + block.rows.nrows() as u64;
        if end < (chunk + 1) * CHUNK
            && let Some(tail) = self.pending.remove(&end)
        {
            block = join(block, tail);
        }
        if block.rows.nrows() as u64 == CHUNK {
            let sums = whole.sums(chunk, &block)?;
            self.insert_chunk(chunk, sums)
        } else {
            self.pending.insert(start, block);
            Ok(())
        }
    }

    /// Takes in the sums of other rows of the same pass.
    pub(crate) fn merge(&mut self, other: Self, whole: &dyn ChunkSums) -> Result<()> {
        if let (Some(origin), Some(other)) = (self.origin, other.origin) {
            origin.check(other)?;
        }
        self.origin = self.origin.or(other.origin);
        for ((first, height), sums) in other.nodes {
            self.insert_node(first, height, sums)?;
        }
        for (start, block) in other.pending {
            self.insert_rows(start, block, whole)?;
        }
        Ok(())
    }

    /// The total over all rows and their number, once they are complete from row 0 on. `expected`
    /// is the number of rows, when an earlier pass has counted them.
    pub(crate) fn total(mut self, expected: Option<u64>, whole: &dyn ChunkSums) -> Result<(Sums, u64)> {
        let pass = self.pass();
        let mut tail_end = None;
        if let Some((start, last)) = self.pending.pop_last() {
            let end = start + last.rows.nrows() as u64;
            tail_end = Some(end);
            if !self.pending.is_empty() || !start.is_multiple_of(CHUNK) {
                return Err(Error::IncompletePass { pass, expected: expected.unwrap_or(end), found: start });
            }
            let chunk = start / CHUNK;
            let sums = whole.sums(chunk, &last)?;
            self.insert_chunk(chunk, sums)?;
        }
        let mut covered = 0;
        for &(first, height) in self.nodes.keys() {
            if first != covered {
                let expected = expected.unwrap_or(first * CHUNK);
                return Err(Error::IncompletePass { pass, expected, found: covered * CHUNK });
            }
            covered += 1u64 << height;
        }
        let rows = tail_end.unwrap_or(covered * CHUNK);
        // The shorter chunk has to be the last one.
        let complete = rows.div_ceil(CHUNK) == covered;
        if !complete || expected.is_some_and(|expected| expected != rows) {
            let expected = expected.unwrap_or(covered * CHUNK);
            return Err(Error::IncompletePass { pass, expected, found: rows });
        }
        // What has no sibling is joined from the right, smallest first: an order fixed by n alone.
        let mut nodes = self.nodes.into_values().rev();
        let mut total = nodes.next().ok_or(Error::NoRows)?;
        for mut left in nodes {
            left.add(total)?;
            total = left;
        }
        Ok((total, rows))
    }
}

/// Two runs of rows, one after the other.
fn join(mut head: WeightedRows, tail: WeightedRows) -> WeightedRows {
    let (a, b) = (head.rows.nrows(), tail.rows.nrows());
    let mut rows = DMatrix::zeros(a + b, head.rows.ncols());
    rows.rows_mut(0, a).copy_from(&head.rows);
    rows.rows_mut(a, b).copy_from(&tail.rows);
    head.weights.extend(tail.weights);
    WeightedRows { rows, weights: head.weights }
}
