//! The innermost loops, each beside a bound on what it could take: `cargo bench --bench kernels`, on one
//! thread with `RAYON_NUM_THREADS=1`.
//!
//! What is private to the library is compiled in here a second time. An element is what a loop does once:
//! an exponential, a row in a cell, a product, a random number.

// The modules compiled in have more than is timed.
#![allow(dead_code, unused_imports)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Throughput, criterion_group, criterion_main};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{DiffusionLearner, DiffusionModel, GaussianMixture, LogDensity, NoiseLevel, ScoreModel};
use nalgebra::{Cholesky, DMatrix, DVector};
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::cell_moments::{CellMoments, feature_count};
use crate::kernels::{Gaussian, Gaussians, exponentials_in_place, responsibilities_in_place};
use crate::linalg::{Columns, add_transposed_product};
use crate::processor_time::ProcessorTime;

#[path = "../src/search/cell_moments.rs"]
mod cell_moments;
#[path = "../src/kernels/mod.rs"]
mod kernels;
#[path = "../src/linalg.rs"]
mod linalg;
#[path = "support/processor_time.rs"]
mod processor_time;
#[path = "../src/shapes.rs"]
mod shapes;
/// Those of the library, for the modules compiled in.
mod error {
    pub(crate) use gmix_diffusion::{Error, Result};
}

type Criterion = criterion::Criterion<ProcessorTime>;

/// Rows of a benchmark, and those of them that are evaluated together where a loop takes blocks.
const ROWS: usize = 2048;
const BLOCK: usize = 256;
/// Directions and cells.
const SIZES: [(usize, usize); 4] = [(2, 15), (2, 75), (10, 5), (10, 25)];

fn waves(rows: usize, columns: usize, scale: f64) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |i, j| scale * ((i * 13 + j * 7) as f64 * 0.618).sin())
}

fn covariance(dim: usize, cell: usize) -> DMatrix<f64> {
    let factor = DMatrix::from_fn(dim, dim, |a, b| 0.3 * ((a * 5 + b * 3 + cell) as f64).sin());
    &factor * factor.transpose() + DMatrix::identity(dim, dim) * 0.2
}

fn mixture(dim: usize, cells: usize) -> GaussianMixture {
    let covariances = (0..cells).map(|cell| covariance(dim, cell)).collect();
    let weights = DVector::from_element(cells, 1.0);
    GaussianMixture::new(weights, waves(cells, dim, 1.9), covariances).expect("the constants are valid")
}

fn gaussians(dim: usize, cells: usize) -> Gaussians {
    let means = waves(cells, dim, 1.9);
    let gaussian = |cell: usize| {
        let factor = Cholesky::new(covariance(dim, cell)).expect("positive definite").unpack();
        Gaussian::factored(0.0, means.row(cell).iter().copied().collect(), &factor)
    };
    Gaussians::new(dim, (0..cells).map(gaussian).collect())
}

/// The log-sum-exp of all rows; the responsibilities stay behind.
fn log_sum_exp(
    gaussians: &Gaussians,
    points: &DMatrix<f64>,
    responsibilities: &mut DMatrix<f64>,
) -> Vec<f64> {
    gaussians.log_joint_into(points.as_view(), responsibilities.as_view_mut());
    responsibilities_in_place(responsibilities)
}

/// Against the standard library's, one at a time.
fn exponential(criterion: &mut Criterion) {
    let logarithms: Vec<f64> = (0..ROWS).map(|i| -0.03 * i as f64).collect();
    let peaks = vec![0.0; ROWS];
    let mut values = logarithms.clone();
    let mut group = criterion.benchmark_group("exponential");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("vectorised", |bencher| {
        bencher.iter(|| {
            values.copy_from_slice(&logarithms);
            exponentials_in_place(black_box(&mut values), &peaks);
        });
    });
    group.bench_function("standard library", |bencher| {
        bencher.iter(|| {
            values.copy_from_slice(&logarithms);
            black_box(&mut values).iter_mut().for_each(|value| *value = value.exp());
        });
    });
    group.finish();
}

/// Score and log-density of a mixture, against responsibilities and log-sum-exp of the same cells alone; and
/// these against their exponentials.
fn mixtures(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mixture");
    for (dim, cells) in SIZES {
        let (law, gaussians, points) = (mixture(dim, cells), gaussians(dim, cells), waves(ROWS, dim, 2.0));
        let size = format!("{dim}-D, {cells} cells");
        let mut responsibilities = DMatrix::zeros(ROWS, cells);
        let mut score = DMatrix::zeros(ROWS, dim);
        let peaks = vec![0.0; ROWS * cells];
        group.throughput(Throughput::Elements((ROWS * cells) as u64));
        group.bench_function(BenchmarkId::new("score", &size), |bencher| {
            bencher.iter(|| law.score_into(NoiseLevel::CLEAN, points.as_view(), score.as_view_mut()));
        });
        group.bench_function(BenchmarkId::new("log-density", &size), |bencher| {
            bencher.iter(|| law.log_density(NoiseLevel::CLEAN, &points));
        });
        group.bench_function(BenchmarkId::new("log-sum-exp", &size), |bencher| {
            bencher.iter(|| log_sum_exp(&gaussians, &points, &mut responsibilities));
        });
        group.bench_function(BenchmarkId::new("exponentials", &size), |bencher| {
            bencher.iter(|| exponentials_in_place(black_box(responsibilities.as_mut_slice()), &peaks));
        });
    }
    group.finish();
}

/// The score of a fitted model whose cells are flatter than Gaussians, against the same with Gaussian cells.
fn shapes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("shape");
    for name in ["ring2d", "sphere10d"] {
        let law = targets::all().into_iter().find(|(known, _)| *known == name).expect("a known law").1;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let rows = law.draw(1_000, &mut rng);
        let model = DiffusionLearner::new().fit(&rows, &mut rng).expect("enough rows");
        let mut saved = serde_json::to_value(&model).expect("finite numbers");
        let cells = saved["base"]["masses"].as_array().map_or(1, Vec::len);
        let points = law.draw(ROWS, &mut rng);
        group.throughput(Throughput::Elements((ROWS * cells) as u64));
        for (shape, beta) in [("flat", -0.3), ("Gaussian", 0.0)] {
            saved["base"]["shape"] = beta.into();
            let model: DiffusionModel = serde_json::from_value(saved.clone()).expect("a valid model");
            group.bench_function(BenchmarkId::new(shape, name), |bencher| {
                bencher.iter(|| model.score_model().score(NoiseLevel::CLEAN, &points));
            });
        }
    }
    group.finish();
}

/// The sums of an EM step over one block, against their two parts.
fn expectation_maximisation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("EM step");
    for (dim, cells) in SIZES {
        let (gaussians, points) = (gaussians(dim, cells), waves(BLOCK, dim, 2.0));
        let size = format!("{dim}-D, {cells} cells");
        let mut responsibilities = DMatrix::zeros(BLOCK, cells);
        let mut moments = CellMoments::new(cells, dim, true);
        group.throughput(Throughput::Elements((BLOCK * cells) as u64));
        group.bench_function(BenchmarkId::new("both", &size), |bencher| {
            bencher.iter(|| {
                log_sum_exp(&gaussians, &points, &mut responsibilities);
                moments.add(points.as_view(), &responsibilities);
            });
        });
        group.bench_function(BenchmarkId::new("log-sum-exp", &size), |bencher| {
            bencher.iter(|| log_sum_exp(&gaussians, &points, &mut responsibilities));
        });
        let features = waves(BLOCK, feature_count(dim), 1.0);
        let mut sums = DMatrix::zeros(cells, feature_count(dim));
        group.bench_function(BenchmarkId::new("product of the moments", &size), |bencher| {
            bencher.iter(|| {
                add_transposed_product((&responsibilities).into(), (&features).into(), &mut sums);
            });
        });
    }
    group.finish();
}

/// Gram matrices of features, against a product of the same shape of matrices as they lie.
fn gram(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("Gram matrix");
    for features in [6, 60, 300] {
        let block = waves(BLOCK, features, 1.0);
        let transposed = block.transpose();
        let mut gram = DMatrix::zeros(features, features);
        group.throughput(Throughput::Elements((BLOCK * features * features) as u64));
        group.bench_function(BenchmarkId::new("accumulation", features), |bencher| {
            let columns = Columns::dense(block.as_slice(), BLOCK);
            bencher.iter(|| add_transposed_product(columns, columns, &mut gram));
        });
        group.bench_function(BenchmarkId::new("product", features), |bencher| {
            bencher.iter(|| gram.gemm(1.0, &transposed, &block, 1.0));
        });
    }
    group.finish();
}

/// Standard normal numbers, against the generator's bits alone.
fn normals(criterion: &mut Criterion) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut group = criterion.benchmark_group("normals");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("normals", |bencher| {
        let rng: &mut dyn Rng = &mut rng;
        let mut values = vec![0.0f64; ROWS];
        bencher.iter(|| black_box(&mut values).iter_mut().for_each(|z| *z = StandardNormal.sample(rng)));
    });
    group.bench_function("bits", |bencher| {
        let rng: &mut dyn Rng = &mut rng;
        let mut values = vec![0; ROWS];
        bencher.iter(|| black_box(&mut values).iter_mut().for_each(|bits| *bits = rng.next_u64()));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion::Criterion::default()
        .with_measurement(ProcessorTime)
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = exponential, mixtures, shapes, expectation_maximisation, gram, normals
}
criterion_main!(benches);
