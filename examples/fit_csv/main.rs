//! Learns the law of a table: draws new rows, evaluates the log-density, shows a picture,
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
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};

mod arguments;
mod learned;
mod questions;
mod seen;
#[path = "../support/mod.rs"]
mod support;
mod tables;

use arguments::{Arguments, Source, Surprise};
use learned::{Learned, clusters_picture};
use seen::Seen;
use support::output::{check_writable, print, warn, write_together};
use support::table::{Reading, Table};

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
    let mut for_clusters = StdRng::from_rng(&mut seeds);

    if let Some(model) = tables::learned(arguments, &mut for_fit)? {
        return tables::answer(arguments, &model, &mut for_draws);
    }
    let seen = arguments.seen()?;
    let (learned, data, tables) = match &arguments.source {
        Source::Data(source) => {
            let data = Seen::read(source, arguments.columns.as_deref())?;
            let tables = Tables::read(arguments, &data.table.columns)?;
            let learned =
                Learned::fit(&data, source.component_std, &mut for_fit).map_err(at(&source.path))?;
            (learned, Some(data), tables)
        }
        Source::Saved(path) => {
            let learned = Learned::load(path).map_err(at(path))?;
            let tables = Tables::read(arguments, &learned.columns)?;
            (learned, None, tables)
        }
    };

    // Everything is computed before anything is written.
    let mut files = Vec::new();
    let mut shown = String::new();
    if let Some((n, path)) = &arguments.draw {
        let drawn = match &seen[..] {
            [] => learned.draw(*n, &mut for_draws)?,
            given => learned.draw_given(*n, given, &mut for_draws)?,
        };
        files.push((path, drawn.to_csv().map_err(at(path))?));
    }
    if let (Some(path), Some(rows)) = (&arguments.log_density, &tables.whole) {
        let answers = learned.log_density(rows).map_err(at(&tables.eval))?;
        files.push((path, answers.to_csv().map_err(at(path))?));
    }
    if let (Some(predict), Some(rows)) = (&arguments.predict, &tables.predict) {
        let answers = learned.predict(rows, predict, &mut for_draws).map_err(at(&tables.eval))?;
        files.push((&predict.out, answers.to_csv().map_err(at(&predict.out))?));
    }
    if let (Some(surprise), Some(rows)) = (&arguments.surprise, &tables.incomplete) {
        let answers = learned.surprise(rows, &mut for_draws).map_err(at(&tables.eval))?.to_csv();
        match surprise {
            Surprise::Written(path) => files.push((path, answers.map_err(at(path))?)),
            Surprise::Shown => {
                shown = String::from_utf8_lossy(&answers.map_err(|e| e.to_string())?).into_owned()
            }
        }
    }
    if let (Some(impute), Some(rows)) = (&arguments.impute, &tables.impute) {
        let completed = learned.impute(rows, impute.draws, &mut for_draws).map_err(at(&impute.table))?;
        files.push((&impute.out, completed.to_csv().map_err(at(&impute.out))?));
    }
    if let (Some(clusters), Some(data)) = (&arguments.clusters, &data) {
        let fit_cells = |cells: usize| match &arguments.source {
            Source::Data(source) => Learned::fit_cells(data, source.component_std, cells, &mut for_clusters)
                .map_err(at(&source.path)),
            Source::Saved(_) => Err("--clusters needs --data".into()),
        };
        let answers = learned.clusters(&data.table, clusters, fit_cells)?;
        files.push((&clusters.out, answers.to_csv().map_err(at(&clusters.out))?));
        if let Some(path) = &clusters.plot {
            files.push((path, clusters_picture(&data.table, &answers).map_err(at(path))?.into_bytes()));
        }
    }
    if let (Some(path), Some(data)) = (&arguments.plot, &data) {
        files.push((path, learned.picture(&data.table, &mut for_draws).map_err(at(path))?.into_bytes()));
    }
    if let Some(path) = &arguments.save {
        files.push((path, learned.to_json().map_err(at(path))?));
    }
    show(&learned.model.report().to_string())?;
    for warning in &learned.model.report().warnings {
        warn(&format!("warning: {warning}"));
    }
    show(&shown)?;
    let files: Vec<_> = files.iter().map(|(path, content)| (path.as_path(), content.as_slice())).collect();
    write_together(&files).map_err(|(path, cause)| at(path)(cause))
}

/// The tables about which something is asked, as each question needs them.
#[derive(Default)]
struct Tables {
    /// The file of `--eval`.
    eval: PathBuf,
    /// Its rows without empty cells.
    whole: Option<Table>,
    /// With empty cells, and the column to predict where it is there.
    predict: Option<Table>,
    /// With empty cells.
    incomplete: Option<Table>,
    impute: Option<Table>,
}

impl Tables {
    fn read(arguments: &Arguments, columns: &[String]) -> Outcome<Self> {
        let mut tables = Self::default();
        let incomplete = |path: &Path, optional: &[String]| {
            let reading = Reading { columns: Some(columns), optional, empty_cells: true };
            Table::read_as(path, reading).map(Some).map_err(|error| error.to_string())
        };
        if let Some(path) = &arguments.eval {
            tables.eval = path.clone();
            if arguments.log_density.is_some() {
                tables.whole = Some(rows_to_evaluate(path, columns, arguments.columns.is_some())?);
            }
            if let Some(predict) = &arguments.predict {
                let own = std::slice::from_ref(&predict.column);
                match columns.iter().filter(|name| **name == predict.column).count() {
                    1 => tables.predict = incomplete(path, own)?,
                    0 => {
                        return Err(format!(
                            "--predict: there is no column {}, but {}",
                            own[0],
                            columns.join(", ")
                        ));
                    }
                    _ => return Err(format!("--predict: two columns have the name {}", own[0])),
                }
            }
            if arguments.surprise.is_some() {
                tables.incomplete = incomplete(path, &[])?;
            }
        }
        if let Some(impute) = &arguments.impute {
            tables.impute = incomplete(&impute.table, &[])?;
        }
        Ok(tables)
    }
}

/// The rows of `--eval`, which have to fit the columns that are learned; `by_name` whatever others there are.
fn rows_to_evaluate(path: &Path, columns: &[String], by_name: bool) -> Outcome<Table> {
    let reading = Reading { columns: by_name.then_some(columns), ..Reading::default() };
    let rows = Table::read_as(path, reading).map_err(|error| error.to_string())?;
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
        None => Ok(rows),
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
