use std::ops::RangeInclusive;
use std::sync::Arc;

use nalgebra::DVector;
use serde::{Deserialize, Serialize};

use super::base::SavedBase;
use super::check::{
    COVARIANCE, LENGTH, POSITIVE, invalid, orthonormal, positive_semidefinite, require, within,
    zero_or_positive,
};
use super::header::{Format, Saved, Version};
use super::level::{SavedLevel, load_levels};
use super::matrix::SavedMatrix;
use super::partition::SavedPartition;
use super::report::SavedReport;
use super::sampler::SavedSampler;
use super::score::SavedScore;
use crate::cells::Partition;
use crate::coordinates::Units;
use crate::error::Result;
use crate::learner::DiffusionModel;
use crate::polynomial::{ActiveSubspace, LevelScore, PiecewisePolynomialScore};
use crate::process::NoiseLevels;
use crate::report::FitReport;
use crate::score::ScoreModel;

/// Numbers that a model expands to in memory, at most: 2 GiB of them.
const MOST_NUMBERS: usize = 1 << 28;
/// Data's units: squares of these are finite.
const SCALE: RangeInclusive<f64> = 1e-150..=1e150;
const SHIFT: RangeInclusive<f64> = -1e300..=1e300;

/// A fitted model as it is written: d columns, q ≤ d working coordinates, m active directions; working units
/// but for the units themselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedModel {
    format: Format<SavedModel>,
    version: Version<SavedModel>,
    units: SavedUnits,
    subspace: SavedSubspace,
    /// q × q.
    covariance: SavedMatrix,
    component_std: f64,
    levels: Vec<SavedLevel>,
    /// The mixture whose score the polynomials correct, if there is one.
    base: Option<SavedBase>,
    /// The partitions of all levels, each once.
    partitions: Vec<SavedPartition>,
    /// The polynomials of each level, if it has any.
    scores: Vec<Option<SavedScore>>,
    /// Index of the partition that names the parts of the law.
    cells: usize,
    sampler: SavedSampler,
    report: SavedReport,
}

/// Length d each.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedUnits {
    shift: Vec<f64>,
    scale: Vec<f64>,
    /// d × q, where the rows lie on an affine hull of q < d dimensions.
    hull_axes: Option<SavedMatrix>,
}

/// The active directions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedSubspace {
    /// Length q.
    mean: Vec<f64>,
    /// q × m.
    axes: SavedMatrix,
}

impl Saved for SavedModel {
    const FORMAT: &'static str = "gmix-diffusion model";
    const VERSION: u32 = 1;
}

impl SavedModel {
    /// # Errors
    /// [`Error::InvalidSavedModel`](crate::Error::InvalidSavedModel) for a part that is a user's own.
    pub(super) fn of(model: &DiffusionModel) -> Result<Self> {
        let (score, units) = (model.score_model(), model.units());
        let mut partitions: Vec<Arc<dyn Partition>> = Vec::new();
        let cells = index_in(&mut partitions, &model.cells);
        let scores = score.scores.iter().map(|score| {
            let score = score.as_ref()?;
            Some(SavedScore::of(score, index_in(&mut partitions, score.basis().partition())))
        });
        let scores = scores.collect();
        let partitions: Result<_> =
            partitions.iter().map(|partition| SavedPartition::of(partition.as_ref())).collect();
        Ok(Self {
            format: Format::default(),
            version: Version::default(),
            units: units.into(),
            subspace: score.subspace().into(),
            covariance: (&score.covariance).into(),
            component_std: score.component_std(),
            levels: score.levels().iter().copied().map(SavedLevel::from).collect(),
            base: score.base().map(SavedBase::from),
            partitions: partitions?,
            scores,
            cells,
            sampler: SavedSampler::of(model.sampler.as_ref())?,
            report: model.report().into(),
        })
    }

    /// The model, if everything in it is consistent.
    ///
    /// # Errors
    /// [`Error::InvalidSavedModel`](crate::Error::InvalidSavedModel) that says what is not.
    pub(super) fn load(self) -> Result<DiffusionModel> {
        self.check_size()?;
        let units = self.units.load()?;
        let (columns, dim) = (units.dim(), units.working_dim());
        let subspace = self.subspace.load(dim)?;
        let active_dim = subspace.axes.ncols();
        let covariance = self.covariance.load("covariance of the rows", dim, dim, COVARIANCE)?;
        positive_semidefinite("covariance of the rows", &covariance)?;
        zero_or_positive("component std", self.component_std)?;
        let levels = load_levels(self.levels)?;
        within(
            "bandwidth of the quietest level",
            &[levels.quietest().bandwidth(self.component_std)],
            POSITIVE,
        )?;
        let base = self.base.map(|base| base.load(dim, active_dim)).transpose()?;

        let partitions: Result<Vec<_>> = self
            .partitions
            .into_iter()
            .enumerate()
            .map(|(index, partition)| partition.load(index, active_dim))
            .collect();
        let partitions = partitions?;
        let complete = base.is_some() || self.scores.iter().all(Option::is_some);
        require(complete, "without a base every level needs polynomials")?;
        let scores = load_scores(self.scores, &levels, self.component_std, &partitions)?;
        let cells = partition(&partitions, self.cells)?;

        let report = FitReport { working_unit: units.uniform_scale(), ..self.report.into() };
        check_report(&report, &levels, (columns, active_dim), self.component_std, &scores)?;
        let score =
            PiecewisePolynomialScore::new(subspace, covariance, self.component_std, levels, base, scores);
        DiffusionModel::new(score, cells, units, self.sampler.load()?, report).map_err(invalid)
    }

    /// Does what the model expands to fit into memory? A small file could ask for a lot.
    fn check_size(&self) -> Result<()> {
        let (dim, active_dim) = (self.units.shift.len(), self.subspace.axes.columns);
        let mut total = self.partition(self.cells)?.expanded(dim, active_dim, self.base.is_some());
        for score in self.scores.iter().flatten() {
            let cells = self.partition(score.partition)?.cells();
            total = total.saturating_add(score.expanded(cells, active_dim));
        }
        require(total <= MOST_NUMBERS, "the model is larger than this release reads")
    }

    fn partition(&self, index: usize) -> Result<&SavedPartition> {
        self.partitions.get(index).ok_or_else(|| invalid(format_args!("there is no partition {index}")))
    }
}

impl From<&Units> for SavedUnits {
    fn from(units: &Units) -> Self {
        Self {
            shift: units.shift().as_slice().to_vec(),
            scale: units.scale().as_slice().to_vec(),
            hull_axes: units.hull_axes().map(SavedMatrix::from),
        }
    }
}

impl From<&ActiveSubspace> for SavedSubspace {
    fn from(subspace: &ActiveSubspace) -> Self {
        Self { mean: subspace.mean.as_slice().to_vec(), axes: (&subspace.axes).into() }
    }
}

impl SavedUnits {
    pub(super) fn load(self) -> Result<Units> {
        require(!self.shift.is_empty(), "it has no columns")?;
        require(self.scale.len() == self.shift.len(), "units need a shift and a scale for each column")?;
        within("shift of the units", &self.shift, SHIFT)?;
        within("scale of the units", &self.scale, SCALE)?;
        let dim = self.shift.len();
        let load_axes = |axes: SavedMatrix| {
            let columns = axes.columns;
            require(
                (1..dim).contains(&columns),
                format_args!("{columns} directions of the hull are not between 1 and {}", dim - 1),
            )?;
            let axes = axes.load("directions of the hull", dim, columns, LENGTH)?;
            orthonormal("directions of the hull", &axes)?;
            Ok(axes)
        };
        Ok(Units {
            shift: DVector::from_vec(self.shift),
            scale: DVector::from_vec(self.scale),
            hull_axes: self.hull_axes.map(load_axes).transpose()?,
        })
    }
}

impl SavedSubspace {
    pub(super) fn load(self, dim: usize) -> Result<ActiveSubspace> {
        let active_dim = self.axes.columns;
        require(self.mean.len() == dim, format_args!("the mean of the rows needs {dim} values"))?;
        require(
            (1..=dim).contains(&active_dim),
            format_args!("{active_dim} active directions are not between 1 and {dim}"),
        )?;
        within("mean of the rows", &self.mean, LENGTH)?;
        let axes = self.axes.load("active directions", dim, active_dim, LENGTH)?;
        orthonormal("active directions", &axes)?;
        Ok(ActiveSubspace { mean: DVector::from_vec(self.mean), axes })
    }
}

/// Where `partition` stands among those listed, at their end if it was not there.
pub(super) fn index_in(listed: &mut Vec<Arc<dyn Partition>>, partition: &Arc<dyn Partition>) -> usize {
    listed.iter().position(|other| Arc::ptr_eq(other, partition)).unwrap_or_else(|| {
        listed.push(partition.clone());
        listed.len() - 1
    })
}

pub(super) fn partition(partitions: &[Arc<dyn Partition>], index: usize) -> Result<Arc<dyn Partition>> {
    partitions.get(index).cloned().ok_or_else(|| invalid(format_args!("there is no partition {index}")))
}

fn load_scores(
    saved: Vec<Option<SavedScore>>,
    levels: &NoiseLevels,
    component_std: f64,
    partitions: &[Arc<dyn Partition>],
) -> Result<Vec<Option<LevelScore>>> {
    require(
        saved.len() == levels.len(),
        format_args!("{} scores for {} noise levels", saved.len(), levels.len()),
    )?;
    let scores = saved.into_iter().zip(levels.iter()).enumerate().map(|(index, (score, level))| {
        let Some(score) = score else { return Ok(None) };
        let cells = partition(partitions, score.partition)?;
        score.load(index, *level, component_std, cells).map(Some)
    });
    scores.collect()
}

/// Does the report speak of this model?
fn check_report(
    report: &FitReport,
    levels: &NoiseLevels,
    (dim, active_dim): (usize, usize),
    component_std: f64,
    scores: &[Option<LevelScore>],
) -> Result<()> {
    let fits = report.dim == dim && report.active_dim == active_dim && report.component_std == component_std;
    require(fits, "the report is that of another model")?;
    require(report.levels.len() <= levels.len(), "the report has more levels than the model")?;
    for (index, (entry, score)) in report.levels.iter().zip(scores).enumerate() {
        let cells = score.as_ref().map_or(entry.n_cells, |score| score.basis().cells());
        require(
            entry.index == index
                && entry.n_levels == levels.len()
                && entry.level == levels[index]
                && entry.n_cells == cells,
            format_args!("the report of level {index} is that of another model"),
        )?;
    }
    Ok(())
}
