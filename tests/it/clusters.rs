//! Clusters follow the data, whatever their form.

use std::f64::consts::TAU;

use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use gmix_diffusion::{Clusters, DiffusionLearner, Error, Mixture, MixtureParameters, Rows};

const ROWS: usize = 1_200;

/// Rows around points that `at` gives for a number of the group and one between 0 and 1, with normal errors of
/// standard deviation `error`; groups alternate.
fn around(groups: usize, error: f64, seed: u64, at: impl Fn(usize, f64) -> [f64; 2]) -> DMatrix<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let normal = |rng: &mut StdRng| -> f64 { StandardNormal.sample(rng) };
    let rows = (0..ROWS).flat_map(|row| {
        let [x, y] = at(row % groups, rng.random());
        [x + error * normal(&mut rng), y + error * normal(&mut rng)]
    });
    DMatrix::from_row_iterator(ROWS, 2, rows)
}

/// The number of clusters found among rows of `groups` that alternate, and the part of rows in the most frequent cluster
/// of their group.
fn found(rows: &DMatrix<f64>, groups: usize) -> (usize, f64) {
    let model = DiffusionLearner::new().fit(rows, &mut StdRng::seed_from_u64(1)).unwrap();
    let clusters = model.clusters(rows).unwrap();
    let labels = clusters.labels(rows).unwrap();
    let mut right = 0;
    for group in 0..groups {
        let mut counts = vec![0; clusters.len()];
        for row in (group..ROWS).step_by(groups) {
            counts[labels[row]] += 1;
        }
        right += counts.iter().max().unwrap();
    }
    (clusters.len(), right as f64 / ROWS as f64)
}

#[test]
fn moons_rings_and_worms_are_told_apart() {
    let moon = |group: usize, t: f64| {
        let (sin, cos) = (TAU / 2.0 * t).sin_cos();
        if group == 0 { [cos, sin] } else { [1.0 - cos, 0.5 - sin] }
    };
    let ring = |group: usize, t: f64| {
        let (sin, cos) = (TAU * t).sin_cos();
        let radius = 1.0 + 1.5 * group as f64;
        [radius * cos, radius * sin]
    };
    let worm = |group: usize, t: f64| [8.0 * t, (8.0 * t).sin() + 3.0 * group as f64];
    let rows = [around(2, 0.08, 1, moon), around(2, 0.12, 2, ring), around(3, 0.2, 3, worm)];
    for (rows, groups) in rows.iter().zip([2, 2, 3]) {
        let (number, right) = found(rows, groups);
        assert!(number == groups && right > 0.98, "{groups}: {number}, {right}");
    }
}

#[test]
fn one_mode_is_one_cluster() {
    let banana = |_: usize, t: f64| [6.0 * t - 3.0, (6.0 * t - 3.0).powi(2) / 2.0];
    let square = around(1, 0.0, 4, |_, t| [t, (t * 1e4).fract()]);
    for (rows, what) in [
        (around(1, 0.4, 5, banana), "banana"),
        (around(1, 1.0, 6, |_, _| [0.0; 2]), "normal"),
        (square, "square"),
    ] {
        assert_eq!(found(&rows, 1).0, 1, "{what}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let rows = around(3, 0.3, 7, |group, t| [3.0 * group as f64, 2.0 * t]);
    let model = DiffusionLearner::fast().fit(&rows, &mut StdRng::seed_from_u64(1)).unwrap();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let clusters = model.clusters(&rows).unwrap();
            let probabilities = clusters.probabilities(&rows).unwrap();
            (clusters, probabilities)
        })
    };
    assert_eq!(on(1), on(3));
}

/// Where the number is known, valleys or none.
#[test]
fn a_known_number_of_clusters_is_found_in_any_form() {
    let moon = |group: usize, t: f64| {
        let (sin, cos) = (TAU / 2.0 * t).sin_cos();
        if group == 0 { [cos, sin] } else { [1.0 - cos, 0.5 - sin] }
    };
    // A ring around a ball, and two Gaussians that overlap.
    let ring = |group: usize, t: f64| {
        let (sin, cos) = (TAU * t).sin_cos();
        [3.0 * group as f64 * cos, 3.0 * group as f64 * sin]
    };
    let beside = |group: usize, _: f64| [0.0, 3.0 * group as f64];
    let cases =
        [(around(2, 0.1, 1, moon), 0.98), (around(2, 0.3, 2, ring), 0.98), (around(2, 1.0, 3, beside), 0.9)];
    for (rows, part) in cases {
        let model = DiffusionLearner::new().fit(&rows, &mut StdRng::seed_from_u64(1)).unwrap();
        let clusters = model.clusters(&rows).unwrap().exactly(2).unwrap();
        let labels = clusters.labels(&rows).unwrap();
        let same = (0..ROWS).filter(|&row| labels[row] == row % 2).count() as f64 / ROWS as f64;
        assert!(same.max(1.0 - same) > part, "{same}");
    }
}

/// Rows scattered around are none of two clusters.
#[test]
fn strays_are_no_cluster_where_two_are_asked_for() {
    let law = Mixture::gaussian(&MixtureParameters {
        masses: DVector::from_column_slice(&[0.48, 0.48, 0.04]),
        means: DMatrix::from_row_slice(3, 2, &[0.0, 0.0, 3.5, 0.0, 1.75, 0.0]),
        covariances: [1.0, 1.0, 25.0].map(|variance| DMatrix::identity(2, 2) * variance).to_vec(),
    })
    .unwrap();
    let clusters = law.clusters(&drawn(&law, 2_000, 1)).unwrap().exactly(2).unwrap();
    assert_ne!(clusters.of_cells()[0], clusters.of_cells()[1]);
}

/// 10⁵ rows of fifty cells in ten columns.
#[test]
#[ignore = "a figure for the documents: seconds"]
fn many_rows_and_cells_take_seconds() {
    let mut rng = StdRng::seed_from_u64(1);
    let law = Mixture::gaussian(&MixtureParameters {
        masses: DVector::from_element(50, 0.02),
        means: DMatrix::from_fn(50, 10, |_, _| 8.0 * rng.random::<f64>()),
        covariances: vec![DMatrix::identity(10, 10); 50],
    })
    .unwrap();
    let rows = drawn(&law, 100_000, 1);
    let begun = std::time::Instant::now();
    let clusters = law.clusters(&rows).unwrap();
    println!("{} clusters in {:.2} s", clusters.len(), begun.elapsed().as_secs_f64());
}

/// Standard Gaussians at `means`, of these masses.
fn law(means: &[[f64; 2]], masses: &[f64]) -> Mixture {
    Mixture::gaussian(&MixtureParameters {
        masses: DVector::from_column_slice(masses),
        means: DMatrix::from_fn(means.len(), 2, |cell, column| means[cell][column]),
        covariances: vec![DMatrix::identity(2, 2); means.len()],
    })
    .unwrap()
}

fn drawn(law: &Mixture, n: usize, seed: u64) -> DMatrix<f64> {
    law.sample(n, &mut StdRng::seed_from_u64(seed)).unwrap()
}

#[test]
fn cells_without_a_valley_are_one_cluster() {
    // A chain of cells around a corner, and one apart from it.
    let law = law(&[[0.0, 0.0], [1.5, 0.0], [3.0, 0.0], [3.0, 1.5], [-4.0, 4.0]], &[0.2, 0.2, 0.2, 0.2, 0.2]);
    for seed in 0..5 {
        let rows = drawn(&law, 1_000, seed);
        let clusters = law.clusters(&rows).unwrap();
        assert_eq!(clusters.len(), 2);
        assert_eq!(clusters.of_cells(), [0, 0, 0, 0, 1]);
        assert!((clusters.masses()[0] - 0.8).abs() < 1e-12);
        assert!((clusters.modes()[1].location[0] + 4.0).abs() < 0.01);
        assert_eq!(clusters.laws()[0].masses().len(), 4);
        let probabilities = clusters.probabilities(&rows).unwrap();
        assert!(probabilities.column_sum().iter().all(|sum| (sum - 1.0).abs() < 1e-9));
        let labels = clusters.labels(&rows).unwrap();
        assert!((0..1_000).all(|row| probabilities[(row, labels[row])] >= 0.5));
    }
}

/// The depth is that of the density at the middle, and rows speak for it the more the more of them there are.
#[test]
fn a_valley_counts_when_rows_show_it() {
    let law = law(&[[-1.4, 0.0], [1.4, 0.0]], &[0.5, 0.5]);
    let at = |x: f64| law.log_density(&DMatrix::from_row_slice(1, 2, &[x, 0.0])).unwrap()[0];
    let top = (0..400).map(|i| at(0.01 * f64::from(i))).fold(f64::MIN, f64::max);
    let mut evidence = Vec::new();
    for n in [50, 20_000, 80_000] {
        let clusters = law.clusters(&drawn(&law, n, 3)).unwrap();
        let merge = &clusters.merges()[0];
        assert!((merge.depth - (top - at(0.0))).abs() < 1e-3, "{merge:?}");
        assert!((merge.log_density - at(0.0)).abs() < 1e-3);
        assert_eq!(clusters.len(), if n == 50 { 1 } else { 2 }, "{merge:?}");
        evidence.push(merge.evidence);
    }
    assert!(evidence.is_sorted());
}

#[test]
fn the_tree_is_cut_where_one_wants() {
    let law = law(&[[0.0, 0.0], [1.0, 0.0], [9.0, 0.0], [13.5, 0.0]], &[0.3, 0.3, 0.2, 0.2]);
    let rows = drawn(&law, 2_000, 1);
    let clusters = law.clusters(&rows).unwrap();
    assert_eq!(clusters.len(), 3);
    assert_eq!(clusters.merges().len(), 3);
    assert_eq!(clusters.exactly(1).unwrap().of_cells(), [0; 4]);
    assert_eq!(clusters.exactly(2).unwrap().of_cells(), [0, 0, 1, 1]);
    assert_eq!(clusters.exactly(3).unwrap(), clusters);
    // The fourth parts what has no valley.
    let all = clusters.exactly(4).unwrap();
    let mut cells = all.of_cells().to_vec();
    cells.sort_unstable();
    assert_eq!(cells, [0, 1, 2, 3]);
    assert_eq!(clusters.deeper_than(0.0), clusters);
    assert_eq!(clusters.deeper_than(3.0).len(), 2);
    assert_eq!(clusters.deeper_than(100.0).len(), 1);
    for wrong in [0, 5] {
        assert!(matches!(clusters.exactly(wrong), Err(Error::InvalidSetting { .. })));
    }
}

#[test]
fn separation_is_that_of_rows_dealt_twice() {
    // Of two classes of equal mass, p = 1/(1 + e^(−Δx)), a part E[p² + (1 − p)²] stays.
    let law = law(&[[0.0, 0.0], [2.0, 0.0]], &[0.5, 0.5]);
    let rows = drawn(&law, 20_000, 1);
    let two = law.clusters(&rows).unwrap().exactly(2).unwrap();
    let part = |x: f64| 1.0 / (1.0 + (2.0 - 2.0 * x).exp());
    let expected =
        rows.column(0).iter().map(|&x| part(x).powi(2) + (1.0 - part(x)).powi(2)).sum::<f64>() / 2e4;
    assert!((two.separation(&rows).unwrap() - expected).abs() < 0.01);
    assert_eq!(two.exactly(1).unwrap().separation(&rows).unwrap(), 1.0);
    assert!(matches!(two.separation(&DMatrix::zeros(5, 3)), Err(Error::ShapeMismatch { .. })));
}

#[test]
fn clusters_are_saved_and_loaded() {
    let rows = around(3, 0.3, 7, |group, t| [3.0 * group as f64, 2.0 * t]);
    let model = DiffusionLearner::fast().fit(&rows, &mut StdRng::seed_from_u64(1)).unwrap();
    let clusters = model.clusters(&rows).unwrap();
    for clusters in [clusters.exactly(2).unwrap(), clusters] {
        let saved = serde_json::to_string(&clusters).unwrap();
        let loaded: Clusters = serde_json::from_str(&saved).unwrap();
        assert_eq!(loaded.of_cells(), clusters.of_cells());
        assert_eq!(loaded.merges(), clusters.merges());
        assert_eq!(loaded.probabilities(&rows).unwrap(), clusters.probabilities(&rows).unwrap());
        assert_eq!(loaded.exactly(1).unwrap().of_cells(), clusters.exactly(1).unwrap().of_cells());
        let mut value: serde_json::Value = serde_json::from_str(&saved).unwrap();
        for (field, wrong) in [
            ("of_cell", serde_json::json!([0])),
            ("joints", serde_json::json!([])),
            ("top_of_cell", serde_json::json!(vec![1_000; clusters.of_cells().len()])),
            ("version", serde_json::json!(9)),
        ] {
            let right = std::mem::replace(&mut value[field], wrong);
            assert!(serde_json::from_value::<Clusters>(value.clone()).is_err(), "{field}");
            value[field] = right;
        }
        assert!(serde_json::from_value::<Clusters>(value).is_ok());
    }
}

#[test]
fn outliers_are_beyond_every_cluster() {
    let law = law(&[[0.0, 0.0], [8.0, 0.0]], &[0.9, 0.1]);
    let rows = drawn(&law, 2_000, 1);
    let clusters = law.clusters(&rows).unwrap();
    let outside = clusters.outliers(&rows, 0.95).unwrap().iter().filter(|outside| **outside).count();
    assert!((60..150).contains(&outside), "{outside}");
    let asked = [[0.0, 0.0], [8.0, 0.0], [4.0, 0.0], [0.0, 9.0]];
    assert_eq!(clusters.outliers(&asked[..], 0.99).unwrap(), [false, false, true, true]);
    assert!(matches!(clusters.outliers(&asked[..], 1.0), Err(Error::InvalidSetting { .. })));
}

#[test]
fn rows_may_have_empty_cells_where_asked_about_but_nothing_is_guessed_where_judged() {
    let law = law(&[[0.0, 0.0], [8.0, 0.0]], &[0.7, 0.3]);
    let clusters = law.clusters(&drawn(&law, 500, 1)).unwrap();
    let asked = [[f64::NAN, 0.0], [8.0, f64::NAN]];
    let asked = Rows::from(&asked[..]).with_empty_cells();
    let found = clusters.probabilities(asked).unwrap();
    assert!((found[(0, 0)] - 0.7).abs() < 1e-9 && found[(1, 1)] > 0.99);
    assert!(matches!(law.clusters(asked), Err(Error::NotFinite { row: 0, column: 0, .. })));
    assert!(matches!(law.clusters(&DMatrix::zeros(0, 2)), Err(Error::NoRows)));
    assert!(matches!(law.clusters(&DMatrix::zeros(5, 3)), Err(Error::ShapeMismatch { .. })));
    assert!(matches!(clusters.labels(&DMatrix::zeros(5, 3)), Err(Error::ShapeMismatch { .. })));
}

/// A row of weight 2 is two rows, and units change nothing.
#[test]
fn weights_are_numbers_of_rows_and_units_do_not_matter() {
    let law = law(&[[-1.6, 0.0], [1.6, 0.0], [6.0, 6.0]], &[0.4, 0.3, 0.3]);
    let rows = drawn(&law, 400, 2);
    let twice = DMatrix::from_fn(800, 2, |i, j| rows[(i / 2, j)]);
    let weighted = law.clusters(Rows::from(&rows).with_weights(&[2.0; 400]).unwrap()).unwrap();
    let doubled = law.clusters(&twice).unwrap();
    for (a, b) in weighted.merges().iter().zip(doubled.merges()) {
        assert!(a.cells == b.cells && (a.depth - b.depth).abs() < 1e-12);
        assert!((a.evidence - b.evidence).abs() < 1e-6, "{a:?} {b:?}");
    }
    let scale = |_, j: usize| if j == 0 { 1e-6 } else { 1e4 };
    let scaled = Mixture::gaussian(&MixtureParameters {
        masses: law.masses().clone(),
        means: law.means().component_mul(&DMatrix::from_fn(3, 2, scale)),
        covariances: vec![DMatrix::from_diagonal(&DVector::from_column_slice(&[1e-12, 1e8])); 3],
    });
    let there = scaled.unwrap().clusters(&rows.component_mul(&DMatrix::from_fn(400, 2, scale))).unwrap();
    assert_eq!(there.of_cells(), law.clusters(&rows).unwrap().of_cells());
}
