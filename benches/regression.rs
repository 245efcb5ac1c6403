//! The loops of a regression, each beside a bound on what it could take: `cargo bench --bench regression`, on
//! one thread with `RAYON_NUM_THREADS=1`. Gram matrices are in `kernels`.
//!
//! What is private to the library is compiled in here a second time. An element is what a loop does once: a
//! row and centre, a feature of a row, a linear system.

// The modules compiled in have more than is timed.
#![allow(dead_code, unused_imports)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Throughput, criterion_group, criterion_main};
use gmix_diffusion::{Partition, VoronoiCells};
use nalgebra::{Cholesky, DMatrix};

use crate::hermite::HermiteBasis;
use crate::normal_equations::NormalEquations;
use crate::processor_time::ProcessorTime;
use crate::ridge::fit_ridge;

#[path = "../src/polynomial/hermite.rs"]
mod hermite;
#[path = "../src/linalg.rs"]
mod linalg;
#[path = "../src/polynomial/normal_equations.rs"]
mod normal_equations;
#[path = "support/processor_time.rs"]
mod processor_time;
#[path = "../src/polynomial/ridge.rs"]
mod ridge;
#[path = "../src/shapes.rs"]
mod shapes;
/// Those of the library, for the modules compiled in.
mod error {
    pub(crate) use gmix_diffusion::{Error, Result};
}

type Criterion = criterion::Criterion<ProcessorTime>;

/// Rows evaluated together.
const BLOCK: usize = 128;

fn waves(rows: usize, columns: usize, scale: f64) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |i, j| scale * ((i * 13 + j * 7) as f64 * 0.618).sin())
}

/// The cell of every row, against the product with all centres alone.
fn nearest_centre(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nearest centre");
    for (dim, cells) in [(2, 15), (10, 5), (10, 75), (50, 20)] {
        let (points, centres) = (waves(BLOCK, dim, 2.0), waves(cells, dim, 1.9));
        let (partition, transposed) = (VoronoiCells::hard(centres.clone()), centres.transpose());
        let partition = partition.expect("finite centres");
        let mut nearest = DMatrix::zeros(BLOCK, cells);
        let size = format!("{dim}-D, {cells} cells");
        group.throughput(Throughput::Elements((BLOCK * cells) as u64));
        group.bench_function(BenchmarkId::new("cells", &size), |bencher| {
            bencher.iter(|| partition.log_weights_into(1.0, points.as_view(), nearest.as_view_mut()));
        });
        group.bench_function(BenchmarkId::new("product", &size), |bencher| {
            bencher.iter(|| nearest.gemm(1.0, &points, &transposed, 0.0));
        });
    }
    group.finish();
}

/// Hermite polynomials of a block, against a copy of as many numbers.
fn hermite_features(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("Hermite features");
    for (dim, degree) in [(1, 12), (2, 5), (10, 2), (50, 1)] {
        let (points, basis) = (waves(BLOCK, dim, 2.0), HermiteBasis::new(dim, degree));
        let mut features = vec![0.0; BLOCK * basis.len()];
        let (mut tables, copied) = (Vec::new(), features.clone());
        let size = format!("{dim}-D, degree {degree}");
        group.throughput(Throughput::Elements(features.len() as u64));
        group.bench_function(BenchmarkId::new("features", &size), |bencher| {
            bencher.iter(|| {
                basis.features_into(BLOCK, points.as_slice(), &mut tables, black_box(&mut features))
            });
        });
        group.bench_function(BenchmarkId::new("copy", &size), |bencher| {
            bencher.iter(|| black_box(&mut features).copy_from_slice(&copied));
        });
    }
    group.finish();
}

/// Degree and ridge by the held-out losses of five folds, against as many Cholesky factorisations.
fn solve(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("solve");
    for (dim, degree) in [(1, 5), (2, 5), (10, 2)] {
        let basis = HermiteBasis::new(dim, degree);
        let orders: Vec<usize> = (0..basis.len()).map(|feature| basis.order(feature)).collect();
        let folds: Vec<NormalEquations> = (0..5).map(|fold| equations(&basis, fold)).collect();
        let strengths = [1e-6, 1e-4, 1e-2, 1e-1, 1.0, 10.0];
        let solves = fit_ridge(&folds, &orders, &strengths).expect("positive definite").solves;
        let system = &folds[0].gram + DMatrix::identity(basis.len(), basis.len());
        let size = format!("{} features", basis.len());
        group.throughput(Throughput::Elements(solves as u64));
        group.bench_function(BenchmarkId::new("ridge path", &size), |bencher| {
            bencher.iter(|| fit_ridge(&folds, &orders, &strengths));
        });
        group.bench_function(BenchmarkId::new("Cholesky", &size), |bencher| {
            bencher.iter(|| (0..solves).for_each(|_| drop(black_box(Cholesky::new(system.clone())))));
        });
    }
    group.finish();
}

/// Those of a smooth function of some rows.
fn equations(basis: &HermiteBasis, fold: usize) -> NormalEquations {
    let rows = 8 * BLOCK;
    let points =
        DMatrix::from_fn(rows, basis.dim(), |i, j| 2.0 * ((i * 13 + j * 7 + fold * 31) as f64 * 0.618).sin());
    let mut features = DMatrix::zeros(rows, basis.len());
    basis.features_into(rows, points.as_slice(), &mut Vec::new(), features.as_mut_slice());
    let targets = points.map(f64::tanh);
    let mut sums = NormalEquations::zeros(basis.len(), basis.dim());
    sums.gram.gemm_tr(1.0, &features, &features, 0.0);
    sums.moment.gemm_tr(1.0, &features, &targets, 0.0);
    sums.weight = rows as f64;
    sums
}

criterion_group! {
    name = benches;
    config = criterion::Criterion::default()
        .with_measurement(ProcessorTime)
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = nearest_centre, hermite_features, solve
}
criterion_main!(benches);
