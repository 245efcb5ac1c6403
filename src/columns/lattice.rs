//! Values that are rounded to multiples of a step.

use super::column::Support;

/// Relative to the step: what counts as rounding of the numbers themselves.
const ROUNDING: f64 = 1e-5;
/// Decimals of a step and of its origin, at most.
const DECIMALS: i32 = 12;

/// The values (origin + k step)/unit for all integers k, so that decimals come out as they are written.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct Lattice {
    origin: f64,
    step: f64,
    unit: f64,
}

/// `value` without decimals after so many, if that is what it is.
fn whole(value: f64, unit: f64) -> Option<f64> {
    let scaled = (value * unit).round();
    (scaled.abs() < 1e15 && (scaled / unit - value).abs() <= 1e-14 * value.abs()).then_some(scaled)
}

impl Lattice {
    /// Multiples of `step`, or these moved to where the first of `values` is.
    pub(crate) fn new(step: f64, values: &[f64]) -> Self {
        let anchor = values.first().copied().unwrap_or(0.0);
        let plain = Self { origin: 0.0, step, unit: 1.0 };
        let origin = if plain.has(anchor) { 0.0 } else { anchor - step * (anchor / step).floor() };
        for decimals in 0..=DECIMALS {
            let unit = 10f64.powi(decimals);
            let tidy = (origin * unit).round() / unit;
            if let Some(whole) = whole(step, unit)
                && (tidy - origin).abs() <= ROUNDING * step
            {
                return Self { origin: tidy * unit, step: whole, unit };
            }
        }
        Self { origin, step, unit: 1.0 }
    }

    fn place(&self, x: f64) -> f64 {
        (x * self.unit - self.origin) / self.step
    }

    fn value(&self, k: f64) -> f64 {
        (self.origin + k * self.step) / self.unit + 0.0
    }

    /// Whether x is one of the values.
    pub(crate) fn has(&self, x: f64) -> bool {
        let place = self.place(x);
        (place - place.round()).abs() <= ROUNDING + 1e-12 * place.abs()
    }

    /// What is rounded to x.
    pub(crate) fn interval(&self, x: f64) -> (f64, f64) {
        let k = self.place(x).round();
        ((self.origin + (k - 0.5) * self.step) / self.unit, (self.origin + (k + 0.5) * self.step) / self.unit)
    }

    /// Whether x is one of the values, up to their rounding.
    pub(crate) fn holds(&self, x: f64) -> bool {
        let place = self.place(x);
        (place - place.round()).abs() < 1e-6
    }

    /// Half a step.
    pub(crate) fn half(&self) -> f64 {
        0.5 * self.step / self.unit
    }

    /// The value nearest to x of those within the bounds.
    pub(crate) fn nearest(&self, x: f64, (low, high): (f64, f64)) -> f64 {
        let k = self.place(x).round();
        if self.value(k) < low {
            self.value(k + 1.0)
        } else if self.value(k) > high {
            self.value(k - 1.0)
        } else {
            self.value(k)
        }
    }

    /// The nearest point half way between two values.
    pub(crate) fn edge(&self, x: f64) -> f64 {
        let k = self.place(x).floor();
        (self.origin + (k + 0.5) * self.step) / self.unit
    }

    /// The support of what is rounded into `support`.
    pub(crate) fn widened(&self, support: Support) -> Support {
        let first = |bound: f64| self.value((self.place(bound) - ROUNDING).ceil()) - self.half();
        let last = |bound: f64| self.value((self.place(bound) + ROUNDING).floor()) + self.half();
        match support {
            Support::Above(low) => Support::Above(first(low)),
            Support::Below(high) => Support::Below(last(high)),
            Support::Between(low, high) if last(high) > first(low) => {
                Support::Between(first(low), last(high))
            }
            other => other,
        }
    }

    #[cfg(feature = "serde")]
    pub(crate) fn is_valid(&self) -> bool {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        positive(self.step) && positive(self.unit) && self.origin.is_finite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_come_out_as_they_are_written() {
        for (step, value, text) in
            [(0.1, 0.30000000000000004, "0.3"), (0.254, 0.7620001, "0.762"), (25.0, 3749.0, "3750")]
        {
            let lattice = Lattice::new(step, &[step]);
            assert_eq!(lattice.nearest(value, (f64::MIN, f64::MAX)).to_string(), text);
        }
        let moved = Lattice::new(1.0, &[2.25]);
        assert!(moved.has(7.25) && !moved.has(7.0));
        assert_eq!(moved.interval(3.25), (2.75, 3.75));
        assert_eq!(Lattice::new(1.0, &[4.0]).widened(Support::Above(0.0)), Support::Above(-0.5));
        assert_eq!(Lattice::new(1.0, &[4.0]).nearest(-0.49, (-0.5, 9.0)).to_string(), "0");
    }
}
