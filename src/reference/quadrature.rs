//! Gauss-Legendre quadrature, and a window that follows a Gaussian cut off by an interval.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Half the squared width of a window, in bandwidths: what is left out is below e^{−45}.
const SQUARED_REACH: f64 = 90.0;

/// Nodes on a window: a Gaussian over √90 bandwidths on either side is integrated to rounding.
static RULE: LazyLock<Vec<(f64, f64)>> = LazyLock::new(|| gauss_legendre(48));

/// Nodes and weights of the n-point rule on \[−1, 1\], by Newton's method on the Legendre polynomial.
pub(super) fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    (0..n)
        .map(|i| {
            let mut x = (PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let mut slope = 1.0;
            // Quadratic convergence from this start: 10 steps are more than enough.
            for _ in 0..10 {
                let (mut before, mut value) = (1.0, x);
                for degree in 2..=n {
                    let k = degree as f64;
                    (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
                }
                slope = n as f64 * (x * value - before) / (x * x - 1.0);
                x -= value / slope;
            }
            (x, 2.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

/// A node of the integral over u in an interval of exp(−(x − u)²/2τ²) times something smooth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// u
    pub(super) position: f64,
    /// ln of the quadrature weight times exp(−(x − u)²/2τ²), relative to the peak.
    pub(super) log_weight: f64,
}

/// The nodes for the peak at `x` within \[`lower`, `upper`\], and the log of the Gaussian at its peak.
///
/// `rise` is how many bandwidths a smooth factor may move the peak upwards.
pub(super) fn gaussian_window(
    x: f64,
    lower: f64,
    upper: f64,
    bandwidth: f64,
    rise: f64,
) -> (impl Iterator<Item = Node>, f64) {
    let peak = x.clamp(lower, upper);
    let outside = (x - peak).abs();
    let variance = bandwidth * bandwidth;
    // Where (outside + reach)² − outside² = 90 τ², written without cancellation.
    let reach = SQUARED_REACH * variance / (outside + (outside * outside + SQUARED_REACH * variance).sqrt());
    let below = reach.min(peak - lower);
    let above = (reach + rise * bandwidth).min(upper - peak);
    let (half, middle) = (0.5 * (above + below), 0.5 * (above - below));
    let log_half = half.ln();
    let nodes = RULE.iter().map(move |&(node, weight)| {
        // Offsets from the peak, because far away the window is narrower than the rounding of x².
        let offset = middle + half * node;
        let log_gaussian = 0.5 * offset * (2.0 * (x - peak) - offset) / variance;
        Node { position: peak + offset, log_weight: log_half + weight.ln() + log_gaussian }
    });
    (nodes, -0.5 * outside * outside / variance)
}

/// Replaces `log_weights` by weights that sum to 1, and returns ln Σ exp.
pub(super) fn normalise(log_weights: &mut [f64]) -> f64 {
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for value in log_weights.iter_mut() {
        *value = (*value - largest).exp();
        sum += *value;
    }
    for value in log_weights.iter_mut() {
        *value /= sum;
    }
    largest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrates_polynomials_exactly() {
        for n in [1usize, 2, 7, 16, 48] {
            let rule = gauss_legendre(n);
            for degree in 0..2 * n as i32 {
                let found: f64 = rule.iter().map(|(x, w)| w * x.powi(degree)).sum();
                let exact = if degree % 2 == 0 { 2.0 / f64::from(degree + 1) } else { 0.0 };
                assert!((found - exact).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn windows_integrate_a_cut_off_gaussian_wherever_its_peak_is() {
        let integral = |x: f64, lower: f64, upper: f64| {
            let (nodes, log_peak) = gaussian_window(x, lower, upper, 0.7, 0.0);
            let mut logs: Vec<f64> = nodes.map(|node| node.log_weight).collect();
            normalise(&mut logs) + log_peak
        };
        let whole = (0.7 * (2.0 * PI).sqrt()).ln();
        assert!((integral(3.0, -1e4, 1e4) - whole).abs() < 1e-14);
        assert!((integral(3.0, 3.0, 1e4) - (whole - 2f64.ln())).abs() < 1e-14);
        // Mills' ratio far outside: ∫ ≈ e^{−b²/2τ²} τ²/b (1 − τ²/b²).
        let (b, variance) = (7e7f64, 0.49f64);
        let tail = -0.5 * b * b / variance + (variance / b * (1.0 - variance / (b * b))).ln();
        assert!((integral(b, -5.0, 0.0) - tail).abs() < 1e-14 * tail.abs());
    }
}
