//! Tables of numbers with named columns, read from and written to CSV files.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use gmix_diffusion::nalgebra::DMatrix;

use super::output::write_whole;

/// Which columns of a file are read, and whether cells may be empty.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading<'a> {
    /// These columns, in this order, whatever others there are; all where `None`.
    pub(crate) columns: Option<&'a [String]>,
    /// Of `columns` those that need not be there: all their cells are empty then.
    pub(crate) optional: &'a [String],
    /// An empty cell, `NA` or `NaN` is NaN, and no error.
    pub(crate) empty_cells: bool,
}

/// Named columns of numbers, finite unless empty cells were allowed; rows are samples.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// Names of the columns, as in the header. They need not differ.
    pub(crate) columns: Vec<String>,
    /// The numbers: n × d.
    pub(crate) rows: DMatrix<f64>,
}

impl Table {
    /// Reads a file of comma separated values: a header, then at least one row of finite numbers.
    ///
    /// A byte order mark, either kind of line end, quotes, spaces around cells and blank lines at the
    /// end are fine. Anything else is an error: nothing is guessed, skipped or filled in.
    pub(crate) fn read(path: &Path) -> Result<Self, TableError> {
        Self::read_as(path, Reading::default())
    }

    /// As [`read`](Self::read), with some of the columns, or with empty cells.
    pub(crate) fn read_as(path: &Path, reading: Reading<'_>) -> Result<Self, TableError> {
        let error = |what: String| TableError(format!("{}: {what}", path.display()));
        let bytes = fs::read(path).map_err(|cause| error(cause.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| error("this is not UTF-8 text".into()))?;
        Self::parse_as(&text, reading).map_err(error)
    }

    /// As [`read`](Self::read), from the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::parse_as(text, Reading::default())
    }

    fn parse_as(text: &str, reading: Reading<'_>) -> Result<Self, String> {
        // One kind of line end: within others the parser counts lines differently.
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let text = text.trim_end();
        if text.is_empty() {
            return Err("the file is empty".into());
        }
        // The parser would skip blank lines; in a table of one column they are missing values.
        if let Some(index) = text.lines().position(|line| line.trim().is_empty()) {
            return Err(format!("line {}: this line is blank", index + 1));
        }

        let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text.as_bytes());
        let columns: Vec<String> =
            reader.headers().map_err(|cause| cause.to_string())?.iter().map(String::from).collect();
        if columns.iter().all(|name| name.parse::<f64>().is_ok()) {
            return Err("line 1: all names in the header are numbers; is it a row of data?".into());
        }
        let chosen = chosen_columns(&columns, reading)?;
        let mut numbers = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|cause| cause.to_string())?;
            let line = record.position().map_or(0, csv::Position::line);
            let parsed = parse_cells(&columns, &chosen, reading.empty_cells, &record, &mut numbers);
            parsed.map_err(|what| format!("line {line}{what}"))?;
        }
        if numbers.is_empty() {
            return Err("there are no rows below the header".into());
        }
        let rows = DMatrix::from_row_slice(numbers.len() / chosen.len(), chosen.len(), &numbers);
        Ok(Self { columns: reading.columns.map_or(columns, <[String]>::to_vec), rows })
    }

    /// Writes the table to a file. One that stood at `path` is replaced, by a complete one only.
    pub(crate) fn write(&self, path: &Path) -> Result<(), TableError> {
        let written = self.to_csv().and_then(|content| write_whole(path, &content));
        written.map_err(|cause| TableError(format!("{}: {cause}", path.display())))
    }

    /// The table as comma separated values, each number with as many digits as it takes to read the
    /// same number back; an empty cell for NaN.
    pub(crate) fn to_csv(&self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut writer = csv::Writer::from_writer(&mut content);
        writer.write_record(&self.columns)?;
        for row in self.rows.row_iter() {
            let cell = |value: &f64| if value.is_nan() { String::new() } else { value.to_string() };
            writer.write_record(row.iter().map(cell))?;
        }
        writer.flush()?;
        drop(writer);
        Ok(content)
    }
}

/// Where the columns to read are; `None` for one that is not there and need not be.
fn chosen_columns(columns: &[String], reading: Reading<'_>) -> Result<Vec<Option<usize>>, String> {
    let Some(names) = reading.columns else { return Ok((0..columns.len()).map(Some).collect()) };
    let place = |name: &String| {
        let mut places = (0..columns.len()).filter(|&index| columns[index] == *name);
        match (places.next(), places.next()) {
            (Some(place), None) => Ok(Some(place)),
            (Some(_), Some(_)) => Err(format!("line 1: two columns have the name {name}")),
            (None, _) if reading.optional.contains(name) => Ok(None),
            (None, _) => Err(format!("line 1: there is no column {name}, but {}", columns.join(", "))),
        }
    };
    names.iter().map(place).collect()
}

/// Appends the numbers of a row; an error continues a message that starts with the line.
pub(crate) fn parse_row(
    columns: &[String],
    record: &StringRecord,
    numbers: &mut Vec<f64>,
) -> Result<(), String> {
    let all: Vec<_> = (0..columns.len()).map(Some).collect();
    parse_cells(columns, &all, false, record, numbers)
}

/// Appends the numbers of the `chosen` cells of a row; NaN for empty ones where these are allowed.
fn parse_cells(
    columns: &[String],
    chosen: &[Option<usize>],
    empty_cells: bool,
    record: &StringRecord,
    numbers: &mut Vec<f64>,
) -> Result<(), String> {
    if record.len() != columns.len() {
        return Err(format!(": expected {} cells as in the header, found {}", columns.len(), record.len()));
    }
    for place in chosen {
        let Some(index) = *place else {
            numbers.push(f64::NAN);
            continue;
        };
        let (cell, name) = (&record[index], &columns[index]);
        let error = |what: &str| Err(format!(", column {} ({name}): {what}", index + 1));
        match cell.parse::<f64>() {
            _ if empty_cells && (cell.is_empty() || cell == "NA") => numbers.push(f64::NAN),
            Ok(number) if empty_cells && number.is_nan() => numbers.push(f64::NAN),
            Ok(number) if number.is_finite() => numbers.push(number),
            Ok(_) => return error(&format!("{cell} is not a finite number")),
            Err(_) if cell.is_empty() => return error("the cell is empty"),
            Err(_) => return error(&format!("\"{cell}\" is not a number")),
        }
    }
    Ok(())
}

/// One line that names the file and, where there is one, the line and the column.
pub(crate) struct TableError(String);

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As `Display`: this is what a `main` that returns the error prints.
impl fmt::Debug for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for TableError {}
