//! Piecewise polynomials in the plane: fields, cells, errors; hard faces against soft ones.

use std::f64::consts::TAU;
use std::sync::Arc;

use gmix_diffusion::metrics::score_error;
use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{Rng, SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{
    CentreEstimates, DiffusionLearner, DiffusionModel, NoiseLevel, NoiseLevels, Partition, Partitioner,
    PolynomialRegression, RegressionTarget, Result, ScoreModel, VoronoiCells,
};

use super::chart::{Arrow, Axis, Mark, Panel, Picture};
use super::measure::{cells, density_distance, soft_voronoi, table};
use super::{Files, Outcome};

const ROWS: usize = 3_000;
const FRESH_ROWS: usize = 5_000;
/// Of the ring, σ₀ and radius; and the noise of the level that is looked at.
const STD: f64 = 0.3;
const RADIUS: f64 = 3.0;
const NOISE: f64 = 0.3;
const REACH: f64 = 4.5;
/// Arrows and shades along an axis.
const ARROWS: usize = 17;
const SHADES: usize = 54;
/// The error that is shown as black, in bandwidths.
const BLACK_ERROR: f64 = 1.0;

/// So many cells evenly around the ring.
#[derive(Debug, Clone, Copy)]
struct Around {
    cells: usize,
    soft: bool,
}

impl Partitioner for Around {
    fn candidates(&self, _: &CentreEstimates<'_>, _: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
        if self.cells == 1 {
            return Ok(Vec::new());
        }
        let angle = |cell: usize| TAU * cell as f64 / self.cells as f64;
        let place =
            |cell: usize, axis: usize| RADIUS * if axis == 0 { angle(cell).cos() } else { angle(cell).sin() };
        let centres = DMatrix::from_fn(self.cells, 2, place);
        let cells = if self.soft {
            VoronoiCells::soft(centres, DVector::from_element(self.cells, 1.0))?
        } else {
            VoronoiCells::hard(centres)?
        };
        Ok(vec![Arc::new(cells)])
    }
}

pub(crate) fn run() -> Outcome<Files> {
    let rows = targets::ring2d().draw(ROWS, &mut StdRng::seed_from_u64(1));
    let (surface, surface_table) = surface(&rows)?;
    let (densities, density_table) = densities(&rows)?;
    Ok(vec![
        ("field2d_fields.svg", fields(&rows)?),
        ("field2d_surface.svg", surface),
        ("field2d_densities.svg", densities),
        ("field2d.md", format!("{surface_table}\n{density_table}")),
    ])
}

/// A fit of one level alone.
fn at_one_level(rows: &DMatrix<f64>, around: Around, degree: usize) -> Result<DiffusionModel> {
    let target = if around.soft { RegressionTarget::CleanRow } else { RegressionTarget::Denoising };
    DiffusionLearner::new()
        .with_component_std(STD)
        .with_schedule(NoiseLevels::variance_exploding([NOISE])?)
        .with_partitioner(around)
        .with_regression(PolynomialRegression::default().with_max_degree(degree).with_target(target))
        .fit(rows, &mut StdRng::seed_from_u64(1))
}

fn level() -> Result<NoiseLevel> {
    NoiseLevel::variance_exploding(NOISE)
}

/// Û − y at the points of a square grid of `side`, row by row from below.
fn moves(model: &dyn ScoreModel, side: usize) -> Result<Vec<Arrow>> {
    let node = |i: usize| REACH * ((2 * i + 1) as f64 / side as f64 - 1.0);
    let points =
        DMatrix::from_fn(side * side, 2, |i, axis| node(if axis == 0 { i % side } else { i / side }));
    let variance = level()?.bandwidth(STD).powi(2);
    let score = model.score(level()?, &points)?;
    let one =
        |i: usize| ((points[(i, 0)], points[(i, 1)]), (variance * score[(i, 0)], variance * score[(i, 1)]));
    Ok((0..side * side).map(one).collect())
}

fn panel(title: &str, marks: Vec<Mark>) -> Panel {
    let axis = |name| Axis::linear(name, -REACH..REACH);
    Panel { title: title.to_owned(), x: axis("first coordinate"), y: axis("second coordinate"), marks }
}

fn points(rows: &DMatrix<f64>) -> Vec<(f64, f64)> {
    rows.row_iter().map(|row| (row[0], row[1])).collect()
}

fn fields(rows: &DMatrix<f64>) -> Outcome<String> {
    let law = targets::ring2d();
    let hard = at_one_level(rows, Around { cells: 8, soft: false }, 3)?;
    let soft = at_one_level(rows, Around { cells: 8, soft: true }, 3)?;
    let default = DiffusionLearner::new().with_component_std(STD).fit(rows, &mut StdRng::seed_from_u64(1))?;
    let arrows = |model: &dyn ScoreModel, style| -> Result<Mark> {
        // Half as long as the move, so that neighbours do not overlap.
        let half = |(at, (dx, dy)): Arrow| (at, (0.5 * dx, 0.5 * dy));
        Ok(Mark::Arrows { arrows: moves(model, ARROWS)?.into_iter().map(half).collect(), style })
    };
    let exact = moves(&law, SHADES)?;
    let error = |model: &dyn ScoreModel| -> Result<Mark> {
        let apart = moves(model, SHADES)?
            .into_iter()
            .zip(&exact)
            .map(|((_, a), (_, b))| (a.0 - b.0).hypot(a.1 - b.1));
        let values =
            apart.map(|error| error / level().map_or(1.0, |l| l.bandwidth(STD)) / BLACK_ERROR).collect();
        Ok(Mark::Shades { columns: SHADES, values })
    };
    let starts = |model: &DiffusionModel| Mark::Crosses { points: points(model.centres()), style: 1 };
    let panels = vec![
        panel("exact field", vec![arrows(&law, 0)?]),
        panel("8 hard cells, degree ≤ 3", vec![arrows(&hard, 0)?, starts(&hard)]),
        panel("8 soft cells, degree ≤ 3", vec![arrows(&soft, 0)?, starts(&soft)]),
        panel("error, default composition", vec![error(&default)?]),
        panel("error, hard cells", vec![error(&hard)?, starts(&hard)]),
        panel("error, soft cells", vec![error(&soft)?, starts(&soft)]),
    ];
    let key = ["half of Û − y", "warm starts"].map(String::from).to_vec();
    Picture { columns: 3, size: (310, 320), key, panels }.svg()
}

fn surface(rows: &DMatrix<f64>) -> Outcome<(String, String)> {
    let (counts, degrees) = ([1usize, 2, 4, 8, 16], [0usize, 1, 2, 3, 5]);
    let law = targets::ring2d();
    let (mut panels, mut table_rows) = (Vec::new(), Vec::new());
    for soft in [false, true] {
        let name = if soft { "soft cells" } else { "hard cells" };
        let mut marks = Vec::new();
        for (style, cells_wanted) in counts.into_iter().enumerate() {
            let mut line = Vec::new();
            for degree in degrees {
                let model = at_one_level(rows, Around { cells: cells_wanted, soft }, degree)?;
                let mut rng = StdRng::seed_from_u64(2);
                let fresh = law.draw(FRESH_ROWS, &mut rng);
                let levels = NoiseLevels::new([level()?])?;
                let error = score_error(&model, &law, &levels, &fresh, &mut rng)?.by_level[0];
                line.push((degree as f64, error.value * level()?.bandwidth(STD).powi(2)));
            }
            table_rows.push(cells(
                &format!("{cells_wanted} {name}"),
                line.iter().map(|(_, error)| format!("{error:.4}")),
            ));
            marks.push(Mark::Line { points: line, style, marked: true });
        }
        panels.push(Panel {
            title: name.to_owned(),
            x: Axis::linear("highest degree", 0.0..5.2),
            y: Axis::logarithmic("mean squared error of Û, in τ²", 0.003..40.0),
            marks,
        });
    }
    let key = counts.map(|k| if k == 1 { "one cell".to_owned() } else { format!("{k} cells") }).to_vec();
    let picture = Picture { columns: 2, size: (400, 360), key, panels }.svg()?;
    let header = degrees.iter().map(|degree| format!("degree ≤ {degree}"));
    Ok((picture, table(&cells("error of Û, τ²", header), &table_rows)))
}

/// Densities of whole fits, and their masses.
fn densities(rows: &DMatrix<f64>) -> Outcome<(String, String)> {
    let law = targets::ring2d();
    let fresh = law.draw(FRESH_ROWS, &mut StdRng::seed_from_u64(3));
    let compositions: [(&str, DiffusionLearner); 3] = [
        ("paper (hard cells)", DiffusionLearner::paper()),
        ("soft Voronoi", soft_voronoi()),
        ("default", DiffusionLearner::new()),
    ];
    let side = 90;
    let node = |i: usize| REACH * ((2 * i + 1) as f64 / side as f64 - 1.0);
    let grid = DMatrix::from_fn(side * side, 2, |i, axis| node(if axis == 0 { i % side } else { i / side }));
    let (mut panels, mut table_rows) = (Vec::new(), Vec::new());
    for (name, learner) in compositions {
        let model = learner.with_component_std(STD).fit(rows, &mut StdRng::seed_from_u64(1))?;
        let density = model.log_density(&grid)?.map(f64::exp);
        let mass = density.sum() * (2.0 * REACH / side as f64).powi(2);
        let distance = density_distance(&model, &law, &fresh)?;
        let peak = 0.12;
        let values = density.iter().map(|density| density / peak).collect();
        panels.push(panel(name, vec![Mark::Shades { columns: side, values }]));
        let cell_count = model.centres().nrows().to_string();
        table_rows.push(cells(name, [cell_count, format!("{mass:.3}"), format!("{distance:.4}")]));
    }
    let picture = Picture { columns: 3, size: (310, 320), key: Vec::new(), panels }.svg()?;
    Ok((
        picture,
        table(&cells("ring, 3,000 rows", ["cells", "mass of the density", "total variation"]), &table_rows),
    ))
}
