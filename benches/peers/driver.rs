//! The crate's side of the comparison with peers: draws rows from the reference laws and fits the
//! crate's compositions, one thing a call. `compare.py` beside it speaks to it.
//!
//! ```text
//! driver rows LAW ROWS SEED DIRECTORY
//! driver fit COMPOSITION COMPONENT_STD SEED DIM DIRECTORY
//! ```
//!
//! `rows` writes `train.f64`, `test.f64` (20,000 fresh rows) and `truth.f64` (their exact log-density)
//! into the directory; `fit` reads the first two and writes `model.f64`, the fitted log-density at the
//! test rows, and draws as many. Files are little-endian f64, row by row. COMPOSITION is `default`, `fast`,
//! `thorough`, `plain` or `paper`; COMPONENT_STD a number or `unknown`. Figures go to standard output as one JSON object.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{DiffusionLearner, LogDensity, NoiseLevel, VoronoiPartitioner};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

const TEST_ROWS: usize = 20_000;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let figures = match arguments[..] {
        ["rows", law, rows, seed, directory] => {
            draw_rows(law, rows.parse()?, seed.parse()?, directory.as_ref())?
        }
        ["fit", composition, component_std, seed, dim, directory] => {
            let learner = learner(composition, component_std)?;
            fit(&learner, seed.parse()?, dim.parse()?, directory.as_ref())?
        }
        _ => return Err("usage: see the head of benches/peers/driver.rs".into()),
    };
    println!("{figures}");
    Ok(())
}

fn draw_rows(name: &str, n: usize, seed: u64, directory: &Path) -> Outcome<Value> {
    let stretched = ("stretched2d_k3", Box::new(targets::stretched2d_k3()) as Box<dyn Law>);
    let known = targets::all().into_iter().chain([stretched]).find(|(known, _)| *known == name);
    let (_, law) = known.ok_or_else(|| format!("no law is named {name}"))?;
    let mut rng = StdRng::seed_from_u64(seed);
    write_rows(&directory.join("train.f64"), &law.draw(n, &mut rng))?;
    let test = law.draw(TEST_ROWS, &mut rng);
    write_rows(&directory.join("test.f64"), &test)?;
    let truth = LogDensity::log_density(&law, NoiseLevel::CLEAN, &test)?;
    write_values(&directory.join("truth.f64"), truth.iter())?;
    Ok(json!({ "dim": law.dim(), "component_std": law.component_std() }))
}

fn learner(composition: &str, component_std: &str) -> Outcome<DiffusionLearner> {
    let learner = match composition {
        "default" => DiffusionLearner::new(),
        "fast" => DiffusionLearner::fast(),
        "thorough" => DiffusionLearner::thorough(),
        "plain" => DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft()),
        "paper" => DiffusionLearner::paper(),
        other => return Err(format!("no composition is named {other}").into()),
    };
    Ok(match component_std {
        "unknown" => learner,
        given => learner.with_component_std(given.parse()?),
    })
}

fn fit(learner: &DiffusionLearner, seed: u64, dim: usize, directory: &Path) -> Outcome<Value> {
    let train = read_rows(&directory.join("train.f64"), dim)?;
    let test = read_rows(&directory.join("test.f64"), dim)?;
    let mut rng = StdRng::seed_from_u64(seed);

    let start = processor_seconds();
    let model = learner.fit(&train, &mut rng)?;
    let fit_seconds = processor_seconds() - start;
    let (density_seconds, log_density) = seconds_a_call(|| model.log_density(&test))?;
    let (draw_seconds, _) = seconds_a_call(|| model.sample(test.nrows(), &mut rng))?;

    write_values(&directory.join("model.f64"), log_density.iter())?;
    let warnings: Vec<String> = model.report().warnings.iter().map(ToString::to_string).collect();
    Ok(json!({
        "fit_seconds": fit_seconds,
        "density_seconds": density_seconds,
        "draw_seconds": draw_seconds,
        "components": model.centres().nrows(),
        "fitted_component_std": model.report().component_std,
        "warnings": warnings,
    }))
}

/// Repeats quick calls until the clock's grain of a few milliseconds no longer matters.
fn seconds_a_call<T>(
    mut call: impl FnMut() -> gmix_diffusion::Result<T>,
) -> gmix_diffusion::Result<(f64, T)> {
    let start = processor_seconds();
    let mut calls = 0;
    loop {
        let result = call()?;
        calls += 1;
        let elapsed = processor_seconds() - start;
        if elapsed > 0.1 {
            return Ok((elapsed / f64::from(calls), result));
        }
    }
}

/// Seconds this thread has spent on a processor, whatever else runs on the machine; where the system
/// does not tell (only Linux does), seconds of wall time.
fn processor_seconds() -> f64 {
    static CLOCK: OnceLock<Instant> = OnceLock::new();
    let nanoseconds = fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|statistics| statistics.split_whitespace().next()?.parse::<u64>().ok());
    match nanoseconds {
        Some(nanoseconds) => nanoseconds as f64 * 1e-9,
        None => CLOCK.get_or_init(Instant::now).elapsed().as_secs_f64(),
    }
}

fn read_rows(path: &Path, dim: usize) -> Outcome<DMatrix<f64>> {
    let bytes = fs::read(path)?;
    let (values, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() || !values.len().is_multiple_of(dim) {
        return Err(format!("{} does not hold rows of {dim} numbers", path.display()).into());
    }
    let values = values.iter().map(|bytes| f64::from_le_bytes(*bytes));
    Ok(DMatrix::from_row_iterator(bytes.len() / 8 / dim, dim, values))
}

fn write_rows(path: &Path, rows: &DMatrix<f64>) -> Outcome<()> {
    write_values(path, rows.transpose().iter())
}

fn write_values<'a>(path: &Path, values: impl Iterator<Item = &'a f64>) -> Outcome<()> {
    let bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
    Ok(fs::write(path, bytes)?)
}
