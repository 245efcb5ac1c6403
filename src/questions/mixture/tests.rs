use super::super::observation::Observation;
use super::super::testing::{Case, shapes};
use super::*;

/// Points on a grid of `side` points a column, `reach` standard deviations beyond every cell, and the volume of one.
fn grid(law: &Mixture, reach: f64, side: usize) -> (DMatrix<f64>, f64) {
    let (means, covariances, dim) = (law.means(), law.covariances(), law.dim());
    let edge = |axis: usize, sign: f64| {
        let of = |cell: usize| sign * means[(cell, axis)] + reach * covariances[cell][(axis, axis)].sqrt();
        sign * (0..means.nrows()).map(of).fold(f64::NEG_INFINITY, f64::max)
    };
    let edges: Vec<(f64, f64)> = (0..dim).map(|axis| (edge(axis, -1.0), edge(axis, 1.0))).collect();
    let step = |axis: usize| (edges[axis].1 - edges[axis].0) / (side - 1) as f64;
    let value = |index: usize, axis: usize| {
        let digit = index / side.pow(axis as u32) % side;
        edges[axis].0 + step(axis) * digit as f64
    };
    (DMatrix::from_fn(side.pow(dim as u32), dim, value), (0..dim).map(step).product())
}

fn densities(law: &Mixture, points: &DMatrix<f64>) -> DVector<f64> {
    law.log_density(points).unwrap().map(f64::exp)
}

/// Mass, mean and covariance by quadrature.
fn check_moments(law: &Mixture, side: usize, what: &str) {
    let (points, volume) = grid(law, 9.0, side);
    let weights = densities(law, &points) * volume;
    assert!(
        (weights.sum() - 1.0).abs() < 1e-8,
        "{what}: mass {} {:?} {:?}",
        weights.sum(),
        law.means(),
        law.covariances()
    );
    let mean = points.transpose() * &weights;
    let scale = law.covariance().diagonal().map(f64::sqrt);
    assert!((&mean - law.mean()).component_div(&scale).amax() < 1e-8, "{what}: {mean} {}", law.mean());
    for i in 0..law.dim() {
        for j in 0..=i {
            let products =
                points.column(i).add_scalar(-mean[i]).component_mul(&points.column(j).add_scalar(-mean[j]));
            let error = products.dot(&weights) - law.covariance()[(i, j)];
            assert!(error.abs() < 1e-7 * scale[i] * scale[j], "{what}: {error}");
        }
    }
}

#[test]
fn moments_of_laws_are_those_of_quadrature() {
    for (seed, beta) in shapes().into_iter().enumerate() {
        let seed = seed as u64;
        check_moments(&Case::plain(seed, 1, beta).law(), 4001, "one column");
        check_moments(&Case { ratio: 100.0, ..Case::plain(seed, 2, beta) }.law(), 501, "two columns");
        check_moments(&Case { active: 1, ..Case::plain(seed, 2, beta) }.law(), 501, "one direction");
    }
}

/// The density of what was seen is the integral of the joint one times that of the error; what is left has the
/// density of Bayes, mass one and the moments that it says.
#[test]
fn conditionals_are_those_of_quadrature() {
    for (seed, beta) in shapes().into_iter().enumerate() {
        for (active, ratio) in [(2, 1.0), (1, 10.0)] {
            let law = Case { active, ratio, ..Case::plain(seed as u64 + 10, 2, beta) }.law();
            let (points, volume) = grid(&law, 9.0, 601);
            let joint = densities(&law, &points);
            let std = law.covariance().diagonal().map(f64::sqrt);
            let at = law.mean() + std.component_mul(&DVector::from_vec(vec![0.4, -0.7]));

            // Exact.
            let seen = Observation::exact(&[0], &[at[0]]).unwrap();
            let left = law.given(&seen).unwrap();
            let (low, high) = (points.column(1).min(), points.column(1).max());
            let step = (high - low) / 6000.0;
            let column = DMatrix::from_fn(6001, 2, |i, j| if j == 0 { at[0] } else { low + step * i as f64 });
            let evidence = densities(&law, &column).sum() * step;
            approx::assert_relative_eq!(law.log_density_of(&seen).unwrap(), evidence.ln(), epsilon = 1e-8);
            check_moments(&left, 4001, "exact");
            let there = DMatrix::from_element(1, 1, at[1]);
            let whole = DMatrix::from_row_slice(1, 2, at.as_slice());
            let ratio = law.log_density(&whole).unwrap()[0] - evidence.ln();
            approx::assert_relative_eq!(left.log_density(&there).unwrap()[0], ratio, epsilon = 1e-8);

            // With errors that are correlated.
            let noise = DMatrix::from_row_slice(
                2,
                2,
                &[0.3 * std[0] * std[0], 0.1 * std[0] * std[1], 0.1 * std[0] * std[1], 0.2 * std[1] * std[1]],
            );
            let seen = Observation::with_covariance(
                &[1, 0],
                &[at[1], at[0]],
                DMatrix::from_fn(2, 2, |i, j| noise[(1 - i, 1 - j)]),
            )
            .unwrap();
            let precision = noise.clone().try_inverse().unwrap();
            let likelihood = |row: usize| {
                let off = points.row(row).transpose() - &at;
                (-0.5 * off.dot(&(&precision * &off))).exp()
                    / (std::f64::consts::TAU * noise.determinant().sqrt())
            };
            let evidence: f64 =
                (0..points.nrows()).map(|row| likelihood(row) * joint[row]).sum::<f64>() * volume;
            approx::assert_relative_eq!(law.log_density_of(&seen).unwrap(), evidence.ln(), epsilon = 1e-8);
            let left = law.given(&seen).unwrap();
            check_moments(&left, 501, "with errors");
            let posterior = densities(&left, &points);
            for row in (0..points.nrows()).step_by(997) {
                let expected = likelihood(row) * joint[row] / evidence;
                assert!((posterior[row] - expected).abs() < 1e-8 * posterior.max());
            }
        }
    }
}

#[test]
fn columns_are_those_of_quadrature() {
    for (seed, beta) in shapes().into_iter().enumerate() {
        let law = Case { active: 2, ratio: 3.0, ..Case::plain(seed as u64 + 20, 3, beta) }.law();
        let seen = Observation::with_std(&[0, 2], &[law.mean()[0], law.mean()[2]], &[0.5, 0.0]).unwrap();
        for law in [law.clone(), law.given(&seen).unwrap()] {
            for &column in law.columns() {
                let (alone, one) = (law.marginal(&[column]).unwrap(), law.column(column).unwrap());
                approx::assert_relative_eq!(
                    one.mean(),
                    alone.mean()[0],
                    epsilon = 1e-10,
                    max_relative = 1e-10
                );
                approx::assert_relative_eq!(one.std(), alone.covariance()[0].sqrt(), max_relative = 1e-10);
                let (points, step) = grid(&alone, 10.0, 20_001);
                let densities = densities(&alone, &points);
                let mut below = 0.0;
                for (row, density) in densities.iter().enumerate() {
                    // Trapezoidal, which is exact to rounding for densities that are this smooth only over the whole line.
                    below += if row == 0 { 0.0 } else { 0.5 * step * (density + densities[row - 1]) };
                    let x = points[row];
                    assert!((one.density(x) - density).abs() < 1e-10 * densities.max());
                    if row % 1000 == 0 {
                        assert!((one.cdf(x) - below).abs() < 1e-6, "{} {below}", one.cdf(x));
                    }
                }
                for p in [0.01, 0.3, 0.9] {
                    approx::assert_relative_eq!(one.cdf(one.quantile(p).unwrap()), p, epsilon = 1e-11);
                }
            }
        }
    }
}

#[test]
fn a_mixture_of_given_parameters_is_the_gaussian_mixture_in_any_units() {
    let law = Case::plain(25, 3, 0.0).law();
    let factors = [1.0, 1e-9, 1e12];
    let stretch = |m: &DMatrix<f64>| DMatrix::from_fn(3, 3, |i, j| m[(i, j)] * factors[i] * factors[j]);
    let parameters = MixtureParameters {
        masses: law.masses().clone(),
        means: DMatrix::from_fn(3, 3, |cell, j| law.means()[(cell, j)] * factors[j]),
        covariances: law.covariances().iter().map(stretch).collect(),
    };
    let found = Mixture::gaussian(&parameters).unwrap();
    let rows = law.sample(30, &mut Xoshiro256PlusPlus::seed_from_u64(1)).unwrap();
    let stretched = DMatrix::from_fn(30, 3, |i, j| rows[(i, j)] * factors[j]);
    let off = found.log_density(&stretched).unwrap() - law.log_density(&rows).unwrap();
    let volume: f64 = factors.iter().map(|factor: &f64| factor.ln()).sum();
    assert!(off.add_scalar(volume).amax() < 1e-9, "{off}");
    let given = found.given(&Observation::exact(&[2], &[stretched[(0, 2)]]).unwrap()).unwrap();
    let expected = law.given(&Observation::exact(&[2], &[rows[(0, 2)]]).unwrap()).unwrap();
    for (j, factor) in factors.iter().enumerate().take(2) {
        approx::assert_relative_eq!(given.mean()[j], expected.mean()[j] * factor, max_relative = 1e-9);
    }
    let flat = MixtureParameters {
        covariances: vec![DMatrix::zeros(3, 3); 3],
        means: DMatrix::zeros(3, 3),
        ..parameters
    };
    assert!(matches!(Mixture::gaussian(&flat), Err(Error::NoVariation)));
}
