use std::fs::File;
use std::path::{Path, PathBuf};

use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::{Error, Result, RowSource, Rows};
use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::file::reader::{FileReader, SerializedFileReader};

/// Rows that are read at a time.
const BLOCK: usize = 8_192;

/// The rows of a Parquet file whose columns are numbers with a fraction, read in blocks.
#[derive(Debug, Clone)]
pub(crate) struct ParquetFile {
    path: PathBuf,
}

impl ParquetFile {
    /// # Errors
    /// [`Error::Custom`] for a file that cannot be read or with a column that has no number in each row.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let reader = reader(path)?;
        for column in reader.metadata().file_metadata().schema_descr().columns() {
            let is_number = matches!(column.physical_type(), Type::DOUBLE | Type::FLOAT);
            if !is_number || column.max_rep_level() > 0 {
                let (name, found) = (column.name(), column.physical_type());
                return Err(Error::custom(format!("column {name}: {found} is neither DOUBLE nor FLOAT")));
            }
        }
        Ok(Self { path: path.into() })
    }
}

impl RowSource for ParquetFile {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        let file = reader(&self.path)?;
        let names: Vec<String> = file
            .metadata()
            .file_metadata()
            .schema_descr()
            .columns()
            .iter()
            .map(|c| c.name().into())
            .collect();
        for index in 0..file.num_row_groups() {
            let group = file.get_row_group(index).map_err(Error::custom)?;
            let n_rows = group.metadata().num_rows() as usize;
            let columns = (0..names.len()).map(|column| group.get_column_reader(column));
            let mut columns: Vec<ColumnReader> = columns.collect::<Result<_, _>>().map_err(Error::custom)?;
            for start in (0..n_rows).step_by(BLOCK) {
                let size = BLOCK.min(n_rows - start);
                let mut values = Vec::with_capacity(size * names.len());
                for (column, name) in columns.iter_mut().zip(&names) {
                    let found = append(column, size, &mut values).map_err(Error::custom)?;
                    if found != size {
                        let what = format!("column {name}, row group {index}: values are missing");
                        return Err(Error::custom(what));
                    }
                }
                visit((&DMatrix::from_vec(size, names.len(), values)).into())?;
            }
        }
        Ok(())
    }
}

fn reader(path: &Path) -> Result<SerializedFileReader<File>> {
    let file = File::open(path).map_err(Error::custom)?;
    SerializedFileReader::new(file).map_err(Error::custom)
}

/// The next `count` numbers of a column, or as many as there are.
fn append(column: &mut ColumnReader, count: usize, values: &mut Vec<f64>) -> parquet::errors::Result<usize> {
    match column {
        ColumnReader::DoubleColumnReader(column) => append_typed(column, count, values),
        ColumnReader::FloatColumnReader(column) => append_typed(column, count, values),
        _ => Ok(0),
    }
}

fn append_typed<T: DataType<T: Into<f64>>>(
    column: &mut ColumnReaderImpl<T>,
    count: usize,
    values: &mut Vec<f64>,
) -> parquet::errors::Result<usize> {
    // Levels say where a column has no value.
    let (mut numbers, mut levels) = (Vec::with_capacity(count), Vec::new());
    column.read_records(count, Some(&mut levels), None, &mut numbers)?;
    let found = numbers.len();
    values.extend(numbers.into_iter().map(Into::into));
    Ok(found)
}
