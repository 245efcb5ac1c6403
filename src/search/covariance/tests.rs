use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;

/// The sample covariance of `n` rows of N(0, LLᵀ).
fn sample_covariance(root: &DMatrix<f64>, n: usize, rng: &mut dyn Rng) -> DMatrix<f64> {
    let z = root * DMatrix::from_fn(root.ncols(), n, |_, _| StandardNormal.sample(rng));
    &z * z.transpose() / n as f64
}

fn shrunk(covariances: Vec<DMatrix<f64>>, n: f64, rest: IsotropicRest) -> Vec<DMatrix<f64>> {
    let rows = DVector::from_element(covariances.len(), n);
    shrink_covariances(CellScatter { covariances, weights: &rows, information: &rows }, rest, 1e-12)
}

fn eigenvalues(covariance: &DMatrix<f64>) -> Vec<f64> {
    let mut values: Vec<f64> = covariance.symmetric_eigenvalues().iter().copied().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// E log N(x; 0, S) under N(0, Σ), up to a constant.
fn expected(covariance: &DMatrix<f64>, truth: &DMatrix<f64>) -> f64 {
    let factor = Cholesky::new(covariance.clone()).unwrap();
    let log_determinant: f64 = factor.l_dirty().diagonal().iter().map(|v| 2.0 * v.ln()).sum();
    -0.5 * (log_determinant + factor.solve(truth).trace())
}

/// Six cells of ten directions in 25 rows each, whose covariances have one of the targets' forms: within so many nats a row
/// of the truth, where their own covariances are two nats behind it and the mean of all up to thirteen.
#[test]
fn covariances_of_few_rows_find_what_they_have_in_common() {
    let (dim, cells, n) = (10, 6, 25);
    let chain = DMatrix::from_fn(dim, dim, |i, j| 0.8f64.powi(i.abs_diff(j) as i32));
    let size = |cell: usize| 4f64.powi(cell as i32 - 3);
    // As irregular as drawn ones, from a thirtieth to thirty.
    let variance = |cell: usize, axis: usize| (3.4 * ((cell * dim + axis) as f64 * 2.4).sin()).exp();
    type Form<'a> = (&'a str, f64, &'a dyn Fn(usize) -> DMatrix<f64>);
    let forms: [Form<'_>; 5] = [
        ("one for all", 0.6, &|_| chain.clone()),
        ("one in many sizes", 0.6, &|cell| &chain * size(cell)),
        ("spheres", 0.3, &|cell| DMatrix::identity(dim, dim) * size(cell)),
        ("variances", 0.6, &|cell| DMatrix::from_diagonal(&DVector::from_fn(dim, |i, _| variance(cell, i)))),
        ("variances and correlations", 0.9, &|cell| {
            DMatrix::from_fn(dim, dim, |i, j| (variance(cell, i) * variance(cell, j)).sqrt() * chain[(i, j)])
        }),
    ];
    for (name, within, form) in forms {
        let mut behind = 0.0;
        for seed in 0..4 {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let truths: Vec<DMatrix<f64>> = (0..cells).map(form).collect();
            let draw = |truth: &DMatrix<f64>| {
                sample_covariance(&Cholesky::new(truth.clone()).unwrap().l(), n, &mut rng)
            };
            let before: Vec<DMatrix<f64>> = truths.iter().map(draw).collect();
            let after = shrunk(before, n as f64, IsotropicRest::NONE);
            let mean = |found: &[DMatrix<f64>]| {
                found.iter().zip(&truths).map(|(found, truth)| expected(found, truth)).sum::<f64>() / 6.0
            };
            behind += (mean(&truths) - mean(&after)) / 4.0;
        }
        assert!(behind < within, "{name}: {behind}");
    }
}

/// A cell of many rows keeps its covariance beside one of few.
#[test]
fn only_cells_of_few_rows_are_mixed() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let roots = [1.0, 3.0].map(|size| DMatrix::from_diagonal(&DVector::from_row_slice(&[size, 5.0 * size])));
    let mut covariances =
        vec![sample_covariance(&roots[0], 900, &mut rng), sample_covariance(&roots[1], 8, &mut rng)];
    let before = covariances.clone();
    let rows = DVector::from_vec(vec![900.0, 8.0]);
    let common = Common { covariance: common(&covariances, &rows), parameters: 3.0 };
    let mixed = shrink_to_target(&mut covariances, common, &rows, &[1], 1e-12);
    assert_eq!(covariances[0], before[0]);
    assert_ne!(covariances[1], before[1]);
    // What is mixed varies less by chance.
    assert!(mixed[0].is_none());
    let axis = DVector::from_row_slice(&[1.0, 0.0]);
    let worth = mixed[1].as_ref().unwrap().worth(axis.as_view(), covariances[1][(0, 0)]);
    assert!(worth > 1.0, "{worth}");
}

/// Rows of N(0, σ² I): the test of sphericity takes differences beyond two standard deviations of a χ² for
/// more than chance, 3 to 5 in 100 times. Of 500 no fewer than 4 and no more than 45 then.
#[test]
fn a_spherical_cell_stays_spherical_as_often_as_a_chi_squared_says() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    for dim in [2, 3, 5] {
        let root = DMatrix::identity(dim, dim) * 0.1;
        let pooled = |_: &usize| {
            let covariance = sample_covariance(&root, 400, &mut rng);
            let mean = covariance.trace() / dim as f64;
            let found = shrunk(vec![covariance], 400.0, IsotropicRest::NONE);
            let values = eigenvalues(&found[0]);
            // Pooled eigenvalues keep their sum.
            assert!((found[0].trace() / dim as f64 / mean - 1.0).abs() < 1e-9);
            (values[dim - 1] / values[0] - 1.0).abs() < 1e-9
        };
        let refused = 500 - (0..500).filter(pooled).count();
        assert!((4..=45).contains(&refused), "{dim}: {refused}");
    }
}

#[test]
fn a_flat_bottom_is_pooled_below_directions_of_their_own() {
    let values = [0.98, 1.0, 1.02, 5.0, 30.0];
    let covariance = DMatrix::from_diagonal(&DVector::from_row_slice(&values));
    let found = eigenvalues(&shrunk(vec![covariance], 1000.0, IsotropicRest::NONE)[0]);
    let expected = [1.0, 1.0, 1.0, 5.0, 30.0];
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
}

/// A flat bottom that agrees with the isotropic rest has the variance of both together.
#[test]
fn a_flat_bottom_is_tied_to_a_rest_of_the_same_variance_only() {
    let covariance = || DMatrix::from_diagonal(&DVector::from_row_slice(&[0.99, 1.01, 9.0]));
    let bottom = |rest: IsotropicRest| {
        let values = eigenvalues(&shrunk(vec![covariance()], 400.0, rest)[0]);
        assert!((values[1] - values[0]).abs() < 1e-9 && (values[2] - 9.0).abs() < 1e-9);
        values[0]
    };
    let near = bottom(IsotropicRest { count: 6.0, variance: 1.04 });
    assert!((near - (2.0 + 6.0 * 1.04) / 8.0).abs() < 1e-9, "{near}");
    let exact = bottom(IsotropicRest { count: f64::INFINITY, variance: 0.97 });
    assert!((exact - 0.97).abs() < 1e-9, "{exact}");
    for count in [6.0, f64::INFINITY] {
        let apart = bottom(IsotropicRest { count, variance: 0.5 });
        assert!((apart - 1.0).abs() < 1e-9, "{apart}");
    }
}

/// Rows of the same law in every cell: their spectra become one, orientations stay.
#[test]
fn spectra_that_differ_by_chance_become_one_and_others_stay() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let root = DMatrix::from_diagonal(&DVector::from_row_slice(&[1.0, 4.0]));
    let same: Vec<DMatrix<f64>> = (0..8).map(|_| sample_covariance(&root, 500, &mut rng)).collect();
    let found: Vec<Vec<f64>> =
        shrunk(same.clone(), 500.0, IsotropicRest::NONE).iter().map(eigenvalues).collect();
    let mean = |axis: usize| same.iter().map(|c| eigenvalues(c)[axis]).sum::<f64>() / 8.0;
    for values in found {
        assert!((0..2).all(|axis| (values[axis] / mean(axis) - 1.0).abs() < 1e-9), "{values:?}");
    }
    // Log-eigenvalues with the variance v beyond chance keep v/(v + 2/n) of what they differ.
    let far: Vec<DMatrix<f64>> = (0..8)
        .map(|i| DMatrix::from_diagonal(&DVector::from_row_slice(&[1.0, 16.0])) * 1.5f64.powi(i))
        .collect();
    for (found, before) in shrunk(far.clone(), 500.0, IsotropicRest::NONE).iter().zip(&far) {
        for (found, before) in eigenvalues(found).iter().zip(eigenvalues(before)) {
            assert!((found / before - 1.0).abs() < 0.03, "{found} {before}");
        }
    }
    // Little more than chance: the variance between the cells is the spread's less 2/n, so about half stays.
    let logs = [-0.15, -0.05, 0.05, 0.15, -0.15, -0.05, 0.05, 0.15];
    let near: Vec<DMatrix<f64>> =
        logs.iter().map(|log: &f64| DMatrix::from_element(1, 1, log.exp())).collect();
    let found = shrunk(near, 400.0, IsotropicRest::NONE);
    let slope = (found[3][(0, 0)].ln() - found[0][(0, 0)].ln()) / 0.3;
    let (statistic, freedom): (f64, f64) = (200.0 * 8.0 * 0.0125, 7.0);
    let variance = (statistic - freedom - 2.0 * (2.0 * freedom).sqrt()).max(0.0) / 1600.0 * 8.0 / 7.0;
    assert!((slope - variance / (variance + 0.005)).abs() < 1e-9, "{slope}");
}
