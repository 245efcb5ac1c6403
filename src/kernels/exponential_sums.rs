//! Sums of exponentials whose exponents double.

use fearless_simd::prelude::*;

use super::lanes::{LANES, Lanes, Rows};

/// Exponentials below e to this power are zero.
const SMALLEST: f64 = -69.0;

/// Adds Σᵢ wᵢ exp(2ᵇ xᵢ) to the b-th of `sums`, for exponents x ≤ 0 and weights w of one length. Exponentials below
/// 10⁻³⁰ are left out.
pub(crate) fn add_exponential_sums(exponents: &[f64], weights: &[f64], sums: &mut [f64]) {
    vectorised!(simd => add(simd, exponents, weights, sums));
}

#[inline(always)]
fn add<S: Simd>(simd: S, exponents: &[f64], weights: &[f64], sums: &mut [f64]) {
    let zero = Lanes::splat(simd, 0.0);
    let (smallest, least) = (Lanes::splat(simd, SMALLEST), Lanes::splat(simd, SMALLEST.exp()));
    let mut totals = vec![zero; sums.len()];
    for start in (0..exponents.len()).step_by(LANES) {
        let exponent = Lanes::load(simd, exponents, start);
        if exponent.simd_lt(smallest).all_true() {
            continue;
        }
        let weight = Lanes::load(simd, weights, start);
        let mut value = exponent.exp_above(SMALLEST);
        for total in &mut totals {
            *total += weight * value;
            value *= value;
            let negligible = value.simd_lt(least);
            if negligible.all_true() {
                break;
            }
            value = negligible.select(zero, value);
        }
    }
    for (sum, total) in sums.iter_mut().zip(&totals) {
        *sum += total.as_slice().iter().sum::<f64>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_by_hand_at_every_length() {
        for n in [1, 8, 21] {
            let exponents: Vec<f64> = (0..n).map(|i| -0.7 * i as f64).collect();
            let weights: Vec<f64> = (0..n).map(|i| 1.0 + (i % 3) as f64).collect();
            let mut sums = vec![1.0; 6];
            add_exponential_sums(&exponents, &weights, &mut sums);
            for (b, sum) in sums.iter().enumerate() {
                let terms = exponents.iter().zip(&weights).map(|(x, w)| w * (x * f64::from(1 << b)).exp());
                approx::assert_relative_eq!(*sum, 1.0 + terms.sum::<f64>(), max_relative = 1e-12);
            }
        }
    }
}
