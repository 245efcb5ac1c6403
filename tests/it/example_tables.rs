//! The examples read tables strictly and write them whole or not at all.

use std::fs;
use std::path::Path;

use gmix_diffusion::nalgebra::DMatrix;

use crate::directories::{empty_directory, files_in};
use crate::support::table::Table;

fn read(test: &str, content: impl AsRef<[u8]>) -> Result<Table, String> {
    let path = empty_directory(&format!("example_tables/{test}")).join("t.csv");
    fs::write(&path, content).unwrap();
    // The message without the directory in front.
    Table::read(&path).map_err(|error| error.to_string().rsplit('/').next().unwrap().to_string())
}

fn message(test: &str, content: impl AsRef<[u8]>) -> String {
    read(test, content).unwrap_err()
}

#[test]
fn reads_what_spreadsheets_write() {
    let expected = DMatrix::from_row_slice(2, 2, &[1.5, -2.0, 3e-3, 4.0]);
    for content in [
        "a,b\n1.5,-2\n3e-3,4\n",
        "a,b\n1.5,-2\n3e-3,4",
        "\u{feff}a,b\r\n1.5,-2\r\n3e-3,4\r\n",
        "\"a\",\"b\"\n\"1.5\",\"-2\"\n0.003,+4\n",
        "a , b\n 1.5,\t-2\n3e-3 ,4\n\n",
        "a,b\r\n1.5,-2\r\n3e-3,4\r\n\r\n  \r\n",
        "a,b\r1.5,-2\r3e-3,4\r",
    ] {
        let table = read("spreadsheets", content).unwrap();
        assert_eq!(table.columns, ["a", "b"], "{content:?}");
        assert_eq!(table.rows, expected, "{content:?}");
    }
}

#[test]
fn columns_may_share_a_name_or_hold_commas_and_line_ends() {
    let table = read("names", "x,x,\"y, in\nmm\"\n1,2,3\n").unwrap();
    assert_eq!(table.columns, ["x", "x", "y, in\nmm"]);
    assert_eq!(
        message("names", "x,x,\"y, in\nmm\"\n1,2,3\n4,?,6\n"),
        "t.csv: line 4, column 2 (x): \"?\" is not a number"
    );
}

#[test]
fn says_where_a_table_is_wrong() {
    for (content, expected) in [
        ("", "t.csv: the file is empty"),
        ("\u{feff}\r\n", "t.csv: the file is empty"),
        ("a,b\n", "t.csv: there are no rows below the header"),
        ("a,b\n1,2\n3,NA\n", "t.csv: line 3, column 2 (b): \"NA\" is not a number"),
        ("a,b\r\n1,2\r\n,4\r\n", "t.csv: line 3, column 1 (a): the cell is empty"),
        ("a,b\n1,2\n3\n", "t.csv: line 3: expected 2 cells as in the header, found 1"),
        ("a,b\n1,2,3\n", "t.csv: line 2: expected 2 cells as in the header, found 3"),
        ("a,b\n1,inf\n", "t.csv: line 2, column 2 (b): inf is not a finite number"),
        ("a,b\n1,2\nNaN,2\n", "t.csv: line 3, column 1 (a): NaN is not a finite number"),
        ("a,b\n1,1e999\n", "t.csv: line 2, column 2 (b): 1e999 is not a finite number"),
        ("a\n1\n\n3\n", "t.csv: line 3: this line is blank"),
        ("a;b\n1;2\n", "t.csv: line 2, column 1 (a;b): \"1;2\" is not a number"),
    ] {
        assert_eq!(message("wrong", content), expected, "{content:?}");
    }
    assert_eq!(message("wrong", [0xff, 0xfe, b'a', 0, b'\n', 0]), "t.csv: this is not UTF-8 text");
}

#[test]
fn names_a_file_that_is_not_there() {
    let path = empty_directory("example_tables/missing").join("none.csv");
    let error = Table::read(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: ", path.display())), "{error}");
}

#[test]
fn what_is_written_reads_back_to_the_last_bit() {
    let path = empty_directory("example_tables/round_trip").join("t.csv");
    let columns = vec!["length, mm".to_string(), "a \"quoted\" name".into()];
    let table = Table {
        columns,
        rows: DMatrix::from_row_slice(3, 2, &[0.1 + 0.2, -1e-300, f64::MAX, f64::MIN_POSITIVE, -0.0, 1e21]),
    };
    table.write(&path).unwrap();
    table.write(&path).unwrap();
    assert_eq!(Table::read(&path).unwrap(), table);
}

#[test]
fn a_failed_write_leaves_nothing_behind_and_the_old_file_alone() {
    let directory = empty_directory("example_tables/failed_write");
    let path = directory.join("t.csv");
    fs::write(&path, "old").unwrap();
    // A header of another width than the rows fails halfway.
    let table = Table { columns: vec!["a".into()], rows: DMatrix::zeros(2, 2) };
    let error = table.write(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: ", path.display())), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");

    // A directory cannot be replaced by a file.
    let occupied = directory.join("occupied");
    fs::create_dir_all(occupied.join("inside")).unwrap();
    let table = Table { columns: vec!["a".into()], rows: DMatrix::zeros(2, 1) };
    assert!(table.write(&occupied).is_err());
    assert!(table.write(&directory.join("no such directory").join("t.csv")).is_err());

    assert_eq!(files_in(&directory), ["occupied", "t.csv"]);
}

#[test]
fn the_examples_data_are_tables() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    for (name, n, dim) in [("old_faithful", 272, 2), ("galaxies", 82, 1), ("penguins", 342, 4)] {
        let table = Table::read(&data.join(name).with_extension("csv")).unwrap();
        assert_eq!(table.rows.shape(), (n, dim), "{name}");
    }
}
