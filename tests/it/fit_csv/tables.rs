//! `--detect`: columns are what they seem to be, and new rows look like the file's.

use std::fs;

use super::bench::Bench;

/// 240 rows of a label, a length with one decimal, a whole number and a cost that is often nothing; some cells are empty.
fn shop() -> String {
    let mut text = String::from("kind,length,count,cost\n");
    for i in 0..240_u32 {
        let (kind, base) = if i % 3 == 0 { ("large", 300) } else { ("small", 120) };
        let length = f64::from(base + (i * i * 7 + i * 13) % 41) / 10.0;
        let count = (i * 7 + i * i / 3) % 9;
        let cost = if i % 2 == 0 { 0.0 } else { (f64::from((i * 37) % 101) / 40.0).exp() };
        let length = if i % 40 == 7 { String::new() } else { length.to_string() };
        text.push_str(&format!("{kind},{length},{count},{cost}\n"));
    }
    text
}

#[test]
fn new_rows_look_like_the_file() {
    let bench = Bench::new("detect").with("in.csv", shop()).with("ask.csv", "length\n31.5\n13.0\n");
    let ask = "--samples 60 --given kind=large --eval ask.csv --predictions-out";
    let shown =
        bench.succeed(&format!("--data in.csv --save m.json --out new.csv {ask} p.csv --predict kind"));
    for part in
        ["kind: labels large small", "length: ", "step 0.1", "step 1", "atoms 0", "240 rows × 4 columns"]
    {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    bench.succeed(&format!("--load m.json --out again.csv {ask} q.csv --predict kind"));
    let read = |name: &str| fs::read_to_string(bench.0.join(name)).unwrap();
    assert_eq!((read("new.csv"), read("p.csv")), (read("again.csv"), read("q.csv")));
    let new = read("new.csv");
    assert_eq!(new.lines().next(), Some("kind,length,count,cost"));
    for line in new.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[0], "large");
        assert!(cells[1].split_once('.').is_none_or(|(_, decimals)| decimals.len() == 1), "{line}");
        assert!(
            cells[2].parse::<u32>().is_ok() && cells[3].parse::<f64>().is_ok_and(|cost| cost >= 0.0),
            "{line}"
        );
    }
    let probabilities = bench.table("p.csv");
    assert_eq!(probabilities.columns, ["large", "small"]);
    assert!(probabilities.rows[(0, 0)] > 0.9 && probabilities.rows[(1, 1)] > 0.9, "{}", probabilities.rows);
}

#[test]
fn columns_are_said() {
    let bench = Bench::new("said").with("in.csv", shop());
    let output = std::process::Command::new(super::bench::example())
        .args(["--data", "in.csv", "--column", "length: above 0, step 0.1", "--column", "count: labels"])
        .args(["--impute", "in.csv", "--imputed", "whole.csv", "--columns", "kind,length,count"])
        .current_dir(&bench.0)
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("length: above 0, step 0.1\n") && shown.contains("count: labels"), "{shown}");
    let whole = fs::read_to_string(bench.0.join("whole.csv")).unwrap();
    assert_eq!(whole.lines().count(), 241);
    assert!(whole.lines().all(|line| line.split(',').all(|cell| !cell.is_empty())));
    for (command, expected) in [
        (
            "--detect --data in.csv --column length:under --save m.json",
            "--column: column: \"under\" in \"under\"",
        ),
        (
            "--detect --data in.csv --column far:real --save m.json",
            "--column: column: there is no column far, but kind, length, count, cost",
        ),
        (
            "--detect --data in.csv --plot p.svg",
            "--plot is for columns of numbers as they are, without --detect and labels",
        ),
    ] {
        assert_eq!(bench.fail(command), expected);
    }
}
