//! The columns of a table.

use std::collections::BTreeSet;
use std::fmt;

use super::column::{Column, Kind, Warp};
use super::detect::{detect, fits_step, is_within};
use super::table::{Table, TableColumn};
use crate::error::{Error, Result};

/// What the columns of a table are, each with its name; as text a line a column, with the reasons where they were found.
///
/// # Examples
/// ```
/// use gmix_diffusion::{Column, Columns, Table};
///
/// let counts: Vec<f64> = (0..500).map(|i| f64::from((i * i) % 7)).collect();
/// let table = Table::new().with_numbers("children", &counts)?.with_labels("sex", &vec!["f"; 500])?;
/// let columns = Columns::detect(&table)?;
/// println!("{columns}");
/// assert!(columns.column("sex").is_some_and(Column::is_labels));
/// // What is known better is said.
/// let columns = columns.with("children", Column::above(0.0).with_step(1.0))?;
/// assert_eq!(columns.columns()[0].step(), Some(1.0));
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Columns {
    names: Vec<String>,
    columns: Vec<Column>,
    /// Why each is what it is; empty where it was said.
    reasons: Vec<String>,
}

impl Columns {
    /// All real and learned as they are, with these names: a table of them is learned as a matrix is.
    ///
    /// # Errors
    /// [`Error::NoColumns`]; [`Error::InvalidColumn`] for a name that is there twice.
    pub fn real(names: &[&str]) -> Result<Self> {
        Self::new(
            &names.iter().map(|name| (*name, Column::real().with_warp(Warp::Plain))).collect::<Vec<_>>(),
        )
    }

    /// These, each with its name.
    ///
    /// # Errors
    /// As [`real`](Self::real); [`Error::InvalidColumn`] for bounds, steps or atoms that are none.
    pub fn new(columns: &[(&str, Column)]) -> Result<Self> {
        let mut names: Vec<String> = Vec::new();
        for (name, column) in columns {
            column.check()?;
            if names.iter().any(|own| own == name) {
                return Err(Error::InvalidColumn { what: format!("two columns have the name {name}") });
            }
            names.push((*name).to_owned());
        }
        if names.is_empty() {
            return Err(Error::NoColumns);
        }
        let columns: Vec<Column> = columns.iter().map(|(_, column)| column.clone()).collect();
        Ok(Self { reasons: vec![String::new(); names.len()], names, columns })
    }

    /// What the columns of `table` seem to be: bounds where rows crowd or that skewed positive values come close to, steps
    /// of which all values are multiples, values that repeat beyond chance, labels where there are texts.
    ///
    /// Nothing is found that Gaussian columns would show by chance, and a circle never.
    ///
    /// # Errors
    /// [`Error::NoColumns`], [`Error::NoRows`], [`Error::NothingSeenOfColumn`], [`Error::NotFinite`] for an infinite value.
    pub fn detect(table: &Table) -> Result<Self> {
        if table.names().is_empty() {
            return Err(Error::NoColumns);
        }
        if table.n_rows() == 0 {
            return Err(Error::NoRows);
        }
        let (mut columns, mut reasons) = (Vec::new(), Vec::new());
        for (index, column) in table.columns().iter().enumerate() {
            let (found, why) = match column {
                TableColumn::Numbers(values) => {
                    check_numbers(values, index)?;
                    let seen: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
                    if seen.is_empty() {
                        return Err(Error::NothingSeenOfColumn { column: index });
                    }
                    detect(&seen)
                }
                TableColumn::Labels(labels) => {
                    let all: BTreeSet<&str> = labels.iter().flatten().map(String::as_str).collect();
                    if all.is_empty() {
                        return Err(Error::NothingSeenOfColumn { column: index });
                    }
                    let all: Vec<&str> = all.into_iter().collect();
                    (Column::labels(&all), "texts".into())
                }
            };
            columns.push(found);
            reasons.push(why);
        }
        Ok(Self { names: table.names().to_vec(), columns, reasons })
    }

    /// With another column in the place of the one of this name.
    ///
    /// # Errors
    /// [`Error::InvalidColumn`] for a name that is not there, and as [`new`](Self::new).
    pub fn with(mut self, name: &str, column: Column) -> Result<Self> {
        column.check()?;
        let Some(index) = self.position(name) else {
            let what = format!("there is no column {name}, but {}", self.names.join(", "));
            return Err(Error::InvalidColumn { what });
        };
        self.columns[index] = column;
        self.reasons[index] = String::new();
        Ok(self)
    }

    /// The names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The place of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|own| own == name)
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.position(name).map(|index| &self.columns[index])
    }

    /// Whether all columns are real numbers that are learned as they are.
    pub fn is_real(&self) -> bool {
        self.columns.iter().all(|column| column.is_real() && column.warp() == Some(Warp::Plain))
    }

    /// Those of `table` in this order, with the labels that rows have where none were said.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) fn completed(mut self, table: &Table) -> Result<Self> {
        for (name, column) in self.names.iter().zip(&mut self.columns) {
            if let (Kind::Labels(own), Some(labels)) = (&mut column.kind, table.labels(name))
                && own.is_empty()
            {
                let all: BTreeSet<&String> = labels.iter().flatten().collect();
                *own = all.into_iter().cloned().collect();
            }
        }
        self.check(table)?;
        Ok(self)
    }

    /// Are the columns of `table` these?
    ///
    /// # Errors
    /// [`Error::InvalidColumn`] for a column that is missing or of another kind; [`Error::NotFinite`];
    /// [`Error::OutsideColumn`] for a value that cannot be.
    pub(crate) fn check(&self, table: &Table) -> Result<()> {
        self.check_kinds(table)?;
        for (name, column) in self.names.iter().zip(&self.columns) {
            let outside = |row: usize, value: String| Error::OutsideColumn {
                row,
                name: name.as_str().into(),
                value: value.into(),
                column: column.to_string().into(),
            };
            match (table.numbers(name), table.labels(name), &column.kind) {
                (Some(values), _, Kind::Numbers { support, step, atoms }) => {
                    let wrong = |value: &f64| {
                        !(value.is_nan() || is_within(*support, *value) || atoms.contains(value))
                    };
                    if let Some(row) = values.iter().position(wrong) {
                        return Err(outside(row, values[row].to_string()));
                    }
                    let others = values.iter().map(|v| if atoms.contains(v) { f64::NAN } else { *v });
                    let first = others.clone().find(|value| !value.is_nan());
                    if let (Some(step), Some(first)) = (step, first) {
                        let all: Vec<f64> = [first].into_iter().chain(others).collect();
                        if let Some(row) = fits_step(*step, &all) {
                            return Err(outside(row.saturating_sub(1), all[row].to_string()));
                        }
                    }
                }
                (Some(values), _, Kind::Values(own)) => {
                    let wrong = |value: &f64| !(value.is_nan() || own.contains(value));
                    if let Some(row) = values.iter().position(wrong) {
                        return Err(outside(row, values[row].to_string()));
                    }
                }
                (_, Some(labels), Kind::Labels(own)) => {
                    let wrong =
                        |label: &Option<String>| label.as_ref().is_some_and(|label| !own.contains(label));
                    if let Some(row) = labels.iter().position(wrong) {
                        return Err(outside(row, labels[row].clone().unwrap_or_default()));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Does `table` have columns of these names and kinds, whatever their values?
    ///
    /// # Errors
    /// [`Error::InvalidColumn`] for a column that is missing or of another kind; [`Error::NotFinite`].
    pub(crate) fn check_kinds(&self, table: &Table) -> Result<()> {
        for (index, (name, column)) in self.names.iter().zip(&self.columns).enumerate() {
            let found = match (table.numbers(name), table.labels(name)) {
                (Some(values), _) if !column.is_labels() => {
                    check_numbers(values, index)?;
                    continue;
                }
                (_, Some(_)) if column.is_labels() => continue,
                (Some(_), _) => "numbers",
                (_, Some(_)) => "labels",
                (None, None) => {
                    return Err(Error::InvalidColumn { what: format!("the table has no column {name}") });
                }
            };
            let what = format!("column {name} has {found}, but is \"{column}\"");
            return Err(Error::InvalidColumn { what });
        }
        Ok(())
    }

    /// Whether names, columns and reasons fit each other.
    #[cfg(feature = "serde")]
    pub(crate) fn is_valid(&self) -> bool {
        let n = self.names.len();
        let different: BTreeSet<&String> = self.names.iter().collect();
        n > 0
            && different.len() == n
            && self.columns.len() == n
            && self.reasons.len() == n
            && self.columns.iter().all(|column| column.check().is_ok())
    }
}

fn check_numbers(values: &[f64], column: usize) -> Result<()> {
    match values.iter().position(|value| value.is_infinite()) {
        Some(row) => Err(Error::NotFinite { row, column, value: values[row] }),
        None => Ok(()),
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ((name, column), reason)) in
            self.names.iter().zip(&self.columns).zip(&self.reasons).enumerate()
        {
            let line_end = if index + 1 < self.names.len() { "\n" } else { "" };
            match reason.as_str() {
                "" => write!(f, "{name}: {column}{line_end}"),
                _ => write!(f, "{name}: {column} ({reason}){line_end}"),
            }?;
        }
        Ok(())
    }
}
