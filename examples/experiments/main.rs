//! The method put to the test, one command an experiment; each writes pictures and tables into
//! `docs/experiments/`. The text around them is `docs/experiments.md`.
//!
//! ```text
//! cargo run --release --example experiments -- score1d
//! cargo run --release --example experiments -- all
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

mod chart;
mod disturbed;
mod em;
mod field2d;
mod growth;
mod measure;
mod robustness;
mod samples;
mod score1d;
mod starts;
#[path = "../support/mod.rs"]
mod support;

use support::output::{print, write_together};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Files of an experiment by name, in `docs/experiments/`.
pub(crate) type Files = Vec<(&'static str, String)>;

/// An experiment by name.
type Named = (&'static str, fn() -> Outcome<Files>);

const EXPERIMENTS: [Named; 7] = [
    ("score1d", score1d::run),
    ("samples", samples::run),
    ("starts", starts::run),
    ("robustness", robustness::run),
    ("disturbed", disturbed::run),
    ("field2d", field2d::run),
    ("growth", growth::run),
];

fn main() -> Outcome {
    let names: Vec<&str> = EXPERIMENTS.iter().map(|(name, _)| *name).collect();
    let usage = || format!("name an experiment: {}, or all", names.join(", "));
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.is_empty() || wanted.iter().any(|name| name != "all" && !names.contains(&name.as_str())) {
        return Err(usage().into());
    }
    for (name, run) in EXPERIMENTS {
        if !wanted.iter().any(|wanted| wanted == name || wanted == "all") {
            continue;
        }
        let start = Instant::now();
        let directory = PathBuf::from("docs/experiments");
        std::fs::create_dir_all(&directory)?;
        let files = run()?;
        let paths: Vec<PathBuf> = files.iter().map(|(file, _)| directory.join(file)).collect();
        let contents = paths.iter().zip(&files).map(|(path, (_, text))| (path.as_path(), text.as_bytes()));
        write_together(&contents.collect::<Vec<_>>())
            .map_err(|(path, cause)| format!("{}: {cause}", path.display()))?;
        print(&format!("{name}: {} files in {:.0} s\n", files.len(), start.elapsed().as_secs_f64()))?;
    }
    Ok(())
}
