use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, StandardNormal};

use super::frame::PassFrame;
use super::statistics::{CHUNK, ChunkSums, Origin, Statistics, Sums, SumsShape};
use crate::error::{Error, Result};
use crate::mixture::CrossFit;
use crate::polynomial::{
    HermiteMoments, LevelBasis, NoisedBlock, NormalEquations, RegressionTarget, SmoothingBasis,
};
use crate::process::NoiseLevel;
use crate::rows::{FOLDS, Moments, Rows, WeightedRows, stream};
use crate::search::{CellSums, Likelihoods, judging_log_density};

/// Purpose of the streams of noise, one a level.
const NOISE_STREAM: u64 = 1 << 32;
/// Indices of rows are below this, so that sums of them cannot overflow.
pub(crate) const MOST_ROWS: u64 = 1 << 60;
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
    ExpectationMaximisation(Arc<PassFrame>, Vec<CrossFit>),
    Likelihoods(Arc<PassFrame>, Vec<CrossFit>),
    Smoothing(Arc<PassFrame>, Arc<SmoothingBasis>),
    Regression(Arc<PassFrame>, Vec<RegressionTask>),
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
        let fits = match &self.task {
            Task::Moments => matches!(sums, Sums::Moments(_)),
            task => task.shape() == sums.shape(),
        };
        if fits { Ok(()) } else { Err(Error::ForeignFit { pass: self.number }) }
    }

    fn check_dim(&self, dim: usize) -> Result<()> {
        let expected = match &self.task {
            Task::Moments => dim,
            Task::ExpectationMaximisation(frame, _)
            | Task::Likelihoods(frame, _)
            | Task::Smoothing(frame, _)
            | Task::Regression(frame, _) => frame.units.dim(),
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
pub(crate) fn threads() -> usize {
    rayon::current_num_threads()
}

#[cfg(not(feature = "rayon"))]
pub(crate) fn threads() -> usize {
    1
}

impl Task {
    /// What [`Sums::shape`] is of the sums of this task; the number of columns of the first is open.
    fn shape(&self) -> SumsShape {
        match self {
            Self::Moments => SumsShape::Moments,
            Self::ExpectationMaximisation(_, candidates) => {
                let of = |candidate: &CrossFit| candidate.folds.iter().map(CellSums::shape_for).collect();
                SumsShape::Cells(candidates.iter().map(of).collect())
            }
            Self::Likelihoods(_, candidates) => SumsShape::Likelihoods(candidates.len()),
            Self::Smoothing(_, basis) => SumsShape::Smoothing(vec![basis.empty().0.len(); FOLDS]),
            Self::Regression(frame, tasks) => {
                let bases = tasks.iter().flat_map(|task| &task.candidates);
                SumsShape::Regression(
                    bases.map(|basis| vec![(basis.len(), frame.active_dim()); FOLDS]).collect(),
                )
            }
        }
    }
}

impl ChunkSums for Pass {
    fn sums(&self, chunk: u64, block: &WeightedRows) -> Result<Sums> {
        let first_row = chunk * CHUNK;
        block.check_finite(first_row)?;
        match &self.task {
            Task::Moments => Ok(Sums::Moments(Moments::of_block(self.seed, first_row, block))),
            Task::ExpectationMaximisation(frame, candidates) => {
                let complements = frame.active_chunk(self.seed, first_row, block).complements();
                let of = |candidate: &CrossFit| {
                    let parts = candidate.folds.iter().zip(&complements);
                    parts.map(|(mixture, rows)| CellSums::of(rows, mixture)).collect()
                };
                Ok(Sums::Cells(candidates.iter().map(of).collect()))
            }
            Task::Likelihoods(frame, candidates) => {
                let folds = frame.active_chunk(self.seed, first_row, block).folds();
                Ok(Sums::Likelihoods(held_out_likelihoods(&folds, candidates)))
            }
            Task::Smoothing(frame, basis) => {
                let folds = frame.active_chunk(self.seed, first_row, block).folds();
                Ok(Sums::Smoothing(folds.iter().map(|fold| smoothing_sums(basis, fold)).collect()))
            }
            Task::Regression(frame, tasks) => {
                let folds = frame.active_chunk(self.seed, first_row, block).folds();
                let mut sums = Vec::new();
                for task in tasks {
                    sums.extend(task.sums(self.seed, chunk, frame, &folds)?);
                }
                Ok(Sums::Regression(sums))
            }
        }
    }
}

/// Log-likelihoods of every fold's rows under the mixtures that have not seen them.
fn held_out_likelihoods(folds: &[WeightedRows], candidates: &[CrossFit]) -> Likelihoods {
    let mut sums = Likelihoods::zeros(candidates.len());
    for (fold, block) in folds.iter().enumerate().take(candidates[0].folds.len()) {
        let densities: Vec<Vec<f64>> =
            candidates.iter().map(|candidate| judging_log_density(block, &candidate.folds[fold])).collect();
        for (i, &weight) in block.weights.iter().enumerate() {
            let row = DVector::from_iterator(densities.len(), densities.iter().map(|values| values[i]));
            sums.add_row(weight, &row);
        }
    }
    sums
}

fn smoothing_sums(basis: &SmoothingBasis, fold: &WeightedRows) -> HermiteMoments {
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

    /// Normal equations of every candidate, one a fold, with the noise of one chunk.
    pub(crate) fn sums(
        &self,
        seed: u64,
        chunk: u64,
        frame: &PassFrame,
        folds: &[WeightedRows],
    ) -> Result<Vec<Vec<NormalEquations>>> {
        let noise = self.noise_draws(seed, chunk, folds);
        self.candidates.iter().map(|basis| self.sums_of(basis, frame, folds, &noise)).collect()
    }

    /// Standard normal draws for each fold's rows: one matrix a pair of antithetic draws.
    fn noise_draws(&self, seed: u64, chunk: u64, folds: &[WeightedRows]) -> Vec<Vec<DMatrix<f64>>> {
        let mut rng = stream(seed, NOISE_STREAM + self.index as u64, chunk);
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
    fn sums_of(
        &self,
        basis: &LevelBasis,
        frame: &PassFrame,
        folds: &[WeightedRows],
        noise: &[Vec<DMatrix<f64>>],
    ) -> Result<Vec<NormalEquations>> {
        let (noise_std, component_std) = (self.level.noise(), frame.component_std);
        let mut sums = Vec::with_capacity(folds.len());
        for (index, (fold, draws)) in folds.iter().zip(noise).enumerate() {
            let mut equations = NormalEquations::zeros(basis.len(), frame.active_dim());
            for z in draws {
                for start in (0..fold.rows.nrows()).step_by(BLOCK) {
                    let size = BLOCK.min(fold.rows.nrows() - start);
                    let clean = fold.rows.rows(start, size).into_owned();
                    let weights = &fold.weights[start..start + size];
                    for sign in [noise_std, -noise_std] {
                        let noised = &clean + z.rows(start, size) * sign;
                        let known = frame.held_out_centre(index, self.level, &noised)?;
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
