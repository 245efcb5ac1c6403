//! The crate's side of the comparison with peers: draws rows from the reference laws and fits the
//! crate's compositions, one thing a call. `compare.py` beside it speaks to it.
//!
//! ```text
//! driver rows LAW ROWS TEST_ROWS SEED DIRECTORY
//! driver fit COMPOSITION COMPONENT_STD SEED DIM DIRECTORY
//! ```
//!
//! `rows` writes `train.f64`, `test.f64` (fresh rows) and `truth.f64` (their exact log-density) into the
//! directory; `fit` reads the first two and writes `model.f64`, the fitted log-density at the test rows, and
//! draws as many, by the composition's sampler, by the probability flow, and from the closed form where
//! there is one. Files are little-endian f64, row by row. COMPOSITION is `default`, `fast`, `thorough`,
//! `plain` or `paper`; COMPONENT_STD a number or `unknown`. Figures go to standard output as one JSON object.

use std::error::Error;
use std::fs;
use std::path::Path;

use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{GaussianMixture, Law, targets};
use gmix_diffusion::{
    DiffusionLearner, DiffusionModel, ExactSampler, LogDensity, NoiseLevel, ProbabilityFlow,
    VoronoiPartitioner,
};
use serde_json::{Value, json};

use measure::{Stopwatch, forget_peak, peak_bytes, resident_bytes, seconds_a_call};

mod measure;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Evaluations of the score in a draw by the probability flow.
const FLOW_EVALUATIONS: usize = 20;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let figures = match arguments[..] {
        ["rows", law, rows, test_rows, seed, directory] => {
            draw_rows(law, [rows.parse()?, test_rows.parse()?], seed.parse()?, directory.as_ref())?
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

fn draw_rows(name: &str, [n, n_test]: [usize; 2], seed: u64, directory: &Path) -> Outcome<Value> {
    let law = law(name)?;
    let mut rng = StdRng::seed_from_u64(seed);
    write_rows(&directory.join("train.f64"), &law.draw(n, &mut rng))?;
    let test = law.draw(n_test, &mut rng);
    write_rows(&directory.join("test.f64"), &test)?;
    let truth = LogDensity::log_density(&law, NoiseLevel::CLEAN, &test)?;
    write_values(&directory.join("truth.f64"), truth.iter())?;
    Ok(json!({ "dim": law.dim(), "component_std": law.component_std() }))
}

fn law(name: &str) -> Outcome<Box<dyn Law>> {
    Ok(match name {
        "stretched2d_k3" => Box::new(targets::stretched2d_k3()),
        "gmm50d_k3" => Box::new(three_in_fifty_dimensions(|_| DMatrix::identity(50, 50))?),
        "gmm50d_k3_gencov" => Box::new(three_in_fifty_dimensions(general_covariance)?),
        name => {
            let known = targets::all().into_iter().find(|(known, _)| *known == name);
            known.ok_or_else(|| format!("no law is named {name}"))?.1
        }
    })
}

/// Gaussians whose centres are 6 to 7 apart.
fn three_in_fifty_dimensions(covariance: fn(usize) -> DMatrix<f64>) -> Outcome<GaussianMixture> {
    let means = DMatrix::from_fn(3, 50, |cell, axis| {
        0.95 * ((1.7 + 0.9 * cell as f64) * axis as f64 + cell as f64).sin()
    });
    let weights = DVector::from_row_slice(&[0.5, 0.3, 0.2]);
    Ok(GaussianMixture::new(weights, means, (0..3).map(covariance).collect())?)
}

/// Full, with variances between 0.5 and 2.
fn general_covariance(cell: usize) -> DMatrix<f64> {
    let waves = DMatrix::from_fn(50, 50, |i, j| (0.7 * (i * 50 + j) as f64 + cell as f64).sin());
    let axes = waves.qr().q();
    let variances = DVector::from_fn(50, |axis, _| 0.5 * 4f64.powf(axis as f64 / 49.0));
    &axes * DMatrix::from_diagonal(&variances) * axes.transpose()
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

    let held_before = resident_bytes();
    forget_peak();
    let watch = Stopwatch::start();
    let model = learner.fit(&train, &mut rng)?;
    let (fit_seconds, wall, critical) = (watch.seconds(), watch.wall_seconds(), watch.critical_seconds());
    let peak = peak_bytes();

    let (density_seconds, log_density) = seconds_a_call(|| model.log_density(&test))?;
    let (draw_seconds, _) = seconds_a_call(|| model.sample(test.nrows(), &mut rng))?;
    let flow = model.clone().with_sampler(ProbabilityFlow::new().with_steps(FLOW_EVALUATIONS))?;
    let (flow_seconds, _) = seconds_a_call(|| flow.sample(test.nrows(), &mut rng))?;
    // Refused where there are no exact draws.
    let exact_seconds = match model.clone().with_sampler(ExactSampler) {
        Ok(exact) => Some(seconds_a_call(|| exact.sample(test.nrows(), &mut rng))?.0),
        Err(_) => None,
    };

    write_values(&directory.join("model.f64"), log_density.iter())?;
    let warnings: Vec<String> = model.report().warnings.iter().map(ToString::to_string).collect();
    Ok(json!({
        "fit_seconds": fit_seconds,
        "fit_wall_seconds": wall,
        "fit_critical_seconds": critical,
        "held_bytes": held_before,
        "peak_bytes": peak,
        "density_seconds": density_seconds,
        "draw_seconds": draw_seconds,
        "flow_seconds": flow_seconds,
        "exact_seconds": exact_seconds,
        "components": model.centres().nrows(),
        "density_components": density_components(&model)?,
        "fitted_component_std": model.report().component_std,
        "passes": model.report().passes,
        "warnings": warnings,
    }))
}

/// Components of the mixture that is the density, or that polynomials correct; none without a mixture.
fn density_components(model: &DiffusionModel) -> Outcome<Option<usize>> {
    Ok(serde_json::to_value(model)?["base"]["masses"].as_array().map(Vec::len))
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
