//! Passes and sums that are saved.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::frame::PassFrame;
use super::pass::Pass;
use super::statistics::{CHUNK, ChunkSums, Origin, Statistics};
use super::sums::Sums;
use super::task::{Kind, Task};
use crate::error::{Error, Result};
use crate::format::{
    Check, FINITE, Format, Header, Version, checked, invalid, require, within, zero_or_positive,
};
use crate::mixture::CrossFit;
use crate::rows::{FOLDS, MOST_ROWS, WeightedRows};
use crate::search::Wanted;

/// Numbers that a pass sums, at most: 2 GiB of them.
const MOST_SUMS: usize = 1 << 28;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPass {
    format: Format<SavedPass>,
    version: Version<SavedPass>,
    number: usize,
    seed: u64,
    task: Task,
}

impl Header for SavedPass {
    const FORMAT: &'static str = "gmix-diffusion pass";
    const VERSION: u32 = 3;
}

/// Fails when the cells of a pass are a user's own.
impl Serialize for Pass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { number, seed, task } = self.clone();
        let (format, version) = (Format::default(), Version::default());
        SavedPass { format, version, number, seed, task }.serialize(serializer)
    }
}

/// Fails when the data are not a pass of a known version in which everything is consistent.
impl<'de> Deserialize<'de> for Pass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let SavedPass { number, seed, task, .. } = SavedPass::deserialize(deserializer)?;
        require!((number == 0) == matches!(task, Task::Moments), "the first pass sums moments")
            .map_err(de::Error::custom)?;
        Ok(Self { number, seed, task })
    }
}

checked!(PassFrame, PassFrame);

impl Check for PassFrame {
    fn check_saved(&self) -> Result<()> {
        let dim = self.units.working_dim();
        require!(self.subspace.mean.len() == dim, "the mean of the rows needs {dim} values")?;
        zero_or_positive("component std", self.component_std)
    }
}

checked!(Task, Task);

impl Check for Task {
    fn check_saved(&self) -> Result<()> {
        let Self::Matrices(frame, kind) = self else { return Ok(()) };
        let dim = frame.active_dim();
        match kind {
            Kind::Refinement(Wanted::Cells(candidates) | Wanted::Likelihoods(candidates)) => {
                check_candidates(candidates, dim)
            }
            Kind::Smoothing(basis) => {
                require!(basis.centre.len() == dim, "the centre of smoothing needs {dim} dimensions")
            }
            Kind::Regression(tasks) => {
                let bases = || tasks.iter().flat_map(|task| &task.candidates);
                require!(
                    bases().all(|basis| basis.partition().centres().ncols() == dim),
                    "the cells of a regression need {dim} dimensions"
                )?;
                tasks.iter().try_for_each(|task| task.check_bandwidth(frame.component_std))?;
                let total: usize = bases().map(|basis| FOLDS * basis.len() * (basis.len() + dim)).sum();
                require!(total <= MOST_SUMS, "the pass is larger than this release runs")
            }
        }
    }
}

/// Candidates with one mixture for each of the same folds.
fn check_candidates(candidates: &[CrossFit], dim: usize) -> Result<()> {
    let folds = candidates.first().map_or(0, |candidate| candidate.folds.len());
    require!(
        (1..=FOLDS).contains(&folds) && candidates.iter().all(|candidate| candidate.folds.len() == folds),
        "candidates need a mixture for each fold"
    )?;
    let mut mixtures = candidates.iter().flat_map(|candidate| &candidate.folds);
    require!(
        mixtures.all(|mixture| mixture.means.ncols() == dim),
        "the mixtures of candidates need {dim} dimensions"
    )
}

checked!(Sums, Sums);

impl Check for Sums {
    /// Whether they are what a certain pass sums, that pass checks.
    fn check_saved(&self) -> Result<()> {
        match self {
            Self::Moments(_) => Ok(()),
            Self::Matrices(matrices) => {
                matrices.iter().try_for_each(|matrix| within("sums", matrix.as_slice(), FINITE))
            }
        }
    }
}

impl Sums {
    /// Sums that were read, in a fit with this seed.
    pub(crate) fn in_fit(self, seed: u64) -> Result<Self> {
        match self {
            Self::Moments(moments) => moments.in_fit(seed).map(Self::Moments),
            matrices => Ok(matrices),
        }
    }
}

/// Sums of some of the rows in one pass.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedStatistics {
    format: Format<SavedStatistics>,
    version: Version<SavedStatistics>,
    /// `None` while nothing is summed.
    origin: Option<Origin>,
    /// Sums of 2ʰ chunks, with the first chunk and h.
    nodes: Vec<(u64, u32, Sums)>,
    /// Rows of chunks that are not complete, by the first; values that are not finite are found when they are
    /// summed.
    pending: Vec<(u64, WeightedRows)>,
}

impl Header for SavedStatistics {
    const FORMAT: &'static str = "gmix-diffusion sums";
    const VERSION: u32 = 3;
}

impl SavedStatistics {
    fn load(self) -> Result<Statistics> {
        let Some(origin) = self.origin else {
            require!(self.nodes.is_empty() && self.pending.is_empty(), "sums without their pass")?;
            return Ok(Statistics::default());
        };
        let mut statistics = Statistics::of(origin);
        for (first_chunk, height, sums) in self.nodes {
            let size = 1u64.checked_shl(height).unwrap_or(0);
            let most = MOST_ROWS / CHUNK;
            require!(
                size > 0 && size <= most && first_chunk <= most - size && first_chunk.is_multiple_of(size),
                "there is no node of height {height} at chunk {first_chunk}"
            )?;
            statistics.insert_node(first_chunk, height, sums.in_fit(origin.seed)?).map_err(invalid)?;
        }
        for (first_row, block) in self.pending {
            let (n, dim) = block.rows.shape();
            let n = n as u64;
            require!(
                (1..CHUNK).contains(&n) && dim > 0 && first_row < MOST_ROWS && first_row % CHUNK + n <= CHUNK,
                "{n} rows from {first_row} on are no part of a chunk"
            )?;
            require!(block.weights.len() as u64 == n, "an incomplete chunk needs a weight for each row")?;
            within("weights of rows", &block.weights, 0.0..=f64::MAX)?;
            statistics.insert_rows(first_row, block, &Incomplete).map_err(invalid)?;
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
        let nodes = self.nodes.iter().map(|(&(first, height), sums)| (first, height, sums.clone()));
        let pending = self.pending.iter().map(|(&first, block)| (first, block.clone()));
        let saved = SavedStatistics {
            format: Format::default(),
            version: Version::default(),
            origin: self.origin(),
            nodes: nodes.collect(),
            pending: pending.collect(),
        };
        saved.serialize(serializer)
    }
}

/// Fails when the data are not sums of a known version in which everything is consistent. Whether they are
/// those of a certain pass, [`Pass::merge`](crate::Pass::merge) and [`Fit::absorb`](crate::Fit::absorb) check.
impl<'de> Deserialize<'de> for Statistics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SavedStatistics::deserialize(deserializer)?.load().map_err(de::Error::custom)
    }
}
