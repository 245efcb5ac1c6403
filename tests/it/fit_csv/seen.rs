//! Tables with empty cells and errors are learned.

use std::fs;

use super::bench::Bench;

/// The geyser, every fifth waiting time not seen, every duration with an error of its own.
fn incomplete(bench: &Bench) {
    let table = bench.table("in.csv").rows;
    let mut text = String::from("eruptions,waiting,error\n");
    for (i, row) in table.row_iter().enumerate() {
        let waiting = match i % 15 {
            0 => String::new(),
            5 => "NA".into(),
            10 => "nan".into(),
            _ => row[1].to_string(),
        };
        let error = 0.05 * (i % 3) as f64;
        let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
        text += &format!("{},{waiting},{error}\n", row[0] + sign * error);
    }
    fs::write(bench.0.join("part.csv"), text).unwrap();
}

#[test]
fn tables_seen_in_part_and_through_noise_are_learned() {
    let bench = Bench::new("seen").with_geyser();
    incomplete(&bench);
    let report = bench.succeed(
        "--data part.csv --missing --errors eruptions=error --samples 2000 --out new.csv --plot p.svg --save m.json",
    );
    assert!(report.starts_with("272 rows × 2 columns"), "{report}");
    let (data, new) = (bench.table("in.csv"), bench.table("new.csv"));
    assert_eq!(new.columns, ["eruptions", "waiting"]);
    for (true_rows, drawn) in data.rows.column_iter().zip(new.rows.column_iter()) {
        let error = 5.0 * (true_rows.variance() * (1.0 / 272.0 + 1.0 / 2000.0)).sqrt();
        assert!((true_rows.mean() - drawn.mean()).abs() < error);
    }
    bench.succeed("--load m.json --samples 2000 --out again.csv");
    assert!(bench.files()["new.csv"] == bench.files()["again.csv"]);
    for (command, expected) in [
        ("--data part.csv", "part.csv: line 2, column 2 (waiting): the cell is empty"),
        ("--data part.csv --missing --errors eruptions", "--errors: \"eruptions\" is not like X=X_ERR"),
        (
            "--data part.csv --missing --errors length=error",
            "--errors: there is no column length, but eruptions, waiting, error",
        ),
        (
            "--data part.csv --missing --columns waiting --errors eruptions=error",
            "--errors: there is no column eruptions, but waiting, error",
        ),
        ("--load m.json --missing", "--missing and --errors are for a fit: they need --data, not --load"),
    ] {
        assert_eq!(bench.fail(command), expected);
    }
}
