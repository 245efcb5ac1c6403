//! Smooth increasing maps of a support to all real numbers.

use super::column::{Support, Warp};

/// In widths of the rows: nearer to a bound than this is at it.
const EDGE: f64 = 1e-9;
/// The straight part of the map above a bound begins at this share of the way to the median.
const STRAIGHT: f64 = 0.25;
/// What a family has to gain in log-likelihood, a row and at least in all.
const GAIN: (f64, f64) = (0.01, 3.0);

#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
enum Family {
    Plain,
    /// (width) asinh((x − centre)/width): straight within the width, logarithmic beyond.
    Asinh {
        centre: f64,
        width: f64,
    },
    /// ln t, t the distance from the bound.
    Log,
    /// w ln(exp(t/w) − 1): logarithmic near the bound, straight beyond w.
    Soft {
        width: f64,
    },
    /// ln(t/(b − a − t)).
    Logit,
}

/// A map of the numbers above `low` and below `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct Base {
    low: Option<f64>,
    high: Option<f64>,
    family: Family,
    /// Distances from a bound are at least this.
    edge: f64,
    /// Values are turned to be above `low`.
    period: Option<f64>,
}

impl Base {
    pub(crate) const IDENTITY: Self =
        Self { low: None, high: None, family: Family::Plain, edge: 1.0, period: None };

    /// The map of `support` on which the sorted values are most like those of a Gaussian, among those that `warp` allows.
    pub(crate) fn learn(support: Support, sorted: &[f64], warp: Warp) -> Self {
        let at = |p: f64| sorted[((sorted.len() - 1) as f64 * p) as usize];
        let (first, median, last) = (at(0.0), at(0.5), at(1.0));
        let spread = (last - first).max(f64::MIN_POSITIVE);
        let plain = Self { low: None, high: None, family: Family::Plain, edge: EDGE * spread, period: None };
        let one_sided = |low: Option<f64>, high: Option<f64>| {
            let distance = low.map_or(0.0, |low| median - low).max(high.map_or(0.0, |high| high - median));
            let width = STRAIGHT * if distance > 0.0 { distance } else { spread };
            let edge = EDGE * spread.max(distance);
            let of = |family| Self { low, high, family, edge, period: None };
            (of(Family::Soft { width }), of(Family::Log))
        };
        let (simple, other) = match support {
            Support::Above(low) => one_sided(Some(low), None),
            Support::Below(high) => one_sided(None, Some(high)),
            Support::Between(low, high) => {
                let logit = Self {
                    low: Some(low),
                    high: Some(high),
                    family: Family::Logit,
                    edge: EDGE * (high - low),
                    period: None,
                };
                (logit, logit)
            }
            _ => {
                let width = 0.7 * (at(0.75) - at(0.25));
                let family = Family::Asinh { centre: median, width };
                (plain, if width > 0.0 { Self { family, ..plain } } else { plain })
            }
        };
        let least = (GAIN.0 * sorted.len() as f64).max(GAIN.1);
        let pays = || other.log_likelihood(sorted) > simple.log_likelihood(sorted) + least;
        if warp != Warp::Plain && pays() { other } else { simple }
    }

    /// That of a circle which is cut at `cut`.
    pub(crate) fn circle(cut: f64, period: f64) -> Self {
        let edge = EDGE * period;
        Self { low: Some(cut), high: Some(cut + period), family: Family::Logit, edge, period: Some(period) }
    }

    /// That of a Gaussian of the mean and variance of what the map makes of `values`, up to a constant.
    fn log_likelihood(&self, values: &[f64]) -> f64 {
        let n = values.len() as f64;
        let mapped: Vec<(f64, f64)> = values.iter().map(|&x| self.at(x)).collect();
        let mean = mapped.iter().map(|(u, _)| u).sum::<f64>() / n;
        let variance = mapped.iter().map(|(u, _)| (u - mean).powi(2)).sum::<f64>() / n;
        mapped.iter().map(|(_, log_slope)| log_slope).sum::<f64>()
            - 0.5 * n * variance.max(f64::MIN_POSITIVE).ln()
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.family {
            _ if self.period.is_some() => "circle",
            Family::Plain => "plain",
            Family::Asinh { .. } => "asinh",
            Family::Log => "log",
            Family::Soft { .. } => "log near the bound",
            Family::Logit => "logit",
        }
    }

    /// Between which x has to be.
    pub(crate) fn bounds(&self) -> (f64, f64) {
        (self.low.unwrap_or(f64::NEG_INFINITY), self.high.unwrap_or(f64::INFINITY))
    }

    /// On a circle the x of the same place within the bounds.
    pub(crate) fn turned(&self, x: f64) -> f64 {
        match (self.period, self.low) {
            (Some(period), Some(low)) => low + (x - low).rem_euclid(period),
            _ => x,
        }
    }

    /// On a circle the x of the same place between 0 and the period.
    pub(crate) fn unturned(&self, x: f64) -> f64 {
        match self.period {
            // The remainder of a tiny negative number is rounded to the period itself.
            Some(period) => Some(x.rem_euclid(period)).filter(|x| *x < period).unwrap_or(0.0),
            None => x,
        }
    }

    /// u at x, and ln du/dx.
    pub(crate) fn at(&self, x: f64) -> (f64, f64) {
        match (self.family, self.low, self.high) {
            (Family::Plain, ..) => (x, 0.0),
            (Family::Asinh { centre, width }, ..) => {
                let t = (x - centre) / width;
                (width * t.asinh(), -0.5 * (t * t).ln_1p())
            }
            (Family::Logit, Some(low), Some(high)) => {
                let all = high - low;
                let (below, above) = (
                    (x - low).clamp(self.edge, all - self.edge),
                    (high - x).clamp(self.edge, all - self.edge),
                );
                ((below / above).ln(), all.ln() - below.ln() - above.ln())
            }
            (family, Some(low), _) => self.beyond_bound(family, x - low),
            (family, None, Some(high)) => {
                let (u, log_slope) = self.beyond_bound(family, high - x);
                (-u, log_slope)
            }
            (_, None, None) => (x, 0.0),
        }
    }

    fn beyond_bound(&self, family: Family, distance: f64) -> (f64, f64) {
        let t = distance.max(self.edge);
        match family {
            Family::Soft { width } => {
                let r = t / width;
                // ln(eʳ − 1) = r + ln(1 − e⁻ʳ), whose slope is 1/(1 − e⁻ʳ).
                let log = (-(-r).exp_m1()).ln();
                (width * (r + log), -log)
            }
            _ => (t.ln(), -t.ln()),
        }
    }

    /// Where u is that value: within the bounds, whatever u.
    pub(crate) fn inverse(&self, u: f64) -> f64 {
        match (self.family, self.low, self.high) {
            (Family::Plain, ..) => u,
            (Family::Asinh { centre, width }, ..) => centre + width * (u / width).sinh(),
            (Family::Logit, Some(low), Some(high)) => {
                let share = 1.0 / (1.0 + (-u).exp());
                (low + (high - low) * share).clamp(low, high)
            }
            (family, Some(low), _) => low + Self::to_distance(family, u),
            (family, None, Some(high)) => high - Self::to_distance(family, -u),
            (_, None, None) => u,
        }
    }

    fn to_distance(family: Family, u: f64) -> f64 {
        match family {
            Family::Soft { width } => {
                let r = u / width;
                // ln(1 + eʳ).
                width * if r > 0.0 { r + (-r).exp().ln_1p() } else { r.exp().ln_1p() }
            }
            _ => u.min(600.0).exp(),
        }
    }

    #[cfg(feature = "serde")]
    pub(crate) fn is_valid(&self) -> bool {
        let (low, high) = self.bounds();
        let family = match self.family {
            Family::Plain => true,
            Family::Asinh { centre, width } => centre.is_finite() && width > 0.0 && width.is_finite(),
            Family::Log => self.low.is_some() != self.high.is_some(),
            Family::Soft { width } => {
                self.low.is_some() != self.high.is_some() && width > 0.0 && width.is_finite()
            }
            Family::Logit => (high - low).is_finite(),
        };
        let finite = |bound: Option<f64>| bound.is_none_or(f64::is_finite);
        family
            && low < high
            && finite(self.low)
            && finite(self.high)
            && self.edge > 0.0
            && self.edge.is_finite()
            && self.period.is_none_or(|period| period > 0.0 && period.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_undone_and_slopes_are_derivatives() {
        let values: Vec<f64> =
            (1..400).map(|i| (-(1.0 - i as f64 / 400.0).ln()).powf(2.5) / 40.0 + 0.02).collect();
        for (support, turn) in [
            (Support::Real, 1.0),
            (Support::Above(0.0), 1.0),
            (Support::Below(0.0), -1.0),
            (Support::Between(0.0, 40.0), 1.0),
        ] {
            let mut sorted: Vec<f64> = values.iter().map(|x| x * turn).collect();
            sorted.sort_by(f64::total_cmp);
            for warp in [Warp::Plain, Warp::Family] {
                let base = Base::learn(support, &sorted, warp);
                for &x in sorted.iter().step_by(13) {
                    let (u, log_slope) = base.at(x);
                    approx::assert_relative_eq!(base.inverse(u), x, max_relative = 1e-9);
                    let step = 1e-5 * x.abs();
                    let difference = (base.at(x + step).0 - base.at(x - step).0) / (2.0 * step);
                    approx::assert_relative_eq!(log_slope.exp(), difference, max_relative = 1e-4);
                }
                let (low, high) = base.bounds();
                for u in [-1e9, -50.0, 50.0, 1e9] {
                    assert!((low..=high).contains(&base.inverse(u)));
                }
            }
        }
        assert_eq!(Base::learn(Support::Above(0.0), &values, Warp::Family).name(), "log");
    }
}
