//! Eight rows at a time, with exponential and logarithm: plain arithmetic on arrays, which compilers turn
//! into vector instructions and which has the same bits everywhere.

use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

/// Rows evaluated at once.
pub(crate) const LANES: usize = 8;

/// One number for each of eight rows.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub(crate) struct Lanes([f64; LANES]);

impl Lanes {
    pub(crate) const ZERO: Self = Self([0.0; LANES]);

    #[inline(always)]
    pub(crate) fn splat(value: f64) -> Self {
        Self([value; LANES])
    }

    /// The rows from `start` on of a column; zeros beyond its end.
    #[inline(always)]
    pub(crate) fn load(column: &[f64], start: usize) -> Self {
        match column[start..].first_chunk::<LANES>() {
            Some(&full) => Self(full),
            None => {
                // Lane by lane, because a copy of unknown length would take all eights through memory.
                let mut tail = Self::ZERO;
                for (lane, value) in tail.0.iter_mut().enumerate() {
                    *value = column.get(start + lane).copied().unwrap_or(0.0);
                }
                tail
            }
        }
    }

    /// Writes to the rows from `start` on of a column, as far as there are any.
    #[inline(always)]
    pub(crate) fn store(self, column: &mut [f64], start: usize) {
        match column[start..].first_chunk_mut::<LANES>() {
            Some(full) => *full = self.0,
            None => {
                for (lane, value) in self.0.into_iter().enumerate() {
                    if let Some(out) = column.get_mut(start + lane) {
                        *out = value;
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn map(mut self, f: impl Fn(f64) -> f64) -> Self {
        for lane in &mut self.0 {
            *lane = f(*lane);
        }
        self
    }

    #[inline(always)]
    fn zip(mut self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane = f(*lane, other);
        }
        self
    }

    /// The larger one; `self` where it is NaN.
    #[inline(always)]
    pub(crate) fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { b } else { a })
    }

    /// The smaller one; `self` where it is NaN.
    #[inline(always)]
    pub(crate) fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { b } else { a })
    }

    /// Within ±`bound`; NaN stays.
    #[inline(always)]
    pub(crate) fn clamp(self, bound: f64) -> Self {
        self.max(Self::splat(-bound)).min(Self::splat(bound))
    }

    #[inline(always)]
    pub(crate) fn recip(self) -> Self {
        self.map(|value| 1.0 / value)
    }

    /// exp of values up to 709; zero below `cut`, which is −708 or more.
    #[inline(always)]
    pub(crate) fn exp_above(self, cut: f64) -> Self {
        // A mask, because a branch would be taken lane by lane.
        let mask = |value: f64| u64::from(value < cut).wrapping_sub(1);
        self.map(|value| f64::from_bits(exp(value).to_bits() & mask(value)))
    }

    /// Natural logarithm of positive normal numbers; NaN of NaN.
    #[inline(always)]
    pub(crate) fn ln(self) -> Self {
        self.map(ln)
    }
}

impl Add for Lanes {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Lanes {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for Lanes {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl Mul<f64> for Lanes {
    type Output = Self;
    #[inline(always)]
    fn mul(self, factor: f64) -> Self {
        self.map(|a| a * factor)
    }
}

impl Add<f64> for Lanes {
    type Output = Self;
    #[inline(always)]
    fn add(self, term: f64) -> Self {
        self.map(|a| a + term)
    }
}

impl Sub<f64> for Lanes {
    type Output = Self;
    #[inline(always)]
    fn sub(self, term: f64) -> Self {
        self.map(|a| a - term)
    }
}

impl Neg for Lanes {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.map(|a| -a)
    }
}

impl AddAssign for Lanes {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Lanes {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

/// Added to a number below 2⁵¹, it leaves the nearest integer in the low bits.
const ROUNDING: f64 = 1.5 * (1u64 << 52) as f64;
/// log 2 in two parts; integers up to 2²⁰ times the first are exact.
const LN_2_HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
const MANTISSA_BITS: u32 = 52;
const EXPONENT_BIAS: u64 = 1023;

/// (eʳ − 1 − r)/r² on |r| ≤ ½ log 2, by the minimax polynomial of the relative error of eʳ (4·10⁻¹⁸).
const EXP: ([f64; 4], [f64; 4], [f64; 2]) = (
    [0.500_000_000_000_001_1, 0.166_666_666_666_664_1, 0.041_666_666_666_529_73, 0.008_333_333_333_494_961],
    [
        0.001_388_888_894_375_978,
        0.000_198_412_695_058_024_78,
        2.480_149_294_975_068_6e-5,
        2.755_758_678_327_844_3e-6,
    ],
    [2.763_030_624_035_685e-7, 2.500_002_394_031_581_2e-8],
);

/// (log((1 + s)/(1 − s)) − 2s)/s³ as a polynomial of s² on |s| ≤ 0.1716, minimax likewise (10⁻¹⁸).
const LN: ([f64; 4], [f64; 3]) = (
    [0.666_666_666_666_673_4, 0.399_999_999_994_139_4, 0.285_714_287_425_666_35, 0.222_221_985_533_941_2],
    [0.181_835_654_254_188_04, 0.153_140_206_882_74, 0.147_962_652_592_122],
);

/// Σ cᵢ xⁱ up to i = 3; sums in pairs (Estrin's scheme) do not wait for each other.
#[inline(always)]
fn cubic(c: [f64; 4], x: f64) -> f64 {
    (c[0] + c[1] * x) + (c[2] + c[3] * x) * (x * x)
}

/// eˣ = 2ⁿ eʳ with |r| ≤ ½ log 2; for −708 ≤ x ≤ 709.
#[inline(always)]
fn exp(x: f64) -> f64 {
    let shifted = x * std::f64::consts::LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let (square, (low, middle, high)) = (r * r, EXP);
    let fourth = square * square;
    let polynomial = cubic(low, r) + fourth * (cubic(middle, r) + fourth * (high[0] + high[1] * r));
    let power = 1.0 + (r + square * polynomial);
    power * f64::from_bits(shifted.to_bits().wrapping_add(EXPONENT_BIAS) << MANTISSA_BITS)
}

/// log x = n log 2 + log m with √½ ≤ m < √2; for positive normal x, and NaN.
#[inline(always)]
fn ln(x: f64) -> f64 {
    // Shifted so that the exponent field turns over at √2 rather than 2.
    const ONE: u64 = EXPONENT_BIAS << MANTISSA_BITS;
    const TURN: u64 = ONE - std::f64::consts::FRAC_1_SQRT_2.to_bits();
    let raised = x.to_bits().wrapping_add(TURN);
    let exponent = raised >> MANTISSA_BITS;
    // The exponent as the low bits of a large number, whose rest is taken off again.
    let n = f64::from_bits(ROUNDING.to_bits() + exponent) - (ROUNDING + EXPONENT_BIAS as f64);
    let mantissa = (raised & ((1 << MANTISSA_BITS) - 1)) + std::f64::consts::FRAC_1_SQRT_2.to_bits();
    let m = f64::from_bits(mantissa);
    let s = (m - 1.0) / (m + 1.0);
    let (square, (low, high)) = (s * s, LN);
    let fourth = square * square;
    let polynomial = cubic(low, square) + fourth * fourth * (high[0] + high[1] * square + high[2] * fourth);
    let not_a_number = x - x;
    n * LN_2_HIGH + (2.0 * s + (s * (square * polynomial) + n * LN_2_LOW)) + not_a_number
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units in the last place between two positive numbers.
    fn apart(a: f64, b: f64) -> u64 {
        a.to_bits().abs_diff(b.to_bits())
    }

    #[test]
    fn exp_is_that_of_the_standard_library_to_the_last_place() {
        let n = 400_000;
        for i in 0..n {
            let x = -708.0 + 1408.0 * (f64::from(i) / f64::from(n));
            assert!(apart(exp(x), x.exp()) <= 1, "exp({x})");
            let small = x * 1e-3;
            assert!(apart(exp(small), small.exp()) <= 1, "exp({small})");
            let tiny = x * 1e-15;
            assert!(apart(exp(tiny), tiny.exp()) <= 1, "exp({tiny})");
        }
    }

    #[test]
    fn exp_of_zero_is_one_and_below_the_cut_it_is_zero() {
        let values = [0.0, -0.0, -28.1, -27.9, -1e9, f64::NEG_INFINITY, -708.0, f64::NAN];
        let cut = Lanes(values).exp_above(-28.0).0;
        assert_eq!(cut[..3], [1.0, 1.0, 0.0]);
        assert!(cut[3] > 7e-13 && cut[4..7] == [0.0; 3] && cut[7].is_nan());
        let full = Lanes(values).exp_above(-708.0).0;
        assert!(full[4..6] == [0.0; 2] && full[6].is_normal() && full[7].is_nan());
    }

    #[test]
    fn ln_is_that_of_the_standard_library_to_two_places() {
        for i in -300_000..300_000 {
            for x in [10f64.powf(f64::from(i) * 1e-3), 1.0 + f64::from(i) * 1e-6, 1.0 + f64::from(i) * 1e-15]
            {
                let (found, expected) = (ln(x), x.ln());
                assert!(apart(found.abs(), expected.abs()) <= 2 && found * expected >= 0.0, "ln({x})");
            }
        }
        assert_eq!(ln(1.0), 0.0);
        assert!(ln(f64::NAN).is_nan());
        assert!(apart(ln(f64::MAX), f64::MAX.ln()) <= 1);
    }
}
