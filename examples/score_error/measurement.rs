//! One fit, measured against the law that its rows come from.

use std::time::Instant;

use gmix_diffusion::metrics::{Estimate, score_error, total_variation};
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::Law;
use gmix_diffusion::{DiffusionLearner, LogDensity, NoiseLevel, NoiseLevels, Result, VoronoiPartitioner};

/// Rows that a fit sees.
pub(crate) const ROWS: usize = 10_000;
/// Fresh rows that it is judged by, and as many drawn ones.
pub(crate) const FRESH_ROWS: usize = 20_000;

/// A composition by name.
type Named = (&'static str, fn() -> DiffusionLearner);

/// The compositions that are compared.
pub(crate) const COMPOSITIONS: [Named; 3] = [
    ("default", DiffusionLearner::new),
    ("soft Voronoi", || DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft())),
    ("paper", DiffusionLearner::paper),
];

pub(crate) struct Measurement {
    pub(crate) levels: Vec<LevelMeasurement>,
    /// ½ ∫ E‖ŝ − s‖² d(s²/a²), in nats.
    pub(crate) path_divergence: Estimate,
    /// Total variation distance of the density from the law's, by rows of the law.
    pub(crate) density: Estimate,
    /// The same distance by rows that the model drew.
    pub(crate) drawn: Estimate,
    /// Cells of the quietest level.
    pub(crate) cells: usize,
    pub(crate) fit_seconds: f64,
}

pub(crate) struct LevelMeasurement {
    /// τ in the units of the data.
    pub(crate) bandwidth: f64,
    pub(crate) cells: usize,
    /// `None` where the cells' own denoiser stands uncorrected.
    pub(crate) degree: Option<usize>,
    /// What the level adds to the path divergence.
    pub(crate) contribution: f64,
}

/// Fits `learner` to rows of `law` and measures the result; both are the same for the same seed.
pub(crate) fn measure(law: &dyn Law, learner: DiffusionLearner, seed: u64) -> Result<Measurement> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (rows, fresh) = (law.draw(ROWS, &mut rng), law.draw(FRESH_ROWS, &mut rng));
    let start = Instant::now();
    let model = learner.with_component_std(law.component_std()).fit(&rows, &mut rng)?;
    let fit_seconds = start.elapsed().as_secs_f64();

    let levels = model.levels()?;
    let error = score_error(&model, law, &levels, &fresh, &mut rng)?;
    let contributions = contributions(&levels, law.component_std(), &error.by_level);
    let by_level = levels.iter().zip(&model.report().levels).zip(contributions);

    let drawn = model.sample(FRESH_ROWS, &mut rng)?;
    let (of_fresh, of_drawn) = (model.log_density(&fresh)?, model.log_density(&drawn)?);
    let truth = |rows| LogDensity::log_density(law, NoiseLevel::CLEAN, rows);
    Ok(Measurement {
        levels: by_level
            .map(|((level, report), contribution)| LevelMeasurement {
                bandwidth: level.bandwidth(law.component_std()),
                cells: report.n_cells,
                degree: report.degree,
                contribution,
            })
            .collect(),
        path_divergence: error.path_divergence,
        density: total_variation(truth(&fresh)?.as_slice(), of_fresh.as_slice())?,
        drawn: total_variation(of_drawn.as_slice(), truth(&drawn)?.as_slice())?,
        cells: model.centres().nrows(),
        fit_seconds,
    })
}

/// The terms of the trapezoid rule for ½ ∫ E‖ŝ − s‖² dτ² = ∫ τ² E‖ŝ − s‖² d log τ.
fn contributions(levels: &NoiseLevels, component_std: f64, errors: &[Estimate]) -> Vec<f64> {
    let bandwidths: Vec<f64> = levels.iter().map(|level| level.bandwidth(component_std)).collect();
    let last = bandwidths.len() - 1;
    let term = |(index, error): (usize, &Estimate)| {
        let (noisier, quieter) = (bandwidths[index.saturating_sub(1)], bandwidths[last.min(index + 1)]);
        bandwidths[index].powi(2) * error.value * 0.5 * (noisier / quieter).ln()
    };
    errors.iter().enumerate().map(term).collect()
}
