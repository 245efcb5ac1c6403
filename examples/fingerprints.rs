//! One line of hashes a fit: draws, log-densities, scores and saved model of many compositions on many tables.
//!
//! Two trees compute the same where their lists are equal: `cargo run --release --example fingerprints > list`.

use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::targets;
use gmix_diffusion::{DiffusionLearner, DiffusionModel, NoiseLevel, Result, ScoreModel, VoronoiPartitioner};

mod support;

use support::table::Table;

fn mixed(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0xcbf2_9ce4_8422_2325, |hash: u64, value| {
        (hash ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
    })
}

fn bits<'a>(values: impl Iterator<Item = &'a f64>) -> u64 {
    mixed(values.map(|value| value.to_bits()))
}

fn line(name: &str, learner: &DiffusionLearner, rows: &DMatrix<f64>) -> Result<String> {
    let model: DiffusionModel = learner.fit(rows, &mut StdRng::seed_from_u64(11))?;
    let drawn = model.sample(200, &mut StdRng::seed_from_u64(5))?;
    let density = model.log_density(&drawn)?;
    let score = model.score(NoiseLevel::CLEAN, &drawn)?;
    let saved = serde_json::to_vec(&model).map_err(gmix_diffusion::Error::custom)?;
    Ok(format!(
        "{name:<40} {:016x} {:016x} {:016x} {:016x}",
        bits(drawn.iter()),
        bits(density.iter()),
        bits(score.iter()),
        mixed(saved.iter().map(|&byte| u64::from(byte)))
    ))
}

fn compositions(std: f64) -> Vec<(&'static str, DiffusionLearner)> {
    let new = DiffusionLearner::new;
    vec![
        ("default", new()),
        ("default, std", new().with_component_std(std)),
        ("fast", DiffusionLearner::fast()),
        ("fast, std", DiffusionLearner::fast().with_component_std(std)),
        ("thorough", DiffusionLearner::thorough()),
        ("paper", DiffusionLearner::paper()),
        ("paper, std", DiffusionLearner::paper().with_component_std(std)),
        ("soft", new().with_partitioner(VoronoiPartitioner::soft())),
        ("soft, std", new().with_partitioner(VoronoiPartitioner::soft()).with_component_std(std)),
    ]
}

fn main() {
    let most = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let stds = [1.0, 1.0, 1.0, 0.52, 0.3, 0.5, 0.5];
    let mut tables = Vec::new();
    for n in [1_000, 10_000, 40_000].into_iter().filter(|n| *n <= most) {
        for ((name, law), std) in targets::all().into_iter().zip(stds) {
            let rows = law.draw(n, &mut StdRng::seed_from_u64(3));
            tables.push((format!("{name} {n}"), rows, std));
        }
    }
    for (name, std) in [("galaxies", 0.3), ("old_faithful", 0.2), ("penguins", 1.0)] {
        let table =
            Table::read(format!("examples/data/{name}.csv").as_ref()).expect("a table of this project");
        tables.push((name.into(), table.rows, std));
    }
    for (name, rows, std) in &tables {
        for (composition, learner) in compositions(*std) {
            // Level by level the largest tables take minutes.
            if rows.nrows() > 10_000 && (composition.starts_with("paper") || composition.starts_with("soft"))
            {
                continue;
            }
            let name = format!("{name} {composition}");
            println!("{}", line(&name, &learner, rows).unwrap_or_else(|error| format!("{name}: {error}")));
        }
    }
}
