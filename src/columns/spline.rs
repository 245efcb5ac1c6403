//! A monotone map through knots that has an inverse in closed form.

/// Rational quadratic pieces (Gregory, Delbourgo 1982) between knots, straight lines beyond: once continuously
/// differentiable, and strictly increasing.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct Spline {
    /// Strictly increasing, and as many of each.
    x: Vec<f64>,
    y: Vec<f64>,
    slopes: Vec<f64>,
}

impl Spline {
    /// Through these knots, `None` for fewer than three that increase.
    pub(crate) fn through(knots: &[(f64, f64)]) -> Option<Self> {
        let (first, last) = (knots.first()?.0, knots.last()?.0);
        let least = 1e-9 * (last - first);
        let (mut x, mut y): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        for &(at, value) in knots {
            let further = x.last().is_none_or(|last| at - last > least)
                && y.last().is_none_or(|last| value - last > 1e-9);
            if further && at.is_finite() && value.is_finite() {
                x.push(at);
                y.push(value);
            }
        }
        if x.len() < 3 {
            return None;
        }
        let secants: Vec<f64> = (1..x.len()).map(|i| (y[i] - y[i - 1]) / (x[i] - x[i - 1])).collect();
        let n = x.len();
        // Geometric means within, which never overshoot; the ends go on as their pieces do.
        let slope = |i: usize| match i {
            0 => secants[0],
            i if i == n - 1 => secants[n - 2],
            i => (secants[i - 1] * secants[i]).sqrt(),
        };
        let slopes: Vec<f64> = (0..n).map(slope).collect();
        slopes.iter().all(|slope| *slope > 0.0 && slope.is_finite()).then_some(Self { x, y, slopes })
    }

    /// Do the knots increase, and the slopes too?
    #[cfg(feature = "serde")]
    pub(crate) fn is_valid(&self) -> bool {
        let increases = |values: &[f64]| {
            values.iter().all(|v| v.is_finite()) && values.windows(2).all(|pair| pair[0] < pair[1])
        };
        let n = self.x.len();
        n >= 3
            && self.y.len() == n
            && self.slopes.len() == n
            && increases(&self.x)
            && increases(&self.y)
            && self.slopes.iter().all(|slope| *slope > 0.0 && slope.is_finite())
    }

    fn piece(&self, i: usize) -> (f64, f64, f64) {
        let (width, height) = (self.x[i + 1] - self.x[i], self.y[i + 1] - self.y[i]);
        (width, height, height / width)
    }

    /// The value at `x` and the logarithm of the slope there.
    pub(crate) fn at(&self, x: f64) -> (f64, f64) {
        let last = self.x.len() - 1;
        if x <= self.x[0] {
            return (self.y[0] + (x - self.x[0]) * self.slopes[0], self.slopes[0].ln());
        }
        if x >= self.x[last] {
            return (self.y[last] + (x - self.x[last]) * self.slopes[last], self.slopes[last].ln());
        }
        let i = self.x.partition_point(|knot| *knot <= x) - 1;
        let (width, height, s) = self.piece(i);
        let (left, right) = (self.slopes[i], self.slopes[i + 1]);
        let t = (x - self.x[i]) / width;
        let r = 1.0 - t;
        let bottom = s + (left + right - 2.0 * s) * t * r;
        let value = self.y[i] + height * (s * t * t + left * t * r) / bottom;
        let slope = s * s * (right * t * t + 2.0 * s * t * r + left * r * r) / (bottom * bottom);
        (value, slope.ln())
    }

    /// Where the value is `y`.
    pub(crate) fn inverse(&self, y: f64) -> f64 {
        let last = self.y.len() - 1;
        if y <= self.y[0] {
            return self.x[0] + (y - self.y[0]) / self.slopes[0];
        }
        if y >= self.y[last] {
            return self.x[last] + (y - self.y[last]) / self.slopes[last];
        }
        let i = self.y.partition_point(|knot| *knot <= y) - 1;
        let (width, height, s) = self.piece(i);
        let (left, right) = (self.slopes[i], self.slopes[i + 1]);
        let (above, bend) = (y - self.y[i], left + right - 2.0 * s);
        let a = height * (s - left) + above * bend;
        let b = height * left - above * bend;
        let c = -s * above;
        let t = 2.0 * c / (-b - (b * b - 4.0 * a * c).max(0.0).sqrt());
        self.x[i] + width * t.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_undoes_the_map_whose_slope_is_its_derivative() {
        let spline =
            Spline::through(&[(0.0, -2.0), (1.0, -1.0), (1.5, 0.5), (4.0, 1.0), (9.0, 3.0)]).unwrap();
        for i in 0..130 {
            let x = -2.0 + 0.1 * i as f64 + 0.013;
            let (y, log_slope) = spline.at(x);
            approx::assert_relative_eq!(spline.inverse(y), x, epsilon = 1e-10);
            let difference = (spline.at(x + 1e-6).0 - spline.at(x - 1e-6).0) / 2e-6;
            approx::assert_relative_eq!(log_slope.exp(), difference, max_relative = 1e-4);
        }
        assert_eq!(Spline::through(&[(0.0, 0.0), (0.0, 1.0), (1.0, 2.0)]), None);
    }
}
