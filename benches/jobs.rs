//! Whole jobs: `RAYON_NUM_THREADS=1 cargo bench --bench jobs`, twelve minutes; a part of them with its name
//! behind, like `-- draw`.
//!
//! An element is a row, a number of a row, a row and cell, or a product of a normal equation, as each job says.

use std::time::Duration;

use criterion::{BenchmarkId, SamplingMode, Throughput, criterion_group, criterion_main};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{
    Ddpm, DiffusionLearner, DiffusionModel, ExactSampler, GaussianMixture, GaussianPartitioner, Mixture,
    MixtureParameters, Observation, ProbabilityFlow, Rows, Sampler, VoronoiPartitioner,
};
use nalgebra::{DMatrix, DVector};
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::processor_time::ProcessorTime;

#[path = "support/processor_time.rs"]
mod processor_time;

type Criterion = criterion::Criterion<ProcessorTime>;

/// Rows drawn or evaluated at once.
const ROWS: usize = 10_000;
/// Steps of a reverse diffusion.
const STEPS: usize = 20;

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(1)
}

fn fit(learner: &DiffusionLearner, rows: &DMatrix<f64>) -> DiffusionModel {
    learner.fit(rows, &mut rng()).expect("enough rows")
}

/// Three Gaussians whose centres are at least six apart, along the first axes.
fn three_gaussians(dim: usize) -> GaussianMixture {
    let mut means = DMatrix::zeros(3, dim);
    for cell in 0..3 {
        means[(cell, cell % dim)] = 6.0 * (1 + cell / dim) as f64;
    }
    GaussianMixture::spherical(DVector::from_row_slice(&[0.5, 0.3, 0.2]), means, 1.0)
        .expect("a valid mixture")
}

/// A fit against the number of rows, which are its elements. A million rows of the default take half a
/// minute a fit: `benches/peers/speed.py` times them.
fn rows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fit, rows");
    group.sampling_mode(SamplingMode::Flat);
    let law = targets::gmm10d_k5();
    for n in [1_000, 10_000, 100_000, 1_000_000] {
        let rows = law.draw(n, &mut rng());
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("fast", n), |bencher| {
            bencher.iter(|| fit(&DiffusionLearner::fast(), &rows));
        });
        if n < 1_000_000 {
            group.bench_function(BenchmarkId::new("default", n), |bencher| {
                bencher.iter(|| fit(&DiffusionLearner::new(), &rows));
            });
        }
    }
    group.finish();
}

/// A fit against the number of columns; its elements are the numbers of all rows.
fn columns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fit, columns");
    group.sampling_mode(SamplingMode::Flat);
    for dim in [1, 2, 5, 10, 20, 50, 100] {
        let rows = three_gaussians(dim).draw(5_000, &mut rng());
        group.throughput(Throughput::Elements((5_000 * dim) as u64));
        for (name, learner) in [("fast", DiffusionLearner::fast()), ("default", DiffusionLearner::new())] {
            group.bench_function(BenchmarkId::new(name, dim), |bencher| {
                bencher.iter(|| fit(&learner, &rows));
            });
        }
    }
    group.finish();
}

/// A fit against the number of cells; an element is a row in a cell.
fn cells(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fit, cells");
    group.sampling_mode(SamplingMode::Flat);
    let rows = targets::ring2d().draw(ROWS, &mut rng());
    for cells in [1, 3, 10, 30] {
        group.throughput(Throughput::Elements((ROWS * cells) as u64));
        group.bench_function(BenchmarkId::new("one path", cells), |bencher| {
            let estimator = GaussianPartitioner::default().with_paths(1).with_cells(cells);
            let learner = DiffusionLearner::new().with_mixture(estimator);
            bencher.iter(|| fit(&learner, &rows));
        });
    }
    group.finish();
}

/// Regressions level by level; an element is a product of a normal equation: rows × draws × features².
fn levels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fit, level by level");
    group.sampling_mode(SamplingMode::Flat);
    let laws: [(&str, Box<dyn Law>); 2] =
        [("gmm2d_k3", Box::new(targets::gmm2d_k3())), ("gmm10d_k5", Box::new(targets::gmm10d_k5()))];
    for (name, law) in laws {
        let rows = law.draw(2_000, &mut rng());
        let soft = DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft());
        for (cells, learner) in [("soft", soft), ("paper", DiffusionLearner::paper())] {
            let products =
                fit(&learner, &rows).report().levels.iter().map(|level| level.work.gram_updates).sum();
            group.throughput(Throughput::Elements(products));
            group.bench_function(BenchmarkId::new(cells, name), |bencher| {
                bencher.iter(|| fit(&learner, &rows));
            });
        }
    }
    group.finish();
}

/// New rows by each sampler, against the normal numbers that exact draws and a diffusion take.
fn draw(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("draw");
    for (name, law) in laws() {
        let model = fit(&DiffusionLearner::fast(), &law.draw(ROWS, &mut rng()));
        group.throughput(Throughput::Elements(ROWS as u64));
        let samplers: [(&str, Box<dyn Sampler>); 3] = [
            ("DDPM", Box::new(Ddpm::new().with_steps(STEPS))),
            ("probability flow", Box::new(ProbabilityFlow::new().with_steps(STEPS))),
            ("exact", Box::new(ExactSampler)),
        ];
        for (sampler, part) in samplers {
            let Ok(model) = model.clone().with_sampler(part) else { continue };
            let mut rng = rng();
            group.bench_function(BenchmarkId::new(sampler, name), |bencher| {
                bencher.iter(|| model.sample(ROWS, &mut rng));
            });
        }
        for (of, draws) in [("normals of DDPM", STEPS + 1), ("normals of exact", 1)] {
            let mut rng = rng();
            group.bench_function(BenchmarkId::new(of, name), |bencher| {
                bencher.iter(|| {
                    let number = |_| -> f64 { StandardNormal.sample(&mut rng) };
                    (0..ROWS * law.dim() * draws).map(number).sum::<f64>()
                });
            });
        }
    }
    group.finish();
}

/// Log-densities in closed form, and by the probability flow where cells are found level by level.
fn log_density(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log-density");
    for (name, law) in laws() {
        let (rows, points) = (law.draw(ROWS, &mut rng()), law.draw(ROWS, &mut rng()));
        group.throughput(Throughput::Elements(ROWS as u64));
        for (way, learner) in [("closed form", DiffusionLearner::fast()), ("flow", DiffusionLearner::paper())]
        {
            let model = fit(&learner, &rows);
            group.bench_function(BenchmarkId::new(way, name), |bencher| {
                bencher.iter(|| model.log_density(&points));
            });
        }
    }
    group.finish();
}

/// A column given nine others, and empty cells in one of five: the law of twenty cells; an element is a row.
fn questions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("questions");
    let mut rng = rng();
    let mut normals = |n: usize, dim: usize| -> DMatrix<f64> {
        DMatrix::from_fn(n, dim, |_, _| StandardNormal.sample(&mut rng))
    };
    let covariance = |root: DMatrix<f64>| &root * root.transpose() * 0.2 + DMatrix::identity(10, 10) * 0.05;
    let law = Mixture::gaussian(&MixtureParameters {
        masses: DVector::from_element(20, 0.05),
        means: normals(20, 10) * 2.0,
        covariances: (0..20)
            .map(|_| covariance(normals(10, 10)))
            .map(|s| (&s + s.transpose()) * 0.5)
            .collect(),
    })
    .expect("a valid mixture");
    let rows = law.sample(ROWS, &mut rng).expect("draws of a closed form");
    let mut incomplete = rows.clone();
    for value in &mut incomplete {
        if rng.random_bool(0.2) {
            *value = f64::NAN;
        }
    }
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("mean, std, two quantiles, density", |bencher| {
        bencher.iter(|| law.predict(&rows, &[3], &[0.05, 0.95]));
    });
    group.bench_function("empty cells drawn", |bencher| {
        bencher.iter(|| law.impute(Rows::from(&incomplete).with_empty_cells(), 1, &mut rng));
    });
    let given = law.given(&Observation::exact(&[0, 4], &[1.0, -1.0]).expect("two values")).expect("a law");
    for (name, law) in [("draws", &law), ("draws given two columns", &given)] {
        group.bench_function(name, |bencher| bencher.iter(|| law.sample(ROWS, &mut rng)));
    }
    group.finish();
}

fn laws() -> [(&'static str, Box<dyn Law>); 3] {
    [
        ("gmm2d_k3", Box::new(targets::gmm2d_k3())),
        ("ring2d", Box::new(targets::ring2d())),
        ("gmm10d_k5", Box::new(targets::gmm10d_k5())),
    ]
}

criterion_group! {
    name = benches;
    config = criterion::Criterion::default()
        .with_measurement(ProcessorTime)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = rows, columns, cells, levels, draw, log_density, questions
}
criterion_main!(benches);
