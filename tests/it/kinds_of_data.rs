//! Data that are legal but strange are fitted, in sane time and with a sane number of cells, and a warning
//! says so. `docs/input.md` lists all kinds with the tests that hold them to it.

use std::fs;
use std::path::Path;

use gmix_diffusion::metrics::total_variation;
use gmix_diffusion::nalgebra::{DMatrix, DVector, RowDVector};
use gmix_diffusion::rand::{RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Cauchy, Distribution};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{
    DiffusionLearner, DiffusionModel, FitWarning, GaussianMixture, LogDensity, NoiseLevel, VoronoiPartitioner,
};

use crate::fits::{assert_works, fit, learner, normals};

fn warned(model: &DiffusionModel, kind: impl Fn(&FitWarning) -> bool) -> bool {
    model.report().warnings.iter().any(kind)
}

fn of_repeats(warning: &FitWarning) -> bool {
    matches!(warning, FitWarning::RepeatedRows { .. })
}

fn of_tails(warning: &FitWarning) -> bool {
    matches!(warning, FitWarning::HeavyTails { .. })
}

#[test]
fn every_row_fifty_times_is_fitted_like_a_few_rows() {
    let distinct = normals(60, 2);
    let repeated = DMatrix::from_fn(3000, 2, |i, j| distinct[(i % 60, j)]);
    for learner in
        [learner(None), learner(Some(0.3)), learner(None).with_partitioner(VoronoiPartitioner::soft())]
    {
        let model = assert_works("every row fifty times", learner, repeated.clone());
        assert!(warned(&model, of_repeats));
        let cells = model.centres().nrows();
        assert!(cells <= 20, "{cells} cells for 60 distinct rows");
    }
}

#[test]
fn integers_and_ties_are_not_chased() {
    let counts = normals(2000, 2).map(|x| (3.0 * x).round());
    let model = assert_works("integers", learner(None), counts);
    assert!(warned(&model, of_repeats));
    // One Gaussian, rounded: no cell for each of the values.
    let cells = model.centres().nrows();
    assert!(cells < 20, "{cells} cells");
}

/// Zeros beside N(3, .5²): the share of draws at zero is that of the rows, and the rest is as it was.
#[test]
fn values_that_come_again_and_again_are_atoms() {
    for share in [0.02, 0.3, 0.8] {
        let mut rng = StdRng::seed_from_u64(6);
        let rest = normals(1000, 1);
        let rows =
            DMatrix::from_fn(1000, 1, |i, _| if rng.random_bool(share) { 0.0 } else { 3.0 + 0.5 * rest[i] });
        let zeros = rows.iter().filter(|x| **x == 0.0).count() as f64 / 1000.0;
        let model = assert_works("zeros", learner(None), rows);
        let drawn = model.sample(10_000, &mut StdRng::seed_from_u64(4)).unwrap();
        let near = drawn.iter().filter(|x| x.abs() < 1e-3).count() as f64 / 10_000.0;
        // Three standard errors of a share of 10,000 draws, .015.
        assert!((near - zeros).abs() < 0.015, "{share}: {near} of {zeros}");
        let others: Vec<f64> = drawn.iter().copied().filter(|x| x.abs() >= 1e-3).collect();
        let mean = others.iter().sum::<f64>() / others.len() as f64;
        assert!((mean - 3.0).abs() < 0.15, "{share}: {mean}");
    }
}

#[test]
fn one_outlier_at_a_million_leaves_the_others_as_they_are() {
    // More rows than are kept in memory, too.
    for (n, std) in [(1000, None), (1000, Some(1.0)), (12_000, None)] {
        let mut rows = normals(n, 2);
        rows[(3, 0)] = 1e6;
        let model = assert_works("an outlier", learner(std), rows);
        assert!(warned(&model, of_tails));
        let drawn = model.sample(2000, &mut StdRng::seed_from_u64(4)).unwrap();
        let near = drawn.column(0).iter().filter(|x| x.abs() < 5.0).count();
        assert!(near > 1950, "{n} {std:?}: {near}");
    }
}

/// A tenth of the rows, or three, all over a square of forty component stds: the clusters in its midst come apart all the
/// same. The density of all rows differs from that of the clusters by that share, and by 0.1 to 0.3 more where
/// clusters share a cell.
#[test]
fn strangers_all_over_the_range_do_not_keep_clusters_together() {
    let law = targets::gmm2d_k3();
    for seed in 1..=6 {
        for share in [0.1, 0.3] {
            let mut rng = StdRng::seed_from_u64(seed);
            let (mut rows, fresh) = (law.draw(2000, &mut rng), law.draw(5000, &mut rng));
            for row in 0..(share * 2000.0) as usize {
                rows.row_mut(row).apply(|x| *x = 40.0 * rng.random::<f64>() - 20.0);
            }
            let truth = law.log_density(NoiseLevel::CLEAN, &fresh).unwrap();
            let model = fit("clusters among strangers", learner(None), rows).unwrap();
            let found = model.log_density(&fresh).unwrap();
            let distance = total_variation(truth.as_slice(), found.as_slice()).unwrap().value;
            assert!(distance < share + 0.03, "{seed} {share}: {distance}");
        }
    }
}

#[test]
fn cauchy_rows_fit_with_a_warning() {
    let mut rng = StdRng::seed_from_u64(5);
    let law = Cauchy::new(0.0, 1.0).unwrap();
    let rows = DMatrix::from_fn(1000, 2, |_, _| law.sample(&mut rng));
    let model = assert_works("Cauchy rows", learner(None), rows);
    assert!(warned(&model, of_tails));
}

#[test]
fn subnormal_rows_do_not_vary() {
    let result = fit("subnormal", learner(None), normals(100, 2) * 1e-310);
    assert!(matches!(result, Err(gmix_diffusion::Error::NoVariation)), "{result:?}");
    // Beside another column they are a constant.
    let mut rows = normals(100, 2);
    rows.column_mut(1).scale_mut(1e-310);
    let model = assert_works("a subnormal column", learner(None), rows);
    assert_eq!(model.units().hull_axes().map(|axes| axes.ncols()), Some(1));
}

#[test]
fn two_hundred_columns_fit() {
    for n in [100, 220, 400] {
        let model = assert_works("200 columns", learner(None), normals(n, 200));
        assert_eq!(warned(&model, |w| matches!(w, FitWarning::FewRows { .. })), n < 300);
        // No point masses, and no more noise than there is.
        assert!((0.5..1.5).contains(&model.report().component_std), "{n}");
    }
}

/// Columns of correlation 0.8^|i−j|: no direction is like another.
#[test]
fn hardly_more_rows_than_columns_fit_with_a_warning() {
    for n in [30, 45, 60] {
        let mut rows = normals(n, 40);
        for j in 1..40 {
            let drawn = rows.column(j - 1) * 0.8 + rows.column(j) * 0.6;
            rows.set_column(j, &drawn);
        }
        let model = assert_works("few rows of many columns", learner(None), rows);
        assert!(warned(&model, |w| matches!(w, FitWarning::FewRows { .. })));
        assert!(model.report().component_std > 0.05, "{n}: {}", model.report().component_std);
        let drawn = model.sample(500, &mut StdRng::seed_from_u64(4)).unwrap();
        assert!((0.5..1.5).contains(&drawn.column(20).variance()));
    }
}

#[test]
#[ignore = "ten seconds: cargo test --test it kinds_of_data -- --ignored"]
fn a_million_rows_fit() {
    let rows = normals(1_000_000, 1);
    let model = learner(None).fit(&rows, &mut StdRng::seed_from_u64(2)).unwrap();
    assert_eq!(model.report().n_rows, 1_000_000);
    let density = model.log_density(&DMatrix::zeros(1, 1)).unwrap()[0];
    assert!((density + 0.5 * std::f64::consts::TAU.ln()).abs() < 0.01, "{density}");
}

#[test]
fn the_table_of_kinds_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    let mut folders = vec![root.join("tests"), root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|end| end == "rs") => {
                    sources += &fs::read_to_string(path).unwrap();
                }
                _ => {}
            }
        }
    }
    let page = fs::read_to_string(root.join("docs/input.md")).unwrap();
    // What stands in code type in the last column of the tables, in every row but the heads.
    let rows = page.lines().filter(|line| line.starts_with('|') && !line.starts_with("|-"));
    let mut named = 0;
    for row in rows.filter(|row| !row.ends_with("| tests |")) {
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test for {row}");
        for name in names {
            named += 1;
            assert!(sources.contains(&format!("fn {name}(")), "{name} is no test");
        }
    }
    assert!(named > 60, "{named}");
}

/// Four clusters 100 standard deviations apart, one of a hundredth of the rows, in directions of their own: columns
/// differ in spread and not in unit, and a light cluster is one.
#[test]
fn far_and_light_clusters_survive_level_by_level() {
    let means = DMatrix::from_fn(4, 3, |i, j| if i == j + 1 { 100.0 } else { 0.0 });
    let law =
        GaussianMixture::spherical(DVector::from_row_slice(&[0.4, 0.35, 0.24, 0.01]), means.clone(), 1.0);
    let law = law.unwrap();
    for learner in
        [DiffusionLearner::paper(), DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft())]
    {
        for seed in 1..3 {
            let mut rng = StdRng::seed_from_u64(seed);
            let model = learner.fit(&law.draw(3_000, &mut rng), &mut rng).unwrap();
            assert_eq!(model.centres().nrows(), 4);
            let drawn = model.sample(3_000, &mut rng).unwrap();
            let near = |row: &RowDVector<f64>, j: usize| (row - means.row(j)).norm() < 6.0;
            let of = |j: usize| drawn.row_iter().filter(|row| near(&row.into_owned(), j)).count();
            let [a, b, c, light] = [0, 1, 2, 3].map(of);
            assert!(a + b + c + light >= 2_990, "{a} {b} {c} {light} of 3,000 are near a cluster");
            assert!((8..=80).contains(&light), "{light} of 3,000");
        }
    }
}
