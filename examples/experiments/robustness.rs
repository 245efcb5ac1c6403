//! A wrong component std, and rows that are not the law's.

use gmix_diffusion::metrics::total_variation;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{DiffusionLearner, GaussianMixture, LogDensity, NoiseLevel, Result};

use super::chart::{Axis, Mark, Panel, Picture};
use super::em::{Spread, em, scattered_rows};
use super::measure::{Named, cells, density_distance, mean, soft_voronoi, table};
use super::{Files, Outcome};

const ROWS: usize = 2_000;
const FRESH_ROWS: usize = 10_000;
const SEEDS: u64 = 2;
const FACTORS: [f64; 5] = [0.5, 0.7, 1.0, 1.4, 2.0];
/// Shares of rows that are drawn uniformly from a square around the data, this many standard deviations wide.
const OUTLIERS: [f64; 5] = [0.0, 0.001, 0.01, 0.03, 0.1];
const OUTLIER_REACH: f64 = 20.0;

const COMPOSITIONS: [Named; 3] =
    [("default", DiffusionLearner::new), ("fast", DiffusionLearner::fast), ("soft Voronoi", soft_voronoi)];
const EM: &str = "EM of that std; its k chosen by fresh rows";

pub(crate) fn run() -> Outcome<Files> {
    let (std_picture, std_table) = wrong_std()?;
    let (outlier_picture, outlier_table) = outliers()?;
    Ok(vec![
        ("robustness_std.svg", std_picture),
        ("robustness_outliers.svg", outlier_picture),
        ("robustness.md", format!("{std_table}\n{outlier_table}")),
    ])
}

/// The laws with the most components that EM may take; it is told the best number by fresh rows.
fn laws() -> Vec<(&'static str, Box<dyn Law>, Vec<usize>)> {
    vec![
        ("three Gaussians", Box::new(targets::gmm2d_k3()), vec![2, 3, 4]),
        ("ring", Box::new(targets::ring2d()), vec![8, 16, 24]),
    ]
}

fn distance_of_em(
    law: &dyn Law,
    rows: &DMatrix<f64>,
    fresh: &DMatrix<f64>,
    std: f64,
    sizes: &[usize],
    seed: u64,
) -> Result<f64> {
    let truth = LogDensity::log_density(law, NoiseLevel::CLEAN, fresh)?;
    let mut best = f64::INFINITY;
    for &k in sizes {
        let starts = scattered_rows(rows, k, &mut StdRng::seed_from_u64(seed));
        let fit: GaussianMixture = em(rows, starts, Spread::Fixed(std))?;
        let density = fit.log_density(NoiseLevel::CLEAN, fresh)?;
        best = best.min(total_variation(truth.as_slice(), density.as_slice())?.value);
    }
    Ok(best)
}

fn wrong_std() -> Outcome<(String, String)> {
    let (mut panels, mut rows_of_table) = (Vec::new(), Vec::new());
    for (title, law, sizes) in laws() {
        let mut lines = vec![Vec::new(); COMPOSITIONS.len() + 1];
        let mut estimated = vec![Vec::new(); COMPOSITIONS.len()];
        for seed in 1..=SEEDS {
            let mut rng = StdRng::seed_from_u64(seed);
            let (rows, fresh) = (law.draw(ROWS, &mut rng), law.draw(FRESH_ROWS, &mut rng));
            for factor in FACTORS {
                let std = factor * law.component_std();
                for (line, (_, learner)) in lines.iter_mut().zip(COMPOSITIONS) {
                    let model =
                        learner().with_component_std(std).fit(&rows, &mut StdRng::seed_from_u64(seed))?;
                    line.push((factor, density_distance(&model, law.as_ref(), &fresh)?));
                }
                let distance = distance_of_em(law.as_ref(), &rows, &fresh, std, &sizes, seed)?;
                lines[COMPOSITIONS.len()].push((factor, distance));
            }
            for (found, (_, learner)) in estimated.iter_mut().zip(COMPOSITIONS) {
                let model = learner().fit(&rows, &mut StdRng::seed_from_u64(seed))?;
                found.push(density_distance(&model, law.as_ref(), &fresh)?);
            }
        }
        let average = |line: &[(f64, f64)], factor: f64| {
            let at: Vec<f64> = line.iter().filter(|(f, _)| *f == factor).map(|(_, tv)| *tv).collect();
            mean(&at).0
        };
        let marks = lines.iter().enumerate().map(|(style, line)| Mark::Line {
            points: FACTORS.iter().map(|&factor| (factor, average(line, factor))).collect(),
            style,
            marked: true,
        });
        panels.push(Panel {
            title: title.to_owned(),
            x: Axis::logarithmic("component std given, over the true one", 0.47..2.1),
            y: Axis::logarithmic("total variation of the density", 0.009..0.9),
            marks: marks.collect(),
        });
        for (index, line) in lines.iter().enumerate() {
            let name = COMPOSITIONS.get(index).map_or(EM, |(name, _)| name);
            let found = estimated.get(index).map_or("–".into(), |found| format!("{:.4}", mean(found).0));
            let shown = FACTORS.iter().map(|&factor| format!("{:.4}", average(line, factor)));
            rows_of_table.push(cells(&format!("{title}, {name}"), shown.chain([found])));
        }
    }
    let names = COMPOSITIONS.iter().map(|(name, _)| *name).chain([EM]);
    let key = names.map(String::from).collect();
    let picture = Picture { columns: 2, size: (400, 360), key, panels }.svg()?;
    let header = FACTORS.iter().map(|factor| format!("{factor} σ₀")).chain(["not given".into()]);
    Ok((picture, table(&cells("total variation", header), &rows_of_table)))
}

fn outliers() -> Outcome<(String, String)> {
    let law = targets::gmm2d_k3();
    let compositions = &COMPOSITIONS[..2];
    let labels = ["default", "fast", "EM, k = 3, free spherical variances"];
    let mut lines = vec![Vec::new(); labels.len()];
    let mut cells_found = vec![Vec::new(); OUTLIERS.len()];
    for seed in 1..=SEEDS {
        for (index, share) in OUTLIERS.into_iter().enumerate() {
            let mut rng = StdRng::seed_from_u64(seed);
            let (mut rows, fresh) = (law.draw(ROWS, &mut rng), law.draw(FRESH_ROWS, &mut rng));
            for row in 0..(share * ROWS as f64).round() as usize {
                rows.row_mut(row).apply(|x| *x = OUTLIER_REACH * (2.0 * rng.random::<f64>() - 1.0));
            }
            let truth = law.log_density(NoiseLevel::CLEAN, &fresh)?;
            for (line, (_, learner)) in lines.iter_mut().zip(compositions) {
                let model = learner().fit(&rows, &mut StdRng::seed_from_u64(seed))?;
                line.push((index, density_distance(&model, &law, &fresh)?));
                cells_found[index].push(model.centres().nrows() as f64);
            }
            let fit = em(&rows, law.means().clone(), Spread::Narrow)?;
            let density = fit.log_density(NoiseLevel::CLEAN, &fresh)?;
            lines[2].push((index, total_variation(truth.as_slice(), density.as_slice())?.value));
        }
    }
    let average = |line: &[(usize, f64)], index: usize| {
        mean(&line.iter().filter(|(i, _)| *i == index).map(|(_, tv)| *tv).collect::<Vec<_>>()).0
    };
    let floor = |share: f64| if share == 0.0 { 5e-4 } else { share };
    let mut marks: Vec<Mark> = lines
        .iter()
        .enumerate()
        .map(|(style, line)| Mark::Line {
            points: OUTLIERS.iter().enumerate().map(|(i, &share)| (floor(share), average(line, i))).collect(),
            style,
            marked: true,
        })
        .collect();
    let unavoidable = OUTLIERS[1..].iter().map(|&share| (share, share)).collect();
    marks.push(Mark::Line { points: unavoidable, style: 3, marked: true });
    let key = labels.iter().copied().chain(["share itself"]).map(String::from).collect();
    let picture = Picture {
        columns: 1,
        size: (760, 380),
        key,
        panels: vec![Panel {
            title: format!("three Gaussians, {ROWS} rows, σ₀ not given"),
            x: Axis::logarithmic("share of outliers (none at the left edge)", 4.8e-4..0.11),
            y: Axis::logarithmic("total variation from the law without them", 0.001..1.0),
            marks,
        }],
    };
    let mut table_rows: Vec<Vec<String>> = labels
        .iter()
        .zip(&lines)
        .map(|(name, line)| cells(name, (0..OUTLIERS.len()).map(|i| format!("{:.4}", average(line, i)))))
        .collect();
    table_rows.push(cells(
        "cells (default and fast)",
        cells_found.iter().map(|found| format!("{:.1}", mean(found).0)),
    ));
    let header = OUTLIERS.iter().map(|share| format!("{} %", 100.0 * share));
    Ok((picture.svg()?, table(&cells("total variation", header), &table_rows)))
}
