//! Laws of tables that are saved.

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::encoder::{Encoder, Part};
use super::law::TableLaw;
use super::model::TableModel;
use super::report::TableReport;
use crate::columns::{Column, Columns};
use crate::error::{Error, Result};
use crate::format::{
    COVARIANCE, Format, Header, LENGTH, Version, matrix_within, plain, positive_semidefinite, require,
    through, within,
};
use crate::learner::DiffusionModel;
use crate::score::ScoreModel;

/// Shares that are computed sum to one up to this.
const ROUNDING: f64 = 1e-9;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedTable {
    format: Format<SavedTable>,
    version: Version<SavedTable>,
    columns: Columns,
    /// One a column.
    parts: Vec<Part>,
    /// Length k.
    masses: Vec<f64>,
    /// k × the number of latent values.
    #[serde(with = "plain")]
    means: DMatrix<f64>,
    #[serde(with = "plain")]
    covariances: Vec<DMatrix<f64>>,
    /// k × the number of labels, for each column of these.
    #[serde(with = "plain")]
    labels: Vec<DMatrix<f64>>,
    report: TableReport,
    real: Option<DiffusionModel>,
}

impl Header for SavedTable {
    const FORMAT: &'static str = "gmix-diffusion table";
    const VERSION: u32 = 1;
}

through!(TableModel, SavedTable);

impl From<TableModel> for SavedTable {
    fn from(model: TableModel) -> Self {
        let TableModel { encoder, law, report, real } = model;
        let TableLaw { masses, means, covariances, labels } = law;
        Self {
            format: Format::default(),
            version: Version::default(),
            columns: encoder.columns,
            parts: encoder.parts,
            masses,
            means,
            covariances,
            labels,
            report,
            real,
        }
    }
}

fn check_shares(what: &str, shares: &[f64]) -> Result<()> {
    within(what, shares, 0.0..=1.0 + ROUNDING)?;
    let total: f64 = shares.iter().sum();
    require!((total - 1.0).abs() <= ROUNDING, "{what} sum to {total}, not to 1")
}

fn check_part(column: &Column, part: &Part) -> Result<()> {
    let fits = match part {
        Part::Latent(map) => !column.is_labels() && map.is_valid(),
        Part::Values(values) => {
            !column.is_labels() && !values.is_empty() && values.iter().all(|value| value.is_finite())
        }
        Part::Labels(labels) => column.is_labels() && labels == column.label_names(),
    };
    require!(fits && part.count() != Some(0), "what stands for column \"{column}\" does not fit it")
}

impl TryFrom<SavedTable> for TableModel {
    type Error = Error;

    fn try_from(saved: SavedTable) -> Result<Self> {
        let SavedTable { columns, parts, masses, means, covariances, labels, report, real, .. } = saved;
        require!(
            columns.is_valid() && parts.len() == columns.names().len(),
            "the columns do not fit each other"
        )?;
        columns.columns().iter().zip(&parts).try_for_each(|(column, part)| check_part(column, part))?;
        let encoder = Encoder { columns, parts };
        let (k, m) = (masses.len(), encoder.latents().count());
        require!(k > 0, "a table needs a cell")?;
        check_shares("masses", &masses)?;
        matrix_within("means of the cells", &means, (k, m), LENGTH)?;
        require!(covariances.len() == k, "{} covariances for {k} cells", covariances.len())?;
        for covariance in &covariances {
            matrix_within("covariance of a cell", covariance, (m, m), COVARIANCE)?;
            positive_semidefinite("covariance of a cell", covariance)?;
        }
        let counts = encoder.label_counts();
        require!(labels.len() == counts.len(), "{} tables of labels for {}", labels.len(), counts.len())?;
        for (table, count) in labels.iter().zip(counts) {
            require!(table.shape() == (k, count), "a table of labels is not {k} × {count}")?;
            for row in table.row_iter() {
                check_shares("probabilities of labels", &row.iter().copied().collect::<Vec<_>>())?;
            }
        }
        let dim = real.as_ref().map(ScoreModel::dim);
        require!(
            dim.is_none_or(|dim| dim == m && encoder.columns.columns().iter().all(Column::is_plain)),
            "the model of the numbers has other columns"
        )?;
        Ok(Self { encoder, law: TableLaw { masses, means, covariances, labels }, report, real })
    }
}
