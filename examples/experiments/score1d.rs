//! Scores of a two-component mixture on a line: true, learned, and that of the rows themselves.

use gmix_diffusion::metrics::score_error;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{
    DataScale, DiffusionLearner, DiffusionModel, GaussianMixture, Geometric, NoiseLevel, NoiseLevels,
    NoiseSchedule, PolynomialRegression, Result, ScoreModel, SingleCell,
};

use super::chart::{Axis, Mark, Panel, Picture};
use super::measure::{Named, cells, mean, soft_voronoi, table};
use super::{Files, Outcome};

const SHOWN_ROWS: usize = 300;
const ROWS: usize = 10_000;
const FRESH_ROWS: usize = 10_000;
const SEEDS: u64 = 3;
const STD: f64 = 1.0;
/// Largest standard deviation of the data, for the levels.
const DATA_STD: f64 = 2.1;

pub(crate) fn run() -> Outcome<Files> {
    let (by_level, table) = errors_by_level()?;
    let by_rows = errors_by_rows()?;
    Ok(vec![
        ("score1d_scores.svg", scores()?),
        ("score1d_levels.svg", by_level),
        ("score1d_rows.svg", by_rows.0),
        ("score1d.md", format!("{table}\n{}", by_rows.1)),
    ])
}

fn learner(learner: DiffusionLearner) -> DiffusionLearner {
    learner.with_component_std(STD)
}

fn one_cell(degree: usize) -> DiffusionLearner {
    DiffusionLearner::new()
        .with_partitioner(SingleCell)
        .with_regression(PolynomialRegression::default().with_max_degree(degree))
}

/// The law of the rows themselves: its score memorises them.
fn empirical(rows: &DMatrix<f64>) -> Result<GaussianMixture> {
    GaussianMixture::kernel(rows, 1e-6)
}

/// The curves at four noise levels.
fn scores() -> Outcome<String> {
    let law = targets::gmm1d_k2();
    let mut rng = StdRng::seed_from_u64(1);
    let rows = law.draw(SHOWN_ROWS, &mut rng);
    let models = [DiffusionLearner::new(), soft_voronoi()]
        .map(|l| learner(l).fit(&rows, &mut StdRng::seed_from_u64(1)));
    let [default, soft] = models;
    let (default, soft, empirical) = (default?, soft?, empirical(&rows)?);
    let mut panels = Vec::new();
    for noise in [4.0, 1.5, 0.5, 0.15] {
        let level = NoiseLevel::variance_exploding(noise)?;
        let reach = 5.0 + 1.5 * noise;
        let points = DMatrix::from_fn(400, 1, |i, _| -reach + 2.0 * reach * i as f64 / 399.0);
        let curve = |model: &dyn ScoreModel| -> Result<Vec<(f64, f64)>> {
            let score = model.score(level, &points)?;
            Ok(points.iter().copied().zip(score.iter().copied()).collect())
        };
        let shown: [&dyn ScoreModel; 4] = [&empirical, &law, &soft, &default];
        let mut marks = Vec::new();
        for (style, model) in [2, 3, 1, 0].into_iter().zip(shown) {
            marks.push(Mark::Line { points: curve(model)?, style, marked: false });
        }
        let top = curve(&law)?.iter().map(|(_, s)| s.abs()).fold(0.0, f64::max) * 1.3;
        panels.push(Panel {
            title: format!("s = {noise} σ₀"),
            x: Axis::linear("y, in σ₀", -reach..reach),
            y: Axis::linear("score, in 1/σ₀", -top..top),
            marks,
        });
    }
    let key = ["learned, default", "learned, soft Voronoi", "of the rows themselves", "exact"];
    Picture { columns: 2, size: (430, 280), key: key.map(String::from).to_vec(), panels }.svg()
}

fn levels() -> Result<NoiseLevels> {
    Geometric::new().levels(DataScale { component_std: STD, data_std: DATA_STD })
}

/// E‖ŝ − s‖² τ² at every level: the squared error of Û in bandwidths.
fn errors(model: &dyn ScoreModel, levels: &NoiseLevels, seed: u64) -> Result<(Vec<f64>, f64)> {
    let law = targets::gmm1d_k2();
    let mut rng = StdRng::seed_from_u64(1000 + seed);
    let fresh = law.draw(FRESH_ROWS, &mut rng);
    let error = score_error(model, &law, levels, &fresh, &mut rng)?;
    let scaled = error.by_level.iter().zip(levels.iter()).map(|(e, l)| e.value * l.bandwidth(STD).powi(2));
    Ok((scaled.collect(), error.path_divergence.value))
}

fn fitted(composition: DiffusionLearner, n: usize, seed: u64) -> Result<DiffusionModel> {
    let mut rng = StdRng::seed_from_u64(seed);
    let rows = targets::gmm1d_k2().draw(n, &mut rng);
    learner(composition).with_schedule(levels()?).fit(&rows, &mut rng)
}

fn errors_by_level() -> Outcome<(String, String)> {
    let compositions: [Named; 6] = [
        ("default", DiffusionLearner::new),
        ("soft Voronoi", soft_voronoi),
        ("paper", DiffusionLearner::paper),
        ("one cell, degree ≤ 3", || one_cell(3)),
        ("one cell, degree ≤ 6", || one_cell(6)),
        ("one cell, degree ≤ 12", || one_cell(12)),
    ];
    let levels = levels()?;
    let bandwidths: Vec<f64> = levels.iter().map(|level| level.bandwidth(STD)).collect();
    let (mut marks, mut rows) = (Vec::new(), Vec::new());
    for (style, (name, composition)) in compositions.iter().enumerate() {
        let mut average = vec![0.0; levels.len()];
        let mut paths = Vec::new();
        for seed in 1..=SEEDS {
            let (by_level, path) = errors(&fitted(composition(), ROWS, seed)?, &levels, seed)?;
            average.iter_mut().zip(by_level).for_each(|(sum, error)| *sum += error / SEEDS as f64);
            paths.push(1e4 * path);
        }
        let points = bandwidths.iter().copied().zip(average.iter().copied()).collect();
        marks.push(Mark::Line { points, style, marked: true });
        let shown =
            [0, levels.len() / 2, levels.len() - 3, levels.len() - 1].map(|i| format!("{:.1e}", average[i]));
        let (path, error) = mean(&paths);
        rows.push(cells(name, shown.into_iter().chain([format!("{path:.1} ± {error:.1}")])));
    }
    let shown = [0, levels.len() / 2, levels.len() - 3, levels.len() - 1]
        .map(|i| format!("τ = {:.2}", bandwidths[i]));
    let header = cells("10,000 rows", shown.into_iter().chain(["KL path, 10⁻⁴ nats".into()]));
    let picture = Picture {
        columns: 1,
        size: (760, 420),
        key: compositions.iter().map(|(name, _)| (*name).to_owned()).collect(),
        panels: vec![Panel {
            title: format!("{ROWS} rows, mean of {SEEDS} seeds"),
            x: Axis::logarithmic("bandwidth τ, in σ₀", 0.97..9.0),
            y: Axis::logarithmic("mean squared error of Û, in τ²", 1e-6..0.3),
            marks,
        }],
    };
    Ok((picture.svg()?, table(&header, &rows)))
}

/// Numbers of rows, each with a mean and its standard error.
type Line = Vec<(f64, (f64, f64))>;

fn errors_by_rows() -> Outcome<(String, String)> {
    let sizes = [100, 300, 1_000, 3_000, 10_000, 30_000];
    let names = ["default", "soft Voronoi", "paper", "one cell, degree ≤ 12", "of the rows themselves"];
    let levels = levels()?;
    // The score of the rows themselves explodes at the clean level: it is judged above .3 σ₀ of noise.
    let noisy = NoiseLevels::new(levels.iter().copied().filter(|level| level.noise() >= 0.3))?;
    let mut lines = vec![Vec::new(); names.len()];
    for n in sizes {
        for (index, line) in lines.iter_mut().enumerate() {
            let mut paths = Vec::new();
            for seed in 1..=SEEDS {
                let composition = match index {
                    0 => DiffusionLearner::new(),
                    1 => soft_voronoi(),
                    2 => DiffusionLearner::paper(),
                    3 => one_cell(12),
                    _ if n > 3_000 => continue,
                    _ => {
                        let rows = targets::gmm1d_k2().draw(n, &mut StdRng::seed_from_u64(seed));
                        paths.push(errors(&empirical(&rows)?, &noisy, seed)?.1);
                        continue;
                    }
                };
                paths.push(errors(&fitted(composition, n, seed)?, &noisy, seed)?.1);
            }
            if !paths.is_empty() {
                line.push((n as f64, mean(&paths)));
            }
        }
    }
    let points = |line: &[(f64, (f64, f64))]| line.iter().map(|&(n, (path, _))| (n, path)).collect();
    let marks = lines.iter().enumerate().map(|(style, line)| Mark::Line {
        points: points(line),
        style,
        marked: true,
    });
    let picture = Picture {
        columns: 1,
        size: (760, 400),
        key: names.map(String::from).to_vec(),
        panels: vec![Panel {
            title: format!("levels with s ≥ 0.3 σ₀, mean of {SEEDS} seeds"),
            x: Axis::logarithmic("rows", 90.0..33_000.0),
            y: Axis::logarithmic("KL path, nats", 2e-5..0.1),
            marks: marks.collect(),
        }],
    };
    let header = cells("KL path, 10⁻⁴ nats", sizes);
    let row = |(name, line): (&&str, &Line)| {
        let shown = line.iter().map(|(_, (path, error))| format!("{:.1} ± {:.1}", 1e4 * path, 1e4 * error));
        let mut row = cells(name, shown);
        row.resize(header.len(), "–".into());
        row
    };
    let rows: Vec<Vec<String>> = names.iter().zip(&lines).map(row).collect();
    Ok((picture.svg()?, table(&header, &rows)))
}
