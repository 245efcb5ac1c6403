use std::sync::Arc;

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::score::SavedScore;
use crate::cells::{Partition, SavedPartition};
use crate::coordinates::Units;
use crate::error::Result;
use crate::format::{
    COVARIANCE, Format, Header, POSITIVE, Version, invalid, matrix_within, positive_semidefinite, require,
    within, zero_or_positive,
};
use crate::learner::DiffusionModel;
use crate::mixture::MixtureLaw;
use crate::polynomial::{ActiveSubspace, LevelScore, PiecewisePolynomialScore};
use crate::process::NoiseLevels;
use crate::report::FitReport;
use crate::sampler::Sampler;
use crate::score::ScoreModel;

/// Numbers that a model expands to in memory, at most: 2 GiB of them.
const MOST_NUMBERS: usize = 1 << 28;

/// A fitted model as it is written: d columns, q ≤ d working coordinates, m active directions; working units
/// but for the units themselves.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedModel {
    format: Format<SavedModel>,
    version: Version<SavedModel>,
    units: Units,
    subspace: ActiveSubspace,
    /// q × q.
    #[serde(with = "crate::format::plain")]
    covariance: DMatrix<f64>,
    component_std: f64,
    levels: NoiseLevels,
    /// The mixture that is the law, if there is one.
    base: Option<MixtureLaw>,
    /// The partitions of all levels, each once.
    partitions: Vec<SavedPartition>,
    /// The polynomials of each level, if it has any; beside a base only in files of earlier releases.
    scores: Vec<Option<SavedScore>>,
    /// Index of the partition that names the parts of the law.
    cells: usize,
    #[serde(with = "crate::sampler::any_sampler")]
    sampler: Arc<dyn Sampler>,
    report: FitReport,
}

impl Header for SavedModel {
    const FORMAT: &'static str = "gmix-diffusion model";
    const VERSION: u32 = 1;
}

impl SavedModel {
    /// # Errors
    /// [`Error::InvalidSavedModel`](crate::Error::InvalidSavedModel) for a part that is a user's own.
    pub(super) fn of(model: &DiffusionModel) -> Result<Self> {
        let (score, units) = (model.score_model(), model.units());
        let mut partitions: Vec<Arc<dyn Partition>> = Vec::new();
        let cells = SavedPartition::index_in(&mut partitions, &model.cells);
        let scores = score.scores.iter().map(|score| {
            let score = score.as_ref()?;
            Some(SavedScore::of(score, SavedPartition::index_in(&mut partitions, score.basis().partition())))
        });
        let scores = scores.collect();
        Ok(Self {
            format: Format::default(),
            version: Version::default(),
            units: units.clone(),
            subspace: score.subspace().clone(),
            covariance: score.covariance.clone(),
            component_std: score.component_std(),
            levels: score.levels().clone(),
            base: score.base().cloned(),
            partitions: SavedPartition::all(&partitions)?,
            scores,
            cells,
            sampler: model.sampler.clone(),
            report: model.report().clone(),
        })
    }

    /// The model, if everything in it is consistent.
    ///
    /// # Errors
    /// [`Error::InvalidSavedModel`](crate::Error::InvalidSavedModel) that says what is not.
    pub(super) fn load(self) -> Result<DiffusionModel> {
        self.check_size()?;
        let Self { units, subspace, covariance, component_std, levels, base, .. } = self;
        let (dim, active_dim) = (units.working_dim(), subspace.axes.ncols());
        require!(subspace.mean.len() == dim, "the mean of the rows needs {dim} values")?;
        matrix_within("covariance of the rows", &covariance, (dim, dim), COVARIANCE)?;
        positive_semidefinite("covariance of the rows", &covariance)?;
        zero_or_positive("component std", component_std)?;
        let bandwidth = levels.quietest().bandwidth(component_std);
        within("bandwidth of the quietest level", &[bandwidth], POSITIVE)?;
        let shape = base.as_ref().map(|base| (base.dim(), base.means().ncols()));
        require!(
            shape.is_none_or(|shape| shape == (dim, active_dim)),
            "the base is not {active_dim} of {dim} axes"
        )?;
        for (index, partition) in self.partitions.iter().enumerate() {
            let found = partition.centres().ncols();
            require!(
                found == active_dim,
                "centres of partition {index}: expected {active_dim} columns, not {found}"
            )?;
        }
        let partitions: Vec<_> = self.partitions.into_iter().map(SavedPartition::load).collect();
        let complete = base.is_some() || self.scores.iter().all(Option::is_some);
        require!(complete, "without a base every level needs polynomials")?;
        let scores = load_scores(self.scores, &levels, component_std, &partitions)?;
        let cells = SavedPartition::at(&partitions, self.cells)?.clone();

        let report = FitReport { working_unit: units.uniform_scale(), ..self.report };
        check_report(&report, &levels, (units.dim(), active_dim), component_std, &scores)?;
        let score = PiecewisePolynomialScore::new(subspace, covariance, component_std, levels, base, scores);
        DiffusionModel::new(score, cells, units, self.sampler, report).map_err(invalid)
    }

    /// Does what the model expands to fit into memory? A small file could ask for a lot.
    fn check_size(&self) -> Result<()> {
        let (dim, active_dim) = (self.units.dim(), self.subspace.axes.ncols());
        let partition = |index| SavedPartition::at(&self.partitions, index);
        let mut total = partition(self.cells)?.expanded(dim, active_dim, self.base.is_some());
        for score in self.scores.iter().flatten() {
            let cells = partition(score.partition)?.centres().nrows();
            total = total.saturating_add(score.expanded(cells, active_dim));
        }
        require!(total <= MOST_NUMBERS, "the model is larger than this release reads")
    }
}

fn load_scores(
    saved: Vec<Option<SavedScore>>,
    levels: &NoiseLevels,
    component_std: f64,
    partitions: &[Arc<dyn Partition>],
) -> Result<Vec<Option<LevelScore>>> {
    require!(saved.len() == levels.len(), "{} scores for {} noise levels", saved.len(), levels.len())?;
    let scores = saved.into_iter().zip(levels.iter()).enumerate().map(|(index, (score, level))| {
        let Some(score) = score else { return Ok(None) };
        let cells = SavedPartition::at(partitions, score.partition)?.clone();
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
    require!(fits, "the report is that of another model")?;
    require!(report.levels.len() <= levels.len(), "the report has more levels than the model")?;
    for (index, (entry, score)) in report.levels.iter().zip(scores).enumerate() {
        let cells = score.as_ref().map_or(entry.n_cells, |score| score.basis().cells());
        require!(
            entry.index == index
                && entry.n_levels == levels.len()
                && entry.level == levels[index]
                && entry.n_cells == cells,
            "the report of level {index} is that of another model"
        )?;
    }
    Ok(())
}
