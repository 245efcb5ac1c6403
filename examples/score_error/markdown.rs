//! The tables, as a page of Markdown.

use super::OfLaw;
use super::measurement::{COMPOSITIONS, FRESH_ROWS, LevelMeasurement, Measurement, ROWS};

/// Text around the tables: what was done, and how to read it.
pub(crate) fn page(laws: &[OfLaw]) -> String {
    let seeds = laws[0].by_composition[0].len();
    let averaged = if seeds == 1 { String::new() } else { format!(", means over {seeds} seeds") };
    let (rows, fresh) = (thousands(ROWS), thousands(FRESH_ROWS));
    let mut page = format!(
        "# Where a fit loses

Scores of three compositions against the exact scores of known laws, level by level. This page and its
picture are written by `cargo run --release --example score_error`.

Each fit sees {rows} rows of a law of `reference::targets` and is given its σ₀; {fresh} fresh rows
judge it. The compositions are `DiffusionLearner::new()` (default), the same
`.with_partitioner(VoronoiPartitioner::soft())` (soft Voronoi), and `DiffusionLearner::paper()` (paper).

- **KL path**: ½ ∫ E‖ŝ − s‖² d(s²/a²) over the fitted levels, in 10⁻⁴ nats, by the trapezoid rule
  (`metrics::score_error`), with its standard error over the fresh rows. By Girsanov's theorem it bounds
  the Kullback-Leibler divergence from the law to what a reverse diffusion with infinitely small steps
  draws, when it starts from the exact law at the noisiest level.
- **√(KL/2)**: by Pinsker's inequality a bound on the total variation distance of those rows.
- **TV, density**: E(1 − q/p)₊ over the fresh rows, p the law's density and q the model's log-density.
- **TV, drawn**: E(1 − p/q)₊ over {fresh} rows that the model drew. Both are the distance between p
  and q if q is a density and the rows are drawn from it, which makes their **gap** a test of both:
  neither the steps of the sampler nor hard cells, whose score has no divergence at the faces, leave it
  at zero. Where there is a gap, neither number is the distance.
- **Half by**: half of the KL path lies at this bandwidth or below.
- **Cells**: those of the quietest level. **Fit**: wall time on the machine that wrote this page.

## Summary

One row a law and composition{averaged}.

| law | composition | KL path | √(KL/2) | TV, density | TV, drawn | gap | half by | cells | fit |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|
"
    );
    for law in laws {
        for ((composition, _), measurements) in COMPOSITIONS.iter().zip(&law.by_composition) {
            page += &summary_row(law, composition, measurements);
        }
    }
    page += "
![KL contribution by noise level](score_error.svg)

What each noise level adds to the KL path, against its bandwidth τ = √(σ₀² + s²/a²). The first and
the last level stand for half a step.

## By level

One row a level, noisiest first. Of each composition: number of cells; degree of the polynomials, – where
the cells' own score stands uncorrected; and what the level adds to the KL path, in 10⁻⁴ nats.
";
    if seeds > 1 {
        page += "The first seed.\n";
    }
    for law in laws {
        page += &level_table(law);
    }
    page
}

fn summary_row(law: &OfLaw, composition: &str, measurements: &[Measurement]) -> String {
    let mean = |value: &dyn Fn(&Measurement) -> f64| {
        measurements.iter().map(value).sum::<f64>() / measurements.len() as f64
    };
    let divergence = mean(&|m| m.path_divergence.value);
    // Fits and fresh rows of different seeds are independent.
    let squares = mean(&|m| m.path_divergence.std_error.powi(2));
    let std_error = (squares / measurements.len() as f64).sqrt();
    let (density, drawn) = (mean(&|m| m.density.value), mean(&|m| m.drawn.value));
    format!(
        "| `{}` | {composition} | {:.2} ± {:.2} | {:.4} | {density:.4} | {drawn:.4} | {} | {:.2} σ₀ | {} | {:.1} s |\n",
        law.name,
        1e4 * divergence,
        1e4 * std_error,
        mean(&|m| (0.5 * m.path_divergence.value).sqrt()),
        signed(drawn - density),
        mean(&|m| half_by(&m.levels)) / law.component_std,
        rounded(mean(&|m| m.cells as f64)),
        mean(&|m| m.fit_seconds),
    )
}

/// The bandwidth at or below which half of the contributions lie.
fn half_by(levels: &[LevelMeasurement]) -> f64 {
    let half = 0.5 * levels.iter().map(|level| level.contribution).sum::<f64>();
    let mut below = 0.0;
    let reached = levels.iter().rev().find(|level| {
        below += level.contribution;
        below >= half
    });
    reached.or(levels.first()).map_or(0.0, |level| level.bandwidth)
}

/// A mean of whole numbers, with a digit after the point only where it is not whole.
fn rounded(value: f64) -> String {
    if value.fract() == 0.0 { value.to_string() } else { format!("{value:.1}") }
}

/// A difference of two distances, with a sign and four digits; zero has none.
fn signed(value: f64) -> String {
    let magnitude = format!("{:.4}", value.abs());
    match value {
        _ if magnitude == "0.0000" => magnitude,
        v if v < 0.0 => format!("−{magnitude}"),
        _ => format!("+{magnitude}"),
    }
}

/// A whole number of thousands.
fn thousands(count: usize) -> String {
    format!("{},{:03}", count / 1000, count % 1000)
}

fn level_table(law: &OfLaw) -> String {
    let mut table = format!("\n### `{}`, σ₀ = {:.3}\n\n| τ |", law.name, law.component_std);
    for (composition, _) in COMPOSITIONS {
        table += &format!(" {composition}: cells | degree | KL |");
    }
    table += &format!("\n|--:|{}\n", "--:|--:|--:|".repeat(COMPOSITIONS.len()));
    // A given σ₀ and the same rows make the levels of all compositions the same.
    for index in 0..law.by_composition[0][0].levels.len() {
        table += &format!("| {:.3} |", law.by_composition[0][0].levels[index].bandwidth);
        for measurements in &law.by_composition {
            let level = &measurements[0].levels[index];
            let degree = level.degree.map_or_else(|| "–".to_owned(), |degree| degree.to_string());
            table += &format!(" {} | {degree} | {:.2} |", level.cells, 1e4 * level.contribution);
        }
        table += "\n";
    }
    table
}
