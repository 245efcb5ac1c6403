use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::corrected::Corrected;
use super::mixture::Mixture;
use super::modes::Mode;
use super::observation::Observation;
use super::table::Predictions;
use crate::check::{check_divergence, check_log_density, check_score_model};
use crate::coordinates::Units;
use crate::error::Error;
use crate::mixture::{Embedding, MixtureLaw, MixtureParameters, RadialShape};
use crate::process::{NoiseLevel, NoiseLevels};
use crate::rows::Rows;
use crate::score::ScoreModel;

/// A random law of `dim` columns, of which `active` are active, in units that differ by `ratio` from one to the next;
/// with fewer columns than `columns` on a hull of dimension `dim` among these.
struct Case {
    seed: u64,
    cells: usize,
    dim: usize,
    active: usize,
    beta: f64,
    ratio: f64,
    columns: usize,
}

impl Case {
    fn plain(seed: u64, dim: usize, beta: f64) -> Self {
        Self { seed, cells: 3, dim, active: dim, beta, ratio: 1.0, columns: dim }
    }

    fn law(&self) -> Mixture {
        let &Self { cells, dim, active, columns, .. } = self;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut normal = |rows: usize, columns: usize| -> DMatrix<f64> {
            DMatrix::from_fn(rows, columns, |_, _| StandardNormal.sample(&mut rng))
        };
        let masses = normal(cells, 1).column(0).map(f64::abs).add_scalar(0.1);
        let covariances = (0..cells).map(|_| {
            let root = normal(active, active) * 0.5;
            let square = &root * root.transpose() + DMatrix::identity(active, active) * 0.05;
            (&square + square.transpose()) * 0.5
        });
        let mixture = MixtureParameters {
            masses: &masses / masses.sum(),
            covariances: covariances.collect(),
            means: normal(cells, active) * 1.5,
        };
        let frame = normal(dim, dim).qr().q();
        let embedding = (active < dim).then(|| Embedding {
            axes: frame.columns(0, active).into_owned(),
            rest: frame.columns(active, dim - active).into_owned(),
            rest_variance: 0.3,
            rest_means: normal(cells, dim - active) * 0.2,
        });
        let law = MixtureLaw::new(&mixture, RadialShape::new(self.beta), embedding).unwrap();
        let hull_axes = (dim < columns).then(|| normal(columns, dim).qr().q());
        let units = Units {
            shift: DVector::from_fn(columns, |i, _| i as f64 - 0.5),
            scale: DVector::from_fn(columns, |i, _| self.ratio.powi(i as i32)),
            hull_axes,
        };
        Mixture::new(columns, (0..columns).collect(), units, law)
    }
}

fn shapes() -> [f64; 3] {
    [0.0, 0.35, -0.5]
}

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
fn a_conditional_law_is_a_score_model_at_every_level() {
    let levels = NoiseLevels::new([
        NoiseLevel::new(1.0, 6.0).unwrap(),
        NoiseLevel::new(0.5, 0.8).unwrap(),
        NoiseLevel::CLEAN,
    ])
    .unwrap();
    for beta in shapes() {
        for ratio in [1.0, 2.0] {
            let law = Case { active: 2, ratio, ..Case::plain(30, 3, beta) }.law();
            for law in [
                law.clone(),
                law.given(&Observation::with_std(&[0, 1], &[0.3, 0.2], &[0.0, 0.4]).unwrap()).unwrap(),
            ] {
                let points =
                    DMatrix::from_fn(40, law.dim(), |i, j| 2.5 * ((i * 3 + j * 5) as f64 * 0.7).sin());
                check_score_model(&law, &levels, &points).unwrap();
                check_log_density(&law, &levels, &points).unwrap();
                check_divergence(&law, &levels, &points).unwrap();
            }
        }
    }
}

/// √n times the largest distance of the distribution functions. P(√n D > 2.5) ≤ 8e-6.
fn kolmogorov_smirnov(mut draws: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    draws.sort_by(f64::total_cmp);
    let n = draws.len() as f64;
    let distance = |(i, &x): (usize, &f64)| {
        let p = cdf(x);
        (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
    };
    draws.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn draws_follow_the_law() {
    for (seed, beta) in shapes().into_iter().enumerate() {
        let law = Case { active: 2, ..Case::plain(seed as u64 + 40, 3, beta) }.law();
        let seen = Observation::with_std(&[0, 1], &[0.2, 0.1], &[0.0, 0.7]).unwrap();
        for law in [law.clone(), law.given(&seen).unwrap()] {
            let rows = law.sample(20_000, &mut Xoshiro256PlusPlus::seed_from_u64(1)).unwrap();
            for (index, &column) in law.columns().iter().enumerate() {
                let one = law.column(column).unwrap();
                let distance =
                    kolmogorov_smirnov(rows.column(index).iter().copied().collect(), |x| one.cdf(x));
                assert!(distance < 2.5, "{beta} {column}: {distance}");
            }
            // The second column given the first, at the draws themselves: uniform.
            let [first, second] = [law.columns()[0], law.columns()[1]];
            let uniform = (0..2_000).map(|row| {
                let given = law.given(&Observation::exact(&[first], &[rows[(row, 0)]]).unwrap()).unwrap();
                given.column(second).unwrap().cdf(rows[(row, 1)])
            });
            let distance = kolmogorov_smirnov(uniform.collect(), |x| x);
            assert!(distance < 2.5, "{beta}: {distance}");
        }
    }
}

/// In ten columns by importance sampling from the law itself: E f(x) p(w | x) / E p(w | x), 4.5 standard errors.
#[test]
fn ten_columns_agree_with_importance_sampling() {
    for (seed, beta) in shapes().into_iter().enumerate() {
        let law = Case { active: 6, ..Case::plain(seed as u64 + 50, 10, beta) }.law();
        let (mean, std) = (law.mean(), law.covariance().diagonal().map(f64::sqrt));
        let columns = [1, 4, 7];
        let values = columns.map(|c| mean[c] + 0.5 * std[c]);
        let stds = columns.map(|c| 0.8 * std[c]);
        let seen = Observation::with_std(&columns, &values, &stds).unwrap();
        let n = 200_000;
        let rows = law.sample(n, &mut Xoshiro256PlusPlus::seed_from_u64(2)).unwrap();
        let likelihood = |row: usize| {
            let of = |k: usize| {
                let z = (rows[(row, columns[k])] - values[k]) / stds[k];
                -0.5 * z * z - (stds[k] * std::f64::consts::TAU.sqrt()).ln()
            };
            (0..3).map(of).sum::<f64>().exp()
        };
        let weights = DVector::from_fn(n, |row, _| likelihood(row));
        let error = (weights.variance() / n as f64).sqrt();
        let evidence = law.log_density_of(&seen).unwrap().exp();
        assert!((weights.mean() - evidence).abs() < 4.5 * error, "{} {evidence} {error}", weights.mean());
        let left = law.given(&seen).unwrap();
        let (expected, covariance) = (left.mean(), left.covariance());
        for i in 0..10 {
            let off = rows.column(i).add_scalar(-expected[i]).component_mul(&weights) / evidence;
            let error = (off.variance() / n as f64).sqrt();
            assert!(off.mean().abs() < 4.5 * error, "{beta} mean {i}: {} {error}", off.mean());
            let square = rows
                .column(i)
                .map(|x| (x - expected[i]).powi(2) - covariance[(i, i)])
                .component_mul(&weights)
                / evidence;
            let error = (square.variance() / n as f64).sqrt();
            assert!(square.mean().abs() < 4.5 * error, "{beta} variance {i}: {} {error}", square.mean());
        }
    }
}

#[test]
fn small_errors_are_none_and_large_ones_say_nothing() {
    for beta in shapes() {
        let law = Case { active: 2, ..Case::plain(60, 3, beta) }.law();
        let points = law.sample(50, &mut Xoshiro256PlusPlus::seed_from_u64(3)).unwrap();
        let exact = law.given(&Observation::exact(&[1], &[0.4]).unwrap()).unwrap();
        let nearly = law.given(&Observation::with_std(&[1], &[0.4], &[1e-7]).unwrap()).unwrap();
        let (exact, nearly) = (exact.marginal(&[0, 2]).unwrap(), nearly.marginal(&[0, 2]).unwrap());
        let two = points.select_columns(&[0, 2]);
        let off = exact.log_density(&two).unwrap() - nearly.log_density(&two).unwrap();
        assert!(off.amax() < 1e-5, "{}", off.amax());
        let hardly = law.given(&Observation::with_std(&[1], &[0.4], &[1e7]).unwrap()).unwrap();
        let off = law.log_density(&points).unwrap() - hardly.log_density(&points).unwrap();
        assert!(off.amax() < 1e-6, "{}", off.amax());
    }
}

/// The third column is determined by the two others, the fourth constant.
fn flat(beta: f64, ratio: f64) -> Mixture {
    let plain = Case { ratio, ..Case::plain(70, 2, beta) }.law();
    let mut axes = DMatrix::zeros(4, 2);
    let root = (1.0f64 + 0.5).sqrt();
    // Orthonormal: u₁ = (1, 0, ½, 0)·…, u₂ orthogonal to it with third = ½ first + second.
    let first = DVector::from_vec(vec![1.0, 0.0, 0.5, 0.0]);
    let second = DVector::from_vec(vec![0.0, 1.0, 1.0, 0.0]);
    let one = first.normalize();
    let two = (&second - &one * one.dot(&second)).normalize();
    axes.column_mut(0).copy_from(&one);
    axes.column_mut(1).copy_from(&two);
    assert!(root > 0.0);
    let units = Units {
        shift: DVector::from_vec(vec![0.5, -1.0, 2.0, 7.0]),
        scale: DVector::from_fn(4, |i, _| ratio.powi(i as i32)),
        hull_axes: Some(axes),
    };
    Mixture::new(4, (0..4).collect(), units, plain.law)
}

#[test]
fn laws_on_a_hull_know_what_follows_from_what() {
    for (beta, ratio) in [(0.0, 1.0), (0.35, 1.0), (-0.5, 10.0)] {
        let law = flat(beta, ratio);
        let rows = law.sample(20, &mut Xoshiro256PlusPlus::seed_from_u64(4)).unwrap();
        let row: Vec<f64> = rows.row(0).iter().copied().collect();
        // Two columns say the third.
        let seen = Observation::exact(&[0, 1], &row[..2]).unwrap();
        assert!(matches!(law.given(&seen), Err(Error::NothingLeft)));
        // A column and the constant leave one direction, in two columns.
        let seen = Observation::exact(&[0, 3], &[row[0], 7.0]).unwrap();
        let left = law.given(&seen).unwrap();
        assert_eq!(left.columns(), [1, 2]);
        let drawn = left.sample(50, &mut Xoshiro256PlusPlus::seed_from_u64(5)).unwrap();
        assert!(left.log_density(&drawn).unwrap().iter().all(|value| value.is_finite()));
        let whole = DMatrix::from_fn(50, 4, |i, j| match j {
            0 => row[0],
            3 => 7.0,
            _ => drawn[(i, j - 1)],
        });
        assert!(law.log_density(&whole).unwrap().iter().all(|value| value.is_finite()));
        // Densities on the hull differ from products by a constant.
        let joint = law.log_density(&whole).unwrap() - left.log_density(&drawn).unwrap();
        assert!(joint.add_scalar(-joint[0]).amax() < 1e-8);
        let evidence = law.log_density_of(&seen).unwrap();
        let free = law.marginal(&[0]).unwrap();
        let alone = free.log_density(&DMatrix::from_element(1, 1, row[0])).unwrap()[0];
        approx::assert_relative_eq!(evidence, alone, epsilon = 1e-9);
        // As in the two columns that determine all.
        let two = law.marginal(&[0, 1]).unwrap();
        assert!(two.units.hull_axes().is_none());
        let there = two.given(&Observation::exact(&[0], &[row[0]]).unwrap()).unwrap().column(1).unwrap();
        let here = left.column(1).unwrap();
        for p in [0.1, 0.5, 0.9] {
            approx::assert_relative_eq!(
                there.quantile(p).unwrap(),
                here.quantile(p).unwrap(),
                epsilon = 1e-8 * there.std()
            );
        }
        // Three columns that agree, and three that do not.
        let all = Observation::exact(&[0, 1, 2], &row[..3]).unwrap();
        assert!(law.log_density_of(&all).unwrap().is_finite());
        let wrong = Observation::exact(&[0, 1, 2], &[row[0], row[1], row[2] + ratio * ratio]).unwrap();
        assert_eq!(law.log_density_of(&wrong).unwrap(), f64::NEG_INFINITY);
        assert!(matches!(law.given(&wrong), Err(Error::OffHull { row: 0, .. })));
        assert!(matches!(law.given(&Observation::exact(&[3], &[8.0]).unwrap()), Err(Error::OffHull { .. })));
        assert!(matches!(law.marginal(&[3]), Err(Error::NoVariation)));
        let constant = law.column(3).unwrap();
        assert_eq!((constant.mean(), constant.std()), (7.0, 0.0));
        // Errors of measurement off the hull are none of the row's.
        let measured = Observation::with_std(
            &[0, 1, 2],
            &[row[0], row[1], row[2] + ratio * ratio],
            &[1.0, ratio, ratio * ratio],
        )
        .unwrap();
        let left = law.given(&measured).unwrap();
        assert_eq!(left.columns(), [0, 1, 2, 3]);
        assert!(left.mean().iter().all(|value| value.is_finite()));
    }
}

#[test]
fn bad_questions_are_typed_errors() {
    let law = Case::plain(80, 3, 0.0).law();
    assert!(matches!(law.marginal(&[]), Err(Error::NoColumnNamed)));
    assert!(matches!(law.marginal(&[0, 0]), Err(Error::ColumnTwice { column: 0 })));
    assert!(matches!(law.column(3), Err(Error::NoSuchColumn { column: 3, columns: 3 })));
    let seen = Observation::exact(&[1], &[0.0]).unwrap();
    let left = law.given(&seen).unwrap();
    assert!(matches!(left.given(&seen), Err(Error::NoSuchColumn { column: 1, .. })));
    assert!(matches!(law.given(&Observation::exact(&[5], &[0.0]).unwrap()), Err(Error::NoSuchColumn { .. })));
    assert!(matches!(
        law.given(&Observation::exact(&[0, 1, 2], &[0.0; 3]).unwrap()),
        Err(Error::NothingLeft)
    ));
    assert!(matches!(law.log_density(&DMatrix::from_element(1, 3, f64::NAN)), Err(Error::NotFinite { .. })));
}

fn same(a: &Mixture, b: &Mixture, points: &DMatrix<f64>) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.columns(), b.columns());
    let (a, b) = (a.log_density(points).unwrap(), b.log_density(points).unwrap());
    for (a, b) in a.iter().zip(b.iter()) {
        prop_assert!((a - b).abs() < 1e-7 * (1.0 + a.abs()), "{} {}", a, b);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn questions_commute(
        seed in 0u64..1000,
        dim in 2usize..6,
        flat in 0usize..3,
        beta in prop_oneof![Just(0.0), -0.7..0.7],
        ratio in prop_oneof![Just(1.0), 0.01..100.0],
        mask in 0u32..729,
    ) {
        let law = Case { seed, cells: 3, dim, active: dim.saturating_sub(flat).max(1), beta, ratio, columns: dim }.law();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let rows = law.sample(5, &mut rng).unwrap();
        // Each column is open, seen or seen with an error.
        let kinds: Vec<u32> = (0..dim).map(|i| mask / 3u32.pow(i as u32) % 3).collect();
        let scale = law.covariance().diagonal().map(f64::sqrt);
        let one = |column: usize| {
            let std = if kinds[column] == 1 { 0.0 } else { 0.5 * scale[column] };
            Observation::with_std(&[column], &[rows[(0, column)]], &[std]).unwrap()
        };
        let seen: Vec<usize> = (0..dim).filter(|&c| kinds[c] > 0).collect();
        let open: Vec<usize> = (0..dim).filter(|&c| kinds[c] != 1).collect();
        prop_assume!(!seen.is_empty() && !open.is_empty());
        let all = seen[1..].iter().fold(one(seen[0]), |sum, &column| sum.and(one(column)).unwrap());
        let together = law.given(&all).unwrap();
        let mut after = law.clone();
        let mut evidence = 0.0;
        for &column in &seen {
            evidence += after.log_density_of(&one(column)).unwrap();
            after = after.given(&one(column)).unwrap();
        }
        let points = rows.select_columns(&open);
        same(&together, &after, &points)?;
        let joint = law.log_density_of(&all).unwrap();
        prop_assert!((joint - evidence).abs() < 1e-7 * (1.0 + joint.abs()), "{} {}", joint, evidence);
        // Marginal of the conditional and conditional of the marginal.
        let kept = open[rng.random_range(0..open.len())];
        let named: Vec<usize> = (0..dim).filter(|&c| c == kept || kinds[c] > 0).collect();
        let first = law.marginal(&named).unwrap().given(&all).unwrap().marginal(&[kept]).unwrap();
        let second = together.marginal(&[kept]).unwrap();
        same(&first, &second, &rows.select_columns(&[kept]))?;
        // Where only exact values were seen: log p(x) = log p(seen) + log p(open | seen).
        if kinds.iter().all(|&kind| kind != 2) {
            let whole = law.log_density(&rows.rows(0, 1).into_owned()).unwrap()[0];
            let parts = joint + together.log_density(&points.rows(0, 1).into_owned()).unwrap()[0];
            prop_assert!((whole - parts).abs() < 1e-7 * (1.0 + whole.abs()), "{} {}", whole, parts);
        }
    }
}

/// Rows of a law in which cells are empty by a pattern that depends on the row, and which have all kinds of them.
fn holes(law: &Mixture, n: usize) -> DMatrix<f64> {
    let mut rows = law.sample(n, &mut Xoshiro256PlusPlus::seed_from_u64(6)).unwrap();
    let dim = rows.ncols();
    for row in 0..n {
        for column in (0..dim).filter(|column| (row * 7) >> column & 1 == 1) {
            rows[(row, column)] = f64::NAN;
        }
    }
    rows
}

#[test]
fn tables_say_row_by_row_what_conditionals_say() {
    for (beta, columns) in [(0.0, 4), (0.35, 4), (-0.5, 5)] {
        let law = Case { active: 3, ratio: 4.0, columns, ..Case::plain(90, 4, beta) }.law();
        let rows = holes(&law, 60);
        let incomplete = Rows::from(&rows).with_empty_cells();
        let one = law.predict(incomplete, &[2], &[0.05, 0.9]).unwrap();
        let two = law.predict(incomplete, &[3, 1], &[0.5]).unwrap();
        let means = law.impute_means(incomplete).unwrap();
        for row in 0..60 {
            let values: Vec<f64> = rows.row(row).iter().copied().collect();
            let given = |without: &[usize]| {
                let mut values = values.clone();
                without.iter().for_each(|&column| values[column] = f64::NAN);
                match Observation::of_incomplete_row(&values) {
                    Ok(seen) => law.given(&seen),
                    Err(_) => Ok(law.clone()),
                }
            };
            // On a hull three columns may determine the others: no law is left.
            if let Ok(left) = given(&[2]) {
                let column = left.column(2).unwrap();
                let scale = column.std();
                approx::assert_relative_eq!(one.mean[(row, 0)], column.mean(), epsilon = 1e-8 * scale);
                approx::assert_relative_eq!(one.std[(row, 0)], column.std(), epsilon = 1e-8 * scale);
                approx::assert_relative_eq!(
                    one.quantiles[0][(row, 0)],
                    column.quantile(0.05).unwrap(),
                    epsilon = 1e-7 * scale
                );
                approx::assert_relative_eq!(
                    one.quantiles[1][(row, 0)],
                    column.quantile(0.9).unwrap(),
                    epsilon = 1e-7 * scale
                );
                match values[2].is_nan() {
                    true => assert!(one.log_density[row].is_nan()),
                    false => approx::assert_relative_eq!(
                        one.log_density[row],
                        column.log_density(values[2]),
                        epsilon = 1e-7
                    ),
                }
            }
            if let Ok(left) = given(&[1, 3]) {
                let pair = left.marginal(&[3, 1]).unwrap();
                for (index, column) in [3, 1].into_iter().enumerate() {
                    let column = left.column(column).unwrap();
                    approx::assert_relative_eq!(
                        two.mean[(row, index)],
                        column.mean(),
                        epsilon = 1e-8 * column.std()
                    );
                    approx::assert_relative_eq!(
                        two.quantiles[0][(row, index)],
                        column.quantile(0.5).unwrap(),
                        epsilon = 1e-7 * column.std()
                    );
                }
                let own = DMatrix::from_row_slice(1, 2, &[values[3], values[1]]);
                if own.iter().all(|value| value.is_finite()) && columns == 4 {
                    approx::assert_relative_eq!(
                        two.log_density[row],
                        pair.log_density(&own).unwrap()[0],
                        epsilon = 1e-7
                    );
                }
            }
            if let Ok(left) = given(&[]) {
                let mean = left.mean();
                for (index, &column) in left.columns().iter().enumerate() {
                    let scale = left.covariance()[(index, index)].sqrt();
                    approx::assert_relative_eq!(means[(row, column)], mean[index], epsilon = 1e-8 * scale);
                }
            }
        }
    }
}

#[test]
fn empty_cells_are_filled_by_draws_of_what_is_left() {
    for beta in shapes() {
        let law = Case { active: 2, ..Case::plain(91, 3, beta) }.law();
        let row = [0.3, f64::NAN, f64::NAN];
        let left = law.given(&Observation::exact(&[0], &[0.3]).unwrap()).unwrap();
        let rows = vec![row; 5_000];
        let tables = law
            .impute(Rows::from(&rows[..]).with_empty_cells(), 4, &mut Xoshiro256PlusPlus::seed_from_u64(7))
            .unwrap();
        for column in [1, 2] {
            let drawn: Vec<f64> = tables
                .iter()
                .flat_map(|table| table.column(column).iter().copied().collect::<Vec<_>>())
                .collect();
            let one = left.column(column).unwrap();
            let distance = kolmogorov_smirnov(drawn, |x| one.cdf(x));
            assert!(distance < 2.5, "{beta} {column}: {distance}");
        }
        let (first, second): (f64, f64) =
            (tables[0].column(1).iter().sum(), tables[1].column(1).iter().sum());
        assert!(
            first != second && tables.iter().all(|table| table.column(0).iter().all(|&value| value == 0.3))
        );
    }
}

/// What is drawn for a row depends on its place and the seed, not on the rows beside it.
#[test]
fn a_row_has_its_own_stream() {
    let law = Case::plain(92, 4, 0.35).law();
    let rows = holes(&law, 300);
    let all = law
        .impute(Rows::from(&rows).with_empty_cells(), 2, &mut Xoshiro256PlusPlus::seed_from_u64(8))
        .unwrap();
    let first = rows.rows(0, 100).into_owned();
    let some = law
        .impute(Rows::from(&first).with_empty_cells(), 2, &mut Xoshiro256PlusPlus::seed_from_u64(8))
        .unwrap();
    for (all, some) in all.iter().zip(&some) {
        approx::assert_relative_eq!(all.rows(0, 100).into_owned(), some, epsilon = 1e-12);
    }
}

#[test]
fn tables_with_bad_cells_are_typed_errors() {
    let law = Case::plain(93, 2, 0.0).law();
    let empty = [[f64::NAN, 1.0]];
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(9);
    assert!(matches!(law.predict(&empty[..], &[1], &[]), Err(Error::NotFinite { row: 0, column: 0, .. })));
    assert!(matches!(law.impute(&empty[..], 1, &mut rng), Err(Error::NotFinite { .. })));
    let infinite = [[f64::INFINITY, 1.0]];
    let infinite = Rows::from(&infinite[..]).with_empty_cells();
    assert!(matches!(law.impute_means(infinite), Err(Error::NotFinite { .. })));
    let rows = [[0.0, 1.0]];
    assert!(matches!(law.predict(&rows[..], &[2], &[]), Err(Error::NoSuchColumn { .. })));
    assert!(matches!(law.predict(&rows[..], &[0], &[1.5]), Err(Error::InvalidSetting { .. })));
    assert!(matches!(law.predict(&[[0.0; 3]][..], &[0], &[]), Err(Error::ShapeMismatch { .. })));
    let flat = flat(0.0, 1.0);
    let rows = [[0.0, 0.0, 9.0, 7.0], [0.0, 0.0, 0.0, 8.0]];
    assert!(matches!(flat.predict(&rows[..], &[0], &[]), Err(Error::OffHull { .. })));
}

/// The columns that others determine are filled, constants to the last bit.
#[test]
fn determined_cells_are_filled() {
    let law = flat(0.35, 10.0);
    let whole = law.sample(30, &mut Xoshiro256PlusPlus::seed_from_u64(10)).unwrap();
    let mut rows = whole.clone();
    for row in 0..30 {
        rows[(row, row % 4)] = f64::NAN;
    }
    let rows = Rows::from(&rows).with_empty_cells();
    let filled = law.impute(rows, 1, &mut Xoshiro256PlusPlus::seed_from_u64(11)).unwrap();
    let scale = law.covariance().diagonal().map(f64::sqrt);
    for (row, column) in (0..30).map(|row| (row, row % 4)) {
        assert!((filled[0][(row, column)] - whole[(row, column)]).abs() <= 1e-8 * scale[column], "{row}");
    }
    let predicted = law.predict(&whole, &[2], &[0.5]).unwrap();
    assert!(predicted.std.amax() < 1e-8 * scale[2]);
    assert!(predicted.log_density.iter().all(|&log| log == 0.0));
}

/// Corrections towards another law in closed form: the answers are those of that law.
#[test]
fn weighed_proposals_answer_for_the_corrected_law() {
    let truth = Case { active: 2, ..Case::plain(94, 3, 0.0) }.law();
    let base = Case { active: 2, ..Case::plain(94, 3, 0.25) }.law();
    let log_density = |rows: &DMatrix<f64>| truth.log_density(rows);
    let law = Corrected { base: &base, log_density: &log_density };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(12);
    let seen = Observation::with_std(&[0, 2], &[0.5, 0.1], &[0.3, 0.0]).unwrap();
    let draws = law.given(&seen, 40_000, &mut rng).unwrap();
    let left = truth.given(&seen).unwrap();
    assert!(draws.effective > 20_000.0 && draws.effective < 40_000.0);
    let (scale, error) = (left.covariance().diagonal().map(f64::sqrt), 5.0 / draws.effective.sqrt());
    assert!((draws.mean() - left.mean()).component_div(&scale).amax() < error);
    assert!((draws.log_density - truth.log_density_of(&seen).unwrap()).abs() < error);
    let again = draws.resample(20_000, &mut rng).row_mean().transpose();
    assert!((again - left.mean()).component_div(&scale).amax() < 2.0 * error);

    let rows = truth.sample(200, &mut rng).unwrap();
    let exact = truth.predict(&rows, &[1], &[0.1, 0.5]).unwrap();
    let plain = base.predict(&rows, &[1], &[0.1, 0.5]).unwrap();
    let found = law.predict(&Rows::from(&rows), &[1], &[0.1, 0.5], &mut rng).unwrap();
    let off = |answers: &Predictions| {
        let of =
            |a: &DMatrix<f64>, b: &DMatrix<f64>| (a - b).component_div(&exact.std).norm() / 200f64.sqrt();
        let log_density = (&answers.log_density - &exact.log_density).norm() / 200f64.sqrt();
        [
            of(&answers.mean, &exact.mean),
            of(&answers.std, &exact.std),
            of(&answers.quantiles[0], &exact.quantiles[0]),
            of(&answers.quantiles[1], &exact.quantiles[1]),
            log_density,
        ]
    };
    // Root mean squares in standard deviations: quadrature in 64 points.
    for (found, plain) in off(&found).into_iter().zip(off(&plain)) {
        assert!(found < 0.02 && found < 0.5 * plain + 0.002, "{found} {plain}");
    }
    // With further empty cells: Monte Carlo with 64 proposals.
    let holes = holes(&truth, 200);
    let incomplete = Rows::from(&holes).with_empty_cells();
    let exact = truth.predict(incomplete, &[1], &[0.5]).unwrap();
    let found = law.predict(&incomplete, &[1], &[0.5], &mut rng).unwrap();
    let off = (&found.mean - &exact.mean).component_div(&exact.std).norm() / 200f64.sqrt();
    assert!(off < 0.1, "{off}");
    let both = exact.log_density.iter().zip(found.log_density.iter()).filter(|(exact, _)| exact.is_finite());
    assert!(both.clone().count() > 50);
    assert!(both.map(|(exact, found)| (exact - found).powi(2)).sum::<f64>() / 200.0 < 0.01);
    let tables = law.impute(&incomplete, 2, &mut rng).unwrap();
    assert!(tables.iter().all(|table| table.iter().all(|value| value.is_finite())));
}

/// Under the law itself probabilities are uniform, whole rows or not; an odd value is found and named.
#[test]
fn surprise_is_calibrated_and_names_the_column() {
    let law = Case { active: 2, ..Case::plain(95, 3, 0.35) }.law();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(13);
    let rows = law.sample(4_000, &mut rng).unwrap();
    let found = law.surprise(&rows, &mut rng).unwrap();
    let distance = kolmogorov_smirnov(found.p_value.iter().copied().collect(), |x| x);
    // Those of the draws are rounded to 1/10,000 and have errors of their own.
    assert!(distance < 3.0, "{distance}");
    let holes = holes(&law, 4_000);
    let partly = law.surprise(Rows::from(&holes).with_empty_cells(), &mut rng).unwrap();
    let some = (0..4_000).filter(|&row| holes.row(row).iter().any(|value| value.is_finite()));
    let distance = kolmogorov_smirnov(some.map(|row| partly.p_value[row]).collect(), |x| x);
    assert!(distance < 3.0, "{distance}");
    let mut odd = rows.rows(0, 1).into_owned();
    odd[(0, 1)] += 30.0 * law.covariance()[(1, 1)].sqrt();
    let found = law.surprise(&odd, &mut rng).unwrap();
    assert!(found.p_value[0] < 1e-3);
    let predicted = law.predict(&odd, &[1], &[]).unwrap();
    approx::assert_relative_eq!(found.columns[(0, 1)], -predicted.log_density[0], max_relative = 1e-9);
    let level = law.highest_density_level(0.9, 20_000, &mut rng).unwrap();
    let below =
        rows.nrows() - law.log_density(&rows).unwrap().iter().filter(|&&log| log > level.log_density).count();
    assert!((below as f64 / 4_000.0 - 0.1).abs() < 0.025 && level.std_error > 0.0 && level.std_error < 0.1);
}

/// At modes the gradient vanishes and the density is highest around; there are as many as a grid finds.
#[test]
fn modes_are_tops_and_all_are_found() {
    for (seed, beta) in [(100, 0.0), (101, 0.0), (102, 0.35), (103, -0.5)] {
        let law = Case { cells: 5, active: 2, ..Case::plain(seed, 2, beta) }.law();
        let modes = law.modes().unwrap();
        let scale = law.covariance().diagonal().map(f64::sqrt);
        for mode in &modes {
            let at = DMatrix::from_row_slice(1, 2, mode.location.as_slice());
            let gradient = law.score(NoiseLevel::CLEAN, &at).unwrap();
            assert!(gradient.row(0).transpose().component_mul(&scale).amax() < 1e-6, "{gradient}");
            approx::assert_relative_eq!(law.log_density(&at).unwrap()[0], mode.log_density, epsilon = 1e-9);
        }
        // Points of a grid that no neighbour exceeds, where a shape has its cells' tops near means.
        let side = 401;
        let (points, _) = grid(&law, 4.0, side);
        let log = law.log_density(&points).unwrap();
        let inner = (1..side - 1).flat_map(|i| (1..side - 1).map(move |j| (i, j)));
        let tops = inner.filter(|&(i, j)| {
            let here = log[i + side * j];
            (0..9).all(|k| k == 4 || log[i + k % 3 - 1 + side * (j + k / 3 - 1)] < here)
        });
        // On narrow ridges across the grid a point beside the top may be one of these too.
        let tops: Vec<usize> = tops.map(|(i, j)| i + side * j).collect();
        let step = [points[1] - points[0], points[(side, 1)] - points[(0, 1)]];
        let near = |top: &usize, mode: &Mode| {
            (0..2).all(|axis| (points[(*top, axis)] - mode.location[axis]).abs() < 4.0 * step[axis])
        };
        assert!(modes.iter().all(|mode| tops.iter().any(|top| near(top, mode))), "{modes:?} {tops:?}");
        // A shape has tops of its own around a cell, where no ascent from its middle ends.
        if beta == 0.0 {
            assert!(tops.iter().all(|top| modes.iter().any(|mode| near(top, mode))), "{modes:?} {tops:?}");
        }
        assert!(!modes.is_empty());
        assert!(modes.is_sorted_by(|a, b| a.log_density >= b.log_density));
    }
}
