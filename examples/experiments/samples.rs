//! Sample quality for a known three-component mixture: compositions against rows, samplers against evaluations.

use std::time::Instant;

use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{
    DataScale, Ddpm, DiffusionLearner, GaussianMixture, Geometric, NoiseLevels, NoiseSchedule,
    PolynomialRegression, PredictorCorrector, ProbabilityFlow, RegressionTarget, Result, Sampler,
};

use super::chart::{Axis, Mark, Panel, Picture};
use super::measure::{Named, cells, density_distance, mean, soft_voronoi, table};
use super::{Files, Outcome};

const SIZES: [usize; 3] = [500, 2_000, 8_000];
const SEEDS: u64 = 3;
const FRESH_ROWS: usize = 10_000;
/// Draws that judge a sampler, and bins of the projection that they are counted in.
const DRAWS: usize = 100_000;
const BINS: usize = 40;

/// From the paper's composition to the default, an ingredient at a time.
const COMPOSITIONS: [Named; 7] = [
    ("paper", DiffusionLearner::paper),
    ("paper, sampler ends at σ₀", || DiffusionLearner::paper().with_sampler(Ddpm::new())),
    ("soft cells, denoising target", soft_denoising),
    ("soft cells, clean row", soft_voronoi),
    ("fast", DiffusionLearner::fast),
    ("default", DiffusionLearner::new),
    ("thorough", DiffusionLearner::thorough),
];

pub(crate) fn run() -> Outcome<Files> {
    let (compositions, table) = by_composition()?;
    let (samplers, sampler_table) = by_sampler()?;
    Ok(vec![
        ("samples_rows.svg", compositions),
        ("samples_evaluations.svg", samplers),
        ("samples.md", format!("{table}\n{sampler_table}")),
    ])
}

struct Measured {
    density: f64,
    drawn: f64,
    seconds: f64,
}

fn measure(learner: DiffusionLearner, n: usize, seed: u64) -> Result<Measured> {
    let law = targets::gmm2d_k3();
    let mut rng = StdRng::seed_from_u64(seed);
    let (rows, fresh) = (law.draw(n, &mut rng), law.draw(FRESH_ROWS, &mut rng));
    let start = Instant::now();
    let model = learner.with_component_std(1.0).fit(&rows, &mut rng)?;
    let seconds = start.elapsed().as_secs_f64();
    let density = density_distance(&model, &law, &fresh)?;
    let last = n == SIZES[SIZES.len() - 1];
    let drawn = if last { histogram_distance(&law, &model.sample(DRAWS / 2, &mut rng)?) } else { 0.0 };
    Ok(Measured { density, drawn, seconds })
}

fn by_composition() -> Outcome<(String, String)> {
    let mut marks = Vec::new();
    let mut rows = Vec::new();
    for (style, (name, learner)) in COMPOSITIONS.iter().enumerate() {
        let (mut points, mut row) = (Vec::new(), Vec::new());
        for n in SIZES {
            let measured: Result<Vec<Measured>> =
                (1..=SEEDS).map(|seed| measure(learner(), n, seed)).collect();
            let measured = measured?;
            let of = |value: fn(&Measured) -> f64| mean(&measured.iter().map(value).collect::<Vec<_>>());
            let (density, error) = of(|m| m.density);
            points.push((n as f64, density));
            row.push(format!("{density:.4} ± {error:.4}"));
            if n == SIZES[SIZES.len() - 1] {
                row.push(format!("{:.4}", of(|m| m.drawn).0));
                row.push(format!("{:.2}", of(|m| m.seconds).0));
            }
        }
        marks.push(Mark::Line { points, style, marked: true });
        rows.push(cells(name, row));
    }
    let header = SIZES.iter().map(|n| format!("n = {n}")).chain(["projected draws".into(), "fit, s".into()]);
    let picture = Picture {
        columns: 1,
        size: (760, 420),
        key: COMPOSITIONS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        panels: vec![Panel {
            title: format!("three Gaussians in the plane, σ₀ given, mean of {SEEDS} seeds"),
            x: Axis::logarithmic("rows", 450.0..9_000.0),
            y: Axis::logarithmic("total variation of the density", 0.006..0.3),
            marks,
        }],
    };
    Ok((picture.svg()?, table(&cells("total variation", header), &rows)))
}

/// Half the sum of |share − probability| over the bins of the first coordinate, which is Σ w N(m₁, 1).
fn histogram_distance(law: &GaussianMixture, rows: &DMatrix<f64>) -> f64 {
    let edge = |bin: usize| -6.0 + 12.0 * bin as f64 / BINS as f64;
    let below = |x: f64| -> f64 {
        let parts = law.weights().iter().zip(law.means().column(0).iter().copied().collect::<Vec<_>>());
        parts.map(|(weight, mean)| weight * 0.5 * libm::erfc((mean - x) / std::f64::consts::SQRT_2)).sum()
    };
    let mut counts = vec![0.0; BINS + 2];
    for x in rows.column(0).iter() {
        let bin = ((x + 6.0) / 12.0 * BINS as f64).floor();
        counts[(bin + 1.0).clamp(0.0, BINS as f64 + 1.0) as usize] += 1.0 / rows.nrows() as f64;
    }
    let cumulated = |bin: usize| {
        if bin == 0 {
            0.0
        } else if bin == BINS + 2 {
            1.0
        } else {
            below(edge(bin - 1))
        }
    };
    let apart =
        counts.iter().enumerate().map(|(bin, share)| (share - cumulated(bin + 1) + cumulated(bin)).abs());
    0.5 * apart.sum::<f64>()
}

/// Samplers on the exact score: what is left is their own error.
fn by_sampler() -> Outcome<(String, String)> {
    let law = targets::gmm2d_k3();
    let scale = DataScale { component_std: 1.0, data_std: 3.2 };
    let levels = Geometric::new().levels(scale)?;
    let counts = [5usize, 10, 20, 40, 80];
    // The textbook form takes the levels as given: as many as there are evaluations.
    let given = |n: usize| -> Result<NoiseLevels> {
        let (top, bottom) = ((1.0 + (4.0 * scale.data_std).powi(2)).sqrt(), 1.0f64);
        let noises = (0..n).map(|i| {
            let tau = top * (bottom / top).powf(i as f64 / n as f64);
            (tau * tau - 1.0).max(0.0).sqrt()
        });
        NoiseLevels::variance_exploding(noises)
    };
    let names = [
        "DDPM on X, textbook",
        "DDPM on the centres",
        "probability flow",
        "predictor-corrector",
        "exact draws",
    ];
    let mut lines = vec![Vec::new(); names.len()];
    for n in counts {
        for (index, line) in lines.iter_mut().enumerate() {
            let mut rng = StdRng::seed_from_u64(n as u64);
            let drawn = match index {
                0 => Ddpm::textbook().sample(&law, &given(n)?, DRAWS, &mut rng)?,
                1 => Ddpm::new().with_steps(n).sample(&law, &levels, DRAWS, &mut rng)?,
                2 => ProbabilityFlow::new().with_steps(n).sample(&law, &levels, DRAWS, &mut rng)?,
                3 => PredictorCorrector::new()
                    .with_steps(n.div_ceil(2))
                    .sample(&law, &levels, DRAWS, &mut rng)?,
                _ => law.draw(DRAWS, &mut rng),
            };
            line.push((n as f64, histogram_distance(&law, &drawn)));
        }
    }
    let marks = lines.iter().enumerate().map(|(style, points)| Mark::Line {
        points: points.clone(),
        style,
        marked: true,
    });
    let picture = Picture {
        columns: 1,
        size: (760, 400),
        key: names.map(String::from).to_vec(),
        panels: vec![Panel {
            title: "exact score of the three Gaussians".into(),
            x: Axis::logarithmic("evaluations of the score", 4.5..90.0),
            y: Axis::logarithmic("total variation of the first coordinate", 0.001..0.3),
            marks: marks.collect(),
        }],
    };
    let rows: Vec<Vec<String>> = names
        .iter()
        .zip(&lines)
        .map(|(name, line)| cells(name, line.iter().map(|(_, tv)| format!("{tv:.4}"))))
        .collect();
    Ok((picture.svg()?, table(&cells("evaluations", counts), &rows)))
}

fn soft_denoising() -> DiffusionLearner {
    soft_voronoi().with_regression(PolynomialRegression::default().with_target(RegressionTarget::Denoising))
}
