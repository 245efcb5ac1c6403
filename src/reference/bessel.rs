//! Modified Bessel functions, as the normaliser of the von Mises-Fisher law needs them.

use std::f64::consts::{LN_2, PI};

/// Up to here the power series is short; its terms are all positive.
const LARGEST_SERIES_ARGUMENT: f64 = 500.0;

/// Partial sums beyond this are scaled down, before they overflow.
const RESCALE: f64 = 1e200;

/// The law of ⟨u, e⟩ for u uniform on the unit sphere of R^p, tilted by e^{κ⟨u, e⟩}.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tilt {
    /// ln E e^{κ⟨u, e⟩} − κ = ln(Γ(p/2) (2/κ)^ν I_ν(κ)) − κ with ν = p/2 − 1.
    pub(super) log_scaled_normaliser: f64,
    /// A/κ, where A = I_{ν+1}(κ)/I_ν(κ) is the tilted mean of ⟨u, e⟩; finite at κ = 0.
    pub(super) mean_over_kappa: f64,
    /// 1 − A, without cancellation for large κ.
    pub(super) one_minus_mean: f64,
}

/// The tilt of the unit sphere of R^`dim` (`dim` ≥ 1) by `kappa` ≥ 0.
pub(super) fn tilt(dim: usize, kappa: f64) -> Tilt {
    let order = 0.5 * dim as f64 - 1.0;
    if kappa > LARGEST_SERIES_ARGUMENT.max(2.0 * order * order) {
        asymptotic(dim, order, kappa)
    } else {
        series(order, kappa)
    }
}

/// Σ (κ²/4)^j / (j! (ν + 1)_j) and the like sum for I_{ν+1}.
fn series(order: f64, kappa: f64) -> Tilt {
    let quarter = 0.25 * kappa * kappa;
    let (mut term, mut sum, mut weighted, mut log_scale, mut j) = (1.0, 0.0, 0.0, 0.0, 0.0);
    // Terms rise to their largest near j = κ/2 and fall fast after it.
    while j < 0.5 * kappa || term > 1e-18 * sum {
        sum += term;
        // One division a term: it decides the cost.
        let inverse = 1.0 / ((j + 1.0) * (order + 1.0 + j));
        weighted += term * (j + 1.0) * inverse;
        term *= quarter * inverse;
        j += 1.0;
        if sum > RESCALE {
            (term, sum, weighted) = (term / RESCALE, sum / RESCALE, weighted / RESCALE);
            log_scale += RESCALE.ln();
        }
    }
    let mean_over_kappa = 0.5 * weighted / sum;
    Tilt {
        log_scaled_normaliser: sum.ln() + log_scale - kappa,
        mean_over_kappa,
        one_minus_mean: 1.0 - mean_over_kappa * kappa,
    }
}

/// I_ν(κ) ~ e^κ/√(2πκ) Σ (−1)^j a_j(ν)/κ^j (Hankel), for κ large against ν².
fn asymptotic(dim: usize, order: f64, kappa: f64) -> Tilt {
    let terms = |order: f64| {
        let square = 4.0 * order * order;
        (1..60).scan(1.0, move |term, j| {
            let j = f64::from(j);
            *term *= -(square - (2.0 * j - 1.0).powi(2)) / (8.0 * j * kappa);
            Some(*term)
        })
    };
    let converging = |term: &f64| term.abs() > 1e-18;
    let sum: f64 = 1.0 + terms(order).take_while(converging).sum::<f64>();
    // The leading 1 cancels between the two orders.
    let difference: f64 = terms(order).zip(terms(order + 1.0)).map(|(low, high)| low - high).take(40).sum();
    let one_minus_mean = difference / sum;
    Tilt {
        log_scaled_normaliser: ln_gamma_half(dim) + order * (LN_2 - kappa.ln())
            - 0.5 * (2.0 * PI * kappa).ln()
            + sum.ln(),
        mean_over_kappa: (1.0 - one_minus_mean) / kappa,
        one_minus_mean,
    }
}

/// ln Γ(n/2) for n ≥ 1, by the recursion from Γ(½) = √π or Γ(1) = 1.
fn ln_gamma_half(n: usize) -> f64 {
    let start = if n % 2 == 1 { 0.5 * PI.ln() } else { 0.0 };
    let first = if n % 2 == 1 { 1 } else { 2 };
    start + (first..n).step_by(2).map(|m| (0.5 * m as f64).ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1e-300), "{found} {expected}");
    }

    #[test]
    fn agrees_with_tabulated_values_on_the_circle() {
        // I₀(1) and I₁(1), Abramowitz and Stegun, table 9.8.
        let tilt = tilt(2, 1.0);
        close((tilt.log_scaled_normaliser + 1.0).exp(), 1.266_065_877_752_008, 1e-14);
        close(tilt.mean_over_kappa, 0.565_159_103_992_485 / 1.266_065_877_752_008, 1e-14);
    }

    #[test]
    fn agrees_with_the_closed_forms_in_one_and_three_dimensions() {
        for kappa in [1e-3f64, 0.5, 3.0, 30.0, 400.0, 499.0, 501.0, 2e3, 1e6, 1e12] {
            let line = tilt(1, kappa);
            // ln cosh κ − κ and 1 − tanh κ
            close(line.log_scaled_normaliser, (-2.0 * kappa).exp().ln_1p() - LN_2, 1e-12);
            close(line.mean_over_kappa * kappa, kappa.tanh(), 1e-13);
            let space = tilt(3, kappa);
            let log_sinh = (-(-2.0 * kappa).exp()).ln_1p() - LN_2 - kappa.ln();
            assert!((space.log_scaled_normaliser - log_sinh).abs() < 1e-12);
            if kappa > 0.1 {
                close(space.one_minus_mean, 1.0 - (1.0 / kappa.tanh() - 1.0 / kappa), 1e-16 * kappa + 1e-12);
            }
        }
    }

    #[test]
    fn obeys_the_recurrence_of_orders_on_both_sides_of_every_switch() {
        // 1/A_{ν−1} = A_ν + 2ν/κ
        for dim in [2usize, 5, 10, 40, 200] {
            for kappa in [1e-6, 1.0, 60.0, 499.9, 500.1, 3e3, 2.1e4, 1e7] {
                let order = 0.5 * dim as f64;
                let below = tilt(dim, kappa).mean_over_kappa * kappa;
                let above = tilt(dim + 2, kappa).mean_over_kappa * kappa;
                close(1.0 / below, above + 2.0 * order / kappa, 1e-13);
            }
        }
    }

    #[test]
    fn is_continuous_where_series_and_asymptotic_expansion_meet() {
        for dim in [2usize, 3, 10, 32] {
            let order = 0.5 * dim as f64 - 1.0;
            let (left, right) = (series(order, 600.0), asymptotic(dim, order, 600.0));
            assert!((left.log_scaled_normaliser - right.log_scaled_normaliser).abs() < 1e-11);
            close(left.one_minus_mean, right.one_minus_mean, 1e-11);
        }
    }
}
