//! Runs a fit on several processes: each sums over rows of its own, and passes and sums travel over pipes as
//! bytes. Another engine would call the crate in the same way. The model has the bits of one process.
//!
//! ```text
//! cargo run --release --example process_pool -- --binary rows.f64 --columns 5 --workers 2
//! ```
//!
//! `from_file` writes such a file, and prints the same hash of the model.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io::{stdin, stdout};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::{DiffusionLearner, Pass, Statistics};
use lexopt::{Arg, Parser, ValueExt};

#[path = "../from_file/binary.rs"]
mod binary;
mod messages;
mod pool;
#[path = "../support/mod.rs"]
mod support;

use binary::BinaryFile;
use messages::{receive, send};
use pool::Pool;
use support::fingerprint::model_hash;
use support::output::print;

/// Rows of workers begin at multiples of this, so that no rows have to travel.
const CHUNK: u64 = 2_048;

struct Arguments {
    binary: PathBuf,
    columns: usize,
    workers: u64,
    /// The rows of this process, where it is a worker.
    worker: Option<Range<u64>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = parse(Parser::from_env())?;
    let file = BinaryFile::open(&arguments.binary, 0, arguments.columns)?;
    match arguments.worker {
        Some(rows) => work(&file.range(rows.clone()), rows.start),
        None => lead(&file, arguments.workers),
    }
}

/// Answers every pass with its sums, until there are no more.
fn work(rows: &BinaryFile, first_row: u64) -> Result<(), Box<dyn Error>> {
    let (mut passes, mut answers) = (stdin().lock(), stdout().lock());
    while let Some(pass) = receive::<Pass>(&mut passes)? {
        let sums: Result<Statistics, String> =
            pass.accumulate_source(rows, first_row).map_err(|error| error.to_string());
        send(&sums, &mut answers)?;
    }
    Ok(())
}

fn lead(file: &BinaryFile, workers: u64) -> Result<(), Box<dyn Error>> {
    let chunks = file.n_rows().div_ceil(CHUNK);
    let bound = |worker: u64| chunks * worker / workers * CHUNK;
    let ranges: Vec<Range<u64>> = (0..workers).map(|worker| bound(worker)..bound(worker + 1)).collect();
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let start = Instant::now();
    let mut pool = Pool::start(&arguments, &ranges)?;
    let mut fit = DiffusionLearner::new().begin(&mut StdRng::seed_from_u64(1))?;
    while let Some(pass) = fit.next_pass() {
        fit.absorb(pool.run(&pass)?)?;
    }
    let model = fit.finish()?;
    let (seconds, passes) = (start.elapsed().as_secs_f64(), model.report().passes);
    print(&format!("model {:016x}: {passes} passes, {seconds:.1} s\n", model_hash(&model)?))?;
    Ok(())
}

fn parse(mut parser: Parser) -> Result<Arguments, lexopt::Error> {
    let mut arguments = Arguments { binary: PathBuf::new(), columns: 0, workers: 2, worker: None };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("binary") => arguments.binary = parser.value()?.into(),
            Arg::Long("columns") => arguments.columns = parser.value()?.parse()?,
            Arg::Long("workers") => arguments.workers = parser.value()?.parse::<u64>()?.max(1),
            Arg::Long("worker") => {
                arguments.worker = Some(parser.value()?.parse()?..parser.value()?.parse()?)
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(arguments)
}
