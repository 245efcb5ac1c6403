//! What a fitted law says of one column given others, against the truth.

use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, Sphere};
use gmix_diffusion::{ColumnLaw, DiffusionLearner, GaussianMixture, LogDensity, NoiseLevel, Observation};

/// The true law of the second column given the first, as a distribution function on a grid.
struct Truth {
    grid: Vec<f64>,
    cdf: Vec<f64>,
}

impl Truth {
    fn new(law: &dyn LogDensity, first: f64) -> Self {
        let grid: Vec<f64> = (0..=4000).map(|i| -5.0 + 0.0025 * f64::from(i)).collect();
        let points = DMatrix::from_fn(grid.len(), 2, |i, j| if j == 0 { first } else { grid[i] });
        let density = law.log_density(NoiseLevel::CLEAN, &points).unwrap().map(f64::exp);
        let mut sum = 0.0;
        let cumulated: Vec<f64> = density
            .iter()
            .map(|d| {
                sum += d;
                sum
            })
            .collect();
        Self { grid, cdf: cumulated.iter().map(|value| value / sum).collect() }
    }

    fn draw(&self, rng: &mut StdRng) -> f64 {
        let p = rng.random::<f64>();
        self.grid[self.cdf.partition_point(|&c| c < p).min(self.grid.len() - 1)]
    }

    /// ∫ |F − G|.
    fn distance(&self, cdf: impl Fn(f64) -> f64) -> f64 {
        self.grid.iter().zip(&self.cdf).map(|(&x, c)| (cdf(x) - c).abs() * 0.0025).sum()
    }

    /// Mean distance of two samples of `n` draws each.
    fn floor(&self, n: usize, rng: &mut StdRng) -> f64 {
        let mut sample = || {
            let mut draws: Vec<f64> = (0..n).map(|_| self.draw(rng)).collect();
            draws.sort_by(f64::total_cmp);
            draws
        };
        let pairs = (0..20).map(|_| {
            let (a, b) = (sample(), sample());
            a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<f64>() / n as f64
        });
        pairs.sum::<f64>() / 20.0
    }
}

fn conditional(law: &dyn Law, rows: usize, first: f64, seed: u64) -> ColumnLaw {
    let mut rng = StdRng::seed_from_u64(seed);
    let model = DiffusionLearner::new().fit(&law.draw(rows, &mut rng), &mut rng).unwrap();
    let given = model.base().unwrap().given(&Observation::exact(&[0], &[first]).unwrap()).unwrap();
    given.column(1).unwrap()
}

fn four_gaussians() -> GaussianMixture {
    let means = DMatrix::from_row_slice(4, 2, &[-1.5, -1.5, -1.5, 1.5, 1.5, -1.5, 1.5, 1.5]);
    GaussianMixture::spherical(DVector::from_vec(vec![0.4, 0.1, 0.2, 0.3]), means, 0.5).unwrap()
}

/// No farther from the truth than twice what two exact samples are from each other, of as many draws as there are rows
/// near by: that is what the shares of two modes can be known to.
#[test]
fn conditionals_of_fits_are_near_the_true_ones() {
    let ring = Sphere::circle(2.0, 2, 0.2).unwrap();
    let four = four_gaussians();
    let cases: [(&dyn Law, f64); 5] = [(&ring, 0.0), (&ring, 1.2), (&ring, 1.9), (&four, -1.0), (&four, 0.3)];
    for (seed, (law, first)) in cases.into_iter().enumerate() {
        let truth = Truth::new(law, first);
        let floor = truth.floor(200, &mut StdRng::seed_from_u64(1));
        let found = conditional(law, 5_000, first, seed as u64);
        let distance = truth.distance(|x| found.cdf(x));
        assert!(distance < 2.0 * floor, "{first}: {distance}, of two samples {floor}");
    }
}

/// Where held-out values lie in the law predicted for them is uniform: Kolmogorov-Smirnov at 1e-3 for five seeds.
#[test]
fn predictions_are_calibrated() {
    let four = four_gaussians();
    for seed in 0..5 {
        let mut rng = StdRng::seed_from_u64(seed);
        let rows = four.draw(4_400, &mut rng);
        let model = DiffusionLearner::new().fit(rows.rows(0, 4_000), &mut rng).unwrap();
        let law = model.base().unwrap();
        let mut ranks: Vec<f64> = (4_000..4_400)
            .map(|i| {
                let given = law.given(&Observation::exact(&[0], &[rows[(i, 0)]]).unwrap()).unwrap();
                given.column(1).unwrap().cdf(rows[(i, 1)])
            })
            .collect();
        ranks.sort_by(f64::total_cmp);
        let n = ranks.len() as f64;
        let gap = |(i, p): (usize, &f64)| (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs());
        let distance = n.sqrt() * ranks.iter().enumerate().map(gap).fold(0.0, f64::max);
        assert!(distance < 1.95, "{seed}: {distance}");
    }
}
