//! How rows and degree have to grow for a smaller error, beside what the theorem allows for.

use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Ball, GaussianMixture, Law, Segment};
use gmix_diffusion::theory::Problem;
use gmix_diffusion::{DiffusionLearner, PolynomialRegression, Result, SingleCell};

use super::chart::{Axis, Mark, Panel, Picture};
use super::measure::{cells, density_distance, mean, table};
use super::{Files, Outcome};

const SIZES: [usize; 8] = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800];
const SEEDS: u64 = 3;
const FRESH_ROWS: usize = 10_000;
const ACCURACIES: [f64; 4] = [0.2, 0.1, 0.05, 0.025];
/// Rows for the degrees.
const MANY_ROWS: usize = 30_000;

/// A law with what the theorem needs to know of it.
struct Case {
    name: String,
    law: Box<dyn Law>,
    n_balls: usize,
    ball_radius: f64,
    radius: f64,
}

pub(crate) fn run() -> Outcome<Files> {
    let mut panels = Vec::new();
    let mut tables = String::new();
    let cases = [by_dimension()?, by_radius()?];
    for (title, cases) in
        ["two Gaussians 4 σ₀ apart in d dimensions", "centres in a disc of radius R₀"].iter().zip(&cases)
    {
        let (marks, rows) = growth(cases)?;
        panels.push(Panel {
            title: (*title).to_owned(),
            x: Axis::logarithmic("rows", 90.0..14_000.0),
            y: Axis::logarithmic("total variation of the density", 0.004..0.4),
            marks,
        });
        let header = ACCURACIES.iter().map(|e| format!("n(ε = {e})"));
        let header = header.chain(["slope".into(), "log₁₀ of the bound, ε = .1".into()]);
        tables += &format!("{}\n", table(&cells(title, header), &rows));
    }
    let names = |index: usize| cases[index].iter().map(|case| case.name.clone()).collect::<Vec<_>>();
    // A style stands for a case of either panel.
    let mut key = names(0);
    for (both, right) in key.iter_mut().zip(names(1)) {
        *both = format!("{both} (left), {right} (right)");
    }
    let picture = Picture { columns: 2, size: (400, 370), key, panels }.svg()?;
    let (degrees, degree_table) = degrees()?;
    Ok(vec![
        ("growth_rows.svg", picture),
        ("growth_degree.svg", degrees),
        ("growth.md", format!("{tables}{degree_table}")),
    ])
}

fn by_dimension() -> Result<Vec<Case>> {
    let case = |d: usize| {
        let means = DMatrix::from_fn(2, d, |i, axis| if axis == 0 { 4.0 * i as f64 - 2.0 } else { 0.0 });
        let law = GaussianMixture::spherical(DVector::from_element(2, 0.5), means, 1.0)?;
        Ok(Case { name: format!("d = {d}"), law: Box::new(law), n_balls: 2, ball_radius: 0.0, radius: 2.0 })
    };
    [1, 2, 5, 10, 20].into_iter().map(case).collect()
}

fn by_radius() -> Result<Vec<Case>> {
    let case = |radius: f64| {
        let law: Box<dyn Law> = Box::new(Ball::new(DVector::zeros(2), radius, 1.0)?);
        Ok(Case { name: format!("R₀ = {radius} σ₀"), law, n_balls: 1, ball_radius: radius, radius })
    };
    [0.5, 1.0, 2.0, 4.0].into_iter().map(case).collect()
}

fn growth(cases: &[Case]) -> Outcome<(Vec<Mark>, Vec<Vec<String>>)> {
    let (mut marks, mut rows) = (Vec::new(), Vec::new());
    for (style, case) in cases.iter().enumerate() {
        let mut line = Vec::new();
        for n in SIZES {
            let distances: Result<Vec<f64>> = (1..=SEEDS).map(|seed| distance(case, n, seed)).collect();
            line.push((n as f64, mean(&distances?).0));
        }
        let needed = ACCURACIES.iter().map(|accuracy| match rows_for(&line, *accuracy) {
            Some(rows) if rows <= SIZES[0] as f64 => format!("≤ {}", SIZES[0]),
            Some(rows) => format!("{rows:.0}"),
            None => format!("> {}", SIZES[SIZES.len() - 1]),
        });
        let bound = Problem {
            accuracy: 0.1,
            failure_probability: 0.05,
            dim: case.law.dim(),
            n_balls: case.n_balls,
            radius: case.radius,
            ball_radius: case.ball_radius,
            component_std: 1.0,
            lightest_ball: 1.0 / case.n_balls as f64,
        };
        let bound = bound.ln_sample_size()? / std::f64::consts::LN_10;
        let shown = needed.chain([format!("{:.2}", slope(&line)), format!("{bound:.0}")]);
        rows.push(cells(&case.name, shown));
        marks.push(Mark::Line { points: line, style, marked: true });
    }
    Ok((marks, rows))
}

fn distance(case: &Case, n: usize, seed: u64) -> Result<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (rows, fresh) = (case.law.draw(n, &mut rng), case.law.draw(FRESH_ROWS, &mut rng));
    let model = DiffusionLearner::new().with_component_std(1.0).fit(&rows, &mut rng)?;
    density_distance(&model, case.law.as_ref(), &fresh)
}

/// Rows at which the line falls to `accuracy` for good, by interpolation of logarithms.
fn rows_for(line: &[(f64, f64)], accuracy: f64) -> Option<f64> {
    let last_above = line.iter().rposition(|(_, distance)| *distance > accuracy);
    let Some(index) = last_above else { return Some(line[0].0) };
    let (&(n, above), &(m, below)) = (line.get(index)?, line.get(index + 1)?);
    let share = (above / accuracy).ln() / (above / below).ln();
    Some(n * (m / n).powf(share))
}

/// κ in n ∝ ε^−κ, by least squares of ln n on ln ε over the whole line.
fn slope(line: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = line.iter().map(|(n, distance)| (n.ln(), distance.ln())).collect();
    let n = logs.len() as f64;
    let (x, y) = (logs.iter().map(|l| l.0).sum::<f64>() / n, logs.iter().map(|l| l.1).sum::<f64>() / n);
    let falls: f64 = logs.iter().map(|l| (l.0 - x) * (l.1 - y)).sum::<f64>();
    let spread: f64 = logs.iter().map(|l| (l.0 - x).powi(2)).sum();
    -spread / falls
}

/// One polynomial a level, many rows: the error that is left is that of the degree.
fn degrees() -> Outcome<(String, String)> {
    let degrees = [1usize, 2, 3, 4, 6, 8, 10, 12];
    let (mut marks, mut rows) = (Vec::new(), Vec::new());
    let radii = [1.0, 2.0, 3.0, 4.0, 6.0];
    for (style, radius) in radii.into_iter().enumerate() {
        let law = Segment::new(DVector::from_element(1, -radius), DVector::from_element(1, radius), 1.0)?;
        let mut rng = StdRng::seed_from_u64(1);
        let (data, fresh) = (law.draw(MANY_ROWS, &mut rng), law.draw(FRESH_ROWS, &mut rng));
        let mut line = Vec::new();
        for degree in degrees {
            let model = DiffusionLearner::new()
                .with_component_std(1.0)
                .with_partitioner(SingleCell)
                .with_regression(PolynomialRegression::default().with_max_degree(degree))
                .fit(&data, &mut rng)?;
            line.push((degree as f64, density_distance(&model, &law, &fresh)?));
        }
        let shown = line.iter().map(|(_, distance)| format!("{distance:.4}"));
        rows.push(cells(&format!("R₀ = {radius} σ₀"), shown));
        marks.push(Mark::Line { points: line, style, marked: true });
    }
    let picture = Picture {
        columns: 1,
        size: (760, 380),
        key: radii.map(|radius| format!("R₀ = {radius} σ₀")).to_vec(),
        panels: vec![Panel {
            title: format!("centre uniform on (−R₀, R₀), one cell, {MANY_ROWS} rows"),
            x: Axis::linear("highest degree", 0.5..12.5),
            y: Axis::logarithmic("total variation of the density", 0.002..0.3),
            marks,
        }],
    };
    let header = degrees.iter().map(|degree| format!("degree ≤ {degree}"));
    Ok((picture.svg()?, table(&cells("total variation", header), &rows)))
}
