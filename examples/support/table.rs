//! Tables of numbers with named columns, read from and written to CSV files.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use gmix_diffusion::nalgebra::DMatrix;

use super::output::write_whole;

/// Named columns of finite numbers; rows are samples.
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
        let error = |what: String| TableError(format!("{}: {what}", path.display()));
        let bytes = fs::read(path).map_err(|cause| error(cause.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| error("this is not UTF-8 text".into()))?;
        Self::parse(&text).map_err(error)
    }

    /// As [`read`](Self::read), from the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
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
        let mut numbers = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|cause| cause.to_string())?;
            let line = record.position().map_or(0, csv::Position::line);
            parse_row(&columns, &record, &mut numbers).map_err(|what| format!("line {line}{what}"))?;
        }
        if numbers.is_empty() {
            return Err("there are no rows below the header".into());
        }
        let rows = DMatrix::from_row_slice(numbers.len() / columns.len(), columns.len(), &numbers);
        Ok(Self { columns, rows })
    }

    /// Writes the table to a file. One that stood at `path` is replaced, by a complete one only.
    pub(crate) fn write(&self, path: &Path) -> Result<(), TableError> {
        let written = self.to_csv().and_then(|content| write_whole(path, &content));
        written.map_err(|cause| TableError(format!("{}: {cause}", path.display())))
    }

    /// The table as comma separated values, each number with as many digits as it takes to read the
    /// same number back.
    pub(crate) fn to_csv(&self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut writer = csv::Writer::from_writer(&mut content);
        writer.write_record(&self.columns)?;
        for row in self.rows.row_iter() {
            writer.write_record(row.iter().map(f64::to_string))?;
        }
        writer.flush()?;
        drop(writer);
        Ok(content)
    }
}

/// Appends the numbers of a row; an error continues a message that starts with the line.
pub(crate) fn parse_row(
    columns: &[String],
    record: &StringRecord,
    numbers: &mut Vec<f64>,
) -> Result<(), String> {
    if record.len() != columns.len() {
        return Err(format!(": expected {} cells as in the header, found {}", columns.len(), record.len()));
    }
    for (index, (cell, name)) in record.iter().zip(columns).enumerate() {
        let error = |what: &str| Err(format!(", column {} ({name}): {what}", index + 1));
        match cell.parse::<f64>() {
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
