//! Eight rows at a time, with exponential and logarithm.

use fearless_simd::prelude::*;
use fearless_simd::{f64x8, u64x8};

/// Rows evaluated at once.
pub(crate) const LANES: usize = 8;

/// One number for each of eight rows, in vector registers of the processor generation S.
pub(crate) type Lanes<S> = f64x8<S>;

/// What is needed of eight numbers beyond arithmetic.
pub(crate) trait Rows<S: Simd>: Sized {
    /// The rows from `start` on of a column; zeros beyond its end.
    fn load(simd: S, column: &[f64], start: usize) -> Self;

    /// Writes to the rows from `start` on of a column, as far as there are any.
    fn store(self, column: &mut [f64], start: usize);

    /// The larger one; `self` where it is NaN.
    fn or_above(self, other: Self) -> Self;

    /// Within ±`bound`; NaN stays.
    fn within(self, bound: f64) -> Self;

    /// exp of values up to 709; zero below `cut`, which is −708 or more.
    fn exp_above(self, cut: f64) -> Self;

    /// Natural logarithm of positive normal numbers; NaN of NaN.
    fn ln(self) -> Self;
}

impl<S: Simd> Rows<S> for Lanes<S> {
    #[inline(always)]
    fn load(simd: S, column: &[f64], start: usize) -> Self {
        match column[start..].first_chunk::<LANES>() {
            Some(&full) => full.simd_into(simd),
            None => {
                let mut lanes = [0.0; LANES];
                lanes[..column.len() - start].copy_from_slice(&column[start..]);
                lanes.simd_into(simd)
            }
        }
    }

    #[inline(always)]
    fn store(self, column: &mut [f64], start: usize) {
        match column[start..].first_chunk_mut::<LANES>() {
            Some(full) => self.store_slice(full),
            None => {
                let rows = column.len() - start;
                column[start..].copy_from_slice(&self.as_slice()[..rows]);
            }
        }
    }

    #[inline(always)]
    fn or_above(self, other: Self) -> Self {
        self.simd_lt(other).select(other, self)
    }

    #[inline(always)]
    fn within(self, bound: f64) -> Self {
        let above = self.or_above(Self::splat(self.token(), -bound));
        let most = Self::splat(self.token(), bound);
        above.simd_gt(most).select(most, above)
    }

    #[inline(always)]
    fn exp_above(self, cut: f64) -> Self {
        let zero = Self::splat(self.token(), 0.0);
        self.simd_lt(Self::splat(self.token(), cut)).select(zero, exp(self))
    }

    #[inline(always)]
    fn ln(self) -> Self {
        ln(self)
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
fn cubic<S: Simd>(c: [f64; 4], x: Lanes<S>) -> Lanes<S> {
    (x * c[1] + c[0]) + (x * c[3] + c[2]) * (x * x)
}

/// eˣ = 2ⁿ eʳ with |r| ≤ ½ log 2; for −708 ≤ x ≤ 709.
#[inline(always)]
fn exp<S: Simd>(x: Lanes<S>) -> Lanes<S> {
    let shifted = x * std::f64::consts::LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let (square, (low, middle, high)) = (r * r, EXP);
    let fourth = square * square;
    let polynomial = cubic(low, r) + fourth * (cubic(middle, r) + fourth * (r * high[1] + high[0]));
    let power = (r + square * polynomial) + 1.0;
    let exponent: u64x8<S> = (shifted.to_bits() + EXPONENT_BIAS) << MANTISSA_BITS;
    power * Lanes::from_bits(exponent)
}

/// log x = n log 2 + log m with √½ ≤ m < √2; for positive normal x, and NaN.
#[inline(always)]
fn ln<S: Simd>(x: Lanes<S>) -> Lanes<S> {
    // Shifted so that the exponent field turns over at √2 rather than 2.
    const ONE: u64 = EXPONENT_BIAS << MANTISSA_BITS;
    const TURN: u64 = ONE - std::f64::consts::FRAC_1_SQRT_2.to_bits();
    let raised: u64x8<S> = x.to_bits() + TURN;
    let exponent = raised >> MANTISSA_BITS;
    // The exponent as the low bits of a large number, whose rest is taken off again.
    let n = Lanes::from_bits(exponent + ROUNDING.to_bits()) - (ROUNDING + EXPONENT_BIAS as f64);
    let m =
        Lanes::from_bits((raised & ((1 << MANTISSA_BITS) - 1)) + std::f64::consts::FRAC_1_SQRT_2.to_bits());
    let s = (m - 1.0) / (m + 1.0);
    let (square, (low, high)) = (s * s, LN);
    let fourth = square * square;
    let polynomial = cubic(low, square) + fourth * fourth * ((square * high[1] + high[0]) + fourth * high[2]);
    // Zero, unless x is NaN.
    let not_a_number = x * 0.0;
    n * LN_2_HIGH + (s * 2.0 + (s * (square * polynomial) + n * LN_2_LOW)) + not_a_number
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    #[inline(always)]
    fn all<S: Simd>(simd: S, values: &[f64], f: impl Fn(Lanes<S>) -> Lanes<S>) -> Vec<f64> {
        let mut out = values.to_vec();
        for start in (0..values.len()).step_by(LANES) {
            f(Lanes::load(simd, values, start)).store(&mut out, start);
        }
        out
    }

    fn exp_of(values: &[f64]) -> Vec<f64> {
        vectorised!(simd => all(simd, values, exp))
    }

    fn ln_of(values: &[f64]) -> Vec<f64> {
        vectorised!(simd => all(simd, values, ln))
    }

    /// Units in the last place between two numbers of equal sign.
    fn apart(a: f64, b: f64) -> u64 {
        assert_eq!(a.is_sign_negative(), b.is_sign_negative());
        a.to_bits().abs_diff(b.to_bits())
    }

    fn exponents() -> Vec<f64> {
        let n = 400_000;
        let large = (0..n).map(|i| -708.0 + 1408.0 * (f64::from(i) / f64::from(n)));
        large.flat_map(|x| [x, x * 1e-3, x * 1e-15]).collect()
    }

    fn positive() -> Vec<f64> {
        let of =
            |i: i32| [10f64.powf(f64::from(i) * 1e-3), 1.0 + f64::from(i) * 1e-6, 1.0 + f64::from(i) * 1e-15];
        (-300_000..300_000).flat_map(of).collect()
    }

    #[test]
    fn exp_is_that_of_the_standard_library_to_the_last_place() {
        let values = exponents();
        for (&x, found) in values.iter().zip(exp_of(&values)) {
            assert!(apart(found, x.exp()) <= 1, "exp({x})");
        }
    }

    #[test]
    fn exp_of_zero_is_one_and_below_the_cut_it_is_zero() {
        let values = [0.0, -0.0, -28.1, -27.9, -1e9, f64::NEG_INFINITY, -708.0, f64::NAN];
        let above = |cut: f64| vectorised!(simd => all(simd, &values, |x| x.exp_above(cut)));
        let cut = above(-28.0);
        assert_eq!(cut[..3], [1.0, 1.0, 0.0]);
        assert!(cut[3] > 7e-13 && cut[4..7] == [0.0; 3] && cut[7].is_nan());
        let full = above(-708.0);
        assert!(full[4..6] == [0.0; 2] && full[6].is_normal() && full[7].is_nan());
    }

    #[test]
    fn ln_is_that_of_the_standard_library_to_two_places() {
        let values = positive();
        for (&x, found) in values.iter().zip(ln_of(&values)) {
            assert!(apart(found, x.ln()) <= 2, "ln({x})");
        }
        let ends = ln_of(&[1.0, f64::NAN, f64::MAX, f64::MIN_POSITIVE]);
        assert!(ends[0] == 0.0 && ends[1].is_nan());
        assert!(apart(ends[2], f64::MAX.ln()) <= 1 && apart(ends[3], f64::MIN_POSITIVE.ln()) <= 1);
    }

    #[test]
    fn every_processor_computes_the_same_bits() {
        let (exponents, positive) = (exponents(), positive());
        let baseline = Level::baseline();
        assert_eq!(exp_of(&exponents), dispatch!(baseline, simd => all(simd, &exponents, exp)));
        assert_eq!(ln_of(&positive), dispatch!(baseline, simd => all(simd, &positive, ln)));
    }

    #[test]
    fn bounds_keep_what_is_not_a_number() {
        let values = [f64::NAN, f64::INFINITY, -3.0, 0.5, f64::NEG_INFINITY];
        let within = vectorised!(simd => all(simd, &values, |x| x.within(2.0)));
        assert!(within[0].is_nan() && within[1..] == [2.0, -2.0, 0.5, -2.0]);
    }
}
