//! The kinds of data of `docs/input.md`, as tables.

use std::fs;

use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Cauchy, Distribution, StandardNormal};

use super::bench::Bench;
use crate::support::table::Table;

fn normals(n: usize, dim: usize) -> DMatrix<f64> {
    let mut rng = StdRng::seed_from_u64(1);
    DMatrix::from_fn(n, dim, |_, _| StandardNormal.sample(&mut rng))
}

fn write(bench: &Bench, name: &str, rows: &DMatrix<f64>) {
    let columns = (0..rows.ncols()).map(|j| format!("x{j}")).collect();
    Table { columns, rows: rows.clone() }.write(&bench.0.join(name)).unwrap();
}

/// Learns the rows, draws, evaluates, shows and saves; and the same from the saved model. Returns the rows
/// drawn and the warnings.
fn assert_fits(kind: &str, rows: &DMatrix<f64>) -> (DMatrix<f64>, String) {
    let bench = Bench::new(&format!("kinds/{kind}"));
    write(&bench, "in.csv", rows);
    let ask = "--eval in.csv --samples 20 --log-density-out";
    let (_, warnings) =
        bench.succeed_warned(&format!("--data in.csv --plot p.svg --save m.json {ask} l1.csv --out n1.csv"));
    bench.succeed(&format!("--load m.json {ask} l2.csv --out n2.csv"));
    let files = bench.files();
    assert!(files["n1.csv"] == files["n2.csv"] && files["l1.csv"] == files["l2.csv"], "{kind}");
    // A table is read only if all of it is finite.
    assert_eq!(bench.table("l1.csv").rows.shape(), (rows.nrows(), 1));
    let drawn = bench.table("n1.csv").rows;
    assert_eq!(drawn.shape(), (20, rows.ncols()), "{kind}");
    (drawn, warnings)
}

fn assert_warns(kind: &str, rows: &DMatrix<f64>, expected: &str) -> DMatrix<f64> {
    let (drawn, warnings) = assert_fits(kind, rows);
    assert!(warnings.contains(expected), "{kind}: {warnings}");
    drawn
}

#[test]
fn few_and_repeated_rows_fit_with_a_warning() {
    assert_warns("two_rows", &normals(2, 2), "are too few");
    assert_warns("wide", &normals(12, 20), "are too few");
    let distinct = normals(30, 2);
    let repeated = DMatrix::from_fn(1500, 2, |i, j| distinct[(i % 30, j)]);
    assert_warns("repeated", &repeated, "of the rows repeat another row");
    assert_warns("integers", &normals(300, 2).map(|x| (2.0 * x).round()), "of the rows repeat another row");
}

#[test]
fn degenerate_rows_fit_with_a_warning() {
    let mut rows = normals(300, 3);
    rows.column_mut(1).fill(0.1);
    let drawn = assert_warns("constant", &rows, "hardly vary in one direction");
    assert!(drawn.column(1).iter().all(|&x| x == 0.1));
    for i in 0..300 {
        rows[(i, 1)] = 2.0 * rows[(i, 0)] - 1.0;
    }
    let drawn = assert_warns("collinear", &rows, "hardly vary in one direction");
    assert!(drawn.row_iter().all(|row| (row[1] - 2.0 * row[0] + 1.0).abs() < 1e-12));
    let two_columns = rows.columns(0, 2).into_owned();
    assert_warns("line_in_the_plane", &two_columns, "hardly vary in one direction");
}

#[test]
fn off_the_hull_the_log_density_is_minus_infinity() {
    let bench = Bench::new("kinds/off_hull").with("off.csv", "x0,x1\n0,7\n0,8\n");
    let mut rows = normals(100, 2);
    rows.column_mut(1).fill(7.0);
    write(&bench, "in.csv", &rows);
    bench.succeed("--data in.csv --eval off.csv --log-density-out ld.csv");
    let written = fs::read_to_string(bench.0.join("ld.csv")).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert!(lines[0] == "log_density" && lines[1].parse::<f64>().unwrap().is_finite() && lines[2] == "-inf");
}

#[test]
fn outliers_and_heavy_tails_fit_with_a_warning() {
    let mut rows = normals(400, 2);
    rows[(3, 0)] = 1e6;
    assert_warns("outlier", &rows, "heavy tails");
    let mut rng = StdRng::seed_from_u64(2);
    let law = Cauchy::new(0.0, 1.0).unwrap();
    let cauchy = DMatrix::from_fn(500, 2, |_, _| law.sample(&mut rng));
    assert_warns("cauchy", &cauchy, "heavy tails");
}

#[test]
fn scales_offsets_and_many_columns_fit() {
    let rows = normals(200, 2);
    for (kind, scale, offset) in
        [("huge", 1e150, 0.0), ("small", 1e-150, 0.0), ("offset", 1.0, 1e9), ("both", 1e-3, 1e6)]
    {
        let (drawn, _) = assert_fits(kind, &(&rows * scale).add_scalar(offset));
        assert!(drawn.iter().all(|x| (x - offset).abs() < 10.0 * scale), "{kind}");
    }
    assert_fits("200_columns", &normals(300, 200));
}

#[test]
#[ignore = "ten seconds and more: cargo test --test it fit_csv -- --ignored"]
fn a_table_of_a_million_rows_fits() {
    let bench = Bench::new("kinds/million");
    write(&bench, "in.csv", &normals(1_000_000, 1));
    bench.succeed("--data in.csv --samples 1000 --out new.csv");
    let drawn = bench.table("new.csv").rows;
    assert!(drawn.mean().abs() < 0.2 && (0.8..1.2).contains(&drawn.variance()), "{}", drawn.variance());
    fs::remove_file(bench.0.join("in.csv")).unwrap();
}

#[test]
fn what_cannot_be_fitted_is_named() {
    let bench = Bench::new("kinds/errors");
    for (rows, expected) in [
        (normals(1, 2), "all rows are equal"),
        (DMatrix::from_element(50, 2, 0.1), "all rows are equal"),
        (normals(50, 2) * 1e-310, "all rows are equal"),
        (normals(50, 2) * 1e200, "column 0: values or weights are too large for a finite variance"),
    ] {
        write(&bench, "bad.csv", &rows);
        assert_eq!(bench.fail("--data bad.csv --samples 9 --out new.csv"), format!("bad.csv: {expected}"));
    }
    write(&bench, "in.csv", &normals(50, 2));
    for (std, expected) in [("1e20", "between 1e-9 and 1e9"), ("1e-20", "between 1e-9 and 1e9")] {
        let line = bench.fail(&format!("--data in.csv --component-std {std} --samples 9 --out new.csv"));
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn every_form_of_a_table_is_read_or_refused() {
    let rows: String = (0..30).map(|i| format!("{},{}\n", (i * i) % 17, (i * 7) % 11)).collect();
    let plain = format!("a,b\n{rows}");
    let bench = Bench::new("kinds/forms").with("in.csv", &plain);
    let draw = |name: &str| {
        bench.succeed(&format!("--data {name} --samples 5 --out new.csv"));
        bench.files()["new.csv"].clone()
    };
    let expected = draw("in.csv");
    let quoted = plain.replace(',', "\",\"").replace('\n', "\"\n\"");
    for (form, content) in [
        ("CRLF", plain.replace('\n', "\r\n")),
        ("CR", plain.replace('\n', "\r")),
        ("byte order mark", format!("\u{feff}{plain}")),
        ("blank last lines", format!("{plain}\n\n")),
        ("no last line end", plain.trim_end().to_owned()),
        ("quoted fields", format!("\"{}", quoted.strip_suffix('"').unwrap())),
        ("spaces", plain.replace(',', " , ")),
    ] {
        fs::write(bench.0.join("form.csv"), content).unwrap();
        assert!(draw("form.csv") == expected, "{form}");
    }
    for (form, content) in [
        ("binary", &[0x7f, b'E', b'L', b'F', 0xff, 0xfe, 0, 0][..]),
        ("zeros", &[0; 4096]),
        ("UTF-16", b"a\0,\0b\0\n\x001\0,\x002\0\n\0"),
        ("an open quote", b"a,b\n\"1,2\n3,4\n"),
        ("semicolons", b"a;b\n1;2\n3;4\n"),
        ("a decimal comma", b"a\n1,5\n2,5\n"),
        ("numbers with units", b"a\n1 m\n2 m\n"),
        ("a header of numbers", b"1,2\n3,4\n5,6\n"),
        ("only line ends", b"\n\n\n"),
    ] {
        fs::write(bench.0.join("bad.csv"), content).unwrap();
        let line = bench.fail("--data bad.csv --samples 5 --out other.csv");
        assert!(line.starts_with("bad.csv: "), "{form}: {line}");
    }
}
