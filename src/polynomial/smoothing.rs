//! Exact Gaussian smoothing for levels of a single cell: infinitely many noise draws a row, in
//! closed form, for all levels from one pass over the rows.
//!
//! In Hermite coordinates smoothing is diagonal (the Ornstein-Uhlenbeck semigroup): with
//! u = (x − c + sZ)/√(λ + s²) and ρ = √(λ/(λ + s²)), E\[hₙ(u) | x\] = ρⁿ hₙ((x − c)/√λ). Products of
//! features expand in single ones, so Gram matrix and right-hand side at any s follow from the rows'
//! Hermite moments up to twice the degree.

use nalgebra::{DMatrix, DVector};

use super::hermite::{Exponents, HermiteBasis, exponent, lowered, raised};
use super::normal_equations::NormalEquations;

/// Values of the moments' features held at once, which stay in the cache.
const BUFFER: usize = 1 << 16;

/// Σ w h_γ((x − c)/√λ) over rows, for |γ| up to twice the degree of the features: one column.
pub(crate) type HermiteMoments = DMatrix<f64>;

/// The coordinates in which moments are taken, and how products of features expand in them.
#[derive(Debug, Clone)]
pub(crate) struct SmoothingBasis {
    pub(crate) centre: DVector<f64>,
    /// λ, the variance of the rows along each axis.
    pub(crate) variances: DVector<f64>,
    features: HermiteBasis,
    moments: HermiteBasis,
    /// (α, β, γ, coefficient) of h_α h_β = Σ coefficient · h_γ, for β ≤ α.
    products: Vec<(usize, usize, usize, f64)>,
    /// Where α with the exponent of an axis one higher stands among the moments, axes within features.
    raised: Vec<usize>,
}

impl SmoothingBasis {
    /// Features of total degree ≤ `degree` for rows with mean `centre` and `variances` along the axes.
    pub(crate) fn new(centre: DVector<f64>, variances: DVector<f64>, degree: usize) -> Self {
        let dim = centre.len();
        let features = HermiteBasis::new(dim, degree);
        let moments = HermiteBasis::new(dim, (2 * degree).max(1));
        let mut products = Vec::new();
        for (a, alpha) in features.exponents().iter().enumerate() {
            for (b, beta) in features.exponents().iter().enumerate().take(a + 1) {
                for (gamma, coefficient) in product_terms(alpha, beta) {
                    if let Some(g) = moments.position(&gamma) {
                        products.push((a, b, g, coefficient));
                    }
                }
            }
        }
        let raised = features
            .exponents()
            .iter()
            .flat_map(|alpha| (0..dim).filter_map(|axis| moments.position(&raised(alpha, axis))))
            .collect();
        Self { centre, variances, features, moments, products, raised }
    }

    /// Number of moments.
    pub(crate) fn len(&self) -> usize {
        self.moments.len()
    }

    pub(crate) fn empty(&self) -> HermiteMoments {
        DMatrix::zeros(self.moments.len(), 1)
    }

    /// Adds a block of rows (n × m) to `sums`.
    pub(crate) fn accumulate(&self, rows: &DMatrix<f64>, weights: &[f64], sums: &mut HermiteMoments) {
        let block = (BUFFER / self.moments.len()).clamp(8, rows.nrows().max(8));
        let (mut tables, mut values) = (Vec::new(), vec![0.0; block * self.moments.len()]);
        for (index, weights) in weights.chunks(block).enumerate() {
            let n = weights.len();
            let mut standardised = rows.rows(index * block, n).into_owned();
            for (axis, mut column) in standardised.column_iter_mut().enumerate() {
                let (centre, scale) = (self.centre[axis], self.variances[axis].sqrt());
                column.apply(|x| *x = (*x - centre) / scale);
            }
            let values = &mut values[..n * self.moments.len()];
            self.moments.features_into(n, standardised.as_slice(), &mut tables, values);
            for (sum, column) in sums.iter_mut().zip(values.chunks_exact(n)) {
                *sum += column.iter().zip(weights).map(|(h, w)| h * w).sum::<f64>();
            }
        }
    }

    /// The normal equations of the centre denoiser at noise-to-signal ratio `noise`, exactly: the
    /// limit of infinitely many draws a row.
    pub(crate) fn normal_equations(
        &self,
        moments: &HermiteMoments,
        component_std: f64,
        noise: f64,
    ) -> NormalEquations {
        let dim = self.centre.len();
        let contraction = self.variances.map(|v| (v / (v + noise * noise)).sqrt());
        let smoothed = DVector::from_iterator(
            self.moments.len(),
            self.moments.exponents().iter().zip(moments.iter()).map(|(gamma, moment)| {
                gamma.iter().map(|&(axis, e)| contraction[axis].powi(e as i32)).product::<f64>() * moment
            }),
        );
        let mut sums = NormalEquations::zeros(self.features.len(), dim);
        sums.weight = moments[0];
        for &(a, b, g, coefficient) in &self.products {
            sums.gram[(a, b)] += coefficient * smoothed[g];
        }
        sums.gram.fill_upper_triangle_with_lower_triangle();
        self.fill_moment(&smoothed, &contraction, component_std, noise, &mut sums.moment);
        sums
    }

    /// b: E\[h_α(u) x\] − σ₀² E\[∂h_α(u)\], with x·h expanded by the three-term recurrence.
    ///
    /// Features are the first of the moments, so that h_α stands at the same place among both.
    fn fill_moment(
        &self,
        smoothed: &DVector<f64>,
        contraction: &DVector<f64>,
        component_std: f64,
        noise: f64,
        moment: &mut DMatrix<f64>,
    ) {
        let dim = self.centre.len();
        for (index, alpha) in self.features.exponents().iter().enumerate() {
            for axis in 0..dim {
                let (order, variance) = (exponent(alpha, axis) as f64, self.variances[axis]);
                let lower = lowered(alpha, axis).and_then(|lower| self.moments.position(&lower));
                let lowered = lower.map_or(0.0, |lower| order.sqrt() * smoothed[lower]);
                let raised =
                    (order + 1.0).sqrt() * smoothed[self.raised[index * dim + axis]] / contraction[axis];
                let product = self.centre[axis] * smoothed[index]
                    + variance.sqrt() * (raised + contraction[axis] * lowered);
                let scale = 1.0 / (variance + noise * noise).sqrt();
                moment[(index, axis)] = product - component_std * component_std * scale * lowered;
            }
        }
    }
}

/// The terms of h_α h_β = Σ c_γ h_γ, a product over the variables of
/// hₐh_b = Σᵣ √(a! b! (a+b−2r)!) / (r! (a−r)! (b−r)!) hₐ₊b₋₂ᵣ.
fn product_terms(alpha: &[(usize, usize)], beta: &[(usize, usize)]) -> Vec<(Exponents, f64)> {
    let factorial = |n: usize| (1..=n).map(|i| i as f64).product::<f64>();
    let mut axes: Vec<usize> = alpha.iter().chain(beta).map(|&(axis, _)| axis).collect();
    axes.sort_unstable();
    axes.dedup();
    let mut terms = vec![(Exponents::new(), 1.0)];
    for axis in axes {
        let (a, b) = (exponent(alpha, axis), exponent(beta, axis));
        let mut extended = Vec::new();
        for (gamma, coefficient) in &terms {
            for r in 0..=a.min(b) {
                let order = a + b - 2 * r;
                let factor = (factorial(a) * factorial(b) * factorial(order)).sqrt()
                    / (factorial(r) * factorial(a - r) * factorial(b - r));
                let mut gamma = Exponents::clone(gamma);
                if order > 0 {
                    gamma.push((axis, order));
                }
                extended.push((gamma, coefficient * factor));
            }
        }
        terms = extended;
    }
    terms
}

#[cfg(feature = "serde")]
mod saved {
    use nalgebra::DVector;
    use serde::{Deserialize, Serialize};

    use super::SmoothingBasis;
    use crate::error::{Error, Result};
    use crate::format::{LENGTH, POSITIVE_VARIANCE, plain, require, through, within};
    use crate::polynomial::check_features;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SavedSmoothing {
        #[serde(with = "plain")]
        centre: DVector<f64>,
        #[serde(with = "plain")]
        variances: DVector<f64>,
        degree: usize,
    }

    through!(SmoothingBasis, SavedSmoothing);

    impl From<SmoothingBasis> for SavedSmoothing {
        fn from(basis: SmoothingBasis) -> Self {
            Self { centre: basis.centre, variances: basis.variances, degree: basis.features.degree() }
        }
    }

    impl TryFrom<SavedSmoothing> for SmoothingBasis {
        type Error = Error;

        fn try_from(SavedSmoothing { centre, variances, degree }: SavedSmoothing) -> Result<Self> {
            require!(centre.len() == variances.len(), "smoothing needs a centre and variances")?;
            within("centre of smoothing", centre.as_slice(), LENGTH)?;
            within("variances of smoothing", variances.as_slice(), POSITIVE_VARIANCE)?;
            check_features(1, centre.len(), degree)?;
            Ok(Self::new(centre, variances, degree))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::super::level_basis::{LevelBasis, NoisedBlock, RegressionTarget};
    use super::*;
    use crate::cells::GaussianCells;

    #[test]
    fn equals_the_limit_of_many_draws() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let (component_std, noise) = (0.4f64, 0.8);
        let rows = DMatrix::from_fn(40, 2, |i, j| ((i * (j + 2)) as f64 * 0.37).sin() * (1.0 + j as f64));
        let centre = DVector::from_vec(vec![0.1, -0.2]);
        let variances = DVector::from_vec(vec![0.7, 1.9]);
        let smoothing = SmoothingBasis::new(centre.clone(), variances.clone(), 3);
        let mut moments = smoothing.empty();
        smoothing.accumulate(&rows, &[1.0; 40], &mut moments);
        let exact = smoothing.normal_equations(&moments, component_std, noise);

        let spread = variances.map(|v| v - component_std * component_std);
        let cell = Arc::new(GaussianCells::axis_aligned(&centre, spread));
        let basis = LevelBasis::new(cell, component_std.hypot(noise), 3);
        for target in [RegressionTarget::CleanRow, RegressionTarget::Denoising] {
            let mut sums = NormalEquations::zeros(basis.len(), 2);
            let draws = 4000;
            for _ in 0..draws {
                let noised = rows.map(|x| {
                    let z: f64 = StandardNormal.sample(&mut rng);
                    x + noise * z
                });
                let block = NoisedBlock { noised: &noised, clean: &rows, weights: &[1.0; 40] };
                basis.accumulate(&block, target, component_std, noise, &mut sums).unwrap();
            }
            basis.complete(target, component_std, &mut sums);
            sums.scale(1.0 / draws as f64);
            // Monte Carlo error of 160,000 draws of features of degree 3: standard errors below 0.15.
            assert!((&sums.gram - &exact.gram).amax() < 0.7, "{}", (&sums.gram - &exact.gram).amax());
            assert!((&sums.moment - &exact.moment).amax() < 0.5, "{}", (&sums.moment - &exact.moment).amax());
        }
    }
}
