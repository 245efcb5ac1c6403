//! Finds out what a column of numbers is, and says why.
//!
//! Nothing is believed that a column of plain real numbers would show by chance: a Gaussian column is to come out as real,
//! without a step, an atom or a bound, but for about one in two hundred.

use super::column::{Column, Support};
use super::lattice::Lattice;

/// Decimals that are looked for.
const DECIMALS: i32 = 9;
/// A step that is finer than this share of the spread is none.
const FINEST: f64 = 1e-7;
/// Columns of at most so many values, each of which at least so many rows have, may have no others.
const FEW_VALUES: usize = 30;
const LEAST_ROWS_A_VALUE: usize = 2;
/// Of a lattice that has them, such values have at most this share between the smallest and the largest.
const SPARSE: f64 = 0.6;
/// An atom has at least so many rows and this share of them; beside a lattice's own neighbours so many times as many.
const ATOM_ROWS: f64 = 5.0;
const ATOM_SHARE: f64 = 0.015;
const ATOM_FACTOR: f64 = 5.0;
/// A bound is looked for with so many rows at least.
const LEAST_ROWS: usize = 40;
/// A bound lies at most so many mean distances between rows beyond the outermost.
const BEYOND: f64 = 8.0;
/// So many values beyond a natural bound would be there if the column were Gaussian: none by chance once in e⁶ times.
const MISSING: f64 = 6.0;
/// Standard errors of a skewness that is no chance.
const SKEWED: f64 = 5.0;
const COUNTS_SKEWED: f64 = 2.5;

/// What the numbers of a column, without those not seen, are; and why.
pub(super) fn detect(values: &[f64]) -> (Column, String) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else {
        return (Column::real(), "nothing was seen of it".into());
    };
    let counts = counted(&sorted);
    if first == last {
        return (Column::values(&[first]), "constant".into());
    }
    let n = sorted.len();
    let step = step_of(&counts, n);
    let mut reasons = Vec::new();
    if let Some(column) = few_values(&counts, n, step) {
        return (column, format!("{n} rows have {} different values, each many times", counts.len()));
    }
    let mut column = Column::real();
    let atoms = atoms(&counts, n, step);
    let rest: Vec<f64> = sorted.iter().copied().filter(|value| !atoms.contains(value)).collect();
    if let Some(step) = step {
        reasons.push(format!("all values are multiples of {step}"));
    }
    if !atoms.is_empty() {
        let share = (n - rest.len()) as f64 / n as f64 * 100.0;
        reasons.push(format!("{share:.1} % of the rows have values that repeat beyond chance"));
    }
    let (low, high) = bounds(&rest, &atoms, step);
    if let Some((bound, why)) = &low {
        reasons.push(format!("at or above {bound}: {why}"));
    }
    if let Some((bound, why)) = &high {
        reasons.push(format!("at or below {bound}: {why}"));
    }
    column = match (low, high) {
        (Some((low, _)), Some((high, _))) if low < high => Column::between(low, high),
        (Some((low, _)), _) => Column::above(low),
        (_, Some((high, _))) => Column::below(high),
        _ => column,
    };
    if let Some(step) = step {
        column = column.with_step(step);
    }
    column = column.with_atoms(&atoms);
    let reason = if reasons.is_empty() { "no bound, step or atom shows".into() } else { reasons.join("; ") };
    (column, reason)
}

/// The different values and how many rows have each.
fn counted(sorted: &[f64]) -> Vec<(f64, usize)> {
    let mut counts: Vec<(f64, usize)> = Vec::new();
    for &value in sorted {
        match counts.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => counts.push((value, 1)),
        }
    }
    counts
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The step whose multiples all values are.
fn step_of(counts: &[(f64, usize)], n: usize) -> Option<f64> {
    let (first, last) = (counts[0].0, counts[counts.len() - 1].0);
    let fine = FINEST * (last - first);
    // A unit of another size, such as that of values in thousands.
    let powers = (-12..=0).map(|decimals| (decimals, 10f64.powi(-decimals)));
    let coarse_first =
        powers.map(|(_, unit)| unit).chain((1..=DECIMALS + 6).map(|decimals| 10f64.powi(-decimals)));
    let found = coarse_first.filter(|unit| *unit >= fine && *unit <= last - first).find_map(|unit| {
        let scale = 1.0 / unit;
        let whole = |x: f64| {
            let scaled = if unit >= 1.0 { x / unit } else { x * scale.round() };
            let k = scaled.round();
            ((scaled - k).abs() <= 1e-12 * scaled.abs().max(1.0) + 1e-9 * f64::from(u8::from(unit < 1.0))
                && k.abs() < 1e15)
                .then_some(k as i128)
        };
        let places: Option<Vec<i128>> = counts.iter().map(|(value, _)| whole(*value)).collect();
        let places = places?;
        let common = places.iter().fold(0, |all, k| gcd(all, (k - places[0]).abs()));
        let common = if common == 0 { 1 } else { common };
        // Decimals as they are written.
        Some(if unit >= 1.0 { common as f64 * unit } else { common as f64 / scale.round() })
    });
    // What was measured in steps and then turned into another unit: the smallest distance, where rows repeat.
    let found = found.or_else(|| {
        let repeated = counts.len() as f64 <= 0.7 * n as f64;
        let smallest = counts.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(f64::INFINITY, f64::min);
        if !repeated || counts.len() < 5 || smallest < 1e-5 * (last - first) {
            return None;
        }
        (1..=4).map(|parts| smallest / f64::from(parts)).find(|step| {
            let all = |(value, _): &(f64, usize)| {
                let k = (value - first) / step;
                (k - k.round()).abs() < 1e-6 * k.clamp(1.0, 1e3)
            };
            counts.iter().all(all)
        })
    });
    found.filter(|step| *step >= fine && *step < last - first + 0.5 * *step)
}

/// A column of a few values, each of which many rows have. Of two no other is possible; of more others are
/// improbable.
fn few_values(counts: &[(f64, usize)], n: usize, step: Option<f64>) -> Option<Column> {
    let few = counts.len() <= FEW_VALUES
        && counts.len() * 8 <= n
        && counts.iter().all(|(_, count)| *count >= LEAST_ROWS_A_VALUE);
    let (first, last) = (counts[0].0, counts[counts.len() - 1].0);
    let sparse = step.is_none_or(|step| counts.len() as f64 <= SPARSE * ((last - first) / step + 1.0));
    let values: Vec<f64> = counts.iter().map(|(value, _)| *value).collect();
    match (few, values.len(), step) {
        (true, 2, _) => Some(Column::values(&values)),
        (true, _, Some(step)) if sparse => Some(Column::real().with_step(step).with_atoms(&values)),
        (true, _, None) => Some(Column::real().with_atoms(&values)),
        _ => None,
    }
}

/// Values that repeat beyond chance and rounding.
fn atoms(counts: &[(f64, usize)], n: usize, step: Option<f64>) -> Vec<f64> {
    let least = ATOM_ROWS.max(ATOM_SHARE * n as f64);
    let near = |value: f64| {
        // The two values on either side.
        let Some(step) = step else { return 0 };
        let around = counts.iter().filter(|(other, _)| *other != value && (other - value).abs() < 2.5 * step);
        around.map(|(_, count)| *count).max().unwrap_or(0)
    };
    let mut all: Vec<usize> = counts.iter().map(|(_, count)| *count).collect();
    all.sort_unstable();
    // Of a fine lattice most neighbours are empty, where some values are still written more often than others.
    let typical = if step.is_some() { all[all.len() / 2] } else { 0 };
    let heavy = counts.iter().filter(|(_, count)| *count as f64 >= least);
    let beyond = heavy
        .filter(|(value, count)| *count as f64 >= ATOM_FACTOR * near(*value).max(typical) as f64 + ATOM_ROWS);
    let found: Vec<f64> = beyond.map(|(value, _)| *value).collect();
    let alone = counts.len() - found.len();
    if found.len() > FEW_VALUES || (step.is_some() && alone == 0) { Vec::new() } else { found }
}

type Bound = Option<(f64, String)>;

/// The bounds of sorted values beside which atoms stand.
fn bounds(sorted: &[f64], atoms: &[f64], step: Option<f64>) -> (Bound, Bound) {
    if sorted.len() < LEAST_ROWS {
        return (None, None);
    }
    // Spread within their rounding evenly: the same for the same rows.
    let spread: Vec<f64> = match step {
        Some(step) => {
            let mut spread = sorted.to_vec();
            let mut from = 0;
            while from < sorted.len() {
                let to = sorted.partition_point(|value| *value <= sorted[from]);
                for (place, value) in spread[from..to].iter_mut().enumerate() {
                    *value += step * ((place as f64 + 0.5) / (to - from) as f64 - 0.5);
                }
                from = to;
            }
            spread
        }
        None => sorted.to_vec(),
    };
    let mirrored: Vec<f64> = spread.iter().rev().map(|value| -value).collect();
    let half = step.map_or(0.0, |step| 0.5 * step);
    let skew = skewness(&spread);
    let low = lower_bound(&spread, sorted[0], half, skew, atoms.first().copied(), &[0.0, 1.0]);
    let positive = sorted[0] >= 0.0;
    let natural: &[f64] = if positive { &[0.0, -1.0, -100.0] } else { &[0.0] };
    let last = -sorted[sorted.len() - 1];
    let high = lower_bound(&mirrored, last, half, -skew, atoms.last().map(|atom| -atom), natural);
    (low, high.map(|(bound, why)| (-bound + 0.0, why)))
}

/// The bound below sorted values that are spread within their rounding, of which the smallest was `first`.
fn lower_bound(
    spread: &[f64],
    first: f64,
    half: f64,
    skew: f64,
    atom: Option<f64>,
    natural: &[f64],
) -> Bound {
    let n = spread.len();
    let median = spread[n / 2];
    // An atom at the end of the rows, where others come close to it: an inflated zero, or all there is of something.
    if let Some(atom) = atom.filter(|atom| *atom <= first && natural.contains(atom))
        && first - atom < median - first
    {
        return Some((atom, "an atom is the outermost value".into()));
    }
    let natural = natural.iter().copied().find(|bound| *bound <= first);
    if let Some(zero) = natural.filter(|bound| *bound == 0.0) {
        let close = first - zero < 0.5 * (median - spread[0]);
        let mean = spread.iter().sum::<f64>() / n as f64;
        let variance = spread.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64;
        let beyond = n as f64 * super::normal::cdf((zero - half - mean) / variance.sqrt());
        if close && beyond >= MISSING {
            return Some((zero, "a Gaussian would have many values beyond it".into()));
        }
        let positive: Vec<f64> = spread.iter().map(|value| (value - zero).max(0.25 * half)).collect();
        let error = (6.0 / n as f64).sqrt();
        // Of whole numbers less is asked.
        if close && half == 0.5 && skew > COUNTS_SKEWED * error {
            return Some((zero, "whole numbers are skewed towards it, and come close".into()));
        }
        if skew > SKEWED * error && skew > 0.3 && positive[0] > 0.0 {
            if close {
                return Some((zero, "values are skewed towards it, and come close".into()));
            }
            let logs: Vec<f64> = positive.iter().map(|value| value.ln()).collect();
            if skewness(&logs).abs() < (0.35 * skew).max(2.0 * error) {
                return Some((zero, "logarithms are symmetric where values are not".into()));
            }
        }
    }
    let tenth = (n / 10).max(10).min(n - 1);
    if crowding(spread, n / 4) < most_crowded(n, 0.25) && crowding(spread, tenth) < most_crowded(n, 0.1) {
        // A rounded column's bound is a value that it has.
        let room = BEYOND * (spread[tenth] - spread[0]) / tenth as f64;
        return Some((simplest(first - (room - half).max(0.0), first), "rows crowd against it".into()));
    }
    let levels = (spread[n - 1] - spread[0]) / (2.0 * half);
    let round = natural.filter(|bound| *bound == first && levels > 200.0)?;
    Some((round, "the outermost value is a round number".into()))
}

/// Where the mean of the `k` smallest values lies between the smallest and the next beyond them: ½ where these are
/// spread evenly, near 1 for a tail.
fn crowding(sorted: &[f64], k: usize) -> f64 {
    let k = k.clamp(2, sorted.len() - 1);
    let width = sorted[k] - sorted[0];
    if width <= 0.0 {
        return 1.0;
    }
    sorted[1..k].iter().map(|value| value - sorted[0]).sum::<f64>() / (k - 1) as f64 / width
}

/// A crowding that the tail of a Gaussian, of the `share` of n rows, is below less than once in some hundred times.
fn most_crowded(n: usize, share: f64) -> f64 {
    // The smallest of n that is exceeded with probability e⁻⁶, and the mean of the share.
    let z = super::normal::quantile;
    let (smallest, end) = (z((6.0 / n as f64).min(0.9)), z(share));
    let mean = -super::normal::log_density(end).exp() / share;
    let least = (mean - smallest) / (end - smallest);
    if smallest >= end { 0.0 } else { (least - 0.02).min(0.6) }
}

/// The number of fewest digits from `low` to `high`.
fn simplest(low: f64, high: f64) -> f64 {
    if low <= 0.0 && high >= 0.0 {
        return 0.0;
    }
    let size = high.abs().max(low.abs()).log10().ceil() as i32;
    for digits in 0..12 {
        let unit = 10f64.powi(size - digits);
        let round = if digits > size {
            (high * 10f64.powi(digits - size)).floor() / 10f64.powi(digits - size)
        } else {
            (high / unit).floor() * unit
        };
        if round >= low {
            return round;
        }
    }
    low
}

fn skewness(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let moment = |power: i32| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / n;
    let variance = moment(2);
    if variance > 0.0 { moment(3) / variance.powf(1.5) } else { 0.0 }
}

/// Whether `value` is one of the lattice of `step`, for columns that are said.
pub(super) fn fits_step(step: f64, values: &[f64]) -> Option<usize> {
    let lattice = Lattice::new(step, values);
    values.iter().position(|value| !value.is_nan() && !lattice.has(*value))
}

/// Whether a value is in a support.
pub(super) fn is_within(support: Support, value: f64) -> bool {
    match support {
        Support::Real | Support::Circle(_) => true,
        Support::Above(low) => value >= low,
        Support::Below(high) => value <= high,
        Support::Between(low, high) => (low..=high).contains(&value),
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Beta, Distribution, Exp1, Gamma, LogNormal, Poisson, StandardNormal, StudentT};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    /// How many of `count` columns of n draws are found to be right.
    fn share(
        count: u64,
        n: usize,
        draw: impl Fn(&mut Xoshiro256PlusPlus) -> f64,
        right: impl Fn(&Column) -> bool,
    ) -> u64 {
        let mut found = 0;
        for seed in 0..count {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let values: Vec<f64> = (0..n).map(|_| draw(&mut rng)).collect();
            let (column, why) = detect(&values);
            if right(&column) {
                found += 1;
            } else {
                println!("{column} ({why})");
            }
        }
        found
    }

    #[test]
    fn gaussian_columns_are_real() {
        for n in [50, 100, 300, 1_000, 5_000] {
            for (mean, std) in [(0.0, 1.0), (10.0, 2.0), (3.0, 1.0)] {
                let draw = |rng: &mut Xoshiro256PlusPlus| {
                    let z: f64 = StandardNormal.sample(rng);
                    mean + std * z
                };
                let real = share(200, n, draw, Column::is_real);
                assert!(real >= 198, "{real} of 200 at {n}, mean {mean}");
            }
        }
        let t = share(50, 1_000, |rng| StudentT::new(3.0).unwrap().sample(rng), Column::is_real);
        assert!(t >= 49, "{t}");
    }

    #[test]
    fn each_kind_is_found() {
        let above =
            |column: &Column| column.support() == Some(Support::Above(0.0)) && column.step().is_none();
        let unit = |column: &Column| column.support() == Some(Support::Between(0.0, 1.0));
        let count = |column: &Column| {
            column.step() == Some(1.0)
                && matches!(column.support(), Some(Support::Above(0.0) | Support::Between(0.0, _)))
                || column.is_values()
        };
        let n = 1_000;
        let check = |name: &str, found: u64| assert!(found >= 49, "{name}: {found} of 50");
        for shape in [0.25, 0.5, 1.0] {
            check("log-normal", share(50, n, |rng| LogNormal::new(0.0, shape).unwrap().sample(rng), above));
        }
        for shape in [0.7, 1.0, 2.0, 3.0] {
            check("gamma", share(50, n, |rng| Gamma::new(shape, 1.0).unwrap().sample(rng), above));
        }
        check("exponential", share(50, n, |rng| Exp1.sample(rng), above));
        check("uniform", share(50, n, |rng| rng.random::<f64>(), unit));
        check("arcsine", share(50, n, |rng| Beta::new(0.5, 0.5).unwrap().sample(rng), unit));
        for mean in [0.7, 2.0, 5.0] {
            check("counts", share(50, n, |rng| Poisson::new(mean).unwrap().sample(rng), count));
        }
        for step in [0.1, 0.5, 1.0, 2.0] {
            let rounded = |rng: &mut Xoshiro256PlusPlus| {
                let z: f64 = StandardNormal.sample(rng);
                (z / step).round() * step
            };
            let right = |column: &Column| {
                column.step().is_some_and(|own| (own / step - 1.0).abs() < 1e-9)
                    && column.support() == Some(Support::Real)
                    || column.is_values()
            };
            check("rounded", share(50, n, rounded, right));
        }
        let inflated = |rng: &mut Xoshiro256PlusPlus| {
            if rng.random::<f64>() < 0.3 { 0.0 } else { LogNormal::new(0.0, 0.8).unwrap().sample(rng) }
        };
        let zero = |column: &Column| column.atoms() == [0.0] && column.support() == Some(Support::Above(0.0));
        check("zero-inflated", share(50, n, inflated, zero));
    }

    #[test]
    fn steps_are_found_in_any_unit() {
        for unit in [1e-6, 1e-3, 0.1, 1.0, 1e3, 1e6] {
            let values: Vec<f64> = (0..200)
                .map(|i| ((i * 37) % 101) as f64 * 25.0)
                .map(|x| if unit < 1.0 { x / (1.0f64 / unit).round() } else { x * unit })
                .collect();
            let (column, _) = detect(&values);
            let step = column.step().unwrap_or(0.0);
            assert!((step / (25.0 * unit) - 1.0).abs() < 1e-9, "{unit}: {column}");
        }
        let thirds: Vec<f64> = (0..200).map(|i| ((i * 37) % 41) as f64 / 3.0).collect();
        assert!((detect(&thirds).0.step().unwrap_or(0.0) * 3.0 - 1.0).abs() < 1e-6);
    }
}
