use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::testing::{Case, flat, kolmogorov_smirnov, shapes};
use super::*;
use crate::check::{check_divergence, check_log_density, check_score_model};
use crate::process::{NoiseLevel, NoiseLevels};
use crate::score::ScoreModel;

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
