use super::estimate::Estimate;
use super::total_variation::paired;
use crate::error::Result;

/// Kullback-Leibler divergence of a model's density q from a known density p, ∫ p ln (p/q) in nats, from their natural
/// logarithms at rows drawn **from p**.
///
/// It is estimated without bias by the mean of ln (p/q) + q/p − 1, provided that q integrates to 1: no term is below
/// zero, and where the two nearly agree each is a small square, so that far fewer rows are needed than for the mean of
/// ln (p/q). Infinite where the model gives a row no density at all (−∞).
///
/// # Errors
/// As [`total_variation`](super::total_variation).
///
/// # Examples
/// A uniform law on (0, 1) against a model that spreads over (0, 4), of which three quarters of the mass lie where no
/// rows are:
/// ```
/// use gmix_diffusion::metrics::kl_divergence;
///
/// let divergence = kl_divergence(&[0.0; 100], &[0.25f64.ln(); 100])?;
/// assert!((divergence.value - (4f64.ln() - 0.75)).abs() < 1e-12);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn kl_divergence(log_truth: &[f64], log_model: &[f64]) -> Result<Estimate> {
    let term = |truth: f64, model: f64| {
        let log_ratio = model - truth;
        // e^r − 1 − r, of which the leading digits cancel where the two agree.
        if log_ratio.abs() < 1e-4 {
            log_ratio * log_ratio * (0.5 + log_ratio / 6.0)
        } else {
            log_ratio.exp_m1() - log_ratio
        }
    };
    Ok(Estimate::of(&paired(log_truth, log_model, term)?))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    /// N(0, 1) against N(mean, std²): ln std + (1 + mean²)/2std² − ½.
    #[test]
    fn finds_the_closed_form_for_gaussians() {
        for (seed, mean, std) in [(1, 0.01, 1.0), (2, 0.5, 1.0), (3, 0.3, 1.3)] {
            let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let rows: Vec<f64> = StandardNormal.sample_iter(rng).take(40_000).collect();
            let log = |x: f64, mean: f64, std: f64| -0.5 * ((x - mean) / std).powi(2) - f64::ln(std);
            let truth: Vec<f64> = rows.iter().map(|&x| log(x, 0.0, 1.0)).collect();
            let model: Vec<f64> = rows.iter().map(|&x| log(x, mean, std)).collect();
            let found = kl_divergence(&truth, &model).unwrap();
            let exact = f64::ln(std) + (1.0 + mean * mean) / (2.0 * std * std) - 0.5;
            // Four standard errors: level 6e-5 a case.
            assert!((found.value - exact).abs() < 4.0 * found.std_error, "{found} {exact}");
            assert!(found.std_error < 0.05 * exact);
        }
        let never = kl_divergence(&[0.0, 0.0], &[0.0, f64::NEG_INFINITY]).unwrap();
        assert_eq!(never.value, f64::INFINITY);
    }
}
