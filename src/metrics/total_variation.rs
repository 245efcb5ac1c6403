use super::estimate::Estimate;
use crate::error::{Error, Result};

/// Total variation distance between a known density p and a model's density q, from their natural
/// logarithms at rows drawn **from p**.
///
/// TV = ½ ∫ |p − q| = ∫ max(0, p − q) = E_p max(0, 1 − q(X)/p(X)) is estimated without bias by the
/// mean over the rows, provided that q integrates to 1. It lies between 0 (equal) and 1 (disjoint),
/// and no change of units moves it. A model may give a row no density at all (−∞).
///
/// # Errors
/// [`Error::NoRows`] for empty slices, [`Error::ShapeMismatch`] when their lengths differ,
/// [`Error::NotFinite`] for a NaN or +∞ and for a row that the truth gives no density; its column is
/// 0 for the truth and 1 for the model.
///
/// # Examples
/// A uniform law on (0, 1) against a model that spreads over (0, 4):
/// ```
/// use gmix_diffusion::metrics::total_variation;
///
/// let log_truth = [0.0; 100];
/// let log_model = [0.25f64.ln(); 100];
/// let distance = total_variation(&log_truth, &log_model)?;
/// assert!((distance.value - 0.75).abs() < 1e-12);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn total_variation(log_truth: &[f64], log_model: &[f64]) -> Result<Estimate> {
    // max(0, 1 − exp(model − truth)) without cancellation where the two nearly agree.
    let term = |truth: f64, model: f64| -(model - truth).min(0.0).exp_m1();
    Ok(Estimate::of(&paired(log_truth, log_model, term)?))
}

/// `term` of the two log-densities of each row.
pub(super) fn paired(
    log_truth: &[f64],
    log_model: &[f64],
    term: impl Fn(f64, f64) -> f64,
) -> Result<Vec<f64>> {
    if log_truth.is_empty() {
        return Err(Error::NoRows);
    }
    if log_model.len() != log_truth.len() {
        return Err(Error::ShapeMismatch {
            what: "log-densities of the model",
            expected: log_truth.len(),
            found: log_model.len(),
        });
    }
    let pairs = log_truth.iter().zip(log_model).enumerate();
    pairs
        .map(|(row, (&truth, &model))| {
            if !truth.is_finite() {
                return Err(Error::NotFinite { row, column: 0, value: truth });
            }
            if model.is_nan() || model == f64::INFINITY {
                return Err(Error::NotFinite { row, column: 1, value: model });
            }
            Ok(term(truth, model))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::super::testing::normal_cdf;
    use super::*;

    fn log_normal_density(x: f64, mean: f64, std: f64) -> f64 {
        -0.5 * ((x - mean) / std).powi(2) - std.ln() - 0.5 * std::f64::consts::TAU.ln()
    }

    /// N(0, 1) against N(mean, std²) at `n` rows of the first.
    fn estimate_against(mean: f64, std: f64, n: usize, seed: u64) -> Estimate {
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let rows: Vec<f64> = StandardNormal.sample_iter(rng).take(n).collect();
        let truth: Vec<f64> = rows.iter().map(|&x| log_normal_density(x, 0.0, 1.0)).collect();
        let model: Vec<f64> = rows.iter().map(|&x| log_normal_density(x, mean, std)).collect();
        total_variation(&truth, &model).unwrap()
    }

    #[test]
    fn finds_the_closed_form_for_shifted_gaussians() {
        for (seed, shift) in [(1, 0.01), (2, 0.3), (3, 2.0), (4, 6.0)] {
            let estimate = estimate_against(shift, 1.0, 40_000, seed);
            let exact = 2.0 * normal_cdf(shift / 2.0) - 1.0;
            // Four standard errors: level 6e-5 a case.
            assert!((estimate.value - exact).abs() < 4.0 * estimate.std_error, "{shift}: {estimate} {exact}");
        }
    }

    #[test]
    fn finds_the_closed_form_for_a_wider_gaussian() {
        let std = 2.0f64;
        let crossing = (2.0 * std.ln() / (1.0 - 1.0 / (std * std))).sqrt();
        let exact = 2.0 * (normal_cdf(crossing) - normal_cdf(crossing / std));
        let estimate = estimate_against(0.0, std, 40_000, 5);
        assert!((estimate.value - exact).abs() < 4.0 * estimate.std_error, "{estimate} {exact}");
    }

    #[test]
    fn standard_error_is_the_spread_over_repetitions() {
        let estimates: Vec<Estimate> = (0..400).map(|seed| estimate_against(1.0, 1.0, 500, seed)).collect();
        let values: Vec<f64> = estimates.iter().map(|estimate| estimate.value).collect();
        let spread = Estimate::of(&values).std_error * 400f64.sqrt();
        let claimed = Estimate::of(&estimates.iter().map(|e| e.std_error).collect::<Vec<_>>()).value;
        // A standard deviation from 400 values has a relative error of 3.5 %: four of them.
        assert!((spread / claimed - 1.0).abs() < 0.15, "{spread} {claimed}");
    }

    #[test]
    fn equal_densities_are_at_distance_zero_and_disjoint_ones_at_one() {
        let truth = [-1.0, 700.0, -900.0];
        assert_eq!(total_variation(&truth, &truth).unwrap(), Estimate { value: 0.0, std_error: 0.0 });
        assert_eq!(total_variation(&truth, &[f64::NEG_INFINITY; 3]).unwrap().value, 1.0);
    }

    #[test]
    fn small_differences_are_not_lost_to_rounding() {
        let estimate = total_variation(&[0.0, 0.0], &[-1e-18, -1e-18]).unwrap();
        assert!((estimate.value / 1e-18 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn rejects_what_is_not_a_log_density() {
        assert!(matches!(total_variation(&[], &[]), Err(Error::NoRows)));
        assert!(matches!(
            total_variation(&[0.0], &[]),
            Err(Error::ShapeMismatch { expected: 1, found: 0, .. })
        ));
        let nan = total_variation(&[0.0, 0.0], &[0.0, f64::NAN]);
        assert!(matches!(nan, Err(Error::NotFinite { row: 1, column: 1, .. })));
        assert!(matches!(total_variation(&[0.0], &[f64::INFINITY]), Err(Error::NotFinite { column: 1, .. })));
        assert!(matches!(
            total_variation(&[f64::NEG_INFINITY], &[0.0]),
            Err(Error::NotFinite { column: 0, .. })
        ));
        assert_eq!(total_variation(&[0.0], &[-1.0]).unwrap().std_error, f64::INFINITY);
    }
}
