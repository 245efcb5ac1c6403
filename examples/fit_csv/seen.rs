//! The table to learn, of which cells may be empty and values may have errors.

use gmix_diffusion::Rows;
use gmix_diffusion::nalgebra::DMatrix;

use super::Outcome;
use super::arguments::Data;
use super::support::table::{Reading, Table};

/// What was seen of the rows to learn.
pub(crate) struct Seen {
    /// NaN for an empty cell.
    pub(crate) table: Table,
    empty_cells: bool,
    /// Standard deviations of the values' errors, n × d.
    stds: Option<DMatrix<f64>>,
}

impl Seen {
    /// The columns to learn, all without those of standard deviations unless `columns` names them.
    pub(crate) fn read(data: &Data, columns: Option<&[String]>) -> Outcome<Self> {
        let with_stds: Option<Vec<String>> = columns.map(|columns| {
            let stds = data.errors.iter().map(|(_, std)| std).filter(|std| !columns.contains(std));
            columns.iter().chain(stds).cloned().collect()
        });
        let reading =
            Reading { columns: with_stds.as_deref(), empty_cells: data.missing, ..Reading::default() };
        let all = Table::read_as(&data.path, reading).map_err(|error| error.to_string())?;
        if data.errors.is_empty() {
            return Ok(Self { table: all, empty_cells: data.missing, stds: None });
        }
        let place = |name: &String| {
            let mut places = (0..all.columns.len()).filter(|&place| all.columns[place] == *name);
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                (Some(_), Some(_)) => Err(format!("--errors: two columns have the name {name}")),
                (None, _) => {
                    Err(format!("--errors: there is no column {name}, but {}", all.columns.join(", ")))
                }
            }
        };
        let is_std = |name: &String| data.errors.iter().any(|(_, std)| std == name);
        let learned: Vec<usize> = (0..all.columns.len())
            .filter(|&column| match columns {
                Some(columns) => columns.contains(&all.columns[column]),
                None => !is_std(&all.columns[column]),
            })
            .collect();
        let mut stds = DMatrix::zeros(all.rows.nrows(), learned.len());
        for (name, std) in &data.errors {
            let (column, std) = (place(name)?, place(std)?);
            let Some(at) = learned.iter().position(|&own| own == column) else {
                return Err(format!("--errors: column {name} is not learned"));
            };
            stds.set_column(at, &all.rows.column(std));
        }
        let columns = learned.iter().map(|&column| all.columns[column].clone()).collect();
        let table = Table { columns, rows: all.rows.select_columns(&learned) };
        Ok(Self { table, empty_cells: data.missing, stds: Some(stds) })
    }

    pub(crate) fn rows(&self) -> gmix_diffusion::Result<Rows<'_>> {
        let rows = Rows::from(&self.table.rows);
        let rows = if self.empty_cells { rows.with_empty_cells() } else { rows };
        match &self.stds {
            Some(stds) => rows.with_errors(stds),
            None => Ok(rows),
        }
    }
}
