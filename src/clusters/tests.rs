use nalgebra::{DMatrix, DVector};

use crate::error::Error;
use crate::mixture::MixtureParameters;
use crate::questions::Mixture;
use crate::rows::{Rows, stream};

/// Standard Gaussians at `means`, of these masses.
fn law(means: &[[f64; 2]], masses: &[f64]) -> Mixture {
    Mixture::gaussian(&MixtureParameters {
        masses: DVector::from_column_slice(masses),
        means: DMatrix::from_fn(means.len(), 2, |cell, column| means[cell][column]),
        covariances: vec![DMatrix::identity(2, 2); means.len()],
    })
    .unwrap()
}

fn rows(law: &Mixture, n: usize, seed: u64) -> DMatrix<f64> {
    law.sample(n, &mut stream(seed, 1, 0)).unwrap()
}

#[test]
fn cells_without_a_valley_are_one_cluster() {
    // A chain of cells around a corner, and one apart from it.
    let law = law(&[[0.0, 0.0], [1.5, 0.0], [3.0, 0.0], [3.0, 1.5], [-4.0, 4.0]], &[0.2, 0.2, 0.2, 0.2, 0.2]);
    for seed in 0..5 {
        let rows = rows(&law, 1_000, seed);
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
    for n in [50, 5_000, 50_000] {
        let clusters = law.clusters(&rows(&law, n, 3)).unwrap();
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
    let law = law(&[[0.0, 0.0], [1.0, 0.0], [9.0, 0.0], [12.5, 0.0]], &[0.3, 0.3, 0.2, 0.2]);
    let rows = rows(&law, 2_000, 1);
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
fn outliers_are_beyond_every_cluster() {
    let law = law(&[[0.0, 0.0], [8.0, 0.0]], &[0.9, 0.1]);
    let rows = rows(&law, 2_000, 1);
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
    let clusters = law.clusters(&rows(&law, 500, 1)).unwrap();
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
    let rows = rows(&law, 400, 2);
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
