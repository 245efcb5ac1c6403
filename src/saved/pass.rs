use std::sync::Arc;

use nalgebra::DVector;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::base::SavedBase;
use super::check::{
    COVARIANCE, LENGTH, POSITIVE, POSITIVE_VARIANCE, positive_semidefinite, require, shares, within,
    zero_or_positive,
};
use super::header::{Format, Saved, Version};
use super::level::SavedLevel;
use super::matrix::SavedMatrix;
use super::model::{SavedSubspace, SavedUnits, index_in, partition};
use super::partition::SavedPartition;
use crate::cells::Partition;
use crate::error::Result;
use crate::mixture::{MixtureLaw, CrossFit, MixtureParameters};
use crate::passes::{Kind, Pass, PassFrame, RegressionTask, Task};
use crate::polynomial::{HermiteBasis, LevelBasis, RegressionTarget, SmoothingBasis};
use crate::process::NoiseLevel;
use crate::rows::{FOLDS, FoldRule};
use crate::search::Wanted;

/// Features of a level at most: their Gram matrix has the square of it.
const MOST_FEATURES: usize = 1 << 12;
const MOST_DEGREE: usize = 64;
const MOST_DRAWS: usize = 1 << 10;
/// Numbers that a pass sums, at most: 2 GiB of them.
const MOST_SUMS: usize = 1 << 28;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPass {
    format: Format<SavedPass>,
    version: Version<SavedPass>,
    number: usize,
    seed: u64,
    task: SavedTask,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum SavedTask {
    Moments,
    /// An EM step of candidates, each one mixture a fold.
    ExpectationMaximisation(SavedFrame, Vec<Vec<SavedMixture>>),
    Likelihoods(SavedFrame, Vec<Vec<SavedMixture>>),
    Smoothing(SavedFrame, SavedSmoothing),
    /// With the partitions of all tasks, each once.
    Regression(SavedFrame, Vec<SavedPartition>, Vec<SavedRegressionTask>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedFrame {
    units: SavedUnits,
    subspace: SavedSubspace,
    folds_by_values: bool,
    component_std: f64,
    held_out: Vec<SavedBase>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedMixture {
    masses: Vec<f64>,
    means: SavedMatrix,
    covariances: Vec<SavedMatrix>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedSmoothing {
    centre: Vec<f64>,
    variances: Vec<f64>,
    degree: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedRegressionTask {
    index: usize,
    level: SavedLevel,
    denoising: bool,
    draws: usize,
    candidates: Vec<SavedBasis>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedBasis {
    /// Index of its partition.
    partition: usize,
    bandwidth: f64,
    degree: usize,
}

impl Saved for SavedPass {
    const FORMAT: &'static str = "gmix-diffusion pass";
    const VERSION: u32 = 2;
}

impl SavedPass {
    fn of(pass: &Pass) -> Result<Self> {
        Ok(Self {
            format: Format::default(),
            version: Version::default(),
            number: pass.number,
            seed: pass.seed,
            task: SavedTask::of(&pass.task)?,
        })
    }

    fn load(self) -> Result<Pass> {
        let task = self.task.load()?;
        require((self.number == 0) == matches!(task, Task::Moments), "the first pass sums moments")?;
        Ok(Pass { number: self.number, seed: self.seed, task })
    }
}

impl SavedTask {
    fn of(task: &Task) -> Result<Self> {
        let mixtures = |candidates: &[CrossFit]| -> Vec<Vec<SavedMixture>> {
            candidates.iter().map(|fit| fit.folds.iter().map(SavedMixture::from).collect()).collect()
        };
        Ok(match task {
            Task::Moments => Self::Moments,
            Task::Matrices(frame, Kind::Refinement(Wanted::Cells(candidates))) => {
                Self::ExpectationMaximisation(frame.as_ref().into(), mixtures(candidates))
            }
            Task::Matrices(frame, Kind::Refinement(Wanted::Likelihoods(candidates))) => {
                Self::Likelihoods(frame.as_ref().into(), mixtures(candidates))
            }
            Task::Matrices(frame, Kind::Smoothing(basis)) => {
                Self::Smoothing(frame.as_ref().into(), basis.as_ref().into())
            }
            Task::Matrices(frame, Kind::Regression(tasks)) => {
                let mut partitions = Vec::new();
                let tasks = tasks.iter().map(|task| SavedRegressionTask::of(task, &mut partitions)).collect();
                let partitions: Result<_> =
                    partitions.iter().map(|partition| SavedPartition::of(partition.as_ref())).collect();
                Self::Regression(frame.as_ref().into(), partitions?, tasks)
            }
        })
    }

    fn load(self) -> Result<Task> {
        Ok(match self {
            Self::Moments => Task::Moments,
            Self::ExpectationMaximisation(frame, candidates) => {
                let frame = frame.load()?;
                let candidates = load_candidates(candidates, frame.active_dim())?;
                Task::Matrices(Arc::new(frame), Kind::Refinement(Wanted::Cells(candidates)))
            }
            Self::Likelihoods(frame, candidates) => {
                let frame = frame.load()?;
                let candidates = load_candidates(candidates, frame.active_dim())?;
                Task::Matrices(Arc::new(frame), Kind::Refinement(Wanted::Likelihoods(candidates)))
            }
            Self::Smoothing(frame, basis) => {
                let frame = frame.load()?;
                let basis = basis.load(frame.active_dim())?;
                Task::Matrices(Arc::new(frame), Kind::Smoothing(Arc::new(basis)))
            }
            Self::Regression(frame, partitions, tasks) => {
                let frame = frame.load()?;
                let dim = frame.active_dim();
                let partitions = partitions.into_iter().enumerate();
                let partitions: Vec<Arc<dyn Partition>> =
                    partitions.map(|(index, partition)| partition.load(index, dim)).collect::<Result<_>>()?;
                let tasks: Vec<RegressionTask> = tasks
                    .into_iter()
                    .map(|task| task.load(&partitions, frame.component_std))
                    .collect::<Result<_>>()?;
                let bases = tasks.iter().flat_map(|task| &task.candidates);
                let total: usize = bases.map(|basis| FOLDS * basis.len() * (basis.len() + dim)).sum();
                require(total <= MOST_SUMS, "the pass is larger than this release runs")?;
                Task::Matrices(Arc::new(frame), Kind::Regression(tasks))
            }
        })
    }
}

impl From<&PassFrame> for SavedFrame {
    fn from(frame: &PassFrame) -> Self {
        Self {
            units: (&frame.units).into(),
            subspace: (&frame.subspace).into(),
            folds_by_values: frame.fold_rule == FoldRule::Values,
            component_std: frame.component_std,
            held_out: frame.held_out.iter().map(SavedBase::from).collect(),
        }
    }
}

impl SavedFrame {
    fn load(self) -> Result<PassFrame> {
        let units = self.units.load()?;
        let subspace = self.subspace.load(units.working_dim())?;
        let dim = subspace.axes.ncols();
        zero_or_positive("component std", self.component_std)?;
        // Fewer mixtures than folds are those of a fit on one split, which regresses nothing.
        require(self.held_out.len() <= FOLDS, "there are more mixtures than folds")?;
        let held_out: Result<Vec<MixtureLaw>> =
            self.held_out.into_iter().map(|mixture| mixture.load(dim, dim)).collect();
        let fold_rule = if self.folds_by_values { FoldRule::Values } else { FoldRule::Index };
        Ok(PassFrame { units, subspace, fold_rule, component_std: self.component_std, held_out: held_out? })
    }
}

impl From<&MixtureParameters> for SavedMixture {
    fn from(mixture: &MixtureParameters) -> Self {
        Self {
            masses: mixture.masses.as_slice().to_vec(),
            means: (&mixture.means).into(),
            covariances: mixture.covariances.iter().map(SavedMatrix::from).collect(),
        }
    }
}

impl SavedMixture {
    fn load(self, dim: usize) -> Result<MixtureParameters> {
        let cells = self.means.rows;
        let masses = shares("masses of a mixture", self.masses, cells)?;
        let means = self.means.load("means of a mixture", cells, dim, LENGTH)?;
        require(self.covariances.len() == cells, "a mixture needs a covariance for each of its cells")?;
        let covariances = self.covariances.into_iter().map(|covariance| {
            let covariance = covariance.load("covariance of a mixture", dim, dim, COVARIANCE)?;
            positive_semidefinite("covariance of a mixture", &covariance)?;
            Ok(covariance)
        });
        Ok(MixtureParameters { masses, means, covariances: covariances.collect::<Result<_>>()? })
    }
}

/// Candidates with one mixture for each of the same folds.
fn load_candidates(saved: Vec<Vec<SavedMixture>>, dim: usize) -> Result<Vec<CrossFit>> {
    let folds = saved.first().map_or(0, Vec::len);
    require(
        (1..=FOLDS).contains(&folds) && saved.iter().all(|candidate| candidate.len() == folds),
        "candidates need a mixture for each fold",
    )?;
    let load = |candidate: Vec<SavedMixture>| {
        let folds = candidate.into_iter().map(|mixture| mixture.load(dim)).collect::<Result<_>>()?;
        Ok(CrossFit { folds })
    };
    saved.into_iter().map(load).collect()
}

impl From<&SmoothingBasis> for SavedSmoothing {
    fn from(basis: &SmoothingBasis) -> Self {
        Self {
            centre: basis.centre.as_slice().to_vec(),
            variances: basis.variances.as_slice().to_vec(),
            degree: basis.degree(),
        }
    }
}

impl SavedSmoothing {
    fn load(self, dim: usize) -> Result<SmoothingBasis> {
        let Self { centre, variances, degree } = self;
        require(centre.len() == dim && variances.len() == dim, "smoothing needs a centre and variances")?;
        within("centre of smoothing", &centre, LENGTH)?;
        within("variances of smoothing", &variances, POSITIVE_VARIANCE)?;
        check_features(1, dim, degree)?;
        Ok(SmoothingBasis::new(DVector::from_vec(centre), DVector::from_vec(variances), degree))
    }
}

impl SavedRegressionTask {
    fn of(task: &RegressionTask, partitions: &mut Vec<Arc<dyn Partition>>) -> Self {
        let basis = |basis: &LevelBasis| SavedBasis {
            partition: index_in(partitions, basis.partition()),
            bandwidth: basis.bandwidth(),
            degree: basis.hermite().degree(),
        };
        Self {
            index: task.index,
            level: task.level.into(),
            denoising: task.target == RegressionTarget::Denoising,
            draws: task.draws,
            candidates: task.candidates.iter().map(basis).collect(),
        }
    }

    fn load(self, partitions: &[Arc<dyn Partition>], component_std: f64) -> Result<RegressionTask> {
        let level = NoiseLevel::from(self.level);
        let target = if self.denoising { RegressionTarget::Denoising } else { RegressionTarget::CleanRow };
        require(
            self.draws.is_multiple_of(2) && (2..=MOST_DRAWS).contains(&self.draws),
            format_args!("{} draws a row are not an even number up to {MOST_DRAWS}", self.draws),
        )?;
        within("noise of a regression", &[level.noise(), level.bandwidth(component_std)], POSITIVE)?;
        let candidates = self.candidates.into_iter().map(|basis| {
            let cells = partition(partitions, basis.partition)?;
            within("bandwidth of a regression", &[basis.bandwidth], POSITIVE)?;
            let (k, dim) = cells.centres().shape();
            check_features(k, dim, basis.degree.max(1))?;
            require(
                target == RegressionTarget::Denoising || cells.is_smooth(),
                "hard cells need the denoising target",
            )?;
            Ok(LevelBasis::new(cells, basis.bandwidth, basis.degree))
        });
        Ok(RegressionTask {
            index: self.index,
            level,
            target,
            draws: self.draws,
            candidates: candidates.collect::<Result<_>>()?,
        })
    }
}

/// Is that not too much to compute with?
fn check_features(cells: usize, dim: usize, degree: usize) -> Result<()> {
    require(degree <= MOST_DEGREE, format_args!("degree {degree} is above {MOST_DEGREE}"))?;
    let features = HermiteBasis::count(dim, degree).saturating_mul(cells);
    require(features <= MOST_FEATURES, format_args!("{features} features are more than {MOST_FEATURES}"))
}

/// Fails when the cells of a pass are a user's own.
impl Serialize for Pass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SavedPass::of(self).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

/// Fails when the data are not a pass of a known version in which everything is consistent.
impl<'de> Deserialize<'de> for Pass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SavedPass::deserialize(deserializer)?.load().map_err(de::Error::custom)
    }
}
