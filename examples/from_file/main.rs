//! Learns the law of a table that need not fit in memory: a file of comma separated values, or a flat file
//! of numbers. Prints the report of the fit, a hash of the model, and what the fit took.
//!
//! ```text
//! cargo run --release --example from_file -- --table rows.csv
//! cargo run --release --example from_file -- --binary rows.f64 --columns 5
//! ```
//!
//! A table is parsed once, into a flat file beside it. `--generate rows.f64 --rows 1000000 --columns 5`
//! writes a flat file to try this on: three Gaussian clusters.

use std::error::Error;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use gmix_diffusion::DiffusionLearner;
use gmix_diffusion::rand::{RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use lexopt::{Arg, Parser, ValueExt};

mod binary;
#[path = "../support/mod.rs"]
mod support;
mod table_cache;

use binary::BinaryFile;
use support::fingerprint::model_hash;
use support::output::print;

#[derive(Default)]
struct Arguments {
    table: Option<PathBuf>,
    binary: Option<PathBuf>,
    generate: Option<PathBuf>,
    columns: usize,
    rows: u64,
    seed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = parse(Parser::from_env())?;
    let source = match &arguments {
        Arguments { generate: Some(path), rows, columns, .. } => {
            return generate(path, *rows, *columns).map_err(at(path));
        }
        Arguments { table: Some(path), .. } => table_cache::open_table(path).map_err(at(path))?,
        Arguments { binary: Some(path), columns, .. } => {
            BinaryFile::open(path, 0, *columns).map_err(at(path))?
        }
        _ => return Err("--table, --binary or --generate is missing".into()),
    };
    print(&format!("{} rows\n", source.n_rows()))?;
    let start = Instant::now();
    let mut rng = StdRng::seed_from_u64(arguments.seed);
    let model = DiffusionLearner::new().fit_source(&source, &mut rng)?;
    let (seconds, passes) = (start.elapsed().as_secs_f64(), model.report().passes);
    print(&format!("{}\n", model.report()))?;
    print(&format!("model {:016x}: {passes} passes, {seconds:.1} s\n", model_hash(&model)?))?;
    // Linux says how much memory was resident at most.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        print(&format!("peak of memory {}\n", peak.trim()))?;
    }
    Ok(())
}

fn parse(mut parser: Parser) -> Result<Arguments, lexopt::Error> {
    let mut arguments = Arguments { seed: 1, ..Arguments::default() };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("table") => arguments.table = Some(parser.value()?.into()),
            Arg::Long("binary") => arguments.binary = Some(parser.value()?.into()),
            Arg::Long("generate") => arguments.generate = Some(parser.value()?.into()),
            Arg::Long("columns") => arguments.columns = parser.value()?.parse()?,
            Arg::Long("rows") => arguments.rows = parser.value()?.parse()?,
            Arg::Long("seed") => arguments.seed = parser.value()?.parse()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(arguments)
}

/// Writes rows of three clusters with different widths.
fn generate(path: &Path, rows: u64, columns: usize) -> std::io::Result<()> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut writer = BufWriter::new(File::create(path)?);
    for _ in 0..rows {
        let cluster = f64::from(rng.random_range(0..3u8));
        for column in 0..columns {
            let z: f64 = StandardNormal.sample(&mut rng);
            let centre = if column % 2 == 0 { 3.0 * cluster } else { (2.0 - cluster).abs() };
            writer.write_all(&(centre + (0.5 + 0.2 * cluster) * z).to_le_bytes())?;
        }
    }
    writer.flush()
}

/// Puts the path in front of what failed there.
fn at<E: Display>(path: &Path) -> impl Fn(E) -> Box<dyn Error> {
    move |what| format!("{}: {what}", path.display()).into()
}
