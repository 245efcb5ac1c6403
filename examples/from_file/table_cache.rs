//! Tables of text, parsed once: their numbers go into a flat file beside the table.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::binary::BinaryFile;
use crate::support::output::beside;
use crate::support::table::parse_row;

const MAGIC: &[u8; 8] = b"rows-f64";
/// Magic, then columns, and length and time of the table: 8 bytes each.
const HEADER: usize = 32;

/// The rows of a table of comma separated values with a header line.
///
/// They are parsed unless a cache of the same table is there. The cache is renamed to its name once it
/// is complete, so that none is ever seen half written.
pub(crate) fn open_table(path: &Path) -> io::Result<BinaryFile> {
    let cache = cache_path(path);
    let table = TableStamp::of(path)?;
    let columns = match table.columns_of_cache(&cache) {
        Some(columns) => columns,
        None => write_cache(path, table, &cache)?,
    };
    BinaryFile::open(&cache, HEADER as u64, columns)
}

/// `<path>.f64`
pub(crate) fn cache_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".f64");
    name.into()
}

/// By what a table is told from another at the same path.
#[derive(Clone, Copy, PartialEq, Eq)]
struct TableStamp {
    length: u64,
    modified: u64,
}

impl TableStamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { length: metadata.len(), modified: modified.as_nanos() as u64 })
    }

    fn header(self, columns: usize) -> Vec<u8> {
        let fields = [columns as u64, self.length, self.modified].map(u64::to_le_bytes);
        [&MAGIC[..], fields.as_flattened()].concat()
    }

    /// The number of columns, where `cache` is one of this table.
    fn columns_of_cache(self, cache: &Path) -> Option<usize> {
        let mut header = [0; HEADER];
        File::open(cache).ok()?.read_exact(&mut header).ok()?;
        let columns = u64::from_le_bytes(*header[8..].first_chunk()?) as usize;
        (header[..] == self.header(columns)).then_some(columns)
    }
}

/// Parses the table into a new cache; the number of columns.
fn write_cache(path: &Path, table: TableStamp, cache: &Path) -> io::Result<usize> {
    let new = beside(cache, "new")?;
    let written = parse(path, table, &new).and_then(|columns| {
        fs::rename(&new, cache)?;
        Ok(columns)
    });
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&new);
    }
    written
}

fn parse(path: &Path, table: TableStamp, new: &Path) -> io::Result<usize> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_path(path)?;
    let columns: Vec<String> = reader.headers()?.iter().map(String::from).collect();
    if columns.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(invalid("line 1: all names in the header are numbers; is it a row of data?".into()));
    }
    let mut writer = BufWriter::new(File::create_new(new)?);
    writer.write_all(&table.header(columns.len()))?;
    let (mut record, mut numbers) = (StringRecord::new(), Vec::new());
    while reader.read_record(&mut record)? {
        numbers.clear();
        let line = record.position().map_or(0, csv::Position::line);
        parse_row(&columns, &record, &mut numbers).map_err(|what| invalid(format!("line {line}{what}")))?;
        for number in &numbers {
            writer.write_all(&number.to_le_bytes())?;
        }
    }
    writer.into_inner()?.sync_all()?;
    Ok(columns.len())
}
