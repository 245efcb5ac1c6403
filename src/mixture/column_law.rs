use libm::erfc;
use rand::{Rng, RngExt};
use rand_distr::Distribution;

use crate::error::{Error, Result};

/// Newton steps, or halvings, at most.
const STEPS: usize = 200;
/// Relative to the width of the law: steps below are rounding.
const RESOLUTION: f64 = 1e-13;

/// The law of one column in closed form: density, distribution function and quantiles.
///
/// A mixture of cells, each a Gaussian times a polynomial of degree at most 4, so that the distribution function is
/// closed form too; quantiles solve it to rounding.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::DiffusionLearner;
///
/// let rows = DMatrix::from_fn(400, 2, |i, j| (i % 2) as f64 * 4.0 + ((i * (37 + j)) % 101) as f64 / 100.0);
/// let model = DiffusionLearner::fast().fit(&rows, &mut StdRng::seed_from_u64(7))?;
/// let law = model.mixture()?.column(0)?;
/// let median = law.quantile(0.5)?;
/// assert!((law.cdf(median) - 0.5).abs() < 1e-12);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnLaw {
    cells: Vec<ColumnCell>,
}

/// The part of one cell: x = mean + std t, t of density φ(t) Σ cₖ Heₖ(t).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ColumnCell {
    pub(crate) mass: f64,
    /// That of the Gaussian, without the polynomial.
    pub(crate) mean: f64,
    pub(crate) std: f64,
    /// c₁ to c₄, with c₀ = 1; all zero for a Gaussian.
    pub(crate) hermite: [f64; 4],
}

impl ColumnCell {
    /// With the polynomial Σ fₖ tᵏ, up to a factor.
    pub(crate) fn new(mass: f64, mean: f64, std: f64, f: Option<[f64; 5]>) -> Self {
        let hermite = f.map_or([0.0; 4], |[f0, f1, f2, f3, f4]| {
            let total = f0 + f2 + 3.0 * f4;
            [f1 + 3.0 * f3, f2 + 6.0 * f4, f3, f4].map(|c| c / total)
        });
        Self { mass, mean, std, hermite }
    }

    fn is_gaussian(&self) -> bool {
        self.hermite == [0.0; 4]
    }

    /// In standard deviations, bounded so that squares are finite.
    fn standard(&self, x: f64) -> f64 {
        ((x - self.mean) / self.std).clamp(-1e100, 1e100)
    }

    /// ln of mass × density.
    fn log_joint(&self, x: f64) -> f64 {
        if self.std == 0.0 {
            return if x == self.mean { f64::INFINITY } else { f64::NEG_INFINITY };
        }
        let t = self.standard(x);
        let mut log = self.mass.ln() - 0.5 * t * t - (self.std * std::f64::consts::TAU.sqrt()).ln();
        if !self.is_gaussian() {
            let s = t.clamp(-1e60, 1e60);
            let [c1, c2, c3, c4] = self.hermite;
            let (h2, h3) = (s * s - 1.0, s * (s * s - 3.0));
            let h4 = s * s * (s * s - 6.0) + 3.0;
            log += (1.0 + c1 * s + c2 * h2 + c3 * h3 + c4 * h4).max(f64::MIN_POSITIVE).ln();
        }
        log
    }

    /// Density and probability below `x`, or above it with `upper`, without the mass.
    fn density_and_tail(&self, x: f64, upper: bool) -> (f64, f64) {
        if self.std == 0.0 {
            let within = if upper { x < self.mean } else { x >= self.mean };
            return (0.0, f64::from(u8::from(within)));
        }
        let t = self.standard(x);
        let sign = if upper { 1.0 } else { -1.0 };
        let phi = (-0.5 * t * t).exp() / std::f64::consts::TAU.sqrt();
        let tail = 0.5 * erfc(sign * t * std::f64::consts::FRAC_1_SQRT_2);
        if self.is_gaussian() || phi == 0.0 {
            return (phi / self.std, tail);
        }
        // ∫ φ Heₖ = −φ Heₖ₋₁.
        let [c1, c2, c3, c4] = self.hermite;
        let (h2, h3) = (t * t - 1.0, t * (t * t - 3.0));
        let h4 = t * t * (t * t - 6.0) + 3.0;
        let density = (phi * (1.0 + c1 * t + c2 * h2 + c3 * h3 + c4 * h4)).max(0.0);
        let inner = phi * (c1 + c2 * t + c3 * h2 + c4 * h3);
        (density / self.std, (tail + sign * inner).clamp(0.0, 1.0))
    }

    /// E t, E t².
    fn moments(&self) -> (f64, f64) {
        let [c1, c2, ..] = self.hermite;
        (c1, 1.0 + 2.0 * c2)
    }
}

impl ColumnLaw {
    /// Cells whose masses sum to one.
    pub(crate) fn new(cells: Vec<ColumnCell>) -> Self {
        Self { cells }
    }

    /// Natural logarithm of the density at `x`; ∞ where the column has this one value, NaN for NaN.
    pub fn log_density(&self, x: f64) -> f64 {
        if x.is_nan() {
            return f64::NAN;
        }
        let logs = || self.cells.iter().filter(|cell| cell.mass > 0.0).map(|cell| cell.log_joint(x));
        let largest = logs().fold(f64::NEG_INFINITY, f64::max);
        if largest.is_infinite() {
            largest
        } else {
            largest + logs().map(|log| (log - largest).exp()).sum::<f64>().ln()
        }
    }

    /// The density at `x`.
    pub fn density(&self, x: f64) -> f64 {
        self.log_density(x).exp()
    }

    /// The probability of a value of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        self.tail(x, false).1
    }

    /// The probability of a value above `x`, which keeps its digits where it is small.
    pub fn survival(&self, x: f64) -> f64 {
        self.tail(x, true).1
    }

    /// The mean.
    pub fn mean(&self) -> f64 {
        self.cells.iter().map(|cell| cell.mass * (cell.mean + cell.std * cell.moments().0)).sum()
    }

    /// The standard deviation.
    pub fn std(&self) -> f64 {
        self.mean_and_std().1
    }

    pub(crate) fn mean_and_std(&self) -> (f64, f64) {
        let mean = self.mean();
        let about = |cell: &ColumnCell| {
            let (first, second) = cell.moments();
            let offset = cell.mean - mean;
            cell.mass * (offset * offset + 2.0 * offset * cell.std * first + cell.std * cell.std * second)
        };
        (mean, self.cells.iter().map(about).sum::<f64>().max(0.0).sqrt())
    }

    /// The value below which the law has probability `p`: −∞ and ∞ for 0 and 1.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless `p` is from 0 to 1.
    pub fn quantile(&self, p: f64) -> Result<f64> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::InvalidSetting {
                name: "probability of a quantile",
                value: p,
                requirement: "from 0 to 1",
            });
        }
        Ok(match p {
            0.0 => f64::NEG_INFINITY,
            1.0 => f64::INFINITY,
            _ if p <= 0.5 => self.solve(p, false),
            _ => self.solve(1.0 - p, true),
        })
    }

    fn tail(&self, x: f64, upper: bool) -> (f64, f64) {
        if x.is_nan() {
            return (f64::NAN, f64::NAN);
        }
        self.cells.iter().fold((0.0, 0.0), |(density, tail), cell| {
            let (d, t) = cell.density_and_tail(x, upper);
            (density + cell.mass * d, tail + cell.mass * t)
        })
    }

    /// Where the probability below, or above with `upper`, is `p` ≤ ½: Newton's steps within a bracket that shrinks.
    fn solve(&self, p: f64, upper: bool) -> f64 {
        let sign = if upper { 1.0 } else { -1.0 };
        // Cells too light to move the answer are left out.
        let heavy: Vec<ColumnCell> =
            self.cells.iter().filter(|cell| cell.mass > 1e-18 * p).copied().collect();
        let law = Self { cells: heavy };
        let deviation = sign * normal_tail_point(p);
        let far = |cell: &ColumnCell| cell.mean + deviation * cell.std;
        let (mut low, mut high) = law
            .cells
            .iter()
            .map(far)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let width = law.std().max(high - low);
        if width == 0.0 {
            return low;
        }
        // The tail beyond x falls with sign · x.
        let beyond = |x: f64| law.tail(x, upper).1 - p;
        let mut step = 0.01 * width;
        while sign * beyond(low) < 0.0 && step < f64::MAX {
            low -= step;
            step *= 4.0;
        }
        step = 0.01 * width;
        while sign * beyond(high) > 0.0 && step < f64::MAX {
            high += step;
            step *= 4.0;
        }
        let mean = law.mean() + deviation * law.std();
        let mut x = if mean > low && mean < high { mean } else { 0.5 * (low + high) };
        for _ in 0..STEPS {
            let (density, tail) = law.tail(x, upper);
            let excess = tail - p;
            if excess == 0.0 {
                break;
            }
            if sign * excess > 0.0 {
                low = x;
            } else {
                high = x;
            }
            let newton = x + sign * excess / density;
            let next = if newton >= low && newton <= high { newton } else { 0.5 * (low + high) };
            let moved = (next - x).abs();
            x = next;
            if moved <= RESOLUTION * width {
                break;
            }
        }
        x
    }
}

impl Distribution<f64> for ColumnLaw {
    /// One draw, by inversion.
    fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> f64 {
        // Between 0 and 1, both excluded.
        let p = (rng.random::<f64>() + 0.5 * f64::EPSILON * 0.5).min(1.0 - f64::EPSILON);
        if p <= 0.5 { self.solve(p, false) } else { self.solve(1.0 - p, true) }
    }
}

/// Roughly the standard normal deviation above which probability `p` ≤ ½ lies (Hastings 1955): a start.
fn normal_tail_point(p: f64) -> f64 {
    let t = (-2.0 * p.ln()).sqrt();
    t - (2.515_517 + t * (0.802_853 + t * 0.010_328))
        / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law() -> ColumnLaw {
        ColumnLaw::new(vec![
            ColumnCell::new(0.4, -2.0, 0.5, None),
            ColumnCell::new(0.6, 3.0, 1.5, Some([0.5, 0.2, 0.1, -0.1, 0.2])),
        ])
    }

    #[test]
    fn the_distribution_function_is_the_integral_of_the_density() {
        let (law, step) = (law(), 1e-3);
        let mut below = 0.0;
        let (mut mean, mut square) = (0.0, 0.0);
        for i in 0..30_000 {
            let x = -12.0 + step * (i as f64 + 0.5);
            let mass = law.density(x) * step;
            below += mass;
            mean += mass * x;
            square += mass * x * x;
            if i % 500 == 0 {
                approx::assert_relative_eq!(law.cdf(x + 0.5 * step), below, epsilon = 1e-7);
                approx::assert_relative_eq!(law.cdf(x) + law.survival(x), 1.0, epsilon = 1e-14);
            }
        }
        approx::assert_relative_eq!(below, 1.0, epsilon = 1e-9);
        approx::assert_relative_eq!(law.mean(), mean, epsilon = 1e-7);
        approx::assert_relative_eq!(law.std(), (square - mean * mean).sqrt(), epsilon = 1e-6);
    }

    #[test]
    fn quantiles_invert_the_distribution_function() {
        let law = law();
        for p in [1e-250, 1e-12, 1e-3, 0.05, 0.399_999, 0.4, 0.400_001, 0.5, 0.75, 0.999_999] {
            let found = law.cdf(law.quantile(p).unwrap());
            approx::assert_relative_eq!(found, p, max_relative = 1e-9);
        }
        let far = law.quantile(1.0 - 1e-15).unwrap();
        approx::assert_relative_eq!(law.survival(far), 1e-15, max_relative = 0.1);
        assert_eq!(
            (law.quantile(0.0).unwrap(), law.quantile(1.0).unwrap()),
            (f64::NEG_INFINITY, f64::INFINITY)
        );
        for p in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(law.quantile(p), Err(Error::InvalidSetting { .. })));
        }
        let point = ColumnLaw::new(vec![ColumnCell::new(1.0, 7.0, 0.0, None)]);
        assert_eq!((point.quantile(0.3).unwrap(), point.mean(), point.std()), (7.0, 7.0, 0.0));
    }
}
