//! What the experiments share: compositions, distances from a known law, tables.

use gmix_diffusion::metrics::total_variation;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::reference::Law;
use gmix_diffusion::{DiffusionLearner, DiffusionModel, LogDensity, NoiseLevel, Result, VoronoiPartitioner};

/// A composition by name.
pub(crate) type Named = (&'static str, fn() -> DiffusionLearner);

/// Polynomials in soft Voronoi cells and nothing else.
pub(crate) fn soft_voronoi() -> DiffusionLearner {
    DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft())
}

/// Total variation distance of a model's density from the law's, by `rows` of the law.
pub(crate) fn density_distance(model: &DiffusionModel, law: &dyn Law, rows: &DMatrix<f64>) -> Result<f64> {
    let truth = LogDensity::log_density(law, NoiseLevel::CLEAN, rows)?;
    Ok(total_variation(truth.as_slice(), model.log_density(rows)?.as_slice())?.value)
}

/// Mean and standard error.
pub(crate) fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let spread: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if n > 1.0 { (spread / (n - 1.0) / n).sqrt() } else { 0.0 })
}

/// A Markdown table; all columns but the first are numbers.
pub(crate) fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|---|{}\n", "--:|".repeat(header.len() - 1));
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{rule}{rows}", line(header))
}

/// Strings of anything that can be shown.
pub(crate) fn cells<T: ToString>(first: &str, others: impl IntoIterator<Item = T>) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(others.into_iter().map(|cell| cell.to_string())).collect()
}
