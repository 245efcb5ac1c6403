//! Files and streams that do not let themselves be read or written.
#![cfg(unix)]

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::bench::{Bench, example};

fn command(bench: &Bench, arguments: &str) -> Command {
    let mut command = Command::new(example());
    command.args(arguments.split(' ')).current_dir(&bench.0);
    command
}

/// A pipe that nobody reads any more.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let bench = Bench::new("pipes").with_geyser();
    for arguments in ["--help", "--data in.csv --samples 5 --out new.csv"] {
        let output = command(&bench, arguments).stdout(closed_pipe()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {output:?}");
        let status = command(&bench, arguments).stdout(closed_pipe()).stderr(closed_pipe()).status();
        assert!(status.unwrap().success(), "{arguments}");
    }
    assert_eq!(bench.table("new.csv").rows.nrows(), 5);
    // An error is one even if nobody listens.
    let status = command(&bench, "--nonsense").stderr(closed_pipe()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    // Its sibling too.
    let quickstart = example().with_file_name("quickstart");
    let output = Command::new(quickstart).current_dir(&bench.0).stdout(closed_pipe()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_full_device_is_an_error_and_leaves_no_file() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let bench = Bench::new("full").with_geyser();
    let before = bench.files();
    for arguments in ["--help", "--data in.csv --samples 5 --out new.csv --save m.json"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(&bench, arguments).stdout(full).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments}");
        assert!(errors.lines().last().unwrap().starts_with("error: standard output: "), "{errors}");
    }
    // A device is not replaced by a file.
    for option in ["--samples 5 --out", "--save", "--plot", "--eval in.csv --log-density-out"] {
        let line = bench.fail(&format!("--data in.csv {option} /dev/full"));
        assert_eq!(line, "/dev/full: this is not a regular file");
    }
    assert!(bench.files() == before);
}

#[test]
fn what_may_not_be_read_or_written_is_named() {
    let bench = Bench::new("permissions").with_geyser().with("secret.csv", "a\n1\n2\n");
    fs::create_dir(bench.0.join("closed")).unwrap();
    fs::set_permissions(bench.0.join("secret.csv"), Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(bench.0.join("closed"), Permissions::from_mode(0o555)).unwrap();
    // The superuser may do everything.
    if File::open(bench.0.join("secret.csv")).is_ok() {
        return;
    }
    let line = bench.fail("--data secret.csv --samples 5 --out new.csv");
    assert!(line.starts_with("secret.csv: "), "{line}");
    let line = bench.fail("--data in.csv --samples 5 --out closed/new.csv");
    assert!(line.starts_with("closed/new.csv: "), "{line}");
}
