//! The example, run in a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::directories::empty_directory;
use crate::support::table::Table;

/// An empty directory of a test's own, in which the example runs.
pub(crate) struct Bench(pub(crate) PathBuf);

impl Bench {
    pub(crate) fn new(test: &str) -> Self {
        Self(empty_directory(&format!("fit_csv/{test}")))
    }

    pub(crate) fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.0.join(name), content).unwrap();
        self
    }

    pub(crate) fn with_geyser(self) -> Self {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/old_faithful.csv");
        fs::copy(data, self.0.join("in.csv")).unwrap();
        self
    }

    /// The words of `command` are separated by spaces.
    pub(crate) fn run(&self, command: &str) -> Output {
        patient().args(command.split(' ')).current_dir(&self.0).output().unwrap()
    }

    /// What a command that works prints. There is nothing on standard error but warnings.
    pub(crate) fn succeed(&self, command: &str) -> String {
        self.succeed_warned(command).0
    }

    /// As `succeed`, with the warnings.
    pub(crate) fn succeed_warned(&self, command: &str) -> (String, String) {
        let output = self.run(command);
        let errors = String::from_utf8(output.stderr).unwrap();
        let warned = errors.lines().all(|line| line.starts_with("warning: "));
        assert!(output.status.success() && warned, "{command}: {errors}");
        (String::from_utf8(output.stdout).unwrap(), errors)
    }

    /// The one line that a failing command prints, without the line end.
    pub(crate) fn fail(&self, command: &str) -> String {
        let before = self.files();
        let output = self.run(command);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {errors}");
        assert!(self.files() == before, "{command}: files were left or changed");
        let line = errors.strip_suffix('\n').and_then(|line| line.strip_prefix("error: ")).unwrap();
        assert!(!line.contains('\n'), "{command}: {errors}");
        line.to_owned()
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| {
                let content = fs::read(entry.path()).unwrap_or_default();
                (entry.file_name().into_string().unwrap(), content)
            })
            .collect()
    }

    pub(crate) fn table(&self, name: &str) -> Table {
        Table::read(&self.0.join(name)).unwrap()
    }
}

/// The example, killed once processors have spent ten seconds on it, which is a hang, where the system can do that.
fn patient() -> Command {
    if !cfg!(unix) {
        return Command::new(example());
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"ulimit -t 10 && exec "$0" "$@""#]).arg(example());
    shell
}

/// The example, which cargo builds along with the tests unless it is told to build this one alone.
pub(crate) fn example() -> PathBuf {
    let this_test = std::env::current_exe().unwrap();
    let profile = this_test.ancestors().nth(2).unwrap();
    let example = profile.join("examples").join("fit_csv").with_extension(std::env::consts::EXE_EXTENSION);
    assert!(example.exists(), "{} is not built: cargo build --example fit_csv", example.display());
    example
}
