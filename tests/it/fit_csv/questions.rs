//! Questions about some columns given others.

use std::fs;

use gmix_diffusion::nalgebra::DMatrix;

use super::bench::Bench;
use crate::support::table::{Reading, Table};

/// The geyser with a column of names that nobody can learn.
fn named(bench: &Bench) {
    let table = fs::read_to_string(bench.0.join("in.csv")).unwrap();
    let lines = table.trim_end().lines().enumerate();
    let with_name =
        lines.map(|(i, line)| format!("{},{line}\n", if i == 0 { "name".into() } else { format!("no {i}") }));
    fs::write(bench.0.join("named.csv"), with_name.collect::<String>()).unwrap();
}

fn incomplete(bench: &Bench, name: &str) -> Table {
    Table::read_as(&bench.0.join(name), Reading { empty_cells: true, ..Reading::default() }).unwrap()
}

#[test]
fn columns_are_chosen_by_name() {
    let bench = Bench::new("chosen").with_geyser();
    named(&bench);
    bench.succeed("--data in.csv --save m1.json --samples 9 --out n1.csv");
    bench.succeed("--data named.csv --columns eruptions,waiting --save m2.json --samples 9 --out n2.csv");
    bench.succeed("--data named.csv --columns waiting --eval named.csv --log-density-out l.csv --samples 9 --out n3.csv");
    let files = bench.files();
    assert!(files["m1.json"] == files["m2.json"] && files["n1.csv"] == files["n2.csv"]);
    assert_eq!(bench.table("n3.csv").columns, ["waiting"]);
    for (command, expected) in [
        (
            "--data named.csv --columns waiting,length --samples 9 --out n.csv",
            "named.csv: line 1: there is no column length, but name, eruptions, waiting",
        ),
        ("--load m1.json --columns waiting", "--columns is for a fit: it needs --data, not --load"),
    ] {
        assert_eq!(bench.fail(command), expected);
    }
}

#[test]
fn draws_are_conditional() {
    let bench = Bench::new("given").with_geyser();
    bench.succeed("--data in.csv --save m.json");
    bench.succeed("--load m.json --given eruptions=2 --samples 2000 --out short.csv");
    bench.succeed("--load m.json --given eruptions=4.5±0.3 --samples 2000 --out long.csv");
    bench.succeed("--load m.json --given eruptions=4.5+-0.3 --samples 2000 --out ascii.csv");
    let (short, long) = (bench.table("short.csv").rows, bench.table("long.csv").rows);
    assert!(bench.files()["long.csv"] == bench.files()["ascii.csv"]);
    assert!(short.column(0).iter().all(|&value| value == 2.0));
    let (spread, middle) = (long.column(0).variance().sqrt(), long.column(0).mean());
    assert!((0.15..0.35).contains(&spread) && (4.2..4.7).contains(&middle), "{spread} {middle}");
    // Regressions of the geyser's waiting time: 55 and 80 minutes.
    assert!((short.column(1).mean() - 55.0).abs() < 3.0 && (long.column(1).mean() - 80.0).abs() < 3.0);
    for (given, expected) in [
        ("length=2", "--given: there is no column length, but eruptions, waiting"),
        ("eruptions", "--given: \"eruptions\" is not like A=3.2 or A=3.2±0.1"),
        ("eruptions=x", "--given: \"eruptions=x\" is not like A=3.2 or A=3.2±0.1"),
        ("eruptions=2±-1", "--given: \"eruptions=2±-1\" is not like A=3.2 or A=3.2±0.1"),
        ("eruptions=2,eruptions=3", "--given: column 0 is named twice"),
    ] {
        assert_eq!(bench.fail(&format!("--load m.json --given {given} --samples 9 --out n.csv")), expected);
    }
    assert_eq!(bench.fail("--load m.json --given eruptions=2"), "--given needs --samples and --out too");
}

#[test]
fn a_column_is_predicted_from_the_others() {
    let bench = Bench::new("predict")
        .with_geyser()
        .with("some.csv", "x,waiting,eruptions\na,55,\nb,,2\nc,80,NA\nd,80,4.2\n");
    bench.succeed("--data in.csv --save m.json");
    let ask = "--quantiles .05,.5,0.95 --predictions-out";
    bench.succeed(&format!("--load m.json --predict waiting --eval in.csv {ask} p.csv"));
    let (data, found) = (bench.table("in.csv").rows, bench.table("p.csv"));
    assert_eq!(found.columns, ["mean", "sd", "log_density", "q0.05", "q0.5", "q0.95"]);
    let (n, found) = (data.nrows() as f64, found.rows);
    let covered = (0..data.nrows()).filter(|&i| found[(i, 3)] < data[(i, 1)] && data[(i, 1)] < found[(i, 5)]);
    // Nine in ten, and four standard errors.
    assert!((covered.count() as f64 / n - 0.9).abs() < 4.0 * (0.09 / n).sqrt());
    let error = (found.column(0) - data.column(1)).norm() / n.sqrt();
    assert!(error < 6.2, "{error}: a straight line has 5.9");
    let implied = found.column(2).mean();
    assert!((-3.3..-2.8).contains(&implied), "{implied}: Gaussian errors of 5.9 have −3.2");
    // Read by the names of columns; what is not there is not seen.
    bench.succeed("--load m.json --predict eruptions --eval some.csv --predictions-out q.csv");
    let some = incomplete(&bench, "q.csv");
    assert_eq!(some.columns, ["mean", "sd", "log_density"]);
    let empty: Vec<bool> = some.rows.column(2).iter().map(|value| value.is_nan()).collect();
    assert_eq!(empty, [true, false, true, false]);
    assert!(some.rows[(0, 0)] < 2.5 && some.rows[(2, 0)] > 3.8 && some.rows[(1, 1)] > some.rows[(0, 1)]);
    // Without the column itself.
    let bench = bench.with("only.csv", "waiting\n55\n80\n");
    bench.succeed("--load m.json --predict eruptions --eval only.csv --predictions-out o.csv");
    let only = incomplete(&bench, "o.csv");
    assert!(only.rows.column(2).iter().all(|value| value.is_nan()));
    assert_eq!(only.rows[(0, 0)], some.rows[(0, 0)]);
    for (command, expected) in [
        ("--load m.json --predict waiting --predictions-out p2.csv", "--predict needs --eval too"),
        ("--load m.json --predict waiting --eval in.csv", "--predict needs --predictions-out too"),
        ("--load m.json --eval in.csv --quantiles .5", "--quantiles needs --predict too"),
        (
            "--load m.json --predict waiting --eval in.csv --predictions-out p2.csv --quantiles .5,1.5",
            "--quantiles: 1.5 is not a number between 0 and 1",
        ),
        (
            "--load m.json --predict length --eval in.csv --predictions-out p2.csv",
            "--predict: there is no column length, but eruptions, waiting",
        ),
        (
            "--load m.json --predict eruptions --eval empty.csv --predictions-out p2.csv",
            "empty.csv: line 1: there is no column waiting, but eruptions",
        ),
    ] {
        fs::write(bench.0.join("empty.csv"), "eruptions\n1\n").unwrap();
        assert_eq!(bench.fail(command), expected, "{command}");
    }
}

#[test]
fn empty_cells_are_filled() {
    let table = "waiting,eruptions\n55,\nNA,4.5\n70,3.1\n,\n";
    let bench = Bench::new("impute").with_geyser().with("holes.csv", table);
    bench.succeed("--data in.csv --save m.json");
    bench.succeed("--load m.json --impute holes.csv --imputed one.csv");
    bench.succeed("--load m.json --impute holes.csv --imputed many.csv --draws 500 --threads 1");
    bench.succeed("--load m.json --impute holes.csv --imputed means.csv --draws 0");
    if cfg!(feature = "rayon") {
        bench.succeed("--load m.json --impute holes.csv --imputed threads.csv --draws 500 --threads 3");
        assert!(bench.files()["threads.csv"] == bench.files()["many.csv"]);
    }
    let (one, many, means) =
        (bench.table("one.csv"), bench.table("many.csv").rows, bench.table("means.csv").rows);
    assert_eq!(
        (one.columns, one.rows.shape(), many.shape()),
        (vec!["eruptions".into(), "waiting".into()], (4, 2), (2000, 2))
    );
    assert_eq!(means.row(2), DMatrix::from_row_slice(1, 2, &[3.1, 70.0]).row(0));
    for table in [&one.rows, &means] {
        assert!((table[(0, 1)], table[(1, 0)]) == (55.0, 4.5));
    }
    for (row, column) in [(0, 0), (1, 1), (3, 0), (3, 1)] {
        let drawn: Vec<f64> = (0..500).map(|draw| many[(4 * draw + row, column)]).collect();
        let mean = drawn.iter().sum::<f64>() / 500.0;
        let std = (drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 500.0).sqrt();
        assert!((mean - means[(row, column)]).abs() < 5.0 * std / 500f64.sqrt(), "{row} {column}: {mean}");
    }
    assert_eq!(bench.fail("--load m.json --impute holes.csv"), "--impute needs --imputed too");
    assert_eq!(bench.fail("--load m.json --draws 3"), "--draws needs --impute too");
}

#[test]
fn odd_rows_are_found_and_their_column_named() {
    let bench = Bench::new("surprise").with_geyser().with("odd.csv", "eruptions,waiting\n2,55\n2,90\n4.4,\n");
    bench.succeed("--data in.csv --save m.json --eval odd.csv --surprise s.csv");
    let found = incomplete(&bench, "s.csv");
    assert_eq!(found.columns, ["log_density", "p_value", "eruptions", "waiting"]);
    let rows = &found.rows;
    assert!(rows[(0, 1)] > 0.2 && rows[(1, 1)] < 0.01 && rows[(2, 1)] > 0.2);
    assert!(rows[(1, 3)] > rows[(0, 3)] + 5.0 && rows[(2, 3)].is_nan());
    let shown = bench.succeed("--load m.json --eval odd.csv --surprise");
    assert!(shown.contains("log_density,p_value,eruptions,waiting\n"), "{shown}");
    assert_eq!(bench.fail("--load m.json --surprise"), "--surprise needs --eval too");
}

#[test]
fn rows_are_clustered() {
    let bench = Bench::new("clusters").with_geyser();
    bench.succeed("--data in.csv --clusters c.csv --threads 1");
    bench.succeed(
        "--data in.csv --clusters three.csv --cluster-count 3 --outliers .9 --clusters-plot three.svg",
    );
    assert!(String::from_utf8_lossy(&bench.files()["three.svg"]).contains("cluster (rows)"));
    if cfg!(feature = "rayon") {
        bench.succeed("--data in.csv --clusters threads.csv --threads 3");
        assert!(bench.files()["threads.csv"] == bench.files()["c.csv"]);
    }
    let (rows, found) = (bench.table("in.csv").rows, bench.table("c.csv"));
    assert_eq!(found.columns, ["cluster", "probability"]);
    // Long eruptions are the larger cluster.
    let agree =
        (0..rows.nrows()).filter(|&row| (found.rows[(row, 0)] == 1.0) == (rows[(row, 0)] < 3.0)).count();
    assert!(found.rows.nrows() == rows.nrows() && agree + 5 >= rows.nrows(), "{agree}");
    assert!(found.rows.column(1).iter().all(|p| (0.5..=1.0).contains(p)));
    let three = bench.table("three.csv").rows;
    let count = |cluster: f64| three.column(0).iter().filter(|found| **found == cluster).count();
    assert!((5..60).contains(&count(-1.0)) && count(0.0) > 0 && count(1.0) > 0, "{}", count(-1.0));
    for (command, expected) in [
        ("--data in.csv --cluster-count 3", "--cluster-count needs --clusters too"),
        ("--data in.csv --outliers .9", "--outliers needs --clusters too"),
        ("--data in.csv --clusters-plot c.svg", "--clusters-plot needs --clusters too"),
        (
            "--data in.csv --clusters c.csv --outliers 1",
            "--outliers is 1, but must be a number between 0 and 1",
        ),
    ] {
        assert_eq!(bench.fail(command), expected);
    }
}
