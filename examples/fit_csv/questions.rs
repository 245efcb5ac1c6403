//! Answers about some columns given others, as tables.

use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::Rng;
use gmix_diffusion::{Clusters, Observation, Rows};

use super::Outcome;
use super::arguments::{Clustering, Prediction, Seen};
use super::learned::Learned;
use super::support::table::Table;

/// With so many times as many cells as clusters no law of as many cells as clusters is tried.
const MANY_CELLS: usize = 2;
/// Else so many are, each with other folds: few rows deal their cells to classes now so, now so.
const FITS: usize = 4;
/// Up to so many rows, and from so many cells a cluster, a law of many cells is tried too, one for so many rows; its
/// clusters have to be surer of their rows than this, since many cells always share less.
const SMALL_TABLE: usize = 2_000;
const CELLS_OF_FORMS: f64 = 1.5;
const ROWS_A_CELL: usize = 10;
const SURE: f64 = 0.99;
/// Clusters that are surer of their rows than this are not bettered.
const CERTAIN: f64 = 0.999;

fn said(error: gmix_diffusion::Error) -> String {
    error.to_string()
}

impl Learned {
    /// The place of the one column with this name.
    fn column(&self, name: &str) -> Outcome<usize> {
        let mut places = (0..self.columns.len()).filter(|&index| self.columns[index] == name);
        match (places.next(), places.next()) {
            (Some(place), None) => Ok(place),
            (Some(_), Some(_)) => Err(format!("two columns have the name {name}")),
            (None, _) => Err(format!("there is no column {name}, but {}", self.columns.join(", "))),
        }
    }

    /// `n` rows of the law given what was seen of one; exact values stand in every row.
    pub(crate) fn draw_given(&self, n: usize, given: &[Seen], rng: &mut impl Rng) -> Outcome<Table> {
        let columns = given.iter().map(|seen| self.column(&seen.column)).collect::<Outcome<Vec<_>>>();
        let columns = columns.map_err(|what| format!("--given: {what}"))?;
        let values: Vec<f64> = given.iter().map(|seen| seen.value).collect();
        let stds: Vec<f64> = given.iter().map(|seen| seen.std).collect();
        let draws = Observation::with_std(&columns, &values, &stds)
            .and_then(|observation| self.model.sample_given(&observation, n, rng))
            .map_err(|error| format!("--given: {error}"))?;
        Ok(Table { columns: self.columns.clone(), rows: draws })
    }

    /// Mean, standard deviation, log-density and quantiles of a column, a line a row.
    pub(crate) fn predict(&self, rows: &Table, ask: &Prediction, rng: &mut impl Rng) -> Outcome<Table> {
        let column = self.column(&ask.column)?;
        let rows = Rows::from(&rows.rows).with_empty_cells();
        let answers = self.model.predict(rows, &[column], &ask.quantiles, rng).map_err(said)?;
        let fixed = ["mean", "sd", "log_density"].map(String::from);
        let columns: Vec<String> =
            fixed.into_iter().chain(ask.quantiles.iter().map(|p| format!("q{p}"))).collect();
        let table = DMatrix::from_fn(rows.n_rows(), columns.len(), |row, column| match column {
            0 => answers.mean[(row, 0)],
            1 => answers.std[(row, 0)],
            2 => answers.log_density[row],
            _ => answers.quantiles[column - 3][(row, 0)],
        });
        Ok(Table { columns, rows: table })
    }

    /// The table with its empty cells drawn, as often as `draws` says, one below the other; the means for 0.
    pub(crate) fn impute(&self, rows: &Table, draws: usize, rng: &mut impl Rng) -> Outcome<Table> {
        let rows = Rows::from(&rows.rows).with_empty_cells();
        let tables = match draws {
            0 => vec![self.model.impute_means(rows, rng).map_err(said)?],
            _ => self.model.impute(rows, draws, rng).map_err(said)?,
        };
        let n = rows.n_rows();
        let all =
            DMatrix::from_fn(n * tables.len(), rows.dim(), |row, column| tables[row / n][(row % n, column)]);
        Ok(Table { columns: self.columns.clone(), rows: all })
    }

    /// Log-density, its probability, and what each value adds, a line a row.
    pub(crate) fn surprise(&self, rows: &Table, rng: &mut impl Rng) -> Outcome<Table> {
        let law = self.model.base().map_err(said)?;
        let answers = law.surprise(Rows::from(&rows.rows).with_empty_cells(), rng).map_err(said)?;
        let fixed = ["log_density", "p_value"].map(String::from);
        let columns: Vec<String> = fixed.into_iter().chain(self.columns.iter().cloned()).collect();
        let table = DMatrix::from_fn(rows.rows.nrows(), columns.len(), |row, column| match column {
            0 => answers.log_density[row],
            1 => answers.p_value[row],
            _ => answers.columns[(row, column - 2)],
        });
        Ok(Table { columns, rows: table })
    }

    fn found(&self, data: &Table) -> Outcome<Clusters> {
        self.model.clusters(&data.rows).map_err(|error| format!("--clusters: {error}"))
    }

    /// `count` clusters: of these cells, of as many cells as clusters, or of many, whichever keep their rows best to
    /// themselves.
    fn exactly(
        &self,
        data: &Table,
        count: usize,
        mut fit_cells: impl FnMut(usize) -> Outcome<Self>,
    ) -> Outcome<Clusters> {
        let exactly = |learned: &Self| {
            learned.found(data)?.exactly(count).map_err(|error| format!("--cluster-count: {error}"))
        };
        let separation = |clusters: &Clusters| clusters.separation(&data.rows).map_err(said);
        let mut best = exactly(self).and_then(|own| Ok((separation(&own)?, own)));
        let known = |best: &Outcome<(f64, Clusters)>| best.as_ref().map_or(0.0, |best| best.0);
        // Of few cells one may be two classes, and one the strays of all.
        let few = best.is_err() || self.cells() < MANY_CELLS * count;
        // Where clusters take several cells each, they have forms that a small table shows to many cells only.
        let forms = data.rows.nrows() <= SMALL_TABLE && self.cells() as f64 > CELLS_OF_FORMS * count as f64;
        let mut tries = vec![(count, 0.0); if few { FITS } else { 0 }];
        if forms {
            tries.push(((data.rows.nrows() / ROWS_A_CELL).max(1), SURE));
        }
        for (cells, least) in tries {
            if known(&best) > CERTAIN {
                continue;
            }
            if let Ok(other) = fit_cells(cells).and_then(|learned| exactly(&learned)) {
                let found = separation(&other)?;
                if found > known(&best).max(least) {
                    best = Ok((found, other));
                }
            }
        }
        best.map(|(_, clusters)| clusters)
    }

    /// The cluster of each row of `data`, −1 where it is left out, and the probability of that cluster; where a number is
    /// asked for that these cells do not have, by so many others that `fit_cells` finds.
    pub(crate) fn clusters(
        &self,
        data: &Table,
        ask: &Clustering,
        fit_cells: impl FnMut(usize) -> Outcome<Self>,
    ) -> Outcome<Table> {
        let found = match ask.count {
            None => self.found(data)?,
            Some(count) => self.exactly(data, count, fit_cells)?,
        };
        let probabilities = found.probabilities(&data.rows).map_err(said)?;
        let left_out = match ask.outliers {
            Some(mass) => found.outliers(&data.rows, mass).map_err(said)?,
            None => vec![false; data.rows.nrows()],
        };
        let table = DMatrix::from_fn(data.rows.nrows(), 2, |row, column| {
            let (cluster, probability) = probabilities.row(row).transpose().argmax();
            match column {
                0 if left_out[row] => -1.0,
                0 => cluster as f64,
                _ => probability,
            }
        });
        Ok(Table { columns: ["cluster", "probability"].map(String::from).to_vec(), rows: table })
    }
}
