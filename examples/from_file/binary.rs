//! Flat files of numbers: `f64` in little-endian order, row after row.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use gmix_diffusion::{Error, Result, RowSource, Rows};

/// Bytes of a number.
const NUMBER: u64 = size_of::<f64>() as u64;
/// Rows that are read at a time.
const BLOCK: u64 = 8_192;

/// Some of the rows of a flat file, read in blocks with no more than one of them in memory.
#[derive(Debug, Clone)]
pub(crate) struct BinaryFile {
    path: PathBuf,
    /// Bytes before the first row.
    header: u64,
    columns: usize,
    rows: Range<u64>,
}

impl BinaryFile {
    /// All rows of the file at `path`, which starts with `header` bytes of something else.
    pub(crate) fn open(path: &Path, header: u64, columns: usize) -> io::Result<Self> {
        let length = File::open(path)?.metadata()?.len();
        let row = NUMBER * columns as u64;
        match length.checked_sub(header) {
            Some(bytes) if row > 0 && bytes.is_multiple_of(row) => {
                Ok(Self { path: path.into(), header, columns, rows: 0..bytes / row })
            }
            _ => {
                let what = format!("{length} bytes are no whole rows of {columns} numbers");
                Err(io::Error::new(io::ErrorKind::InvalidData, what))
            }
        }
    }

    /// Number of rows.
    pub(crate) fn n_rows(&self) -> u64 {
        self.rows.end - self.rows.start
    }

    /// Only those of the rows with these indices in the file.
    #[allow(dead_code, reason = "for workers that own a part of the rows, as in tests/it/rows_from_files.rs")]
    pub(crate) fn range(&self, rows: Range<u64>) -> Self {
        let end = rows.end.min(self.rows.end);
        Self { rows: rows.start.min(end)..end, ..self.clone() }
    }
}

impl RowSource for BinaryFile {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        let row = NUMBER * self.columns as u64;
        let mut file = File::open(&self.path).map_err(Error::custom)?;
        file.seek(SeekFrom::Start(self.header + self.rows.start * row)).map_err(Error::custom)?;
        let (mut bytes, mut values) = (Vec::new(), Vec::new());
        for start in self.rows.clone().step_by(BLOCK as usize) {
            bytes.resize((BLOCK.min(self.rows.end - start) * row) as usize, 0);
            file.read_exact(&mut bytes).map_err(Error::custom)?;
            values.clear();
            let (numbers, _) = bytes.as_chunks();
            values.extend(numbers.iter().map(|number| f64::from_le_bytes(*number)));
            visit(Rows::from_row_slice(&values, self.columns)?)?;
        }
        Ok(())
    }
}
