//! Warm starts that are displaced, missing or doubled, and a wrong smallest mass.

use std::sync::Arc;

use gmix_diffusion::metrics::total_variation;
use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{Rng, SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{
    CentreEstimates, DiffusionLearner, LogDensity, NoiseLevel, Partition, Partitioner, PolynomialRegression,
    RegressionTarget, Result, VoronoiCells, VoronoiPartitioner,
};

use super::chart::{Axis, Mark, Panel, Picture};
use super::em::{Spread, em};
use super::measure::{cells, density_distance, mean, table};
use super::{Files, Outcome};

const ROWS: usize = 2_000;
const FRESH_ROWS: usize = 10_000;
const SEEDS: u64 = 3;
/// σ₀ of the law: what a bandwidth is to EM.
const COMPONENT_STD: f64 = 1.0;
/// Displacements of every warm start in a random direction, in bandwidths of its level.
const SHIFTS: [f64; 5] = [0.0, 0.25, 0.5, 1.0, 2.0];
/// The share of rows below which a cell is dropped. The smallest component has a fifth of the mass, so that the
/// theorem's choice is 0.1.
const LIGHTEST: [f64; 5] = [0.001, 0.01, 0.03, 0.1, 0.3];
/// How far apart the two halves of a doubled warm start are, in bandwidths.
const DOUBLED: f64 = 0.5;
const LABELS: [&str; 3] = ["soft Voronoi", "hard Voronoi", "EM from the true means"];

/// What happens to the warm starts of every level.
#[derive(Debug, Clone, Copy)]
enum Disturbance {
    /// Each moves so many bandwidths.
    Shift(f64),
    /// The heaviest is missing.
    Missing,
    /// Each stands there twice.
    Doubled,
}

/// A partitioner whose candidates are disturbed.
#[derive(Debug)]
struct Disturbed {
    inner: VoronoiPartitioner,
    soft: bool,
    disturbance: Disturbance,
}

impl Partitioner for Disturbed {
    fn candidates(&self, seen: &CentreEstimates<'_>, rng: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
        let candidates = self.inner.candidates(seen, rng)?;
        let disturb = |cells: Arc<dyn Partition>| -> Result<Arc<dyn Partition>> {
            let k = cells.centres().nrows();
            let masses = cells.centre_mixture().map_or(DVector::from_element(k, 1.0), |own| own.masses);
            let (centres, masses) =
                self.disturbance.apply(cells.centres().clone(), masses, seen.bandwidth, rng);
            Ok(if self.soft {
                Arc::new(VoronoiCells::soft(centres, masses)?)
            } else {
                Arc::new(VoronoiCells::hard(centres)?)
            })
        };
        candidates.into_iter().map(disturb).collect()
    }
}

impl Disturbance {
    fn apply(
        self,
        mut centres: DMatrix<f64>,
        masses: DVector<f64>,
        bandwidth: f64,
        rng: &mut dyn Rng,
    ) -> (DMatrix<f64>, DVector<f64>) {
        let k = centres.nrows();
        match self {
            Self::Shift(bandwidths) => {
                displace(&mut centres, bandwidths * bandwidth, rng);
                (centres, masses)
            }
            Self::Missing if k > 1 => {
                let heaviest = masses.imax();
                (centres.remove_row(heaviest), masses.remove_row(heaviest))
            }
            Self::Missing => (centres, masses),
            Self::Doubled => {
                let twice: Vec<usize> = (0..2 * k).map(|j| j % k).collect();
                let mut doubled = centres.select_rows(&twice);
                displace(&mut doubled, DOUBLED * bandwidth / 2.0, rng);
                (doubled, masses.select_rows(&twice))
            }
        }
    }
}

/// Moves every row by `distance` in a random direction.
fn displace(centres: &mut DMatrix<f64>, distance: f64, rng: &mut dyn Rng) {
    for mut centre in centres.row_iter_mut() {
        let direction = DVector::<f64>::from_fn(centre.ncols(), |_, _| StandardNormal.sample(rng));
        centre += direction.normalize().transpose() * distance;
    }
}

/// Level by level, with the target that serves hard cells too.
fn composition(partitioner: impl Partitioner) -> DiffusionLearner {
    let regression = PolynomialRegression::default().with_target(RegressionTarget::Denoising);
    DiffusionLearner::new().with_partitioner(partitioner).with_regression(regression)
}

/// The mean over seeds of what `distance` makes of rows to learn from, fresh rows and the seed.
fn over_seeds(
    law: &dyn Law,
    distance: impl Fn(&DMatrix<f64>, &DMatrix<f64>, u64) -> Result<f64>,
) -> Result<f64> {
    let of_seed = |seed: u64| {
        let mut rng = StdRng::seed_from_u64(seed);
        let (rows, fresh) = (law.draw(ROWS, &mut rng), law.draw(FRESH_ROWS, &mut rng));
        distance(&rows, &fresh, seed)
    };
    Ok(mean(&(1..=SEEDS).map(of_seed).collect::<Result<Vec<_>>>()?).0)
}

/// Total variation of a composition.
fn of_composition(learner: &DiffusionLearner) -> Result<f64> {
    let law = targets::gmm2d_k3();
    over_seeds(&law, |rows, fresh, seed| {
        let model = learner.fit(rows, &mut StdRng::seed_from_u64(seed))?;
        density_distance(&model, &law, fresh)
    })
}

/// Total variation of EM from the true means, disturbed.
fn of_em(disturbance: Disturbance) -> Result<f64> {
    let law = targets::gmm2d_k3();
    over_seeds(&law, |rows, fresh, seed| {
        let masses = DVector::from_element(law.means().nrows(), 1.0);
        let mut rng = StdRng::seed_from_u64(seed);
        let starts = disturbance.apply(law.means().clone(), masses, COMPONENT_STD, &mut rng).0;
        let density = em(rows, starts, Spread::Narrow)?.log_density(NoiseLevel::CLEAN, fresh)?;
        let truth = LogDensity::log_density(&law, NoiseLevel::CLEAN, fresh)?;
        Ok(total_variation(truth.as_slice(), density.as_slice())?.value)
    })
}

fn disturbed(disturbance: Disturbance) -> Result<[f64; 3]> {
    let voronoi = |inner, soft| of_composition(&composition(Disturbed { inner, soft, disturbance }));
    Ok([
        voronoi(VoronoiPartitioner::soft(), true)?,
        voronoi(VoronoiPartitioner::hard(), false)?,
        of_em(disturbance)?,
    ])
}

fn lightest_cell(share: f64) -> Result<[f64; 2]> {
    let voronoi = |inner: VoronoiPartitioner| of_composition(&composition(inner.with_lightest_cell(share)));
    Ok([voronoi(VoronoiPartitioner::soft())?, voronoi(VoronoiPartitioner::hard())?])
}

pub(crate) fn run() -> Outcome<Files> {
    let shifted: Vec<[f64; 3]> =
        SHIFTS.iter().map(|&shift| disturbed(Disturbance::Shift(shift))).collect::<Result<_>>()?;
    let (missing, doubled) = (disturbed(Disturbance::Missing)?, disturbed(Disturbance::Doubled)?);
    let shares: Vec<[f64; 2]> = LIGHTEST.iter().map(|&share| lightest_cell(share)).collect::<Result<_>>()?;

    let error = || Axis::logarithmic("total variation of the density", 0.01..1.0);
    let line = |points: Vec<(f64, f64)>, style| Mark::Line { points, style, marked: true };
    let panels = vec![
        Panel {
            title: "displaced warm starts".into(),
            x: Axis::linear("displacement, bandwidths of the level", -0.1..2.1),
            y: error(),
            marks: (0..3)
                .map(|style| line(SHIFTS.into_iter().zip(shifted.iter().map(|d| d[style])).collect(), style))
                .collect(),
        },
        Panel {
            title: "lightest cell".into(),
            x: Axis::logarithmic("share of the rows below which a cell is dropped", 0.0009..0.35),
            y: error(),
            marks: (0..2)
                .map(|style| line(LIGHTEST.into_iter().zip(shares.iter().map(|d| d[style])).collect(), style))
                .collect(),
        },
    ];
    let picture = Picture { columns: 2, size: (400, 360), key: LABELS.map(String::from).to_vec(), panels };

    let columns = || shifted.iter().chain([&missing, &doubled]);
    let rows: Vec<Vec<String>> = LABELS
        .iter()
        .enumerate()
        .map(|(i, name)| cells(name, columns().map(|distances| format!("{:.4}", distances[i]))))
        .collect();
    let header = SHIFTS.iter().map(|shift| format!("displaced by {shift}"));
    let header = cells("total variation", header.chain(["heaviest missing".into(), "each twice".into()]));
    let of_shares: Vec<Vec<String>> = LABELS[..2]
        .iter()
        .enumerate()
        .map(|(i, name)| cells(name, shares.iter().map(|distances| format!("{:.4}", distances[i]))))
        .collect();
    let lightest = cells("total variation", LIGHTEST.iter().map(|share| format!("lightest cell {share}")));
    let tables = format!("{}\n{}", table(&header, &rows), table(&lightest, &of_shares));
    Ok(vec![("disturbed.svg", picture.svg()?), ("disturbed.md", tables)])
}
