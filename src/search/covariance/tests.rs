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

/// Γ(a − ½) Γ(a) = 2^(2 − 2a) √π Γ(2a − 1), Legendre's duplication formula.
#[test]
fn a_gamma_function_of_two_dimensions_is_that_of_twice_the_argument() {
    for a in [1.0, 2.5, 7.0, 40.0] {
        let expected =
            (2.0 - 2.0 * a) * 2f64.ln() + 0.5 * std::f64::consts::PI.ln() + libm::lgamma(2.0 * a - 1.0);
        assert!((log_multivariate_gamma(a, 2) - expected).abs() < 1e-12 * expected.abs().max(1.0));
        assert_eq!(log_multivariate_gamma(a, 1), libm::lgamma(a));
    }
}

/// Covariances drawn from the prior that the shrinkage assumes, an inverse Wishart law of strength ν: ν is
/// found again within what 600 covariances tell of it, and with it the share n/(n + ν) that stays.
#[test]
fn covariances_shrink_by_the_strength_of_their_prior() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let (dim, cells, n) = (2, 600, 60);
    for strength in [16.0, 30.0, 64.0, 120.0] {
        let identity = DMatrix::identity(dim, dim);
        let before: Vec<DMatrix<f64>> = (0..cells)
            .map(|_| {
                let precision = sample_covariance(&identity, strength as usize, &mut rng);
                let own = Cholesky::new(precision).unwrap().inverse();
                sample_covariance(&Cholesky::new(own).unwrap().l(), n, &mut rng)
            })
            .collect();
        let rows = DVector::from_element(cells, n as f64);
        let mut after = before.clone();
        let mean = common(&after, &rows);
        shrink_to_common(&mut after, mean, &rows);
        let common = before.iter().sum::<DMatrix<f64>>() / cells as f64;
        let keep = (&after[0] - &common).norm() / (&before[0] - &common).norm();
        let found = n as f64 * (1.0 / keep - 1.0);
        assert!((0.7..1.4).contains(&(found / strength)), "{strength}: {found}");
        for (after, before) in after.iter().zip(&before) {
            let expected = before * keep + &common * (1.0 - keep);
            assert!((after - expected).amax() < 1e-12, "{strength}: {after} {before}");
        }
    }
    // Where no prior is weak enough they stay as they are, but for those of hardly more rows than the weakest one's four.
    let apart: Vec<DMatrix<f64>> = (0..20).map(|i| DMatrix::identity(2, 2) * 100f64.powi(i % 4)).collect();
    let rows = DVector::from_fn(20, |i, _| if i == 3 { 6.0 } else { 100.0 });
    let mut after = apart.clone();
    let mean = common(&after, &rows);
    shrink_to_common(&mut after, mean, &rows);
    let common = apart.iter().zip(rows.iter()).map(|(own, n)| own * (n / rows.sum())).sum::<DMatrix<f64>>();
    for (i, (after, before)) in after.iter().zip(&apart).enumerate() {
        let expected = if i == 3 { before * 0.6 + &common * 0.4 } else { before.clone() };
        approx::assert_relative_eq!(after, &expected, max_relative = 1e-12);
    }
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
