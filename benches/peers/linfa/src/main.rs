//! linfa's Gaussian mixture on the rows of the comparison: `linfa-peer SEED DIM DIRECTORY`.
//!
//! Reads `train.f64` and `test.f64`, fits 1 to 20 components and keeps those of the lowest BIC, writes
//! `model.f64` with the log-density at the test rows, and draws as many. linfa has full covariances only, and
//! neither densities nor draws; those are made here from its parameters.

use std::error::Error;
use std::fs;
use std::path::Path;

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::GaussianMixtureModel;
use ndarray::Array2;
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;
use serde_json::{Value, json};

use measure::{Stopwatch, forget_peak, peak_bytes, resident_bytes, seconds_a_call};
use mixture::Mixture;

#[path = "../../measure.rs"]
#[allow(dead_code, reason = "a part of it is for the crate alone")]
mod measure;
mod mixture;

type Outcome<T> = Result<T, Box<dyn Error>>;

const MOST_COMPONENTS: usize = 20;
const MOST_STEPS: u64 = 200;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, dim, directory] = &arguments[..] else {
        return Err("usage: linfa-peer SEED DIM DIRECTORY".into());
    };
    println!("{}", compare(seed.parse()?, dim.parse()?, directory.as_ref())?);
    Ok(())
}

fn compare(seed: u64, dim: usize, directory: &Path) -> Outcome<Value> {
    let train = DatasetBase::from(read_rows(&directory.join("train.f64"), dim)?);
    let test = read_rows(&directory.join("test.f64"), dim)?;

    let held_before = resident_bytes();
    forget_peak();
    let watch = Stopwatch::start();
    let mixture = fit(&train, seed)?;
    let fit_seconds = watch.seconds();
    let peak = peak_bytes();
    let (density_seconds, log_density) = seconds_a_call(|| Outcome::Ok(mixture.log_density(&test)))?;
    let (draw_seconds, _) = seconds_a_call(|| Outcome::Ok(mixture.draw(test.nrows(), seed)))?;

    let bytes: Vec<u8> = log_density.iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(directory.join("model.f64"), bytes)?;
    Ok(json!({
        "fit_seconds": fit_seconds,
        "held_bytes": held_before,
        "peak_bytes": peak,
        "density_seconds": density_seconds,
        "draw_seconds": draw_seconds,
        "components": mixture.components(),
    }))
}

/// Numbers of components at which EM has not converged are passed over: linfa keeps nothing of them.
fn fit(train: &DatasetBase<Array2<f64>, ndarray::Array1<()>>, seed: u64) -> Outcome<Mixture> {
    let mut best: Option<(f64, Mixture)> = None;
    for components in 1..=MOST_COMPONENTS {
        let rng = Xoshiro256Plus::seed_from_u64(seed);
        let settings = GaussianMixtureModel::params_with_rng(components, rng).max_n_iterations(MOST_STEPS);
        let Ok(model) = settings.fit(train) else { continue };
        let mixture = Mixture::new(model.weights(), model.means(), model.covariances())?;
        let bic = mixture.bic(train.records());
        if best.as_ref().is_none_or(|(lowest, _)| bic < *lowest) {
            best = Some((bic, mixture));
        }
    }
    Ok(best.ok_or("no number of components has converged")?.1)
}

fn read_rows(path: &Path, dim: usize) -> Outcome<Array2<f64>> {
    let bytes = fs::read(path)?;
    let values: Vec<f64> = bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    Ok(Array2::from_shape_vec((values.len() / dim, dim), values)?)
}
