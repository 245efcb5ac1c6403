use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::testing::{Case, holes};
use super::*;

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
