use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, StandardNormal};

use super::geometry::Geometry;
use super::moments::Moments;
use super::refinement::Likelihoods;
use super::rows::{Block, Rows};
use super::statistics::{CHUNK, ChunkSums, Origin, Statistics, Sums};
use super::streams::{FOLDS, stream};
use crate::error::{Error, Result};
use crate::partition::{CellSums, CrossFit, WeightedRows, judging_log_density};
use crate::process::NoiseLevel;
use crate::regression::{
    HermiteMoments, LevelBasis, NoisedBlock, NormalEquations, RegressionTarget, SmoothingBasis,
};

/// Purpose of the streams of noise, one a level.
const NOISE_STREAM: u64 = 1 << 32;
/// Indices of rows are below this, so that sums of them cannot overflow.
const MOST_ROWS: u64 = 1 << 60;
/// Noised rows evaluated together, so that a block's features stay in the cache.
const BLOCK: usize = 128;

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

/// What a pass sums.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    Moments,
    ExpectationMaximisation(Arc<Geometry>, Vec<CrossFit>),
    Likelihoods(Arc<Geometry>, Vec<CrossFit>),
    Smoothing(Arc<Geometry>, Arc<SmoothingBasis>),
    Regression(Arc<Geometry>, Vec<RegressionTask>),
}

/// Normal equations of one noise level for all candidate partitions, on the same noise.
#[derive(Debug, Clone)]
pub(crate) struct RegressionTask {
    /// Index of the level.
    pub(crate) index: usize,
    /// The level in the variance exploding form, in units of Y/a.
    pub(crate) level: NoiseLevel,
    pub(crate) target: RegressionTarget,
    /// Noise draws a row: antithetic pairs, so an even number.
    pub(crate) draws: usize,
    pub(crate) candidates: Vec<LevelBasis>,
}

impl Pass {
    /// Sums over `rows` (n × d), of which the first has index `first_row` among all rows.
    ///
    /// # Errors
    /// [`Error::NoColumns`], [`Error::NotFinite`], [`Error::ShapeMismatch`] for rows that are not
    /// what the fit began with; [`Error::InvalidSetting`] for a `first_row` of 2⁶⁰ or more; errors of a
    /// user's own cells.
    pub fn accumulate<'a>(&self, rows: impl Into<Rows<'a>>, first_row: u64) -> Result<Statistics> {
        let rows = rows.into();
        self.check_dim(rows.dim())?;
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
            for (chunk, part) in self.sum_chunks(&rows, group) {
                sums.insert_chunk(chunk, part?)?;
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
        sums.merge(other, self)
    }

    pub(super) fn origin(&self) -> Origin {
        Origin { seed: self.seed, pass: self.number }
    }

    fn check_dim(&self, dim: usize) -> Result<()> {
        let expected = match &self.task {
            Task::Moments => dim,
            Task::ExpectationMaximisation(geometry, _)
            | Task::Likelihoods(geometry, _)
            | Task::Smoothing(geometry, _)
            | Task::Regression(geometry, _) => geometry.units.dim(),
        };
        match dim {
            0 => Err(Error::NoColumns),
            _ if dim == expected => Ok(()),
            _ => Err(Error::ShapeMismatch { what: "columns of the rows", expected, found: dim }),
        }
    }

    #[cfg(feature = "rayon")]
    fn sum_chunks(&self, rows: &Rows<'_>, chunks: &[(u64, u64)]) -> Vec<(u64, Result<Sums>)> {
        use rayon::prelude::*;
        let one = |&(chunk, start): &(u64, u64)| {
            (chunk, self.sums(chunk, &rows.block(start as usize, CHUNK as usize)))
        };
        chunks.par_iter().map(one).collect()
    }

    #[cfg(not(feature = "rayon"))]
    fn sum_chunks(&self, rows: &Rows<'_>, chunks: &[(u64, u64)]) -> Vec<(u64, Result<Sums>)> {
        let one = |&(chunk, start): &(u64, u64)| {
            (chunk, self.sums(chunk, &rows.block(start as usize, CHUNK as usize)))
        };
        chunks.iter().map(one).collect()
    }
}

#[cfg(feature = "rayon")]
pub(super) fn threads() -> usize {
    rayon::current_num_threads()
}

#[cfg(not(feature = "rayon"))]
pub(super) fn threads() -> usize {
    1
}

impl ChunkSums for Pass {
    fn sums(&self, chunk: u64, block: &Block) -> Result<Sums> {
        let first_row = chunk * CHUNK;
        block.check_finite(first_row)?;
        match &self.task {
            Task::Moments => Ok(Sums::Moments(Moments::of_block(self.seed, first_row, block))),
            Task::ExpectationMaximisation(geometry, candidates) => {
                let folds = self.active_folds(geometry, first_row, block);
                let complements = complements(&folds);
                let of = |candidate: &CrossFit| {
                    let parts = candidate.folds.iter().zip(&complements);
                    parts.map(|(mixture, rows)| CellSums::of(rows, mixture)).collect()
                };
                Ok(Sums::Cells(candidates.iter().map(of).collect()))
            }
            Task::Likelihoods(geometry, candidates) => {
                let folds = self.active_folds(geometry, first_row, block);
                Ok(Sums::Likelihoods(held_out_likelihoods(&folds, candidates)))
            }
            Task::Smoothing(geometry, basis) => {
                let folds = self.active_folds(geometry, first_row, block);
                Ok(Sums::Smoothing(folds.iter().map(|fold| smoothing_sums(basis, fold)).collect()))
            }
            Task::Regression(geometry, tasks) => {
                let folds = self.active_folds(geometry, first_row, block);
                let mut sums = Vec::new();
                for task in tasks {
                    let stream = NOISE_STREAM + task.index as u64;
                    let noise = task.noise_draws(self.seed, stream, chunk, &folds);
                    for basis in &task.candidates {
                        sums.push(task.sums(basis, geometry, &folds, &noise)?);
                    }
                }
                Ok(Sums::Regression(sums))
            }
        }
    }
}

impl Pass {
    /// The rows of a chunk in active coordinates, one block a fold; folds are drawn by row index.
    fn active_folds(&self, geometry: &Geometry, first_row: u64, block: &Block) -> Vec<Block> {
        let working = geometry.units.noised_to_working(1.0, block.rows.clone());
        let active = geometry.subspace.project(&working);
        let fold = |i: &usize| {
            let values = working.row(*i);
            geometry.fold_rule.fold(self.seed, first_row + *i as u64, values.iter().copied())
        };
        (0..FOLDS)
            .map(|wanted| {
                let members: Vec<usize> = (0..active.nrows()).filter(|i| fold(i) == wanted).collect();
                Block {
                    rows: active.select_rows(&members),
                    weights: members.iter().map(|&i| block.weights[i]).collect(),
                }
            })
            .collect()
    }
}

/// For every fold the rows of all others.
fn complements(folds: &[Block]) -> Vec<WeightedRows> {
    let rows_of = |excluded: usize| {
        let others = || folds.iter().enumerate().filter(move |(fold, _)| *fold != excluded);
        let rows: Vec<_> = others().flat_map(|(_, fold)| fold.rows.row_iter()).collect();
        let dim = folds[excluded].rows.ncols();
        WeightedRows {
            rows: DMatrix::from_fn(rows.len(), dim, |i, j| rows[i][j]),
            weights: others().flat_map(|(_, fold)| fold.weights.iter().copied()).collect(),
        }
    };
    (0..folds.len()).map(rows_of).collect()
}

/// Log-likelihoods of every fold's rows under the mixtures that have not seen them.
fn held_out_likelihoods(folds: &[Block], candidates: &[CrossFit]) -> Likelihoods {
    let mut sums = Likelihoods::zeros(candidates.len());
    for (fold, block) in folds.iter().enumerate().take(candidates[0].folds.len()) {
        let data = WeightedRows { rows: block.rows.clone(), weights: block.weights.clone() };
        let densities: Vec<Vec<f64>> =
            candidates.iter().map(|candidate| judging_log_density(&data, &candidate.folds[fold])).collect();
        for (i, &weight) in data.weights.iter().enumerate() {
            let row = DVector::from_iterator(densities.len(), densities.iter().map(|values| values[i]));
            sums.add_row(weight, &row);
        }
    }
    sums
}

fn smoothing_sums(basis: &SmoothingBasis, fold: &Block) -> HermiteMoments {
    let mut sums = basis.empty();
    for start in (0..fold.rows.nrows()).step_by(BLOCK) {
        let size = BLOCK.min(fold.rows.nrows() - start);
        let rows = fold.rows.rows(start, size).into_owned();
        basis.accumulate(&rows, &fold.weights[start..start + size], &mut sums);
    }
    sums
}

impl RegressionTask {
    /// Σ over candidates of rows × draws × features².
    pub(crate) fn gram_updates(&self, n_rows: u64) -> u64 {
        self.candidates.iter().map(|basis| (basis.len() * basis.len() * self.draws) as u64 * n_rows).sum()
    }

    /// The normal equations of a candidate, a draw's worth of each row.
    pub(crate) fn completed(
        &self,
        basis: &LevelBasis,
        mut folds: Vec<NormalEquations>,
        component_std: f64,
    ) -> Vec<NormalEquations> {
        for fold in &mut folds {
            basis.complete(self.target, component_std, fold);
            fold.scale(1.0 / self.draws as f64);
        }
        folds
    }

    /// Standard normal draws for each fold's rows: one matrix a pair of antithetic draws.
    fn noise_draws(&self, seed: u64, purpose: u64, chunk: u64, folds: &[Block]) -> Vec<Vec<DMatrix<f64>>> {
        let mut rng = stream(seed, purpose, chunk);
        folds
            .iter()
            .map(|fold| {
                let draw = |_| {
                    let (n, dim) = fold.rows.shape();
                    DMatrix::from_fn(n, dim, |_, _| StandardNormal.sample(&mut rng))
                };
                (0..self.draws / 2).map(draw).collect()
            })
            .collect()
    }

    /// Normal equations of one candidate, one a fold.
    fn sums(
        &self,
        basis: &LevelBasis,
        geometry: &Geometry,
        folds: &[Block],
        noise: &[Vec<DMatrix<f64>>],
    ) -> Result<Vec<NormalEquations>> {
        let (noise_std, component_std) = (self.level.noise(), geometry.component_std);
        let mut sums = Vec::with_capacity(folds.len());
        for (index, (fold, draws)) in folds.iter().zip(noise).enumerate() {
            let mut equations = NormalEquations::zeros(basis.len(), geometry.active_dim());
            for z in draws {
                for start in (0..fold.rows.nrows()).step_by(BLOCK) {
                    let size = BLOCK.min(fold.rows.nrows() - start);
                    let clean = fold.rows.rows(start, size).into_owned();
                    let weights = &fold.weights[start..start + size];
                    for sign in [noise_std, -noise_std] {
                        let noised = &clean + z.rows(start, size) * sign;
                        let known = match &geometry.base {
                            Some(base) => {
                                Some(base.held_out_centre(index, component_std, self.level, &noised)?)
                            }
                            None => None,
                        };
                        let block =
                            NoisedBlock { noised: &noised, clean: &clean, known: known.as_ref(), weights };
                        basis.accumulate(&block, self.target, component_std, noise_std, &mut equations)?;
                    }
                }
            }
            sums.push(equations);
        }
        Ok(sums)
    }
}
