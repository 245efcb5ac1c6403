//! Tables and flat files give the bits of rows in memory, and are read whole or not at all.

use std::fs;

use gmix_diffusion::DiffusionLearner;
use gmix_diffusion::check::check_row_source;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};

use crate::binary::BinaryFile;
use crate::directories::{empty_directory, files_in};
use crate::support::fingerprint::model_hash;
use crate::support::table::Table;
use crate::table_cache::{cache_path, open_table};

#[test]
fn files_give_the_bits_of_memory() {
    let directory = empty_directory("rows_from_files/bits");
    let rows = targets::gmm2d_k3().draw(12_000, &mut StdRng::seed_from_u64(1));
    let (table, flat) = (directory.join("t.csv"), directory.join("t.f64"));
    Table { columns: vec!["a".into(), "b".into()], rows: rows.clone() }.write(&table).unwrap();
    let bytes: Vec<u8> = rows.transpose().iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(&flat, bytes).unwrap();

    let learner = DiffusionLearner::new();
    let rng = || StdRng::seed_from_u64(11);
    let expected = model_hash(&learner.fit(&rows, &mut rng()).unwrap()).unwrap();
    let flat = BinaryFile::open(&flat, 0, 2).unwrap();
    let parsed = open_table(&table).unwrap();
    for source in [&flat, &parsed] {
        assert_eq!(source.n_rows(), 12_000);
        check_row_source(source).unwrap();
        assert_eq!(model_hash(&learner.fit_source(source, &mut rng()).unwrap()).unwrap(), expected);
    }
    // The first rows are the fit's sums of these rows.
    let pass = learner.begin(&mut rng()).unwrap().next_pass().unwrap();
    let head = pass.accumulate_source(&flat.range(3_000..9_000), 3_000).unwrap();
    assert_eq!(head, pass.accumulate(rows.rows(3_000, 6_000), 3_000).unwrap());
}

#[test]
fn a_table_is_parsed_once_and_again_only_when_it_has_changed() {
    let directory = empty_directory("rows_from_files/cache");
    let table = directory.join("t.csv");
    fs::write(&table, "a,b\n1,2\n3,4\n").unwrap();
    assert_eq!(open_table(&table).unwrap().n_rows(), 2);
    assert_eq!(files_in(&directory), ["t.csv", "t.csv.f64"]);
    let written = fs::metadata(cache_path(&table)).unwrap().modified().unwrap();
    open_table(&table).unwrap();
    assert_eq!(fs::metadata(cache_path(&table)).unwrap().modified().unwrap(), written);
    fs::write(&table, "a,b\n1,2\n3,4\n5,6\n").unwrap();
    assert_eq!(open_table(&table).unwrap().n_rows(), 3);
    // What is no cache is replaced.
    fs::write(cache_path(&table), "something else").unwrap();
    assert_eq!(open_table(&table).unwrap().n_rows(), 3);
}

#[test]
fn files_that_are_no_rows_are_errors_and_leave_nothing_behind() {
    let directory = empty_directory("rows_from_files/errors");
    let table = directory.join("t.csv");
    for (content, what) in [
        ("a,b\n1,2\n3\n", "line 3: expected 2 cells as in the header, found 1"),
        ("a,b\n1,x\n", "line 2, column 2 (b): \"x\" is not a number"),
        ("a,b\n1,inf\n", "line 2, column 2 (b): inf is not a finite number"),
        ("1,2\n1,2\n", "line 1: all names in the header are numbers; is it a row of data?"),
    ] {
        fs::write(&table, content).unwrap();
        assert_eq!(open_table(&table).unwrap_err().to_string(), what);
        assert_eq!(files_in(&directory), ["t.csv"]);
    }
    let flat = directory.join("t.f64");
    fs::write(&flat, [0; 20]).unwrap();
    assert!(BinaryFile::open(&flat, 0, 2).is_err() && BinaryFile::open(&flat, 0, 0).is_err());
    // A file that shrinks during a fit.
    let rows = DMatrix::from_fn(5_000, 2, |i, j| (i * 7 + j) as f64);
    fs::write(&flat, rows.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let source = BinaryFile::open(&flat, 0, 2).unwrap();
    fs::write(&flat, [0; 16_000]).unwrap();
    let found = DiffusionLearner::new().fit_source(&source, &mut StdRng::seed_from_u64(1));
    assert!(found.unwrap_err().to_string().contains("fill whole buffer"));
}
