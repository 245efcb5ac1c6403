use nalgebra::DMatrix;
use rand_distr::{Distribution, StandardNormal};

use super::frame::PassFrame;
use crate::error::Result;
use crate::linalg::read_matrices;
use crate::polynomial::{LevelBasis, NoisedBlock, NormalEquations, RegressionTarget};
use crate::process::NoiseLevel;
use crate::rows::{FOLDS, WeightedRows, stream};

/// Purpose of the streams of noise, one a level.
const NOISE_STREAM: u64 = 1 << 32;
/// Noised rows evaluated together, so that a block's features stay in the cache.
const BLOCK: usize = 128;

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

    /// The normal equations of every candidate of all `tasks`, one a fold, out of the matrices of a pass.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for another number of matrices.
    pub(crate) fn read(tasks: &[Self], matrices: Vec<DMatrix<f64>>) -> Result<Vec<Vec<NormalEquations>>> {
        let candidates: usize = tasks.iter().map(|task| task.candidates.len()).sum();
        let mut folds = read_matrices(matrices, candidates * FOLDS)?.into_iter();
        Ok((0..candidates).map(|_| folds.by_ref().take(FOLDS).collect()).collect())
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
