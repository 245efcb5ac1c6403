//! The log-density of a fitted model has mass one, and draws follow it.

use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, Exp1, StandardNormal, StudentT};
use gmix_diffusion::reference::{GaussianMixture, Law, targets};
use gmix_diffusion::{
    DiffusionLearner, DiffusionModel, LogDensity, NoiseLevel, SingleCell, VoronoiPartitioner,
};

const ROWS: usize = 2_000;
const DRAWS: usize = 10_000;

/// √n D of 10,000 draws at 1e-4 is below 2.23: .0223 of sampling, and .01 that steps of a diffusion may add.
const LARGEST_GAP: f64 = 0.0323;

fn normal(rng: &mut StdRng) -> f64 {
    StandardNormal.sample(rng)
}

/// Points of the midpoint rule with the probability that a model gives to each.
struct Quadrature {
    points: DMatrix<f64>,
    log_density: DVector<f64>,
    mass: Vec<f64>,
}

impl Quadrature {
    /// Over the box of `rows`, wider by `margin` of its sides at either end, with `n` points a side.
    fn new(model: &DiffusionModel, rows: &DMatrix<f64>, margin: f64, n: usize) -> Self {
        let dim = rows.ncols();
        let (mut from, mut step) = (vec![0.0; dim], vec![0.0; dim]);
        for (j, column) in rows.column_iter().enumerate() {
            let side = column.max() - column.min();
            from[j] = column.min() - margin * side;
            step[j] = side * (1.0 + 2.0 * margin) / n as f64;
        }
        let points = DMatrix::from_fn(n.pow(dim as u32), dim, |i, j| {
            from[j] + (((i / n.pow(j as u32)) % n) as f64 + 0.5) * step[j]
        });
        let log_density = model.log_density(&points).unwrap();
        let volume: f64 = step.iter().product();
        let mass = log_density.iter().map(|value| value.exp() * volume).collect();
        Self { points, log_density, mass }
    }

    /// The largest Kolmogorov-Smirnov distance between draws and density, of the coordinates and of the
    /// log-density itself.
    fn gap(&self, model: &DiffusionModel, draws: &DMatrix<f64>) -> f64 {
        let coordinates = (0..draws.ncols()).map(|j| {
            self.distance(self.points.column(j).into_owned().as_slice(), draws.column(j).into_owned())
        });
        let heights = self.distance(self.log_density.as_slice(), model.log_density(draws).unwrap());
        coordinates.fold(heights, f64::max)
    }

    /// The distance between the law of `values`, one a point, and that of `drawn`.
    fn distance(&self, values: &[f64], mut drawn: DVector<f64>) -> f64 {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        drawn.as_mut_slice().sort_by(f64::total_cmp);
        let total: f64 = self.mass.iter().sum();
        let (mut below, mut next, mut largest) = (0.0, 0, 0.0f64);
        for (i, value) in drawn.iter().enumerate() {
            while next < order.len() && values[order[next]] <= *value {
                below += self.mass[order[next]] / total;
                next += 1;
            }
            largest = largest.max((below - (i as f64 + 0.5) / drawn.len() as f64).abs());
        }
        largest
    }
}

/// Mass within .002 of one, and draws of the default sampler at no more than [`LARGEST_GAP`].
fn check(name: &str, learner: DiffusionLearner, rows: &DMatrix<f64>, margin: f64, n: usize) {
    let mut rng = StdRng::seed_from_u64(2);
    let model = learner.fit(rows, &mut rng).unwrap();
    let quadrature = Quadrature::new(&model, rows, margin, n);
    let mass: f64 = quadrature.mass.iter().sum();
    let gap = quadrature.gap(&model, &model.sample(DRAWS, &mut rng).unwrap());
    println!("{name}: mass {mass:.5}, gap {gap:.4}");
    assert!((mass - 1.0).abs() < 0.002, "{name}: mass {mass}");
    assert!(gap < LARGEST_GAP, "{name}: gap {gap}");
}

fn from_fn(dim: usize, mut row: impl FnMut(&mut StdRng) -> [f64; 2]) -> DMatrix<f64> {
    let mut rng = StdRng::seed_from_u64(3);
    let rows: Vec<[f64; 2]> = (0..ROWS).map(|_| row(&mut rng)).collect();
    DMatrix::from_fn(ROWS, dim, |i, j| rows[i][j])
}

/// Skewed: exponential with a blur of a tenth.
fn skewed() -> DMatrix<f64> {
    from_fn(1, |rng| {
        let x: f64 = Exp1.sample(rng);
        [x + 0.1 * normal(rng), 0.0]
    })
}

/// Three degrees of freedom: finite variance, infinite fourth moment.
fn heavy_tailed() -> DMatrix<f64> {
    let law = StudentT::new(3.0).unwrap();
    from_fn(1, |rng| [law.sample(rng), 0.0])
}

fn blurred_square() -> DMatrix<f64> {
    from_fn(2, |rng| [0; 2].map(|_| rng.random::<f64>() + 0.05 * normal(rng)))
}

#[test]
fn the_default_on_the_benchmark_laws() {
    for (name, law) in targets::all().into_iter().filter(|(_, law)| law.dim() <= 2) {
        let rows = law.draw(ROWS, &mut StdRng::seed_from_u64(1));
        let points = if law.dim() == 1 { 4_000 } else { 200 };
        check(name, DiffusionLearner::new(), &rows, 0.5, points);
    }
}

#[test]
fn the_default_on_a_skewed_law() {
    // A broad cell may stand behind the others, so that a little of the mass is far out.
    check("skewed", DiffusionLearner::new(), &skewed(), 4.0, 20_000);
}

#[test]
fn the_default_on_heavy_tails() {
    check("heavy tails", DiffusionLearner::new(), &heavy_tailed(), 4.0, 20_000);
}

#[test]
fn the_default_on_a_blurred_square() {
    check("blurred square", DiffusionLearner::new(), &blurred_square(), 0.5, 200);
}

#[test]
fn soft_cells_and_one_polynomial_on_a_line() {
    let (_, law) = targets::all().into_iter().find(|(name, _)| *name == "gmm1d_k2").unwrap();
    let rows = law.draw(ROWS, &mut StdRng::seed_from_u64(1));
    let soft = || DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft());
    check("soft cells", soft(), &rows, 1.0, 2_000);
    check("soft cells, skewed", soft(), &skewed(), 1.0, 2_000);
    check("one cell", DiffusionLearner::new().with_partitioner(SingleCell), &rows, 1.0, 2_000);
}

/// By importance sampling from the law itself and, as often, from a Gaussian three times as wide: the mean of q/p is
/// within three standard errors of one.
#[test]
fn the_default_in_five_and_ten_dimensions() {
    for (name, law) in targets::all().into_iter().filter(|(_, law)| law.dim() >= 5) {
        let mut rng = StdRng::seed_from_u64(4);
        let rows = law.draw(ROWS, &mut rng);
        let model = DiffusionLearner::new().fit(&rows, &mut rng).unwrap();
        let dim = law.dim();
        let means = DMatrix::from_fn(1, dim, |_, axis| rows.column(axis).mean());
        let std = 3.0 * (rows.row_variance().sum() / dim as f64).sqrt();
        let wide = GaussianMixture::spherical(DVector::from_element(1, 1.0), means, std).unwrap();
        let ratios = |points: DMatrix<f64>| {
            let fitted = model.log_density(&points).unwrap();
            let own = law.log_density(NoiseLevel::CLEAN, &points).unwrap();
            let other = wide.log_density(NoiseLevel::CLEAN, &points).unwrap();
            let proposal = own.zip_map(&other, |a, b| (0.5 * (a - b).exp() + 0.5).ln()) + other;
            (fitted - proposal).map(f64::exp)
        };
        // As many of each, so that their means count alike, each with its own variance.
        let of = [ratios(law.draw(DRAWS, &mut rng)), ratios(wide.draw(DRAWS, &mut rng))];
        let mass = 0.5 * (of[0].mean() + of[1].mean());
        let std_error = 0.5 * ((of[0].variance() + of[1].variance()) / DRAWS as f64).sqrt();
        println!("{name}: mass {mass:.4} ± {std_error:.4}");
        assert!(std_error < 0.02, "{name}: ± {std_error}");
        assert!((mass - 1.0).abs() < 3.0 * std_error, "{name}: {mass} ± {std_error}");
    }
}
