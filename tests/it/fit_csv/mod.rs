//! `fit_csv` does what its help says, and on any failure says why in one line and leaves no file.

use std::fs;
use std::path::Path;

mod bench;
mod kinds;
mod questions;
mod seen;
mod streams;
mod tables;

use crate::support::output::{check_writable, write_together};
use crate::support::table::Table;
use bench::Bench;

#[test]
fn draws_evaluates_and_shows() {
    let bench = Bench::new("works").with_geyser().with("new.csv", "of an earlier run");
    let report = bench.succeed(
        "--data in.csv --seed 3 --samples 50 --out new.csv --eval in.csv --log-density-out ld.csv --plot p.svg",
    );
    assert!(report.starts_with("272 rows × 2 columns"), "{report}");

    let (data, new) = (bench.table("in.csv"), bench.table("new.csv"));
    assert_eq!(new.columns, ["eruptions", "waiting"]);
    assert_eq!(new.rows.shape(), (50, 2));
    // Five standard errors of both means.
    for (learned, drawn) in data.rows.column_iter().zip(new.rows.column_iter()) {
        let error = 5.0 * (learned.variance() * (1.0 / 272.0 + 1.0 / 50.0)).sqrt();
        assert!((learned.mean() - drawn.mean()).abs() < error);
    }
    let log_density = bench.table("ld.csv");
    assert_eq!(log_density.columns, ["log_density"]);
    assert_eq!(log_density.rows.shape(), (272, 1));
    // In minutes²: a uniform density on the range of the data would give −log(3.5 · 53) = −5.2.
    assert!((-4.8..-3.5).contains(&log_density.rows.mean()), "{}", log_density.rows.mean());
    assert!(fs::read_to_string(bench.0.join("p.svg")).unwrap().contains("new rows (272 rows"));
    assert_eq!(bench.files().len(), 4);
}

#[test]
fn the_density_is_in_the_units_of_the_data() {
    let bench = Bench::new("units").with_geyser();
    let data = bench.table("in.csv");
    let milliminutes = Table { rows: &data.rows * 1000.0, columns: data.columns };
    milliminutes.write(&bench.0.join("milli.csv")).unwrap();
    bench.succeed("--data in.csv --eval in.csv --log-density-out ld.csv");
    bench.succeed("--data milli.csv --eval milli.csv --log-density-out milli_ld.csv");
    let change = bench.table("ld.csv").rows - bench.table("milli_ld.csv").rows;
    for change in &change {
        assert!((change - 2.0 * 1000f64.ln()).abs() < 1e-3, "{change}");
    }
}

#[test]
fn the_same_seed_gives_the_same_files() {
    let bench = Bench::new("seeds").with_geyser();
    let files = |options: &str| {
        bench.succeed(&format!(
            "--data in.csv --samples 20 --out n.csv --eval in.csv --log-density-out l.csv {options}"
        ));
        bench.files()
    };
    let files_of_1 = files("--threads 1");
    assert!(files("--seed 1") == files_of_1);
    assert!(files("--seed 2") != files_of_1);
    if cfg!(feature = "rayon") {
        assert!(files("--threads 3") == files_of_1);
    }
}

#[test]
fn a_name_may_hold_commas_and_line_ends() {
    let rows: String = (0..40).map(|i| format!("{}\n", (i * i) % 17)).collect();
    let bench = Bench::new("names").with("in.csv", format!("\"length,\nmm\"\n{rows}"));
    bench.succeed("--data in.csv --samples 3 --out new.csv");
    assert_eq!(bench.table("new.csv").columns, ["length,\nmm"]);
    let bench = bench.with("bad.csv", "\"length,\nmm\"\n1\n?\n");
    assert_eq!(
        bench.fail("--data bad.csv --samples 3 --out new.csv"),
        "bad.csv: line 4, column 1 (length, mm): \"?\" is not a number"
    );
}

#[test]
fn says_where_a_table_is_wrong() {
    let bench = Bench::new("tables").with_geyser();
    for (content, expected) in [
        ("", "the file is empty"),
        ("a,b\n", "there are no rows below the header"),
        ("a,b\n1,2\n3,NA\n", "line 3, column 2 (b): \"NA\" is not a number"),
        ("a,b\n1,2\n,4\n", "line 3, column 1 (a): the cell is empty"),
        ("a,b\n1,2\n3\n", "line 3: expected 2 cells as in the header, found 1"),
        ("a,b\n1,inf\n", "line 2, column 2 (b): inf is not a finite number"),
        ("a\n1\n\n3\n", "line 3: this line is blank"),
    ] {
        fs::write(bench.0.join("bad.csv"), content).unwrap();
        for command in [
            "--data bad.csv --samples 9 --out new.csv --plot p.svg",
            "--data in.csv --eval bad.csv --log-density-out ld.csv --samples 9 --out new.csv",
        ] {
            assert_eq!(bench.fail(command), format!("bad.csv: {expected}"), "{command}");
        }
    }
    fs::write(bench.0.join("bad.csv"), "a,b\n1,2\n1,2\n1,2\n").unwrap();
    assert_eq!(bench.fail("--data bad.csv --samples 9 --out new.csv"), "bad.csv: all rows are equal");
}

#[test]
fn says_what_is_wrong_with_a_command() {
    let bench = Bench::new("commands")
        .with_geyser()
        .with("swapped.csv", "waiting,eruptions\n79,3.6\n")
        .with("other.csv", "eruptions,wait\n3.6,79\n")
        .with("wide.csv", "a,b,c\n1,2,3\n");
    fs::create_dir(bench.0.join("dir")).unwrap();
    let help = "; --help lists all options";
    for (command, expected) in [
        ("--samples 9 --out new.csv", format!("--data or --load is missing{help}")),
        ("--data in.csv --sample 9", format!("invalid option '--sample'{help}")),
        ("--data in.csv more.csv", format!("unexpected argument \"more.csv\"{help}")),
        ("--data in.csv --data in.csv", "--data is given twice".into()),
        ("--data in.csv --seed", "--seed needs a value".into()),
        ("--data in.csv --samples 9", "--samples needs --out too".into()),
        ("--data in.csv --out new.csv", "--out needs --samples too".into()),
        ("--data in.csv --eval in.csv", "--eval needs --log-density-out, --predict or --surprise too".into()),
        (
            "--data in.csv --samples 0 --out new.csv",
            "--samples is 0, but must be a whole number from 1 to 100000000".into(),
        ),
        (
            "--data in.csv --samples 1.5 --out new.csv",
            "--samples is 1.5, but must be a whole number from 1 to 100000000".into(),
        ),
        (
            "--data in.csv --seed -1",
            "--seed is -1, but must be a whole number from 0 to 18446744073709551615".into(),
        ),
        ("--data in.csv --threads 0", "--threads is 0, but must be a whole number from 1 to 1024".into()),
        ("--data in.csv --component-std 0", "--component-std is 0, but must be a positive number".into()),
        ("--data in.csv --component-std NaN", "--component-std is NaN, but must be a positive number".into()),
        ("--data none.csv", format!("none.csv: {}", missing())),
        ("--data in.csv --eval none.csv --log-density-out l.csv", format!("none.csv: {}", missing())),
        ("--data in.csv --samples 9 --out in.csv", "in.csv: this output is also an input".into()),
        (
            "--data in.csv --samples 9 --out dir/../in.csv",
            "dir/../in.csv: this output is also an input".into(),
        ),
        (
            "--data in.csv --samples 9 --out new.csv --plot ./new.csv",
            "./new.csv: this output is also another output".into(),
        ),
        ("--data in.csv --samples 9 --out new.csv --plot dir", "dir: this is a directory".into()),
        ("--data in.csv --samples 9 --out new/", "new/: this is not the name of a file".into()),
        ("--data in.csv --samples 9 --out none/new.csv", format!("none/new.csv: {}", missing())),
        (
            "--data in.csv --eval wide.csv --log-density-out ld.csv --samples 9 --out new.csv",
            "wide.csv: expected the 2 columns eruptions, waiting, found 3: a, b, c".into(),
        ),
        (
            "--data in.csv --eval swapped.csv --log-density-out ld.csv --samples 9 --out new.csv",
            "swapped.csv: column 1 is waiting, but was eruptions where the model learned".into(),
        ),
        (
            "--data in.csv --eval other.csv --log-density-out ld.csv --samples 9 --out new.csv",
            "other.csv: column 2 is wait, but was waiting where the model learned".into(),
        ),
    ] {
        assert_eq!(bench.fail(command), expected, "{command}");
    }
    assert!(bench.fail("--data dir --samples 9 --out new.csv").starts_with("dir: "));
}

/// What the system says of a file that is not there.
fn missing() -> String {
    fs::read("no such file").unwrap_err().to_string()
}

#[test]
fn help_goes_to_standard_output() {
    let help = Bench::new("help").succeed("--help");
    assert!(help.contains("--log-density-out LD.csv"), "{help}");
}

#[cfg(not(feature = "rayon"))]
#[test]
fn several_threads_need_the_feature() {
    let bench = Bench::new("threads").with_geyser();
    assert_eq!(bench.fail("--data in.csv --threads 2"), "--threads 2: this build lacks the feature rayon");
}

#[test]
fn a_loaded_model_is_the_saved_one() {
    let bench = Bench::new("saved").with_geyser();
    let evaluate = "--eval in.csv --seed 4 --samples 30 --log-density-out";
    let report = bench.succeed(&format!("--data in.csv {evaluate} l1.csv --out n1.csv --save m.json"));
    let again = bench.succeed(&format!("--load m.json {evaluate} l2.csv --out n2.csv --save m2.json"));
    let files = bench.files();
    assert_eq!(report, again);
    assert!(files["l1.csv"] == files["l2.csv"]);
    assert!(files["n1.csv"] == files["n2.csv"]);
    assert!(files["m.json"] == files["m2.json"]);
}

#[test]
fn says_what_is_wrong_with_a_saved_model() {
    let bench = Bench::new("damaged").with_geyser();
    bench.succeed("--data in.csv --save m.json");
    let saved = String::from_utf8(bench.files()["m.json"].clone()).unwrap();
    for (content, expected) in [
        (saved[..saved.len() / 2].to_owned(), "EOF while parsing"),
        (String::new(), "EOF while parsing"),
        ("{}".into(), "missing field"),
        ("eruptions,waiting\n".into(), "expected value at line 1 column 1"),
        (saved.replacen("\"eruptions\",", "", 1), "1 names of columns for a model of 2 columns"),
    ] {
        fs::write(bench.0.join("bad.json"), content).unwrap();
        let line = bench.fail("--load bad.json --samples 9 --out new.csv");
        assert!(line.starts_with("bad.json: ") && line.contains(expected), "{line}");
    }
    let bench = bench.with("wide.csv", "a,b,c\n1,2,3\n").with("other.csv", "x,y\n3.6,79\n");
    for (command, expected) in [
        ("--load m.json --plot p.svg", "--plot shows the data too: it needs --data, not --load"),
        ("--load m.json --component-std 1", "--component-std is for a fit: it needs --data, not --load"),
        ("--load m.json --data in.csv", "--data and --load exclude each other"),
        ("--load m.json --save m.json", "m.json: this output is also an input"),
        (
            "--load m.json --eval wide.csv --log-density-out ld.csv",
            "wide.csv: expected the 2 columns eruptions, waiting, found 3: a, b, c",
        ),
        (
            "--load m.json --eval other.csv --log-density-out ld.csv",
            "other.csv: column 1 is x, but was eruptions where the model learned",
        ),
    ] {
        assert_eq!(bench.fail(command), expected, "{command}");
    }
}

#[test]
fn files_are_written_together_or_not_at_all() {
    let bench = Bench::new("together").with("a", "old a").with("c", "old c");
    // A directory with something inside cannot be replaced: the third write fails after the others.
    fs::create_dir_all(bench.0.join("d/inside")).unwrap();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| bench.0.join(name));
    let before = bench.files();
    let (path, _) = write_together(&[(&a, b"1"), (&b, b"2"), (&d, b"3"), (&c, b"4")]).unwrap_err();
    assert_eq!(path, d);
    assert!(bench.files() == before);
    let none = bench.0.join("none/file");
    assert_eq!(write_together(&[(&a, b"1"), (&none, b"2")]).unwrap_err().0, none);
    assert!(bench.files() == before);

    write_together(&[(&a, b"1"), (&b, b"2")]).unwrap();
    assert_eq!((&bench.files()["a"][..], &bench.files()["b"][..]), (&b"1"[..], &b"2"[..]));
    assert_eq!(bench.files().len(), 4);
}

#[test]
fn what_cannot_be_written_is_known_before() {
    let bench = Bench::new("writable").with("a", "old");
    let before = bench.files();
    check_writable(&bench.0.join("a")).unwrap();
    check_writable(&bench.0.join("b")).unwrap();
    for name in ["", "none/b", &"long".repeat(100), "b/"] {
        assert!(check_writable(&bench.0.join(name)).is_err(), "{name}");
    }
    if cfg!(unix) {
        assert!(check_writable(Path::new("/dev/null")).is_err());
    }
    assert!(bench.files() == before);
}
