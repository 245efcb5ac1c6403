//! The standard normal distribution function, its inverse, and intervals far out in its tails.

use libm::erfc;

/// Beyond this many standard deviations a tail is taken by its asymptotic series.
const FAR: f64 = 30.0;

/// Φ(z).
pub(crate) fn cdf(z: f64) -> f64 {
    0.5 * erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

/// ln φ(z).
pub(crate) fn log_density(z: f64) -> f64 {
    -0.5 * z * z - 0.5 * std::f64::consts::TAU.ln()
}

/// ln(Φ(high) − Φ(low)), with its digits in both tails; −∞ for an empty interval.
pub(crate) fn log_interval(low: f64, high: f64) -> f64 {
    if high <= low {
        return f64::NEG_INFINITY;
    }
    if low > -high {
        return log_interval(-high, -low);
    }
    // Now the interval reaches further to the left.
    if high < -FAR {
        let tail = |z: f64| log_density(z) - (-z).ln();
        let (upper, lower) = (tail(high), if low.is_finite() { tail(low) } else { f64::NEG_INFINITY });
        return upper + (-(lower - upper).exp()).ln_1p().max(f64::MIN);
    }
    (cdf(high) - cdf(low)).max(f64::MIN_POSITIVE).ln()
}

/// The point within an interval below which lies the share `u` of its probability.
pub(crate) fn within(low: f64, high: f64, u: f64) -> f64 {
    if low > -high {
        return -within(-high, -low, 1.0 - u);
    }
    let (below, above) = (cdf(low), cdf(high));
    let p = below + u * (above - below);
    let point = if p > 0.0 && p < 1.0 { quantile(p) } else { high };
    point.clamp(low.max(-f64::MAX), high.min(f64::MAX))
}

/// Φ⁻¹(p), −∞ and ∞ at 0 and 1 (Wichura 1988, AS 241).
pub(crate) fn quantile(p: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    let ratio = |x: f64, up: &[f64; 8], down: &[f64; 7]| {
        let top = up.iter().rev().fold(0.0, |sum, c| sum * x + c);
        let bottom = down.iter().rev().fold(0.0, |sum, c| sum * x + c) * x + 1.0;
        top / bottom
    };
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(0.180625 - q * q, &CENTRE.0, &CENTRE.1);
    }
    let r = (-(if q < 0.0 { p } else { 1.0 - p }).ln()).sqrt();
    let z = if r <= 5.0 { ratio(r - 1.6, &MIDDLE.0, &MIDDLE.1) } else { ratio(r - 5.0, &TAIL.0, &TAIL.1) };
    if q < 0.0 { -z } else { z }
}

type Ratio = ([f64; 8], [f64; 7]);

const CENTRE: Ratio = (
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_4,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
);
const MIDDLE: Ratio = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);
const TAIL: Ratio = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_invert_the_distribution_function() {
        for p in [1e-300, 1e-20, 1e-5, 0.02, 0.07, 0.3, 0.5, 0.8, 0.95, 0.999_999] {
            approx::assert_relative_eq!(cdf(quantile(p)), p, max_relative = 1e-12);
        }
    }

    #[test]
    fn intervals_add_up_and_keep_their_digits() {
        let total: f64 = (-60..60).map(|i| log_interval(i as f64 / 4.0, (i + 1) as f64 / 4.0).exp()).sum();
        approx::assert_relative_eq!(total, 1.0, epsilon = 1e-13);
        let tail = (0.5 * erfc(9.0 / 2f64.sqrt())).ln();
        approx::assert_relative_eq!(log_interval(9.0, f64::INFINITY), tail, max_relative = 1e-12);
        assert!(log_interval(40.0, 41.0).is_finite() && log_interval(40.0, 41.0) < -800.0);
        for (low, high) in [(-1.0, 2.0), (5.0, 6.0), (-40.0, -39.0), (f64::NEG_INFINITY, -3.0)] {
            let middle = within(low, high, 0.5);
            assert!(low < middle && middle <= high);
        }
    }
}
