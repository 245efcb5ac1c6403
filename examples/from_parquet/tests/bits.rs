//! A Parquet file gives the bits of rows in memory, and one that is no table of numbers is an error.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gmix_diffusion::DiffusionLearner;
use gmix_diffusion::check::check_row_source;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};
use parquet::data_type::DoubleType;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

#[path = "../../support/fingerprint.rs"]
mod fingerprint;
#[path = "../src/parquet_file.rs"]
mod parquet_file;

use fingerprint::model_hash;
use parquet_file::ParquetFile;

/// Writes columns a, which has to have a value in each row, and b, which has none in row `missing`.
fn write(name: &str, rows: &DMatrix<f64>, group: usize, missing: Option<usize>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let schema = parse_message_type("message rows { REQUIRED DOUBLE a; OPTIONAL DOUBLE b; }").unwrap();
    let mut writer =
        SerializedFileWriter::new(File::create(&path).unwrap(), Arc::new(schema), Arc::default()).unwrap();
    for start in (0..rows.nrows()).step_by(group) {
        let indices = start..(start + group).min(rows.nrows());
        let mut group = writer.next_row_group().unwrap();
        for j in 0..2 {
            let there = |i: &usize| j == 0 || missing != Some(*i);
            let values: Vec<f64> = indices.clone().filter(there).map(|i| rows[(i, j)]).collect();
            let levels: Vec<i16> = indices.clone().map(|i| i16::from(there(&i))).collect();
            let mut column = group.next_column().unwrap().unwrap();
            let levels = (j == 1).then_some(&levels[..]);
            column.typed::<DoubleType>().write_batch(&values, levels, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    path
}

#[test]
fn a_parquet_file_gives_the_bits_of_memory() {
    let rows = targets::gmm2d_k3().draw(12_000, &mut StdRng::seed_from_u64(1));
    let rng = || StdRng::seed_from_u64(11);
    let expected = model_hash(&DiffusionLearner::new().fit(&rows, &mut rng()).unwrap()).unwrap();
    for group in [1_000, 20_000] {
        let file = ParquetFile::open(&write(&format!("bits_{group}"), &rows, group, None)).unwrap();
        check_row_source(&file).unwrap();
        let model = DiffusionLearner::new().fit_source(&file, &mut rng()).unwrap();
        assert_eq!(model_hash(&model).unwrap(), expected);
    }
}

#[test]
fn what_is_no_table_of_numbers_is_an_error() {
    let rows = DMatrix::from_fn(3_000, 2, |i, j| (i + j) as f64);
    let file = ParquetFile::open(&write("missing", &rows, 1_000, Some(1_500))).unwrap();
    let error = DiffusionLearner::new().fit_source(&file, &mut StdRng::seed_from_u64(1)).unwrap_err();
    assert!(error.to_string().contains("column b, row group 1: values are missing"), "{error}");

    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("text");
    let schema = parse_message_type("message rows { REQUIRED BYTE_ARRAY name; }").unwrap();
    let text = File::create(&path).unwrap();
    SerializedFileWriter::new(text, Arc::new(schema), Arc::default()).unwrap().close().unwrap();
    let error = ParquetFile::open(&path).unwrap_err().to_string();
    assert!(error.contains("column name: BYTE_ARRAY is neither DOUBLE nor FLOAT"), "{error}");
    std::fs::write(&path, "something else").unwrap();
    assert!(ParquetFile::open(&path).is_err());
}
