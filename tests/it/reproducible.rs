//! The same seed gives the same bits: for any blocks of rows in any order, any form of the rows and any
//! number of threads. A row of weight 2 is a row twice.

use gmix_diffusion::metrics::total_variation;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::seq::SliceRandom;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{
    DiffusionLearner, DiffusionModel, NoiseLevel, PolynomialRegression, Rows, ScoreModel, SingleCell,
    VoronoiPartitioner,
};
use rayon::ThreadPoolBuilder;

const SEED: u64 = 11;

fn rows(n: usize) -> DMatrix<f64> {
    targets::gmm2d_k3().draw(n, &mut StdRng::seed_from_u64(1))
}

fn fit<'a>(learner: &DiffusionLearner, rows: impl Into<Rows<'a>>) -> DiffusionModel {
    learner.fit(rows, &mut StdRng::seed_from_u64(SEED)).unwrap()
}

/// A fit by hand: every pass over blocks of `size` rows, merged in an order that is shuffled anew.
fn fit_in_blocks(learner: &DiffusionLearner, rows: &DMatrix<f64>, size: usize) -> DiffusionModel {
    let mut order: Vec<usize> = (0..rows.nrows().div_ceil(size)).collect();
    let mut shuffle = StdRng::seed_from_u64(size as u64);
    let mut fit = learner.begin(&mut StdRng::seed_from_u64(SEED)).unwrap();
    while let Some(pass) = fit.next_pass() {
        order.shuffle(&mut shuffle);
        let mut sums = Default::default();
        for block in &order {
            let first = block * size;
            let part = rows.rows(first, size.min(rows.nrows() - first));
            pass.merge(&mut sums, pass.accumulate(part, first as u64).unwrap()).unwrap();
        }
        fit.absorb(sums).unwrap();
    }
    fit.finish().unwrap()
}

/// Everything a model says, as bits: report, warm starts, draws, densities and scores.
fn fingerprint(model: &DiffusionModel) -> (String, Vec<u64>) {
    let drawn = model.sample(1500, &mut StdRng::seed_from_u64(5)).unwrap();
    let density = model.log_density(&drawn.rows(0, 300).into_owned()).unwrap();
    let levels = model.score_model().levels();
    let level = levels[levels.len() / 2];
    let score = model.score(level, &drawn).unwrap();
    let values =
        [drawn.as_slice(), density.as_slice(), score.as_slice(), model.centres().as_slice()].concat();
    (format!("{:?}", model.report()), values.iter().map(|value| value.to_bits()).collect())
}

fn learners() -> [(&'static str, DiffusionLearner); 3] {
    let known = DiffusionLearner::new().with_component_std(1.0);
    [
        ("default", DiffusionLearner::new()),
        ("soft Voronoi cells", known.with_partitioner(VoronoiPartitioner::soft())),
        ("the paper's", DiffusionLearner::paper().with_component_std(1.0)),
    ]
}

#[test]
fn blocks_of_any_size_in_any_order_give_the_same_bits() {
    // Three chunks of rows, the last one short.
    let rows = rows(4500);
    let [default, voronoi, paper] = learners();
    for ((name, learner), sizes) in
        [(default, &[1, 7, 1000, 2048, 10_007][..]), (voronoi, &[1000]), (paper, &[7, 2048])]
    {
        let whole = fingerprint(&fit(&learner, &rows));
        for &size in sizes {
            assert!(fingerprint(&fit_in_blocks(&learner, &rows, size)) == whole, "{name}: blocks of {size}");
        }
    }
}

#[test]
fn more_rows_than_are_kept_in_memory_give_the_same_bits_too() {
    let rows = rows(12_000);
    let learner = DiffusionLearner::new();
    let whole = fingerprint(&fit(&learner, &rows));
    for size in [1000, 10_007] {
        assert!(fingerprint(&fit_in_blocks(&learner, &rows, size)) == whole, "blocks of {size}");
    }
}

#[test]
fn matrices_views_and_slices_give_the_same_bits() {
    let rows = rows(2500);
    let learner = DiffusionLearner::new().with_component_std(1.0);
    let whole = fingerprint(&fit(&learner, &rows));
    // A view into a larger matrix, whose columns are not adjacent.
    let larger = rows.clone().insert_row(0, 99.0).insert_row(2501, -99.0);
    assert!(fingerprint(&fit(&learner, larger.rows(1, 2500))) == whole);
    let by_row: Vec<[f64; 2]> = rows.row_iter().map(|row| [row[0], row[1]]).collect();
    assert!(fingerprint(&fit(&learner, &by_row[..])) == whole);
    let flat = Rows::from_row_slice(by_row.as_flattened(), 2).unwrap();
    assert!(fingerprint(&fit(&learner, flat)) == whole);
    // Weights of one are none.
    assert!(fingerprint(&fit(&learner, flat.with_weights(&[1.0; 2500]).unwrap())) == whole);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let rows = rows(4500);
    for (name, learner) in learners() {
        let [one, three] = [1, 3].map(|threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fingerprint(&fit(&learner, &rows)))
        });
        assert!(one == three, "{name}");
    }
}

#[test]
fn another_seed_gives_another_fit_and_other_draws() {
    let rows = rows(1000);
    let learner = DiffusionLearner::new();
    let model = fit(&learner, &rows);
    let other = learner.fit(&rows, &mut StdRng::seed_from_u64(SEED + 1)).unwrap();
    assert_ne!(fingerprint(&model).1, fingerprint(&other).1);
    let [a, b] = [1, 2].map(|seed| model.sample(10, &mut StdRng::seed_from_u64(seed)).unwrap());
    assert_ne!(a, b);
}

#[test]
fn the_first_draws_do_not_depend_on_how_many_follow() {
    let model = fit(&DiffusionLearner::new(), &rows(500));
    let many = model.sample(3000, &mut StdRng::seed_from_u64(5)).unwrap();
    let fewer = model.sample(1024, &mut StdRng::seed_from_u64(5)).unwrap();
    assert_eq!(fewer, many.rows(0, 1024));
}

/// Chunks of one call, calls with one generator, and models: draws of no two are correlated. A correlation
/// of independent draws has the standard deviation 1/√1024; of 28 one exceeds 4.5 of them in 5,000 runs.
#[test]
fn chunks_calls_and_models_share_no_stream() {
    let model = fit(&DiffusionLearner::new(), &rows(500));
    let twin = model.clone();
    let mut rng = StdRng::seed_from_u64(5);
    let mut chunks = Vec::new();
    for model in [&model, &model, &twin, &twin] {
        let column = model.sample(2048, &mut rng).unwrap().column(1).into_owned();
        for start in [0, 1024] {
            let chunk = column.rows(start, 1024).add_scalar(-column.rows(start, 1024).mean());
            chunks.push(chunk.normalize());
        }
    }
    for (i, chunk) in chunks.iter().enumerate() {
        for (j, other) in chunks.iter().enumerate().skip(i + 1) {
            let correlation = chunk.dot(other);
            assert!(correlation.abs() < 4.5 / 32.0, "{i} {j}: {correlation}");
        }
    }
}

/// Rows with weights 1 and 2 in turn, and the same with the heavy ones twice.
fn weighted_and_repeated(n: usize) -> (DMatrix<f64>, Vec<f64>, DMatrix<f64>) {
    let rows = rows(n);
    let weights: Vec<f64> = (0..n).map(|i| f64::from(1 + (i % 2) as u8)).collect();
    let twice: Vec<usize> = (0..n).flat_map(|i| std::iter::repeat_n(i, 1 + i % 2)).collect();
    let repeated = rows.select_rows(&twice);
    (rows, weights, repeated)
}

#[test]
fn a_row_of_weight_two_has_the_moments_of_the_row_twice() {
    let (rows, weights, repeated) = weighted_and_repeated(3000);
    // One Gaussian is its moments.
    let learner = DiffusionLearner::new()
        .with_component_std(0.3)
        .with_partitioner(SingleCell)
        .with_regression(PolynomialRegression::default().with_max_degree(1).with_ridge([0.0]));
    let weighted = fit(&learner, Rows::from(&rows).with_weights(&weights).unwrap());
    let plain = fit(&learner, &repeated);
    let points = rows.rows(0, 200).into_owned();
    for index in [0, 5, plain.score_model().levels().len() - 1] {
        let level = plain.score_model().levels()[index];
        let level = NoiseLevel::new(level.signal(), level.noise() * plain.units().scale()[0]).unwrap();
        let difference = weighted.score(level, &points).unwrap() - plain.score(level, &points).unwrap();
        assert!(difference.amax() < 1e-9, "{index}: {:e}", difference.amax());
    }
}

/// Folds and noise are drawn by row, so beyond the moments the two fits differ like two seeds.
#[test]
fn a_row_of_weight_two_is_learned_like_the_row_twice() {
    let (rows, weights, repeated) = weighted_and_repeated(3000);
    let learner = DiffusionLearner::new().with_component_std(1.0);
    let weighted = fit(&learner, Rows::from(&rows).with_weights(&weights).unwrap());
    let plain = fit(&learner, &repeated);
    let points = targets::gmm2d_k3().draw(5000, &mut StdRng::seed_from_u64(8));
    let distance = total_variation(
        plain.log_density(&points).unwrap().as_slice(),
        weighted.log_density(&points).unwrap().as_slice(),
    );
    // Each is about .02 from the truth.
    assert!(distance.unwrap().value < 0.015);
    assert_eq!(weighted.centres().nrows(), plain.centres().nrows());
}

/// A change of these numbers is a value-breaking change and belongs in the changelog. The tolerance is
/// for other processors, whose sums may differ in their last bits.
#[test]
fn values_are_stable() {
    let close = |found: &[f64], expected: &[f64]| {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-6;
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(near), "{found:?}");
    };
    let rows = DMatrix::from_fn(200, 1, |i, _| (0.37 * i as f64).sin() + if i % 3 == 0 { 4.0 } else { 0.0 });
    let points = DMatrix::from_row_slice(3, 1, &[-1.0, 0.5, 4.0]);
    let gaussian = DiffusionLearner::new().with_component_std(0.5).with_partitioner(SingleCell);
    let gaussian =
        gaussian.with_regression(PolynomialRegression::default().with_max_degree(1).with_ridge([0.0]));
    let model = fit(&gaussian, &rows);
    close(model.log_density(&points).unwrap().as_slice(), &[-2.301710125, -1.709182460, -2.482122283]);
    close(
        model.sample(3, &mut StdRng::seed_from_u64(1)).unwrap().as_slice(),
        &[2.147686949, 0.383403445, -0.214812927],
    );
    let model = fit(&DiffusionLearner::new(), &rows);
    close(model.log_density(&points).unwrap().as_slice(), &[-0.326827701, -1.070175023, -2.176655581]);
    close(
        model.sample(3, &mut StdRng::seed_from_u64(1)).unwrap().as_slice(),
        &[-0.602735069, -0.237170686, 0.766337452],
    );
}
