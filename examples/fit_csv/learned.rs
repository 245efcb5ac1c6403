use std::path::Path;

use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::Rng;
use gmix_diffusion::{DiffusionLearner, DiffusionModel, GaussianPartitioner, ScoreModel};
use serde::{Deserialize, Serialize};

use super::Outcome;
use super::seen::Seen;
use super::support::plot::groups::groups_svg;
use super::support::plot::{LogDensity, fit_svg};
use super::support::table::Table;

/// A model and the names of its columns.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Learned {
    pub(crate) columns: Vec<String>,
    pub(crate) model: DiffusionModel,
}

/// The rows of `data` coloured by the clusters of `answers`, as SVG.
pub(crate) fn clusters_picture(data: &Table, answers: &Table) -> Outcome<String> {
    let groups: Vec<Option<usize>> =
        answers.rows.column(0).iter().map(|&cluster| (cluster >= 0.0).then_some(cluster as usize)).collect();
    groups_svg(&data.columns, &data.rows, &groups).map_err(|error| error.to_string())
}

fn learner(component_std: Option<f64>) -> DiffusionLearner {
    match component_std {
        Some(std) => DiffusionLearner::new().with_component_std(std),
        None => DiffusionLearner::new(),
    }
}

impl Learned {
    pub(crate) fn fit(
        data: &Seen,
        component_std: Option<f64>,
        rng: &mut impl Rng,
    ) -> gmix_diffusion::Result<Self> {
        Self::fit_by(learner(component_std), data, rng)
    }

    /// As [`fit`](Self::fit), of so many cells in each of the laws that are averaged.
    pub(crate) fn fit_cells(
        data: &Seen,
        component_std: Option<f64>,
        cells: usize,
        rng: &mut impl Rng,
    ) -> gmix_diffusion::Result<Self> {
        let cells = GaussianPartitioner::default().with_cells(cells);
        Self::fit_by(learner(component_std).with_mixture(cells), data, rng)
    }

    fn fit_by(learner: DiffusionLearner, data: &Seen, rng: &mut impl Rng) -> gmix_diffusion::Result<Self> {
        Ok(Self { columns: data.table.columns.clone(), model: learner.fit(data.rows()?, rng)? })
    }

    /// Number of cells of each of the laws that are averaged.
    pub(crate) fn cells(&self) -> usize {
        self.model.report().levels.last().map_or(0, |level| level.n_cells)
    }

    /// `n` new rows under the names of the learned ones.
    pub(crate) fn draw(&self, n: usize, rng: &mut impl Rng) -> Outcome<Table> {
        let rows = self.model.sample(n, rng).map_err(|error| error.to_string())?;
        match rows.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(format!("the model drew {value}, which is not a finite number")),
            None => Ok(Table { columns: self.columns.clone(), rows }),
        }
    }

    /// One column: the natural logarithm of the density at each of `rows`, in their own units; −∞ where
    /// there is none.
    pub(crate) fn log_density(&self, rows: &Table) -> Outcome<Table> {
        let values = self.model.log_density(&rows.rows).map_err(|error| error.to_string())?;
        match values.iter().position(|value| !(value.is_finite() || *value == f64::NEG_INFINITY)) {
            Some(row) => Err(format!("row {}: the log-density is {}", row + 1, values[row])),
            None => {
                let rows = DMatrix::from_column_slice(values.len(), 1, values.as_slice());
                Ok(Table { columns: vec!["log_density".into()], rows })
            }
        }
    }

    /// The data beside as many new rows and the density, as SVG.
    pub(crate) fn picture(&self, data: &Table, rng: &mut impl Rng) -> Outcome<String> {
        // An incomplete row has no place in a picture.
        let whole =
            (0..data.rows.nrows()).filter(|&row| data.rows.row(row).iter().all(|value| !value.is_nan()));
        let data = data.rows.select_rows(&whole.collect::<Vec<_>>());
        let new_rows = self.draw(data.nrows(), rng)?.rows;
        // Marginal laws are known in closed form alone.
        let all = self.columns.len();
        let mixture = self.model.mixture();
        let log_density = |columns: &[usize], points: &DMatrix<f64>| match &mixture {
            Ok(mixture) if columns.len() < all => mixture.marginal(columns)?.log_density(points),
            _ => self.model.log_density(points),
        };
        // A density on a line or a point cannot be shown in the plane.
        let fills_space = self.model.units().hull_axes().is_none();
        let is_known = fills_space && (all <= 2 || mixture.is_ok());
        let shown: Option<&LogDensity<'_>> = if is_known { Some(&log_density) } else { None };
        fit_svg(&self.columns, &data, &new_rows, shown).map_err(|error| error.to_string())
    }

    pub(crate) fn load(path: &Path) -> Outcome<Self> {
        let content = std::fs::read(path).map_err(|error| error.to_string())?;
        let learned: Self = serde_json::from_slice(&content).map_err(|error| error.to_string())?;
        match (learned.columns.len(), learned.model.dim()) {
            (names, columns) if names == columns => Ok(learned),
            (names, columns) => Err(format!("{names} names of columns for a model of {columns} columns")),
        }
    }

    pub(crate) fn to_json(&self) -> Outcome<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }
}
