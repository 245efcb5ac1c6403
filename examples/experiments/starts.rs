//! No local optima over seeds, and how warm starts split as the noise falls.

use std::sync::{Arc, Mutex};

use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{Rng, SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::Law;
use gmix_diffusion::{
    CentreEstimates, DiffusionLearner, GaussianMixture, LogDensity, NoiseLevel, Partition, Partitioner,
    Result, VoronoiPartitioner,
};

use super::chart::{Axis, Mark, Panel, Picture};
use super::em::{Spread, em, scattered_rows};
use super::measure::{cells, mean, table};
use super::{Files, Outcome};

const SEEDS: u64 = 100;
const ROWS: usize = 2_000;
const FRESH_ROWS: usize = 5_000;
/// Starts of EM, and lines that are EM's.
const EM_STARTS: usize = 10;
const OF_EM: usize = 4;
/// A fit this far behind the best one of its seed, in nats a row, has missed something.
const BEHIND: f64 = 0.01;

pub(crate) fn run() -> Outcome<Files> {
    let (optima, table) = optima()?;
    Ok(vec![("starts_optima.svg", optima), ("starts_splitting.svg", splitting()?), ("starts.md", table)])
}

/// Nine Gaussians of unit standard deviation and unequal masses on a grid five apart.
fn nine() -> Result<GaussianMixture> {
    let means = DMatrix::from_fn(9, 2, |i, axis| 5.0 * (if axis == 0 { i % 3 } else { i / 3 }) as f64 - 5.0);
    let masses = DVector::from_fn(9, |i, _| 1.0 + (i * 4 % 9) as f64);
    let masses = &masses / masses.sum();
    GaussianMixture::spherical(masses, means, 1.0)
}

/// Nats a row that a density is behind the law on fresh rows: an estimate of KL(law ‖ density).
fn behind(truth: &DVector<f64>, density: &DVector<f64>) -> f64 {
    (truth - density).mean()
}

fn optima() -> Outcome<(String, String)> {
    let law = nine()?;
    let names = [
        "EM, narrow, one start",
        "EM, narrow, best of ten",
        "EM, wide, one start",
        "EM, wide, best of ten",
        "fast, k not given",
        "default, k not given",
    ];
    let mut losses = vec![Vec::new(); names.len()];
    let mut found = [Vec::new(), Vec::new()];
    let mut reached = Vec::new();
    for seed in 1..=SEEDS {
        let mut rng = StdRng::seed_from_u64(seed);
        let (rows, fresh) = (law.draw(ROWS, &mut rng), law.draw(FRESH_ROWS, &mut rng));
        let truth = law.log_density(NoiseLevel::CLEAN, &fresh)?;
        let loss = |fit: &GaussianMixture| {
            Ok::<f64, gmix_diffusion::Error>(behind(&truth, &fit.log_density(NoiseLevel::CLEAN, &fresh)?))
        };
        for (index, spread) in [Spread::Narrow, Spread::Wide].into_iter().enumerate() {
            let mut fits = Vec::new();
            for _ in 0..EM_STARTS {
                let fit = em(&rows, scattered_rows(&rows, 9, &mut rng), spread)?;
                fits.push((fit.log_density(NoiseLevel::CLEAN, &rows)?.mean(), fit));
            }
            losses[2 * index].push(loss(&fits[0].1)?);
            if let Some((_, best)) = fits.iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
                losses[2 * index + 1].push(loss(best)?);
            }
        }
        for (index, learner) in [DiffusionLearner::fast(), DiffusionLearner::new()].into_iter().enumerate() {
            let model = learner.fit(&rows, &mut rng)?;
            losses[OF_EM + index].push(behind(&truth, &model.log_density(&fresh)?));
            found[index].push(model.centres().nrows());
        }
        // What the likelihood has to offer: where EM gets from the true means.
        reached.push(loss(&em(&rows, law.means().clone(), Spread::Narrow)?)?);
    }
    let missed: Vec<usize> = losses
        .iter()
        .map(|of| of.iter().zip(&reached).filter(|(loss, best)| *loss - *best > BEHIND).count())
        .collect();
    let sorted = |losses: &Vec<f64>| {
        let mut losses = losses.clone();
        losses.sort_by(f64::total_cmp);
        losses.into_iter().enumerate().map(|(i, loss)| (i as f64 + 1.0, loss.max(1e-3))).collect()
    };
    let marks = losses.iter().enumerate().map(|(style, losses)| Mark::Line {
        points: sorted(losses),
        style,
        marked: true,
    });
    let picture = Picture {
        columns: 1,
        size: (760, 380),
        key: names.map(String::from).to_vec(),
        panels: vec![Panel {
            title: format!("nine Gaussians, {ROWS} rows, {SEEDS} seeds, each line sorted"),
            x: Axis::linear("seeds, by rank", 0.0..SEEDS as f64 + 1.0),
            y: Axis::logarithmic("nats a row behind the truth", 0.002..0.5),
            marks: marks.collect(),
        }],
    };
    let header = cells(
        "nine Gaussians",
        ["local optima", "cells found: 8 or fewer, 9, 10 or more", "mean loss, nats a row", "worst"],
    );
    let row = |index: usize| {
        let (average, error) = mean(&losses[index]);
        let worst = losses[index].iter().copied().fold(0.0, f64::max);
        let right = match index.checked_sub(OF_EM).map(|learner| &found[learner]) {
            None => "given".into(),
            Some(found) => {
                let count = |wanted: fn(&&usize) -> bool| found.iter().filter(wanted).count();
                format!("{}, {}, {}", count(|k| **k < 9), count(|k| **k == 9), count(|k| **k > 9))
            }
        };
        let shown = [
            format!("{} of {SEEDS}", missed[index]),
            right,
            format!("{average:.4} ± {error:.4}"),
            format!("{worst:.4}"),
        ];
        cells(names[index], shown)
    };
    let mut rows: Vec<Vec<String>> = (0..names.len()).map(row).collect();
    let (average, error) = mean(&reached);
    let worst = reached.iter().copied().fold(0.0, f64::max);
    rows.push(cells(
        "EM from the true means",
        ["–".into(), "given".into(), format!("{average:.4} ± {error:.4}"), format!("{worst:.4}")],
    ));
    Ok((picture.svg()?, table(&header, &rows)))
}

/// What the score of a level believed: its bandwidth, its warm starts, and E[U | Y] of the rows.
struct Belief {
    bandwidth: f64,
    warm_starts: DMatrix<f64>,
    estimates: DMatrix<f64>,
}

/// The partitioner of the soft composition, with a record of what it saw.
#[derive(Debug, Clone)]
struct Recorder {
    inner: VoronoiPartitioner,
    beliefs: Arc<Mutex<Vec<Belief>>>,
    /// The bandwidth of the level before.
    last: Arc<Mutex<f64>>,
}

impl std::fmt::Debug for Belief {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Belief at {}", self.bandwidth)
    }
}

impl Partitioner for Recorder {
    fn candidates(&self, seen: &CentreEstimates<'_>, rng: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
        if let (Some(previous), Ok(mut beliefs), Ok(mut last)) =
            (seen.previous, self.beliefs.lock(), self.last.lock())
        {
            beliefs.push(Belief {
                bandwidth: *last,
                warm_starts: previous.centres().clone(),
                estimates: seen.estimates.rows(0, 250.min(seen.estimates.nrows())).into_owned(),
            });
            *last = seen.bandwidth;
        } else if let Ok(mut last) = self.last.lock() {
            *last = seen.bandwidth;
        }
        self.inner.candidates(seen, rng)
    }
}

/// Six panels on the way down, for three pairs of clusters.
fn splitting() -> Outcome<String> {
    let centre = |i: usize| {
        let (x, y) = [(0.0, 8.0), (-7.0, -4.0), (7.0, -4.0)][i / 2];
        let aside = if i.is_multiple_of(2) { -2.0 } else { 2.0 };
        (x + aside, y)
    };
    let means = DMatrix::from_fn(6, 2, |i, axis| if axis == 0 { centre(i).0 } else { centre(i).1 });
    let law = GaussianMixture::spherical(DVector::from_element(6, 1.0 / 6.0), means, 1.0)?;
    let mut rng = StdRng::seed_from_u64(4);
    let rows = law.draw(3_000, &mut rng);
    let recorder = Recorder {
        inner: VoronoiPartitioner::soft(),
        beliefs: Arc::new(Mutex::new(Vec::new())),
        last: Arc::new(Mutex::new(0.0)),
    };
    let learner = DiffusionLearner::new().with_component_std(1.0).with_partitioner(recorder.clone());
    let model = learner.fit(&rows, &mut rng)?;
    let unit = model.units().uniform_scale().unwrap_or(1.0);
    let beliefs = recorder.beliefs.lock().map_err(|_| "the record of the levels is lost")?;
    let wanted = 6;
    let first = beliefs.iter().position(|belief| belief.bandwidth * unit < 12.0).unwrap_or(0);
    let last = beliefs.len() - 1;
    let panels = (0..wanted).map(|panel| {
        let belief = &beliefs[first + panel * (last - first) / (wanted - 1)];
        let points = |of: &DMatrix<f64>| of.row_iter().map(|row| (unit * row[0], unit * row[1])).collect();
        let count = belief.warm_starts.nrows();
        Panel {
            title: format!(
                "τ = {:.1} σ₀: {count} warm start{}",
                belief.bandwidth * unit,
                if count == 1 { "" } else { "s" }
            ),
            x: Axis::linear("first direction, in σ₀", -12.0..12.0),
            y: Axis::linear("second direction, in σ₀", -12.0..12.0),
            marks: vec![
                Mark::Dots { points: points(&belief.estimates), style: 0, size: 2 },
                Mark::Crosses { points: points(&belief.warm_starts), style: 1 },
            ],
        }
    });
    let key = ["E[U | Y] of rows noised to τ", "warm starts"].map(String::from).to_vec();
    Picture { columns: 3, size: (300, 310), key, panels: panels.collect() }.svg()
}
