//! The map between a column of numbers and the scale on which it is learned.
//!
//! A latent value z stands for each value x. Where the column is continuous, z is a smooth increasing map of x; where it
//! is rounded or has atoms, all z of an interval stand for one x. So the probability of x is that of an interval of z, or
//! the density there times the slope of the map, and a draw of z is a draw of x whatever its law.

use super::base::Base;
use super::column::{Column, Kind, Support, Warp};
use super::lattice::Lattice;
use super::normal;
use super::spline::Spline;

/// Knots of the smoothed distribution function of n rows: this times n to this power.
const KNOTS: (f64, f64) = (0.8, 0.4);
/// Of the knots in the tails, each has so many times the probability beyond it of the one before.
const TAIL: f64 = 4.0;
/// Normal scores of the continuous part of a column with atoms are exact up to here, and straight beyond.
const FAR: f64 = 6.0;
/// The share of a column's atoms leaves to other values what this many rows have, at least.
const LEAST_REST: f64 = 0.5;

/// What is known of z when x is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sight {
    Unseen,
    /// z, and ln dz/dx.
    Point(f64, f64),
    /// Any z between.
    Interval(f64, f64),
    /// x is impossible.
    Outside,
}

#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
struct Atom {
    value: f64,
    share: f64,
}

#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct LatentMap {
    base: Base,
    lattice: Option<Lattice>,
    spline: Option<Spline>,
    /// Location and scale after the base, where there is no spline.
    affine: (f64, f64),
    /// By value.
    atoms: Vec<Atom>,
    /// The share of all other values.
    rest: f64,
}

fn quantile_of(sorted: &[f64], p: f64) -> f64 {
    let at = (p * sorted.len() as f64 - 0.5).clamp(0.0, sorted.len() as f64 - 1.0);
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

impl LatentMap {
    /// z = x.
    pub(crate) const IDENTITY: Self = Self {
        base: Base::IDENTITY,
        lattice: None,
        spline: None,
        affine: (0.0, 1.0),
        atoms: Vec::new(),
        rest: 1.0,
    };

    /// The map of `column` that `values`, those seen, ask for on the scale of `warp`; `dequantised` has the same values,
    /// spread within their rounding.
    pub(crate) fn learn(column: &Column, values: &[f64], dequantised: &[f64], warp: Warp) -> Self {
        if values.is_empty() {
            return Self::IDENTITY;
        }
        let warp = column.warp().unwrap_or(warp);
        let n = values.len() as f64;
        let count = |atom: f64| values.iter().filter(|value| **value == atom).count() as f64;
        let counts: Vec<f64> = column.atoms().iter().map(|&atom| count(atom)).collect();
        let (support, step) = match &column.kind {
            Kind::Numbers { support, step, .. } => (*support, *step),
            _ => (Support::Real, None),
        };
        let others = n - counts.iter().sum::<f64>();
        let rest = if column.is_values() { 0.0 } else { others.max(LEAST_REST) };
        // No atom has probability 0, whatever the rows.
        let counts: Vec<f64> = counts.iter().map(|count| count.max(LEAST_REST)).collect();
        let total = counts.iter().sum::<f64>() + rest;
        let atoms = column
            .atoms()
            .iter()
            .zip(&counts)
            .map(|(&value, count)| Atom { value, share: count / total })
            .collect();
        let anchor: Vec<f64> =
            values.iter().copied().filter(|x| !column.atoms().contains(x)).take(1).collect();
        let lattice = step.map(|step| Lattice::new(step, &anchor));
        let continuous = |(value, spread): (&f64, &f64)| (!column.atoms().contains(value)).then_some(*spread);
        let mut sorted: Vec<f64> = values.iter().zip(dequantised).filter_map(continuous).collect();
        if sorted.is_empty() {
            sorted = dequantised.to_vec();
        }
        sorted.sort_by(f64::total_cmp);
        if let Support::Circle(period) = support {
            let cut = emptiest(&sorted, period);
            let cut = lattice.map_or(cut, |lattice| lattice.edge(cut));
            sorted.iter_mut().for_each(|x| *x = cut + (*x - cut).rem_euclid(period));
            sorted.sort_by(f64::total_cmp);
            // Nothing but scores fills the place of the cut where rows are all around.
            return Self::on(Base::circle(cut, period), lattice, &sorted, Vec::new(), 1.0, Warp::Scores);
        }
        let support = lattice.map_or(support, |lattice| lattice.widened(support));
        Self::on(Base::learn(support, &sorted, warp), lattice, &sorted, atoms, rest / total, warp)
    }

    fn on(
        base: Base,
        lattice: Option<Lattice>,
        sorted: &[f64],
        atoms: Vec<Atom>,
        rest: f64,
        warp: Warp,
    ) -> Self {
        let u: Vec<f64> = sorted.iter().map(|&x| base.at(x).0).collect();
        let n = u.len() as f64;
        let mean = u.iter().sum::<f64>() / n;
        let std = (u.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / n).sqrt();
        let scale = if std > 1e-12 * mean.abs() && std.is_finite() { std } else { 1.0 };
        let spline = if warp == Warp::Scores { Spline::through(&knots(&u)) } else { None };
        let mut map = Self { base, lattice, spline, affine: (mean, scale), atoms: Vec::new(), rest };
        let mut atoms = atoms;
        atoms.sort_by(|a, b| map.place(a).total_cmp(&map.place(b)));
        map.atoms = atoms;
        map
    }

    /// How the map is called in reports.
    pub(crate) fn name(&self) -> String {
        let base = self.base.name();
        match (&self.spline, base) {
            (Some(_), "plain") => "scores".into(),
            (Some(_), base) => format!("scores of {base}"),
            (None, base) => base.into(),
        }
    }

    /// The latent value of the continuous part alone, and the logarithm of its slope.
    fn continuous(&self, x: f64) -> (f64, f64) {
        let (u, log_slope) = self.base.at(x);
        match &self.spline {
            Some(spline) => {
                let (z, own) = spline.at(u);
                (z, log_slope + own)
            }
            None => ((u - self.affine.0) / self.affine.1, log_slope - self.affine.1.ln()),
        }
    }

    fn below(&self, atoms: usize) -> f64 {
        self.atoms[..atoms].iter().map(|atom| atom.share).sum()
    }

    /// The latent value among all that of the continuous part becomes when atoms of the share `below` come before it.
    fn placed(&self, z: f64, below: f64) -> (f64, f64) {
        let inner = z.clamp(-FAR, FAR);
        // From the nearer end, so that no digits are lost.
        let (p, q) = (
            below + self.rest * normal::cdf(inner),
            1.0 - below - self.rest + self.rest * normal::cdf(-inner),
        );
        let placed = if p < 0.5 { normal::quantile(p) } else { -normal::quantile(q) };
        let log_slope = self.rest.ln() + normal::log_density(inner) - normal::log_density(placed);
        (placed + (z - inner) * log_slope.exp(), log_slope)
    }

    /// Where an atom stands among the values of the continuous part: at its value, or, within the rounding of another value,
    /// behind all that is rounded to that.
    fn place(&self, atom: &Atom) -> f64 {
        let (low, high) = self.base.bounds();
        match &self.lattice {
            Some(lattice) if low <= atom.value && atom.value <= high && !lattice.holds(atom.value) => {
                lattice.interval(atom.value).1
            }
            _ => atom.value,
        }
    }

    /// z at x, a value between those of the lattice or one that no atom has, where so many atoms stand before it; and
    /// ln dz/dx.
    fn at(&self, x: f64, before: usize) -> (f64, f64) {
        let (z, log_slope) = self.continuous(x);
        if self.atoms.is_empty() {
            return (z, log_slope);
        }
        let (z, own) = self.placed(z, self.below(before));
        (z, log_slope + own)
    }

    /// The probability of the continuous part below x.
    fn rest_below(&self, x: f64) -> f64 {
        let (low, high) = self.base.bounds();
        match self.rest {
            0.0 => 0.0,
            rest if x >= high => rest,
            _ if x <= low => 0.0,
            rest => rest * normal::cdf(self.continuous(x).0),
        }
    }

    /// What is known of z when x is seen, NaN for not seen.
    pub(crate) fn see(&self, x: f64) -> Sight {
        if x.is_nan() {
            return Sight::Unseen;
        }
        let x = self.base.turned(x);
        let (lowest, highest) = self.base.bounds();
        let inside = self.rest > 0.0 && lowest <= x && x <= highest;
        let atom = self.atoms.iter().position(|atom| atom.value == x);
        match (&self.lattice, atom) {
            // A value in more digits is the one that it would be rounded to.
            (Some(lattice), atom) if inside && (atom.is_none() || lattice.holds(x)) => {
                let rounding = 1e-4 * lattice.half();
                let (low, high) = lattice.interval(x);
                let below = self.atoms.partition_point(|atom| self.place(atom) <= low);
                let until = self.atoms.partition_point(|atom| self.place(atom) < high);
                // What is beyond the bounds belongs to the outermost values, but for atoms there.
                let above: f64 = self.atoms[until..].iter().map(|atom| atom.share).sum();
                let low = if low <= lowest + rounding {
                    normal::quantile(self.below(below))
                } else {
                    self.at(low, below).0
                };
                let high = if high >= highest - rounding {
                    -normal::quantile(above)
                } else {
                    self.at(high, until).0
                };
                Sight::Interval(low, high)
            }
            (_, Some(index)) => {
                let rest_below = self.rest_below(self.place(&self.atoms[index]));
                let last = index + 1 == self.atoms.len() && rest_below >= self.rest;
                let above = self.below(index + 1) + rest_below;
                let high = if last { f64::INFINITY } else { normal::quantile(above) };
                Sight::Interval(normal::quantile(self.below(index) + rest_below), high)
            }
            (_, None) if !inside => Sight::Outside,
            (_, None) => {
                let before = self.atoms.partition_point(|atom| atom.value < x);
                let (z, log_slope) = self.at(x, before);
                Sight::Point(z, log_slope)
            }
        }
    }

    /// The value that z stands for.
    pub(crate) fn value(&self, z: f64) -> f64 {
        let continuous = |z: f64| {
            let u = match &self.spline {
                Some(spline) => spline.inverse(z),
                None => self.affine.0 + self.affine.1 * z,
            };
            let x = self.base.inverse(u);
            self.lattice.map_or(x, |lattice| lattice.nearest(x, self.base.bounds()))
        };
        if self.atoms.is_empty() {
            return self.base.unturned(continuous(z));
        }
        let p = normal::cdf(z);
        for (index, atom) in self.atoms.iter().enumerate() {
            let before = self.below(index);
            let rest_below = self.rest_below(self.place(atom));
            let edge = before + rest_below;
            if p < edge {
                return self.base.unturned(continuous(self.unplaced(z, p, before)));
            }
            let last = index + 1 == self.atoms.len() && rest_below >= self.rest;
            if last || p < edge + atom.share {
                return atom.value;
            }
        }
        self.base.unturned(continuous(self.unplaced(z, p, self.below(self.atoms.len()))))
    }

    /// The inverse of [`placed`](Self::placed).
    fn unplaced(&self, z: f64, p: f64, below: f64) -> f64 {
        let inner = if p < 0.5 {
            normal::quantile(((p - below) / self.rest).clamp(0.0, 1.0))
        } else {
            let q = normal::cdf(-z);
            -normal::quantile(((q - (1.0 - below - self.rest)) / self.rest).clamp(0.0, 1.0))
        };
        if inner.abs() <= FAR {
            return inner;
        }
        let end = FAR.copysign(inner);
        let (placed, log_slope) = self.placed(end, below);
        end + ((z - placed) / log_slope.exp()).clamp(-FAR, FAR)
    }

    /// Whether numbers that were saved fit each other.
    #[cfg(feature = "serde")]
    pub(crate) fn is_valid(&self) -> bool {
        let shares = self.rest + self.atoms.iter().map(|atom| atom.share).sum::<f64>();
        (shares - 1.0).abs() < 1e-9
            && (0.0..=1.0 + 1e-9).contains(&self.rest)
            && self.atoms.iter().all(|atom| atom.share > 0.0 && atom.value.is_finite())
            && self.atoms.windows(2).all(|pair| self.place(&pair[0]) <= self.place(&pair[1]))
            && self.affine.0.is_finite()
            && self.affine.1 > 0.0
            && self.affine.1.is_finite()
            && self.base.is_valid()
            && self.lattice.is_none_or(|lattice| lattice.is_valid())
            && self.spline.as_ref().is_none_or(Spline::is_valid)
    }
}

/// Knots of the distribution function of sorted values on the scale of a standard normal.
fn knots(sorted: &[f64]) -> Vec<(f64, f64)> {
    let n = sorted.len() as f64;
    let bins = (KNOTS.0 * n.powf(KNOTS.1)).round().max(4.0);
    let mut shares: Vec<f64> = (1..bins as usize).map(|k| k as f64 / bins).collect();
    let mut tail = 0.5 / n;
    while tail < 0.7 / bins {
        shares.extend([tail, 1.0 - tail]);
        tail *= TAIL;
    }
    shares.sort_by(f64::total_cmp);
    shares.iter().map(|&p| (quantile_of(sorted, p), normal::quantile(p))).collect()
}

/// Where on a circle there are fewest rows: the middle of the widest gap.
fn emptiest(values: &[f64], period: f64) -> f64 {
    let mut turned: Vec<f64> = values.iter().map(|x| x.rem_euclid(period)).collect();
    turned.sort_by(f64::total_cmp);
    let (Some(&first), Some(&last)) = (turned.first(), turned.last()) else { return 0.0 };
    let mut widest = (first + period - last, 0.5 * (first + period + last));
    for pair in turned.windows(2) {
        if pair[1] - pair[0] > widest.0 {
            widest = (pair[1] - pair[0], 0.5 * (pair[0] + pair[1]));
        }
    }
    widest.1.rem_euclid(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Atoms beyond the bounds (a code for "missing") and between the values of the lattice: what is seen at all values
    /// together is everything, and what an interval of z stands for is its value.
    #[test]
    fn all_values_of_a_rounded_column_with_atoms_have_all_of_the_probability() {
        let tens = || (-300..300).map(|k| 10.0 * f64::from(k));
        let cases: [(Column, Vec<f64>, Vec<f64>); 3] = [
            (
                Column::above(0.0).with_step(1.0).with_atoms(&[-1.0]),
                (0..200).map(|i| f64::from(i * 7 % 11 - 1)).collect(),
                (-1..400).map(f64::from).collect(),
            ),
            (
                Column::between(0.0, 100.0).with_step(1.0).with_atoms(&[999.0]),
                (0..200).map(|i| if i % 5 == 0 { 999.0 } else { f64::from(i * 7 % 100) }).collect(),
                (0..=100).map(f64::from).chain([999.0]).collect(),
            ),
            (
                Column::real().with_step(10.0).with_atoms(&[0.0, 95.0, 999.0]),
                (0..200).map(|i| [0.0, 95.0, 999.0, 10.0 * f64::from(i * 7 % 23)][i as usize % 4]).collect(),
                tens().chain([95.0, 999.0]).collect(),
            ),
        ];
        for (column, rows, values) in cases {
            for warp in [Warp::Plain, Warp::Scores] {
                let map = LatentMap::learn(&column, &rows, &rows, warp);
                let mut total = 0.0;
                for &x in &values {
                    let Sight::Interval(low, high) = map.see(x) else { panic!("{x} in {column}") };
                    let (below, until) = (normal::cdf(low), normal::cdf(high));
                    total += until - below;
                    if until - below > 1e-6 {
                        let middle = normal::quantile(0.5 * (below + until));
                        assert_eq!(map.value(middle), x, "{column}");
                    }
                }
                // An atom far from all other rows displaces the straight end by some 10⁻⁷; a value counted twice is .01.
                assert!((total - 1.0).abs() < 1e-6, "{column}: {total}");
            }
        }
    }
}
