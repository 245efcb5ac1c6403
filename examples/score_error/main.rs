//! At which noise level does a fit lose? Scores of three compositions against the exact ones, level by
//! level, on the laws of `reference::targets`.
//!
//! ```text
//! cargo run --release --example score_error
//! cargo run --release --example score_error -- --seeds 5
//! ```
//!
//! Writes `docs/score_error.md` and `docs/score_error.svg`.

use std::error::Error;
use std::path::Path;

use gmix_diffusion::reference::targets;

mod markdown;
mod measurement;
mod picture;
#[path = "../support/mod.rs"]
mod support;

use measurement::{COMPOSITIONS, Measurement, measure};
use support::output::{print, write_together};

/// All measurements on one law: one list of seeds a composition.
pub(crate) struct OfLaw {
    pub(crate) name: &'static str,
    pub(crate) component_std: f64,
    pub(crate) by_composition: Vec<Vec<Measurement>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let seeds = number_of_seeds()?;
    let mut laws = Vec::new();
    for (name, law) in targets::all() {
        let mut by_composition = Vec::new();
        for (composition, learner) in COMPOSITIONS {
            let measurements: gmix_diffusion::Result<Vec<Measurement>> =
                (1..=seeds).map(|seed| measure(law.as_ref(), learner(), seed)).collect();
            let measurements = measurements?;
            print(&format!("{name}, {composition}: KL path {:.4}\n", measurements[0].path_divergence.value))?;
            by_composition.push(measurements);
        }
        laws.push(OfLaw { name, component_std: law.component_std(), by_composition });
    }
    let (tables, picture) = (markdown::page(&laws), picture::svg(&laws)?);
    let files = [("docs/score_error.md", &tables), ("docs/score_error.svg", &picture)];
    write_together(&files.map(|(path, content)| (Path::new(path), content.as_bytes())))
        .map_err(|(path, cause)| format!("{}: {cause}", path.display()))?;
    Ok(())
}

/// The value of `--seeds`; 1 unless given.
fn number_of_seeds() -> Result<u64, Box<dyn Error>> {
    let mut parser = lexopt::Parser::from_env();
    let mut seeds = 1;
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("seeds") => seeds = lexopt::ValueExt::parse(&parser.value()?)?,
            other => return Err(other.unexpected().into()),
        }
    }
    if seeds == 0 {
        return Err("--seeds is a whole number from 1 on".into());
    }
    Ok(seeds)
}
