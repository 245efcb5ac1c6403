//! Learns the law of a table of numbers: draws new rows, evaluates the log-density, shows a picture,
//! saves the model and loads it again.
//!
//! ```text
//! cargo run --release --example fit_csv -- --data in.csv --samples 1000 --out new.csv
//! cargo run --release --example fit_csv -- --help
//! ```
//!
//! Whatever fails, the last line on standard error says what and where, the exit status is 1, and no file
//! is written or changed. Warnings of the fit go to standard error too.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};

mod arguments;
mod learned;
#[path = "../support/mod.rs"]
mod support;

use arguments::{Arguments, Source};
use learned::Learned;
use support::output::{check_writable, print, warn, write_together};
use support::table::Table;

/// What failed, as one line for the reader.
type Outcome<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let done = match Arguments::parse(lexopt::Parser::from_env()) {
        Ok(Some(arguments)) => run(&arguments),
        Ok(None) => show(arguments::HELP),
        Err(what) => Err(what),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            // The name of a column may hold line ends.
            warn(&format!("error: {}", what.replace(['\n', '\r'], " ")));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome {
    arguments.check_paths()?;
    for path in arguments.outputs() {
        check_writable(path).map_err(at(path))?;
    }
    use_threads(arguments.threads)?;
    // One generator for the fit and one for the draws: a loaded model draws what the fitted one did.
    let mut seeds = StdRng::seed_from_u64(arguments.seed);
    let (mut for_fit, mut for_draws) = (StdRng::from_rng(&mut seeds), StdRng::from_rng(&mut seeds));

    let (learned, data, rows) = match &arguments.source {
        Source::Data { path, component_std } => {
            let data = Table::read(path).map_err(|error| error.to_string())?;
            let rows = rows_to_evaluate(arguments, &data.columns)?;
            let learned = Learned::fit(&data, *component_std, &mut for_fit).map_err(at(path))?;
            (learned, Some(data), rows)
        }
        Source::Saved(path) => {
            let learned = Learned::load(path).map_err(at(path))?;
            let rows = rows_to_evaluate(arguments, &learned.columns)?;
            (learned, None, rows)
        }
    };

    // Everything is computed before anything is written.
    let mut files = Vec::new();
    if let Some((n, path)) = &arguments.draw {
        files.push((path, learned.draw(*n, &mut for_draws)?.to_csv().map_err(at(path))?));
    }
    if let (Some((rows_path, path)), Some(rows)) = (&arguments.evaluate, &rows) {
        files.push((path, learned.log_density(rows).map_err(at(rows_path))?.to_csv().map_err(at(path))?));
    }
    if let (Some(path), Some(data)) = (&arguments.plot, &data) {
        files.push((path, learned.picture(data, &mut for_draws).map_err(at(path))?.into_bytes()));
    }
    if let Some(path) = &arguments.save {
        files.push((path, learned.to_json().map_err(at(path))?));
    }
    show(&learned.model.report().to_string())?;
    for warning in &learned.model.report().warnings {
        warn(&format!("warning: {warning}"));
    }
    let files: Vec<_> = files.iter().map(|(path, content)| (path.as_path(), content.as_slice())).collect();
    write_together(&files).map_err(|(path, cause)| at(path)(cause))
}

/// The rows of `--eval`, which have to fit the columns that are learned.
fn rows_to_evaluate(arguments: &Arguments, columns: &[String]) -> Outcome<Option<Table>> {
    let Some((path, _)) = &arguments.evaluate else { return Ok(None) };
    let rows = Table::read(path).map_err(|error| error.to_string())?;
    let found = &rows.columns;
    if found.len() != columns.len() {
        let expected = format!("expected the {} columns {}", columns.len(), columns.join(", "));
        return Err(at(path)(format!("{expected}, found {}: {}", found.len(), found.join(", "))));
    }
    match found.iter().zip(columns).position(|(found, expected)| found != expected) {
        Some(index) => Err(at(path)(format!(
            "column {} is {}, but was {} where the model learned",
            index + 1,
            found[index],
            columns[index]
        ))),
        None => Ok(Some(rows)),
    }
}

#[cfg(feature = "rayon")]
fn use_threads(threads: Option<usize>) -> Outcome {
    let Some(threads) = threads else { return Ok(()) };
    let built = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    built.map_err(|cause| format!("--threads {threads}: {cause}"))
}

#[cfg(not(feature = "rayon"))]
fn use_threads(threads: Option<usize>) -> Outcome {
    match threads {
        None | Some(1) => Ok(()),
        Some(threads) => Err(format!("--threads {threads}: this build lacks the feature rayon")),
    }
}

fn show(text: &str) -> Outcome {
    print(text).map_err(|cause| format!("standard output: {cause}"))
}

/// Puts the path in front of what failed there.
fn at<E: Display>(path: &Path) -> impl Fn(E) -> String {
    move |what| format!("{}: {what}", path.display())
}
