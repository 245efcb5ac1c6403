use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::check::{invalid, require, within};
use super::header::{Format, Saved, Version};
use super::matrix::SavedMatrix;
use super::sums::SavedSums;
use crate::error::{Error, Result};
use crate::passes::{CHUNK, ChunkSums, MOST_ROWS, Origin, Statistics, Sums};
use crate::rows::WeightedRows;

/// Sums of some of the rows in one pass.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedStatistics {
    format: Format<SavedStatistics>,
    version: Version<SavedStatistics>,
    /// `None` while nothing is summed.
    origin: Option<SavedOrigin>,
    nodes: Vec<SavedNode>,
    pending: Vec<SavedRows>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedOrigin {
    seed: u64,
    pass: usize,
}

/// Sums of 2ʰ chunks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedNode {
    first_chunk: u64,
    /// h
    height: u32,
    sums: SavedSums,
}

/// Rows of a chunk that is not complete.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedRows {
    first_row: u64,
    /// n × d; values that are not finite are found when they are summed.
    rows: SavedMatrix,
    weights: Vec<f64>,
}

impl From<&Statistics> for SavedStatistics {
    fn from(statistics: &Statistics) -> Self {
        let nodes = statistics.nodes.iter().map(|(&(first_chunk, height), sums)| SavedNode {
            first_chunk,
            height,
            sums: sums.into(),
        });
        let pending = statistics.pending.iter().map(|(&first_row, block)| SavedRows {
            first_row,
            rows: (&block.rows).into(),
            weights: block.weights.clone(),
        });
        Self {
            format: Format::default(),
            version: Version::default(),
            origin: statistics.origin().map(|Origin { seed, pass }| SavedOrigin { seed, pass }),
            nodes: nodes.collect(),
            pending: pending.collect(),
        }
    }
}

impl Saved for SavedStatistics {
    const FORMAT: &'static str = "gmix-diffusion sums";
    const VERSION: u32 = 2;
}

impl SavedStatistics {
    fn load(self) -> Result<Statistics> {
        let Some(SavedOrigin { seed, pass }) = self.origin else {
            require(self.nodes.is_empty() && self.pending.is_empty(), "sums without their pass")?;
            return Ok(Statistics::default());
        };
        let mut statistics = Statistics::of(Origin { seed, pass });
        for SavedNode { first_chunk, height, sums } in self.nodes {
            let size = 1u64.checked_shl(height).unwrap_or(0);
            let most = MOST_ROWS / CHUNK;
            require(
                size > 0 && size <= most && first_chunk <= most - size && first_chunk.is_multiple_of(size),
                format_args!("there is no node of height {height} at chunk {first_chunk}"),
            )?;
            statistics.insert_node(first_chunk, height, sums.load(seed)?).map_err(invalid)?;
        }
        for SavedRows { first_row, rows, weights } in self.pending {
            let rows = rows.load_any("rows of an incomplete chunk")?;
            let n = rows.nrows() as u64;
            require(
                (1..CHUNK).contains(&n)
                    && rows.ncols() > 0
                    && first_row < MOST_ROWS
                    && first_row % CHUNK + n <= CHUNK,
                format_args!("{n} rows from {first_row} on are no part of a chunk"),
            )?;
            require(weights.len() as u64 == n, "an incomplete chunk needs a weight for each row")?;
            within("weights of rows", &weights, 0.0..=f64::MAX)?;
            statistics
                .insert_rows(first_row, WeightedRows { rows, weights }, &Incomplete)
                .map_err(invalid)?;
        }
        Ok(statistics)
    }
}

/// Chunks that are whole have been summed before they were saved.
struct Incomplete;

impl ChunkSums for Incomplete {
    fn sums(&self, chunk: u64, _: &WeightedRows) -> Result<Sums> {
        Err(Error::InvalidSavedModel { what: format!("chunk {chunk} is complete but was not summed") })
    }
}

impl Serialize for Statistics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SavedStatistics::from(self).serialize(serializer)
    }
}

/// Fails when the data are not sums of a known version in which everything is consistent. Whether they are
/// those of a certain pass, [`Pass::merge`](crate::Pass::merge) and [`Fit::absorb`](crate::Fit::absorb) check.
impl<'de> Deserialize<'de> for Statistics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SavedStatistics::deserialize(deserializer)?.load().map_err(de::Error::custom)
    }
}
