//! What must not matter does not: where the origin lies, the unit, the order of rows and columns, how often
//! all rows are repeated, rows far away. And identities that hold for every law.
//!
//! `PROPTEST_CASES=10000 cargo test --release --test it -- properties::` tries more cases than the 256 of
//! `cargo test`, in which properties that fit models take a share of them.

use gmix_diffusion::metrics::total_variation;
use gmix_diffusion::nalgebra::{DMatrix, DVector, SymmetricEigen};
use gmix_diffusion::rand::{RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use gmix_diffusion::{
    DifferentiableScore, DiffusionLearner, DiffusionModel, GaussianCells, GaussianMixture,
    GaussianPartitioner, LogDensity, NoiseLevel, Partition, PolynomialRegression, ScoreModel, SingleCell,
    VoronoiCells,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

// ── ingredients

fn normals(n: usize, dim: usize, rng: &mut StdRng) -> DMatrix<f64> {
    DMatrix::from_fn(n, dim, |_, _| StandardNormal.sample(rng))
}

/// A random orthogonal matrix.
fn rotation(dim: usize, rng: &mut StdRng) -> DMatrix<f64> {
    normals(dim, dim, rng).qr().q()
}

/// Masses, means and covariances of a random mixture of three Gaussians of widths between 0.3 and 3.
#[derive(Debug, Clone)]
struct Parameters {
    masses: DVector<f64>,
    means: DMatrix<f64>,
    covariances: Vec<DMatrix<f64>>,
}

impl Parameters {
    fn random(dim: usize, rng: &mut StdRng) -> Self {
        let masses = DVector::from_fn(3, |_, _| 0.1 + rng.random::<f64>());
        let covariances = (0..3)
            .map(|_| {
                let axes = rotation(dim, rng);
                let variances = DVector::from_fn(dim, |_, _| 10f64.powf(2.0 * rng.random::<f64>() - 1.0));
                let covariance = &axes * DMatrix::from_diagonal(&variances) * axes.transpose();
                (&covariance + covariance.transpose()) * 0.5
            })
            .collect();
        Self { masses: &masses / masses.sum(), means: normals(3, dim, rng) * 3.0, covariances }
    }

    fn mixture(&self) -> GaussianMixture {
        GaussianMixture::new(self.masses.clone(), self.means.clone(), self.covariances.clone()).unwrap()
    }
}

/// Rows (n × d) · matrix + shift.
fn mapped(rows: &DMatrix<f64>, matrix: &DMatrix<f64>, shift: &DVector<f64>) -> DMatrix<f64> {
    let mut mapped = rows * matrix;
    for mut row in mapped.row_iter_mut() {
        row += shift.transpose();
    }
    mapped
}

fn level() -> impl Strategy<Value = NoiseLevel> {
    (0.1..1.5f64, prop_oneof![Just(0.0), 0.01..5.0f64]).prop_map(|(a, s)| NoiseLevel::new(a, s).unwrap())
}

fn close(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * (1.0 + a.abs()))
}

/// E[X | Y] of a mixture, by Bayes's rule and without scores; and tr Cov(X | Y).
fn posterior(law: &Parameters, level: NoiseLevel, y: &DVector<f64>) -> (DVector<f64>, f64) {
    let (a, s) = (level.signal(), level.noise());
    let dim = y.len();
    let (mut logs, mut means, mut traces) = (Vec::new(), Vec::new(), Vec::new());
    for (j, covariance) in law.covariances.iter().enumerate() {
        let eigen = SymmetricEigen::new(covariance.clone());
        let mean = law.means.row(j).transpose();
        let offset = eigen.eigenvectors.transpose() * (y - &mean * a);
        let noised = eigen.eigenvalues.map(|v| a * a * v + s * s);
        let log = (0..dim).map(|i| -0.5 * (offset[i].powi(2) / noised[i] + noised[i].ln())).sum::<f64>();
        logs.push(law.masses[j].ln() + log);
        let gain = DVector::from_fn(dim, |i, _| a * eigen.eigenvalues[i] / noised[i] * offset[i]);
        means.push(mean + &eigen.eigenvectors * gain);
        traces.push((0..dim).map(|i| s * s * eigen.eigenvalues[i] / noised[i]).sum::<f64>());
    }
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
    let total: f64 = shares.iter().sum();
    let mut mean = DVector::zeros(dim);
    for (share, own) in shares.iter().zip(&means) {
        mean.axpy(share / total, own, 1.0);
    }
    let trace = shares
        .iter()
        .zip(&means)
        .zip(&traces)
        .map(|((share, own), trace)| share / total * (trace + (own - &mean).norm_squared()));
    let trace = trace.sum();
    (mean, trace)
}

// ── laws in closed form

proptest! {
    #[test]
    fn a_mixture_follows_translation_rotation_and_scaling(
        seed: u64, dim in 1..5usize, level in level(), exponent in -6..6i32,
    ) {
        let mut rng = StdRng::seed_from_u64(seed);
        let law = Parameters::random(dim, &mut rng);
        let points = normals(5, dim, &mut rng) * 4.0;
        let (scale, shift) = (10f64.powi(exponent), DVector::from_fn(dim, |_, _| 3.0 * rng.random::<f64>()));
        let map = rotation(dim, &mut rng) * scale;
        let moved = Parameters {
            masses: law.masses.clone(),
            means: mapped(&law.means, &map, &(&shift * scale)),
            covariances: law.covariances.iter().map(|c| {
                let covariance = map.transpose() * c * &map;
                (&covariance + covariance.transpose()) * 0.5
            }).collect(),
        };
        let moved_points = mapped(&points, &map, &(&shift * (scale * level.signal())));
        let moved_level = NoiseLevel::new(level.signal(), level.noise() * scale).unwrap();
        let before = law.mixture().log_density(level, &points).unwrap();
        let after = moved.mixture().log_density(moved_level, &moved_points).unwrap();
        let after = after.add_scalar(dim as f64 * scale.ln());
        prop_assert!(close(before.as_slice(), after.as_slice(), 1e-8), "{before} {after}");
        // ∇ in the new coordinates is that in the old ones, turned and over the scale.
        let before = law.mixture().score(level, &points).unwrap() * &map / (scale * scale);
        let after = moved.mixture().score(moved_level, &moved_points).unwrap();
        prop_assert!(close((before * scale).as_slice(), (after * scale).as_slice(), 1e-7));
    }

    #[test]
    fn more_dimensions_add_their_own_density(seed: u64, dim in 1..4usize, level in level(), std in 0.1..3.0f64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let law = Parameters::random(dim, &mut rng);
        let points = normals(5, dim, &mut rng) * 4.0;
        let extra = normals(5, 1, &mut rng);
        let embedded = Parameters {
            masses: law.masses.clone(),
            means: law.means.clone().insert_column(dim, 0.0),
            covariances: law.covariances.iter().map(|c| {
                let mut c = c.clone().resize(dim + 1, dim + 1, 0.0);
                c[(dim, dim)] = std * std;
                c
            }).collect(),
        };
        let mut more = points.clone().insert_column(dim, 0.0);
        more.set_column(dim, &extra.column(0));
        let variance = (level.signal() * std).powi(2) + level.noise().powi(2);
        let own = extra.map(|x| -0.5 * (x * x / variance + (std::f64::consts::TAU * variance).ln()));
        let expected = law.mixture().log_density(level, &points).unwrap() + own.column(0);
        let found = embedded.mixture().log_density(level, &more).unwrap();
        prop_assert!(close(expected.as_slice(), found.as_slice(), 1e-9), "{expected} {found}");
    }

    /// E[X | Y] = (y + s² ∇ log p)/a and tr Cov(X | Y) = (s²/a²)(d + s² Δ log p).
    #[test]
    fn tweedie_s_identities_hold(seed: u64, dim in 1..5usize, a in 0.2..1.5f64, s in 0.05..5.0f64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let law = Parameters::random(dim, &mut rng);
        let level = NoiseLevel::new(a, s).unwrap();
        let points = normals(5, dim, &mut rng) * 4.0;
        let mixture = law.mixture();
        let denoised = mixture.denoise(level, &points).unwrap();
        let (mut score, mut divergence) = (DMatrix::zeros(5, dim), [0.0; 5]);
        mixture
            .score_and_divergence_into(level, points.as_view(), score.as_view_mut(), &mut divergence)
            .unwrap();
        for (i, divergence) in divergence.into_iter().enumerate() {
            let y = points.row(i).transpose();
            let (mean, trace) = posterior(&law, level, &y);
            let by_score = (&y + score.row(i).transpose() * (s * s)) / a;
            prop_assert!(close(mean.as_slice(), denoised.row(i).transpose().as_slice(), 1e-8));
            prop_assert!(close(mean.as_slice(), by_score.as_slice(), 1e-8));
            let by_divergence = s * s / (a * a) * (dim as f64 + s * s * divergence);
            prop_assert!((trace - by_divergence).abs() <= 1e-7 * (1.0 + trace), "{trace} {by_divergence}");
        }
    }

    /// Noise is a channel: it cannot make two laws easier to tell apart.
    #[test]
    fn more_noise_never_raises_total_variation(seed: u64, s in 0.0..2.0f64, more in 0.0..2.0f64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let laws = [(); 2].map(|()| Parameters::random(1, &mut rng).mixture());
        let grid = DMatrix::from_fn(4001, 1, |i, _| -40.0 + 0.02 * i as f64);
        let distance = |noise: f64| {
            let level = NoiseLevel::variance_exploding(noise).unwrap();
            let [p, q] = [0, 1].map(|i| laws[i].log_density(level, &grid).unwrap().map(f64::exp));
            0.5 * 0.02 * (p - q).abs().sum()
        };
        let (before, after) = (distance(s), distance(s + more));
        prop_assert!(after <= before + 1e-4, "{before} {after}");
    }

    #[test]
    fn cells_share_out_all_of_space(seed: u64, dim in 1..4usize, exponent in -3.0..3.0f64, spread in -2..8i32) {
        let mut rng = StdRng::seed_from_u64(seed);
        let law = Parameters::random(dim, &mut rng);
        let points = normals(20, dim, &mut rng) * 10f64.powi(spread);
        let bandwidth = 10f64.powf(exponent);
        let cells: [Box<dyn Partition>; 4] = [
            Box::new(VoronoiCells::soft(law.means.clone(), law.masses.clone()).unwrap()),
            Box::new(VoronoiCells::hard(law.means.clone()).unwrap()),
            Box::new(GaussianCells::new(law.masses, law.means, law.covariances).unwrap()),
            Box::new(VoronoiCells::hard(DMatrix::zeros(1, dim)).unwrap()),
        ];
        for cells in cells {
            let shares = cells.responsibilities(bandwidth, &points).unwrap();
            for row in shares.row_iter() {
                prop_assert!((row.sum() - 1.0).abs() < 1e-12 && row.min() >= 0.0, "{row}");
            }
        }
    }
}

// ── fits

/// Two or three clusters of unequal shape in the plane, far enough apart to be told.
fn clusters(n: usize, rng: &mut StdRng) -> DMatrix<f64> {
    let centres = [[0.0, 0.0], [8.0, 2.0], [-3.0, 9.0]];
    let count = 2 + rng.random_range(0..2);
    let widths = DMatrix::from_fn(count, 2, |_, _| 0.5 + rng.random::<f64>());
    let mut rows = normals(n, 2, rng);
    for (i, mut row) in rows.row_iter_mut().enumerate() {
        for axis in 0..2 {
            row[axis] = centres[i % count][axis] + widths[(i % count, axis)] * row[axis];
        }
    }
    rows
}

fn fit(learner: &DiffusionLearner, rows: &DMatrix<f64>) -> DiffusionModel {
    learner.fit(rows, &mut StdRng::seed_from_u64(7)).unwrap()
}

/// The default, and with σ₀ given, which keeps the columns' scales together.
fn learners() -> [DiffusionLearner; 2] {
    [DiffusionLearner::new(), DiffusionLearner::new().with_component_std(0.5)]
}

/// Cells of one search, as `fast` has them.
fn one_path() -> GaussianPartitioner {
    GaussianPartitioner::default().with_paths(1)
}

/// One Gaussian: exactly the moments of the rows.
fn gaussian() -> DiffusionLearner {
    DiffusionLearner::new()
        .with_component_std(0.1)
        .with_partitioner(SingleCell)
        .with_regression(PolynomialRegression::default().with_max_degree(1).with_ridge([0.0]))
}

fn density(model: &DiffusionModel, points: &DMatrix<f64>) -> DVector<f64> {
    model.log_density(points).unwrap()
}

/// Total variation between two densities, by rows of the first.
fn variation(first: &DVector<f64>, second: &DVector<f64>) -> f64 {
    total_variation(first.as_slice(), second.as_slice()).unwrap().value
}

/// Two fits to 400 rows that differ as two seeds do are no farther apart than this. One in a thousand is by
/// more than 0.1: where 1.5 standard errors lie between few cells and more, either may be chosen.
const AS_SEEDS: f64 = 0.2;
/// Nor are they by more than this on average.
const AS_SEEDS_ON_AVERAGE: f64 = 0.025;

/// Between fits to rows, and to what `change` makes of them.
fn distances_of_change(seed: u64, change: fn(&DMatrix<f64>) -> DMatrix<f64>) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let rows = clusters(400, &mut rng);
    let changed = change(&rows);
    let distance = |learner: DiffusionLearner| {
        let (first, second) = (fit(&learner, &rows), fit(&learner, &changed));
        let drawn = first.sample(2000, &mut rng).unwrap();
        variation(&density(&first, &drawn), &density(&second, &drawn))
    };
    learners().map(distance).to_vec()
}

/// Folds and noise are drawn by row: another order is another seed.
fn another_order(rows: &DMatrix<f64>) -> DMatrix<f64> {
    let n = rows.nrows();
    rows.select_rows(&(0..n).map(|i| (i * 147 + 11) % n).collect::<Vec<_>>())
}

/// Folds are then dealt by value, as with another seed, and statistics count twice as many rows.
fn twice(rows: &DMatrix<f64>) -> DMatrix<f64> {
    let n = rows.nrows();
    rows.select_rows(&(0..2 * n).map(|i| i % n).collect::<Vec<_>>())
}

/// Between fits to rows, and to rows whose two columns are swapped.
fn distances_of_swapped_columns(seed: u64, learners: [DiffusionLearner; 2]) -> Vec<f64> {
    let rows = clusters(400, &mut StdRng::seed_from_u64(seed));
    let swapped = rows.select_columns(&[1, 0]);
    let distance = |learner: DiffusionLearner| {
        let (first, second) = (fit(&learner, &rows), fit(&learner, &swapped));
        variation(&density(&first, &rows), &density(&second, &swapped))
    };
    learners.map(distance).to_vec()
}

/// Without a σ₀ the columns' scales are found one by one, which a rotation changes.
fn distances_of_a_rotation(seed: u64) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let rows = clusters(400, &mut rng);
    let map = rotation(2, &mut rng);
    let [_, learner] = learners();
    let (first, second) = (fit(&learner, &rows), fit(&learner, &(&rows * &map)));
    let drawn = first.sample(2000, &mut rng).unwrap();
    vec![variation(&density(&first, &drawn), &density(&second, &(&drawn * &map)))]
}

/// Of two far-apart sets one is learned as it is alone, with its share of the mass.
fn distances_of_far_away_rows(seed: u64, distance: f64) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (near, mut far) = (clusters(400, &mut rng), clusters(200, &mut rng));
    far.add_scalar_mut(distance);
    let both = DMatrix::from_fn(600, 2, |i, j| if i < 400 { near[(i, j)] } else { far[(i - 400, j)] });
    let between = |learner: DiffusionLearner| {
        let (alone, together) = (fit(&learner, &near), fit(&learner, &both));
        let drawn = alone.sample(2000, &mut rng).unwrap();
        variation(&density(&alone, &drawn), &density(&together, &drawn).add_scalar(1.5f64.ln()))
    };
    learners().map(between).to_vec()
}

/// Rows of a plane in space are learned as those of the plane.
fn distances_of_more_columns(seed: u64) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let rows = clusters(400, &mut rng);
    // Orthonormal, so that it keeps areas.
    let into_space = rotation(4, &mut rng).rows(0, 2).into_owned();
    let [_, learner] = learners();
    let (plane, space) = (fit(&learner, &rows), fit(&learner, &(&rows * &into_space)));
    assert_eq!(space.units().hull_axes().map(|axes| axes.ncols()), Some(2));
    let drawn = plane.sample(2000, &mut rng).unwrap();
    vec![variation(&density(&plane, &drawn), &density(&space, &(&drawn * &into_space)))]
}

#[test]
fn what_is_no_more_than_a_seed_moves_a_density_little_on_average() {
    type Distances = fn(u64) -> Vec<f64>;
    let of: [(&str, Distances); 6] = [
        ("columns swapped", |seed| distances_of_swapped_columns(seed, learners())),
        ("order", |seed| distances_of_change(seed, another_order)),
        ("rotation", distances_of_a_rotation),
        ("twice", |seed| distances_of_change(seed, twice)),
        ("far", |seed| distances_of_far_away_rows(seed, 200.0 + seed as f64)),
        ("columns", distances_of_more_columns),
    ];
    for (what, distances) in of {
        let all: Vec<f64> = (0..12).flat_map(distances).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!(mean < AS_SEEDS_ON_AVERAGE, "{what}: {mean}");
    }
}

proptest! {
    // A fit takes as long as a hundred of the cases above, so that there are fewer of these unless
    // PROPTEST_CASES asks for as many. Fixed seeds: bounds on what differs as two seeds do hold for most data,
    // not for all; and a smaller seed is no simpler case.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 64,
        rng_seed: RngSeed::Fixed(1),
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_origin_does_not_matter(seed: u64, shift in proptest::array::uniform2(-1e4..1e4f64)) {
        let rows = clusters(400, &mut StdRng::seed_from_u64(seed));
        let moved = mapped(&rows, &DMatrix::identity(2, 2), &DVector::from_column_slice(&shift));
        for learner in learners() {
            let (before, after) = (density(&fit(&learner, &rows), &rows), density(&fit(&learner, &moved), &moved));
            prop_assert!(close(before.as_slice(), after.as_slice(), 1e-5), "{}", (before - after).amax());
        }
    }

    /// Powers of ten, a column its own where none is known to be in another's units. Exact but for the rounding
    /// of powers of ten themselves.
    #[test]
    fn the_unit_does_not_matter(seed: u64, exponents in proptest::array::uniform2(-100..100i32)) {
        let rows = clusters(400, &mut StdRng::seed_from_u64(seed));
        let known = |unit: f64| DiffusionLearner::new().with_component_std(0.5 * unit);
        let unit = 10f64.powi(exponents[0]);
        let own = exponents.map(|exponent| 10f64.powi(exponent));
        for (plain, learner, units) in
            [(DiffusionLearner::new(), DiffusionLearner::new(), own), (known(1.0), known(unit), [unit; 2])]
        {
            let scaled = DMatrix::from_fn(400, 2, |i, j| rows[(i, j)] * units[j]);
            let before = density(&fit(&plain, &rows), &rows);
            let after = density(&fit(&learner, &scaled), &scaled).add_scalar(units.iter().map(|u| u.ln()).sum());
            prop_assert!(close(before.as_slice(), after.as_slice(), 1e-6), "{}", (before - after).amax());
        }
    }

    /// Sums over columns are then taken in another order; where folds are searched on their own, a number of cells may turn
    /// on that.
    #[test]
    fn the_order_of_columns_does_not_matter(seed: u64) {
        let of_sums = distances_of_swapped_columns(seed, learners().map(|learner| learner.with_mixture(one_path())));
        prop_assert!(of_sums.iter().all(|distance| *distance < 1e-6), "{of_sums:?}");
        let distances = distances_of_swapped_columns(seed, learners());
        prop_assert!(distances.iter().all(|distance| *distance < AS_SEEDS), "{distances:?}");
    }

    /// The moments know no order.
    #[test]
    fn the_order_of_rows_is_no_more_than_a_seed(seed: u64) {
        let rows = clusters(400, &mut StdRng::seed_from_u64(seed));
        let permuted = another_order(&rows);
        let (before, after) = (density(&fit(&gaussian(), &rows), &rows), density(&fit(&gaussian(), &permuted), &rows));
        prop_assert!(close(before.as_slice(), after.as_slice(), 1e-8), "{}", (before - after).amax());
        let distances = distances_of_change(seed, another_order);
        prop_assert!(distances.iter().all(|distance| *distance < AS_SEEDS), "{distances:?}");
    }

    /// An orthogonal map of the rows.
    #[test]
    fn a_rotation_is_no_more_than_a_seed(seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let rows = clusters(400, &mut rng);
        let turned = &rows * rotation(2, &mut rng);
        let (before, after) = (density(&fit(&gaussian(), &rows), &rows), density(&fit(&gaussian(), &turned), &turned));
        prop_assert!(close(before.as_slice(), after.as_slice(), 1e-6), "{}", (before - after).amax());
        let distances = distances_of_a_rotation(seed);
        prop_assert!(distances.iter().all(|distance| *distance < AS_SEEDS), "{distances:?}");
    }

    /// All rows twice say no more of the law.
    #[test]
    fn all_rows_twice_are_the_rows(seed: u64) {
        let rows = clusters(400, &mut StdRng::seed_from_u64(seed));
        let (before, after) = (density(&fit(&gaussian(), &rows), &rows), density(&fit(&gaussian(), &twice(&rows)), &rows));
        prop_assert!(close(before.as_slice(), after.as_slice(), 1e-8), "{}", (before - after).amax());
        let distances = distances_of_change(seed, twice);
        prop_assert!(distances.iter().all(|distance| *distance < AS_SEEDS), "{distances:?}");
    }

    #[test]
    fn far_away_rows_do_not_matter(seed: u64, distance in 200.0..2000.0f64) {
        let distances = distances_of_far_away_rows(seed, distance);
        prop_assert!(distances.iter().all(|distance| *distance < AS_SEEDS), "{distances:?}");
    }

    #[test]
    fn more_columns_than_directions_do_not_matter(seed: u64) {
        let distances = distances_of_more_columns(seed);
        prop_assert!(distances.iter().all(|distance| *distance < AS_SEEDS), "{distances:?}");
    }
}
