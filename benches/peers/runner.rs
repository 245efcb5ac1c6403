//! The crate's side of `cases.py` and `random_laws.py`: fits one table after the other, as it is told on standard
//! input. `runner.py` beside it builds it against any checkout of the crate, so that nothing but the learner, the
//! fitted model's density and draws, and the report is used here.
//!
//! A line of input is a fit, `COMPOSITION COMPONENT_STD SEED DIM DRAWS DIRECTORY`, with COMPOSITION `default`, `fast`
//! or `thorough` and COMPONENT_STD a number or `unknown`. The directory holds `train.f64` and `points.f64`; the
//! fitted log-density at the points is written to `log_density.f64`, so many draws to `draws.f64`, all little-endian
//! f64, row by row. The answer is one line of JSON: figures, or an `error`.

use std::error::Error;
use std::fs;
use std::io::{Write, stdin, stdout};
use std::path::Path;

use cpu_time::ProcessTime;
use gmix_diffusion::DiffusionLearner;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    for line in stdin().lines() {
        let answer = fit(&line?).unwrap_or_else(|failure| json!({ "error": failure.to_string() }));
        println!("{answer}");
        stdout().flush()?;
    }
    Ok(())
}

fn fit(line: &str) -> Outcome<Value> {
    let words: Vec<&str> = line.splitn(6, ' ').collect();
    let [composition, component_std, seed, dim, draws, directory] = words[..] else {
        return Err(format!("six words were expected: {line}").into());
    };
    let (dim, draws): (usize, usize) = (dim.parse()?, draws.parse()?);
    let directory = Path::new(directory);
    let train = read_rows(&directory.join("train.f64"), dim)?;
    let points = read_rows(&directory.join("points.f64"), dim)?;
    let learner = learner(composition, component_std)?;
    let mut rng = StdRng::seed_from_u64(seed.parse()?);

    let before = ProcessTime::now();
    let model = learner.fit(&train, &mut rng)?;
    let seconds = before.elapsed().as_secs_f64();

    write_values(&directory.join("log_density.f64"), model.log_density(&points)?.iter())?;
    if draws > 0 {
        let drawn = model.sample(draws, &mut rng)?.transpose();
        write_values(&directory.join("draws.f64"), drawn.iter())?;
    }
    let report = model.report();
    let warnings: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
    Ok(json!({
        "seconds": seconds,
        "cells": model.centres().nrows(),
        "active_dim": report.active_dim,
        "component_std": report.component_std,
        "radial_shape": report.radial_shape,
        "warnings": warnings,
    }))
}

fn learner(composition: &str, component_std: &str) -> Outcome<DiffusionLearner> {
    let learner = match composition {
        "default" => DiffusionLearner::new(),
        "fast" => DiffusionLearner::fast(),
        "thorough" => DiffusionLearner::thorough(),
        other => return Err(format!("no composition is named {other}").into()),
    };
    Ok(match component_std {
        "unknown" => learner,
        given => learner.with_component_std(given.parse()?),
    })
}

fn read_rows(path: &Path, dim: usize) -> Outcome<DMatrix<f64>> {
    let bytes = fs::read(path)?;
    let (values, _) = bytes.as_chunks::<8>();
    let values = values.iter().map(|bytes| f64::from_le_bytes(*bytes));
    Ok(DMatrix::from_row_iterator(bytes.len() / 8 / dim, dim, values))
}

fn write_values<'a>(path: &Path, values: impl Iterator<Item = &'a f64>) -> Outcome<()> {
    let bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
    Ok(fs::write(path, bytes)?)
}
