use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::testing::{Case, holes, kolmogorov_smirnov};
use super::*;

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
