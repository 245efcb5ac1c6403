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
        for (fold, draws) in folds.iter().zip(noise) {
            let mut equations = NormalEquations::zeros(basis.len(), frame.active_dim());
            for z in draws {
                for start in (0..fold.rows.nrows()).step_by(BLOCK) {
                    let size = BLOCK.min(fold.rows.nrows() - start);
                    let clean = fold.rows.rows(start, size).into_owned();
                    let weights = &fold.weights[start..start + size];
                    for sign in [noise_std, -noise_std] {
                        let noised = &clean + z.rows(start, size) * sign;
                        let block = NoisedBlock { noised: &noised, clean: &clean, weights };
                        basis.accumulate(&block, self.target, component_std, noise_std, &mut equations)?;
                    }
                }
            }
            sums.push(equations);
        }
        Ok(sums)
    }
}

/// For `serde(with)`: tasks of regression with the partitions of all of them, each once.
#[cfg(feature = "serde")]
pub(super) mod saved {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

    use super::{LevelBasis, NoiseLevel, RegressionTarget, RegressionTask};
    use crate::cells::SavedPartition;
    use crate::error::Result;
    use crate::format::{POSITIVE, require, within};
    use crate::polynomial::check_features;

    const MOST_DRAWS: usize = 1 << 10;

    type SavedTasks = (Vec<SavedPartition>, Vec<SavedTask>);

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SavedTask {
        index: usize,
        level: NoiseLevel,
        target: RegressionTarget,
        draws: usize,
        candidates: Vec<SavedBasis>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SavedBasis {
        /// Index of its partition.
        partition: usize,
        bandwidth: f64,
        degree: usize,
    }

    pub(crate) fn serialize<S: Serializer>(
        tasks: &[RegressionTask],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut partitions = Vec::new();
        let mut basis = |basis: &LevelBasis| SavedBasis {
            partition: SavedPartition::index_in(&mut partitions, basis.partition()),
            bandwidth: basis.bandwidth(),
            degree: basis.hermite().degree(),
        };
        let of = |task: &RegressionTask| SavedTask {
            index: task.index,
            level: task.level,
            target: task.target,
            draws: task.draws,
            candidates: task.candidates.iter().map(&mut basis).collect(),
        };
        let tasks: Vec<SavedTask> = tasks.iter().map(of).collect();
        (SavedPartition::all(&partitions).map_err(ser::Error::custom)?, tasks).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<RegressionTask>, D::Error> {
        load(SavedTasks::deserialize(deserializer)?).map_err(de::Error::custom)
    }

    fn load((partitions, tasks): SavedTasks) -> Result<Vec<RegressionTask>> {
        let partitions: Vec<_> = partitions.into_iter().map(SavedPartition::load).collect();
        let load = |task: SavedTask| {
            let SavedTask { index, level, target, draws, candidates } = task;
            require!(
                draws.is_multiple_of(2) && (2..=MOST_DRAWS).contains(&draws),
                "{draws} draws a row are not an even number up to {MOST_DRAWS}"
            )?;
            let candidates = candidates.into_iter().map(|basis| {
                let cells = SavedPartition::at(&partitions, basis.partition)?.clone();
                within("bandwidth of a regression", &[basis.bandwidth], POSITIVE)?;
                let (k, dim) = cells.centres().shape();
                check_features(k, dim, basis.degree.max(1))?;
                require!(
                    target == RegressionTarget::Denoising || cells.is_smooth(),
                    "hard cells need the denoising target"
                )?;
                Ok(LevelBasis::new(cells, basis.bandwidth, basis.degree))
            });
            let candidates = candidates.collect::<Result<_>>()?;
            Ok(RegressionTask { index, level, target, draws, candidates })
        };
        tasks.into_iter().map(load).collect()
    }

    impl RegressionTask {
        /// Are the noise and the bandwidth of the level numbers to divide by?
        pub(crate) fn check_bandwidth(&self, component_std: f64) -> Result<()> {
            let numbers = [self.level.noise(), self.level.bandwidth(component_std)];
            within("noise of a regression", &numbers, POSITIVE)
        }
    }
}
