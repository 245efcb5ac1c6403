use gmix_diffusion::DiffusionLearner;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
mod support;
use support::table::Table;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    for pair in args {
        let (a, b) = pair.split_once(':').unwrap_or((&pair, &pair));
        let train = Table::read(a.as_ref()).unwrap();
        let test = Table::read(b.as_ref()).unwrap();
        for seed in 0..seeds {
            let start = std::time::Instant::now();
            let learner = if std::env::var("FAST").is_ok() {
                DiffusionLearner::fast()
            } else {
                DiffusionLearner::new()
            };
            let learner = match std::env::var("STD").ok().and_then(|s| s.parse().ok()) {
                Some(s) => learner.with_component_std(s),
                None => learner,
            };
            let model = learner.fit(&train.rows, &mut StdRng::seed_from_u64(seed)).unwrap();
            let t = start.elapsed().as_secs_f64();
            let ll = model.log_density(&test.rows).unwrap();
            let finite: Vec<f64> = ll.iter().copied().collect();
            let mean = finite.iter().sum::<f64>() / finite.len() as f64;
            let report = model.report();
            let chosen = report.cell_path.iter().find(|t| t.chosen).map_or(0.0, |t| t.cells);
            println!(
                "{:<28} seed {seed} ll {mean:9.4}  cells {chosen:5.1} active {}/{} shape {:?} poly {} {t:.2} s  {:?}",
                std::path::Path::new(a).file_stem().unwrap().to_string_lossy(),
                report.active_dim,
                report.dim,
                report.radial_shape,
                report.levels.iter().any(|l| l.degree.is_some()),
                report
                    .warnings
                    .iter()
                    .map(|w| format!("{w:?}").chars().take(40).collect::<String>())
                    .collect::<Vec<_>>()
            );
            if std::env::var("V").is_ok() {
                for t in &report.cell_path {
                    println!(
                        "   {:6.1} {:10.4} {:8.4} {}",
                        t.cells,
                        t.log_likelihood,
                        t.std_error,
                        if t.chosen { "*" } else { "" }
                    );
                }
            }
        }
    }
}
