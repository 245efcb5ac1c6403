//! Learns the law of a flat file of numbers, `f64` in little-endian order and row after row, on all ranks of an
//! MPI job. Prints a hash of the model, and what the fit took.
//!
//! ```text
//! mpirun --bind-to none -n 2 gmix-diffusion-mpi --binary rows.f64 --columns 5 --model model.bin
//! ```

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::{DiffusionLearner, Error as FitError, Fit};
use gmix_diffusion_mpi::{Ranks, fit_on_ranks};
use lexopt::{Arg, Parser, ValueExt};
use serde::{Deserialize, Serialize};

#[path = "../../examples/from_file/binary.rs"]
mod binary;
#[path = "../../examples/support/fingerprint.rs"]
mod fingerprint;
#[path = "../../examples/support/output.rs"]
#[allow(dead_code, reason = "examples write more than this program")]
mod output;

use binary::BinaryFile;
use output::{check_writable, print, write_whole};

#[derive(Default, Serialize, Deserialize)]
struct Arguments {
    binary: PathBuf,
    columns: usize,
    seed: u64,
    /// Where the model goes.
    model: Option<PathBuf>,
    /// Where the fit is saved after each pass, and goes on from if it is there.
    checkpoint: Option<PathBuf>,
}

fn main() -> ExitCode {
    Ranks::run(|ranks| {
        // What is wrong for all ranks, one has to say.
        let arguments = if ranks.is_first() { checked(Parser::from_env())? } else { Arguments::default() };
        let arguments = ranks.broadcast(arguments)?;
        let start = Instant::now();
        let fit = if ranks.is_first() { Some(ranks.solve(|| start_or_resume(&arguments))??) } else { None };
        let file = BinaryFile::open(&arguments.binary, 0, arguments.columns)
            .map_err(failed_at(&arguments.binary))?;
        let rows = ranks.rows_of_rank(file.n_rows());
        let save = |fit: &Fit| match &arguments.checkpoint {
            Some(path) => write(path, fit),
            None => Ok(()),
        };
        let Some(fit) = fit_on_ranks(ranks, fit, &file.range(rows.clone()), rows.start, save)? else {
            return Ok(());
        };
        let seconds = start.elapsed().as_secs_f64();
        let model = fit.finish()?;
        if let Some(path) = &arguments.model {
            write(path, &model)?;
        }
        let (hash, passes) = (fingerprint::model_hash(&model)?, model.report().passes);
        let count = ranks.size();
        print(&format!("model {hash:016x}: {passes} passes on {count} ranks, {seconds:.1} s\n"))?;
        Ok(())
    })
}

fn checked(mut parser: Parser) -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments { seed: 1, ..Arguments::default() };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("binary") => arguments.binary = parser.value()?.into(),
            Arg::Long("columns") => arguments.columns = parser.value()?.parse()?,
            Arg::Long("seed") => arguments.seed = parser.value()?.parse()?,
            Arg::Long("model") => arguments.model = Some(parser.value()?.into()),
            Arg::Long("checkpoint") => arguments.checkpoint = Some(parser.value()?.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if arguments.binary.as_os_str().is_empty() || arguments.columns == 0 {
        return Err("--binary and --columns are needed".into());
    }
    BinaryFile::open(&arguments.binary, 0, arguments.columns).map_err(failed_at(&arguments.binary))?;
    for path in [&arguments.model, &arguments.checkpoint].into_iter().flatten() {
        check_writable(path).map_err(failed_at(path))?;
    }
    Ok(arguments)
}

fn start_or_resume(arguments: &Arguments) -> Result<Fit, FitError> {
    if let Some(path) = &arguments.checkpoint {
        match fs::read(path) {
            Ok(bytes) => return postcard::from_bytes(&bytes).map_err(failed_at(path)),
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            Err(cause) => return Err(failed_at(path)(cause)),
        }
    }
    DiffusionLearner::new().begin(&mut StdRng::seed_from_u64(arguments.seed))
}

/// A file that is there whole or not at all.
fn write(path: &Path, content: &impl Serialize) -> Result<(), FitError> {
    let bytes = postcard::to_stdvec(content).map_err(FitError::custom)?;
    write_whole(path, &bytes).map_err(failed_at(path))
}

/// Puts the path in front of what failed there.
fn failed_at<E: Display>(path: &Path) -> impl Fn(E) -> FitError {
    move |what| FitError::custom(format!("{}: {what}", path.display()))
}
