//! The learned law of a table.

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::encoder::{Encoder, Part};
use super::fit::Fitting;
use super::law::TableLaw;
use super::report::TableReport;
use crate::columns::{Columns, Table, TableColumn};
use crate::error::{Error, Result};
use crate::learner::{DiffusionLearner, DiffusionModel};
use crate::questions::{Observation, Predictions};
use crate::rows::{Rows, stream};

/// Rows drawn with one stream of random numbers.
const CHUNK: usize = 1024;
/// Purpose of the streams by which rows are completed, one a row.
const COMPLETING: u64 = 65;
/// Draws by which a column of numbers is predicted.
const PREDICTING: usize = 400;

/// The law of a table: draws rows that look like it, and knows how probable rows are.
///
/// Every column of numbers has a latent value, which is continuous, and of which the column's own value is an increasing
/// function: constant where values are rounded or repeat, so that an interval of latent values stands for each of these.
/// Latent values have a law of Gaussian cells, and in each of these labels have probabilities of their own. So draws are in
/// the table's own form, in no place where there can be none, and any question about some columns given others is
/// answered by the one law.
///
/// # Measure
/// [`log_density`](Self::log_density) is the natural logarithm of a density with respect to Lebesgue measure (length) in
/// columns that are continuous, and to counting measure in columns that are rounded or have given values, in labels, and at
/// atoms: so of a table without continuous columns it is ln of the probability of the row. Where a continuous column has
/// atoms both are added: a density elsewhere, a probability at the atoms. Integrated and summed it is 1.
///
/// # Examples
/// ```
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::{DiffusionLearner, Table};
///
/// // Counts of two kinds of things.
/// let kinds: Vec<&str> = (0..300).map(|i| if i % 3 == 0 { "rare" } else { "common" }).collect();
/// let counts: Vec<f64> = (0..300).map(|i| f64::from((i * i) % 5 + if i % 3 == 0 { 20 } else { 2 })).collect();
/// let table = Table::new().with_numbers("count", &counts)?.with_labels("kind", &kinds)?;
///
/// let mut rng = StdRng::seed_from_u64(1);
/// let model = DiffusionLearner::fast().fit_table(&table, &mut rng)?;
/// println!("{}\n{}", model.columns(), model.report());
/// let new_rows = model.sample(100, &mut rng)?;
/// assert!(new_rows.numbers("count").is_some_and(|counts| counts.iter().all(|count| count.fract() == 0.0)));
/// // Which kind is a count of 21 of?
/// let (labels, probabilities) = model.probabilities(&Table::new().with_numbers("count", &[21.0])?, "kind")?;
/// assert_eq!(labels, ["common", "rare"]);
/// assert!(probabilities[(0, 1)] > 0.9);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TableModel {
    pub(super) encoder: Encoder,
    pub(super) law: TableLaw,
    pub(super) report: TableReport,
    /// The whole model where all columns are real numbers that are learned as they are.
    pub(super) real: Option<DiffusionModel>,
}

impl DiffusionLearner {
    /// Learns the law of `table`, whose columns are what [`Columns::detect`] finds, taking one seed from `rng`.
    ///
    /// # Errors
    /// As [`fit_table_as`](Self::fit_table_as), and those of [`Columns::detect`].
    pub fn fit_table<R: Rng + ?Sized>(&self, table: &Table, rng: &mut R) -> Result<TableModel> {
        self.fit_table_as(table, &Columns::detect(table)?, rng)
    }

    /// Learns the law of `table`, whose columns are these, taking one seed from `rng`.
    ///
    /// What is not said of the columns is chosen by the likelihood of held-out rows: the scale on which they are
    /// learned, and whether the rows of each label have cells of their own. Columns of the table that are not named are
    /// left out. Empty cells are values that were not seen. Where all columns are real and learned as they are,
    /// the law is that of [`fit`](Self::fit), to the last bit.
    ///
    /// # Errors
    /// [`Error::InvalidColumn`] for a column that is missing or of another kind, [`Error::OutsideColumn`] for a value
    /// that cannot be, those of [`fit`](Self::fit), and [`Error::NoClosedForm`] where cells are found level by level.
    pub fn fit_table_as<R: Rng + ?Sized>(
        &self,
        table: &Table,
        columns: &Columns,
        rng: &mut R,
    ) -> Result<TableModel> {
        if table.n_rows() == 0 {
            return Err(Error::NoRows);
        }
        let columns = columns.clone().completed(table)?;
        if columns.is_real() {
            return TableModel::of_real(self, table, &columns, rng);
        }
        if self.component_std.is_some() {
            return Err(Error::IncompatibleParts {
                first: "a given component std",
                second: "columns that are not all real",
                reason: "cells are sought among latent values, which have no unit",
            });
        }
        for (index, name) in columns.names().iter().enumerate() {
            let seen = match (table.numbers(name), table.labels(name)) {
                (Some(values), _) => values.iter().any(|value| !value.is_nan()),
                (_, labels) => labels.is_some_and(|labels| labels.iter().any(Option::is_some)),
            };
            if !seen {
                return Err(Error::NothingSeenOfColumn { column: index });
            }
        }
        let fitting = Fitting { learner: self, columns: &columns, seed: rng.random() };
        let (report, learned) = fitting.learn(table)?;
        let Some((encoder, law)) = learned else {
            let model = TableModel::of_real(self, table, &columns, rng)?;
            let TableReport { held_out, choices, .. } = report;
            return Ok(TableModel { report: TableReport { held_out, choices, ..model.report }, ..model });
        };
        Ok(TableModel { encoder, law, report, real: None })
    }
}

impl TableModel {
    fn of_real<R: Rng + ?Sized>(
        learner: &DiffusionLearner,
        table: &Table,
        columns: &Columns,
        rng: &mut R,
    ) -> Result<Self> {
        let rows = matrix(table, columns)?;
        let rows_in = Rows::from(&rows);
        let rows_in = if rows.iter().any(|x| x.is_nan()) { rows_in.with_empty_cells() } else { rows_in };
        let model = learner.fit(rows_in, rng)?;
        let mixture = model.base()?;
        let encoder = Encoder::unit(columns);
        let law = TableLaw {
            masses: mixture.masses().iter().copied().collect(),
            means: mixture.means(),
            covariances: mixture.covariances(),
            labels: Vec::new(),
        };
        let report = TableReport {
            rows: rows.nrows(),
            cells: law.cells(),
            held_out: None,
            choices: Vec::new(),
            scales: columns.names().iter().map(|name| (name.clone(), "plain".into())).collect(),
        };
        Ok(Self { encoder, law, report, real: Some(model) })
    }

    /// What the columns are.
    pub fn columns(&self) -> &Columns {
        &self.encoder.columns
    }

    /// What the fit did.
    pub fn report(&self) -> &TableReport {
        &self.report
    }

    /// The model of the numbers alone, where all columns are real and learned as they are.
    pub fn real(&self) -> Option<&DiffusionModel> {
        self.real.as_ref()
    }

    /// Draws `n` rows. The same `rng` state gives the same rows for any number of threads.
    ///
    /// # Errors
    /// Those of a user's own sampler, where all columns are real.
    pub fn sample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Result<Table> {
        if let Some(model) = &self.real {
            return self.real_table(&model.sample(n, rng)?);
        }
        let streams: Vec<Xoshiro256PlusPlus> =
            (0..n.div_ceil(CHUNK)).map(|_| Xoshiro256PlusPlus::from_rng(rng)).collect();
        let (latents, labels) = self.law.sample(n, CHUNK, &streams)?;
        self.encoder.decode(n, &latents, &labels)
    }

    /// Natural logarithm of the density of each row of `table` in the [measure](Self#measure) of this law: length n, −∞ for
    /// a row that cannot be. Of a row with empty cells it is that of what was seen.
    ///
    /// # Errors
    /// [`Error::InvalidColumn`] for a column that is missing or of another kind, [`Error::NotFinite`].
    pub fn log_density(&self, table: &Table) -> Result<DVector<f64>> {
        if let Some(model) = &self.real {
            let rows = matrix(table, self.columns())?;
            if rows.iter().all(|value| !value.is_nan()) {
                return model.log_density(&rows);
            }
            let base = model.base()?;
            let of_seen = |row: Vec<f64>| match row.iter().all(|value| value.is_nan()) {
                true => Ok(0.0),
                false => base.log_density_of(&Observation::of_incomplete_row(&row)?),
            };
            let logs = rows.row_iter().map(|row| of_seen(row.iter().copied().collect()));
            return Ok(DVector::from_vec(logs.collect::<Result<_>>()?));
        }
        Ok(DVector::from_vec(self.law.log_probability(&self.encoder.encode(table)?)?))
    }

    /// `table` with empty columns where it lacks some of this law's.
    fn with_all_columns(&self, table: &Table) -> Result<Table> {
        let mut all = Table::new();
        for (name, column) in self.columns().names().iter().zip(self.columns().columns()) {
            let own = table.position(name).map(|place| table.columns()[place].clone());
            let empty = || match column.is_labels() {
                true => TableColumn::Labels(vec![None; table.n_rows()]),
                false => TableColumn::Numbers(vec![f64::NAN; table.n_rows()]),
            };
            all = all.with(name, own.unwrap_or_else(empty))?;
        }
        Ok(all)
    }

    /// The place of a column.
    fn place(&self, name: &str) -> Result<usize> {
        self.columns().position(name).ok_or_else(|| Error::InvalidColumn {
            what: format!("there is no column {name}, but {}", self.columns().names().join(", ")),
        })
    }

    /// The probability of each label, or of each of the values that repeat, of a column given the rest of the row: the labels, and a row of
    /// probabilities for each row of `table`, which sum to 1. Its own cells in that column say nothing, and columns that it
    /// lacks are not seen.
    ///
    /// # Errors
    /// [`Error::InvalidColumn`] for a column without labels or given values, and as [`log_density`](Self::log_density).
    pub fn probabilities(&self, table: &Table, column: &str) -> Result<(Vec<String>, DMatrix<f64>)> {
        let place = self.place(column)?;
        let kind = &self.columns().columns()[place];
        let n = table.n_rows();
        let (names, values): (Vec<String>, Vec<TableColumn>) = match &self.encoder.parts[place] {
            Part::Labels(labels) => {
                let one = |label: &String| (label.clone(), TableColumn::Labels(vec![Some(label.clone()); n]));
                labels.iter().map(one).unzip()
            }
            part => {
                let values = if let Part::Values(values) = part { values } else { kind.atoms() };
                let one = |value: &f64| (value.to_string(), TableColumn::Numbers(vec![*value; n]));
                values.iter().map(one).unzip()
            }
        };
        if names.is_empty() {
            let what = format!("column {column} is \"{kind}\" and has no list of values");
            return Err(Error::InvalidColumn { what });
        }
        let whole = self.with_all_columns(table)?;
        let mut logs = DMatrix::zeros(table.n_rows(), names.len());
        for (label, values) in values.into_iter().enumerate() {
            let rows = self.encoder.encode(&whole.clone().replaced(column, values))?;
            logs.column_mut(label).copy_from_slice(&self.law.log_probability(&rows)?);
        }
        for mut row in logs.row_iter_mut() {
            let own: Vec<f64> = row.iter().copied().collect();
            row.copy_from_slice(&super::law::shares(&own));
        }
        Ok((names, logs))
    }

    /// Mean, standard deviation and quantiles of a column of numbers given the rest of the row, from draws, for each row of
    /// `table`; and the logarithm of the density of the row's own value given the rest, NaN where it has none.
    ///
    /// # Errors
    /// [`Error::InvalidColumn`] for a column of labels, [`Error::InvalidSetting`] for a probability outside 0 to 1, and as
    /// [`log_density`](Self::log_density).
    pub fn predict<R: Rng + ?Sized>(
        &self,
        table: &Table,
        column: &str,
        quantiles: &[f64],
        rng: &mut R,
    ) -> Result<Predictions> {
        let place = self.place(column)?;
        if self.columns().columns()[place].is_labels() {
            let what = format!("column {column} has labels: `probabilities` says which");
            return Err(Error::InvalidColumn { what });
        }
        if let Some(&value) = quantiles.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            let requirement = "from 0 to 1";
            return Err(Error::InvalidSetting { name: "probability of a quantile", value, requirement });
        }
        let n = table.n_rows();
        let whole = self.with_all_columns(table)?;
        if let Some(model) = &self.real {
            let rows = matrix(&whole, self.columns())?;
            return model.predict(Rows::from(&rows).with_empty_cells(), &[place], quantiles, rng);
        }
        let hidden = whole.clone().replaced(column, TableColumn::Numbers(vec![f64::NAN; n]));
        let drawn = self.draws(&hidden, PREDICTING, rng)?;
        let values = drawn.numbers(column).unwrap_or(&[]);
        let (rest, all) = (self.log_density(&hidden)?, self.log_density(&whole)?);
        let own = whole.numbers(column).unwrap_or(&[]);
        let mut answers =
            Predictions {
                mean: DMatrix::zeros(n, 1),
                std: DMatrix::zeros(n, 1),
                quantiles: vec![DMatrix::zeros(n, 1); quantiles.len()],
                log_density: DVector::from_fn(n, |row, _| {
                    if own[row].is_nan() { f64::NAN } else { all[row] - rest[row] }
                }),
                effective: None,
            };
        for row in 0..n {
            let mut values = values[row * PREDICTING..(row + 1) * PREDICTING].to_vec();
            values.sort_by(f64::total_cmp);
            let mean = values.iter().sum::<f64>() / PREDICTING as f64;
            answers.mean[row] = mean;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / PREDICTING as f64;
            answers.std[row] = variance.sqrt();
            for (out, p) in answers.quantiles.iter_mut().zip(quantiles) {
                out[row] = values[((p * PREDICTING as f64).ceil() as usize).clamp(1, PREDICTING) - 1];
            }
        }
        Ok(answers)
    }

    /// `draws` completed rows for each row of `table`, one after the other.
    fn draws<R: Rng + ?Sized>(&self, table: &Table, draws: usize, rng: &mut R) -> Result<Table> {
        let rows = self.encoder.encode(table)?;
        if let Some(row) = (0..rows.n).find(|&row| rows.is_outside(row)) {
            self.columns().check(&table.select(&[row]))?;
        }
        let seed = rng.random::<u64>();
        let drawn = self.law.complete(&rows, draws, |row| stream(seed, COMPLETING, row as u64))?;
        let (latents, labels): (Vec<Vec<f64>>, Vec<Vec<usize>>) = drawn.into_iter().unzip();
        self.encoder.decode(rows.n * draws, &latents.concat(), &labels.concat())
    }

    /// `draws` completed tables: the empty cells of each row are drawn from the law given the others, the same stream of
    /// random numbers for a row whatever rows stand beside it. Columns that `table` lacks are empty.
    ///
    /// # Errors
    /// [`Error::OutsideColumn`] for a value that cannot be, and as [`log_density`](Self::log_density).
    pub fn impute<R: Rng + ?Sized>(&self, table: &Table, draws: usize, rng: &mut R) -> Result<Vec<Table>> {
        let whole = self.with_all_columns(table)?;
        if let Some(model) = &self.real {
            let rows = matrix(&whole, self.columns())?;
            let drawn = model.impute(Rows::from(&rows).with_empty_cells(), draws, rng)?;
            return drawn.iter().map(|rows| self.real_table(rows)).collect();
        }
        let drawn = self.draws(&whole, draws, rng)?;
        let table = |draw: usize| {
            let rows: Vec<usize> = (0..whole.n_rows()).map(|row| row * draws + draw).collect();
            // What was seen is as it was.
            whole.filled(&drawn.select(&rows))
        };
        Ok((0..draws).map(table).collect())
    }

    /// Draws `n` rows from the law given what was seen: the first row of `seen`, of which columns may lack or be empty.
    ///
    /// # Errors
    /// [`Error::NoRows`] without a row, and as [`impute`](Self::impute).
    pub fn sample_given<R: Rng + ?Sized>(&self, seen: &Table, n: usize, rng: &mut R) -> Result<Table> {
        if seen.n_rows() == 0 {
            return Err(Error::NoRows);
        }
        let whole = self.with_all_columns(&seen.select(&[0]))?;
        if self.real.is_some() {
            return Ok(self.impute(&whole.select(&vec![0; n]), 1, rng)?.swap_remove(0));
        }
        let drawn = self.draws(&whole, n, rng)?;
        Ok(whole.select(&vec![0; n]).filled(&drawn))
    }

    /// Rows (n × d) under the names of the columns.
    fn real_table(&self, rows: &DMatrix<f64>) -> Result<Table> {
        let names: Vec<&str> = self.columns().names().iter().map(String::as_str).collect();
        Table::from_matrix(&names, rows)
    }
}

/// The columns as numbers, n × d.
fn matrix(table: &Table, columns: &Columns) -> Result<DMatrix<f64>> {
    columns.check_kinds(table)?;
    let all: Vec<&[f64]> = columns.names().iter().filter_map(|name| table.numbers(name)).collect();
    Ok(DMatrix::from_fn(table.n_rows(), all.len(), |row, column| all[column][row]))
}
