//! A radial shape that all cells share: flatter or more peaked than a Gaussian, closed under noise.

use fearless_simd::prelude::*;

use crate::kernels::{Lanes, Rows};

/// Weight of the plain Gaussian beside the squared polynomial: keeps the density positive everywhere.
pub(super) const GAUSSIAN_SHARE: f64 = 1e-3;
/// Where Σ α y² is above this the factor is that of here, which keeps its square finite.
const LARGEST_RADIUS: f64 = 1e140;

/// The factor ((1 + βL(ρ))² + γ)/(1 + β² + γ) on a Gaussian cell, ρ the squared Mahalanobis radius
/// in m directions, L = (m − ρ)/√(2m) the first Laguerre polynomial of ρ/2, normalised; γ = 10⁻³.
///
/// Near 0, β > 0 is more peaked and β < 0 flatter than a Gaussian; a large β > 0 cuts the tail off. A squared polynomial times a Gaussian stays one
/// under Gaussian noise: given a noised point, ρ is a quadratic form in Gaussians, whose mean and
/// variance are all that is needed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RadialShape {
    pub(crate) beta: f64,
}

impl RadialShape {
    pub(crate) const GAUSSIAN: Self = Self { beta: 0.0 };

    pub(crate) fn new(beta: f64) -> Self {
        Self { beta }
    }

    pub(crate) fn is_gaussian(self) -> bool {
        self.beta == 0.0
    }

    /// 1 + β² + γ.
    fn normaliser(self) -> f64 {
        1.0 + self.beta * self.beta + GAUSSIAN_SHARE
    }

    /// κ by which covariances shrink or grow, so that shaped cells keep theirs: m/E|z|², from E ρL = −√(2m)
    /// and E ρL² = m + 4.
    pub(crate) fn covariance_factor(self, dim: usize) -> f64 {
        if self.is_gaussian() {
            return 1.0;
        }
        let (m, beta) = (dim as f64, self.beta);
        let excess = (4.0 * beta * beta - 2.0 * beta * (2.0 * m).sqrt()) / (m * self.normaliser());
        1.0 / (1.0 + excess)
    }

    /// The clean factor at squared Mahalanobis radius `radius` in `dim` directions.
    pub(crate) fn factor(self, dim: usize, radius: f64) -> f64 {
        let m = dim as f64;
        let a = 1.0 + self.beta * (m - radius.min(LARGEST_RADIUS)) / (2.0 * m).sqrt();
        (a * a + GAUSSIAN_SHARE) / self.normaliser()
    }
}

/// A radial shape at one noise level. Of a cell's coordinate x and the noised one y, both standard, is
/// known x | y ~ N(√α y, 1 − α), α the share of the noised variance that is the cell's own; so that
///
/// E ρ = Σ α y² + Σ (1 − α), Var ρ = Σ 4α(1 − α) y² + Σ 2(1 − α)²,
///
/// and the factor is (P + γ)/(1 + β² + γ) with P = A² + β² Var ρ/2m, A = 1 + β (m − E ρ)/√(2m).
#[derive(Debug, Clone)]
pub(crate) struct NoisedShape {
    dim: usize,
    beta: f64,
    /// 1/(1 + β² + γ).
    scale: f64,
    cells: Vec<CellConstants>,
    /// α and α(1 − α) of every coordinate, cell by cell.
    axes: Vec<(f64, f64)>,
}

#[derive(Debug, Clone)]
struct CellConstants {
    /// A and P + γ at y = 0, the latter without A².
    a: f64,
    p: f64,
}

/// A and P + γ.
struct Factor<S: Simd> {
    a: Lanes<S>,
    p: Lanes<S>,
}

impl NoisedShape {
    /// In `dim` directions. For every coordinate of every cell its α and 1 − α.
    pub(super) fn new(shape: RadialShape, dim: usize, shares: impl Iterator<Item = (f64, f64)>) -> Self {
        let (m, beta) = (dim as f64, shape.beta);
        let shares: Vec<(f64, f64)> = shares.collect();
        let constants = |shares: &[(f64, f64)]| {
            let noise: f64 = shares.iter().map(|(_, noise)| noise).sum();
            let variance: f64 = shares.iter().map(|(_, noise)| 2.0 * noise * noise).sum();
            CellConstants {
                a: 1.0 + beta * (m - noise) / (2.0 * m).sqrt(),
                p: beta * beta / (2.0 * m) * variance + GAUSSIAN_SHARE,
            }
        };
        Self {
            dim,
            beta,
            scale: 1.0 / shape.normaliser(),
            cells: shares.chunks_exact(dim).map(constants).collect(),
            axes: shares.iter().map(|&(own, noise)| (own, own * noise)).collect(),
        }
    }

    #[inline(always)]
    fn axes(&self, cell: usize) -> &[(f64, f64)] {
        &self.axes[cell * self.dim..(cell + 1) * self.dim]
    }

    /// −β/√(2m), the slope of A in E ρ.
    #[inline(always)]
    fn slope(&self) -> f64 {
        -self.beta / (2.0 * self.dim as f64).sqrt()
    }

    #[inline(always)]
    fn factor<S: Simd>(&self, simd: S, cell: usize, y: &[Lanes<S>]) -> Factor<S> {
        let zero = Lanes::splat(simd, 0.0);
        let (mut own, mut mixed) = (zero, zero);
        for (&y, &(share, product)) in y.iter().zip(self.axes(cell)) {
            own += y * y * share;
            mixed += y * y * product;
        }
        let (own, mixed) = (own.min(LARGEST_RADIUS), mixed.min(LARGEST_RADIUS));
        let slope = self.slope();
        let a = own * slope + self.cells[cell].a;
        Factor { a, p: a * a + (mixed * (4.0 * slope * slope) + self.cells[cell].p) }
    }

    /// The logarithm of the noised factor at standard coordinates `y` of `cell`.
    #[inline(always)]
    pub(super) fn log_factor<S: Simd>(&self, simd: S, cell: usize, y: &[Lanes<S>]) -> Lanes<S> {
        (self.factor(simd, cell, y).p * self.scale).ln()
    }

    /// Turns standard coordinates `y` of `cell` into the gradient of its log-density in them.
    #[inline(always)]
    pub(super) fn gradient<S: Simd>(&self, simd: S, cell: usize, y: &mut [Lanes<S>]) {
        let pull = self.pull(self.factor(simd, cell, y));
        for (y, &axis) in y.iter_mut().zip(self.axes(cell)) {
            *y = *y * pull.along(axis) - *y;
        }
    }

    /// The trace of the Hessian of the log-density of `cell` at its standard coordinates `y`, whose own
    /// gradients have squared lengths `precisions`.
    #[inline(always)]
    pub(super) fn trace<S: Simd>(
        &self,
        simd: S,
        cell: usize,
        y: &[Lanes<S>],
        precisions: &[f64],
    ) -> Lanes<S> {
        let pull = self.pull(self.factor(simd, cell, y));
        let mut trace = Lanes::splat(simd, 0.0);
        for ((&y, &axis), &precision) in y.iter().zip(self.axes(cell)).zip(precisions) {
            let (along, first, moved) = (pull.along(axis), y * pull.along(axis), y * axis.0);
            let second = along + moved * moved * pull.mixed;
            trace += (second - first * first - 1.0) * precision;
        }
        trace
    }

    #[inline(always)]
    fn pull<S: Simd>(&self, factor: Factor<S>) -> Pull<S> {
        let slope = self.slope();
        let inverse = 1.0 / factor.p;
        Pull { own: factor.a * inverse * (4.0 * slope), mixed: inverse * (8.0 * slope * slope) }
    }
}

/// Derivatives of P relative to P: ∂ᵢP/P = yᵢ · along(i).
struct Pull<S: Simd> {
    own: Lanes<S>,
    mixed: Lanes<S>,
}

impl<S: Simd> Pull<S> {
    #[inline(always)]
    fn along(&self, (share, product): (f64, f64)) -> Lanes<S> {
        self.own * share + self.mixed * product
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_distr::{ChiSquared, Distribution};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    /// Over ρ ~ χ² with m degrees of freedom the factor has the mean 1, and ρ times the factor m/κ. Five standard
    /// errors of 200,000 draws.
    #[test]
    fn a_factor_keeps_the_mass_and_scales_the_covariance_as_said() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let n = 200_000;
        for (dim, beta) in [(1, 0.6), (2, -0.4), (7, 1.5)] {
            let shape = RadialShape::new(beta);
            let law = ChiSquared::new(dim as f64).unwrap();
            let draws: Vec<f64> = law.sample_iter(&mut rng).take(n).collect();
            let mean = |value: &dyn Fn(f64) -> f64| {
                let values: Vec<f64> = draws.iter().map(|&rho| value(rho)).collect();
                let mean = values.iter().sum::<f64>() / n as f64;
                let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64;
                (mean, 5.0 * (square / n as f64).sqrt())
            };
            let (mass, error) = mean(&|rho| shape.factor(dim, rho));
            assert!((mass - 1.0).abs() < error, "{dim} {beta}: {mass} ± {error}");
            let (square, error) = mean(&|rho| rho * shape.factor(dim, rho));
            let expected = dim as f64 / shape.covariance_factor(dim);
            assert!((square - expected).abs() < error, "{dim} {beta}: {square} {expected} ± {error}");
        }
    }
}
