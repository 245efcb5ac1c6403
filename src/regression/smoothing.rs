//! Exact Gaussian smoothing for levels of a single cell: infinitely many noise draws a row, in
//! closed form, for all levels from one pass over the rows.
//!
//! In Hermite coordinates smoothing is diagonal (the Ornstein-Uhlenbeck semigroup): with
//! u = (x − c + sZ)/√(λ + s²) and ρ = √(λ/(λ + s²)), E\[hₙ(u) | x\] = ρⁿ hₙ((x − c)/√λ). Products of
//! features expand in single ones, so Gram matrix and right-hand side at any s follow from the rows'
//! Hermite moments up to twice the degree.

use nalgebra::{DMatrix, DVector};

use super::hermite::HermiteBasis;
use super::normal_equations::NormalEquations;

/// Σ w h_γ((x − c)/√λ) over rows, for |γ| up to twice the degree of the features.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HermiteMoments(DVector<f64>);

impl HermiteMoments {
    pub(crate) fn add(&mut self, other: &Self) {
        self.0 += &other.0;
    }
}

/// The coordinates in which moments are taken, and how products of features expand in them.
#[derive(Debug, Clone)]
pub(crate) struct SmoothingBasis {
    centre: DVector<f64>,
    /// λ, the variance of the rows along each axis.
    variances: DVector<f64>,
    features: HermiteBasis,
    moments: HermiteBasis,
    /// (α, β, γ, coefficient) of h_α h_β = Σ coefficient · h_γ, for β ≤ α.
    products: Vec<(usize, usize, usize, f64)>,
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
        Self { centre, variances, features, moments, products }
    }

    pub(crate) fn empty(&self) -> HermiteMoments {
        HermiteMoments(DVector::zeros(self.moments.len()))
    }

    /// Adds a block of rows (n × m) to `sums`.
    pub(crate) fn accumulate(&self, rows: &DMatrix<f64>, weights: &[f64], sums: &mut HermiteMoments) {
        let n = rows.nrows();
        let mut standardised = rows.clone();
        for (axis, mut column) in standardised.column_iter_mut().enumerate() {
            let (centre, scale) = (self.centre[axis], self.variances[axis].sqrt());
            column.apply(|x| *x = (*x - centre) / scale);
        }
        let mut values = vec![0.0; n * self.moments.len()];
        self.moments.features_into(n, standardised.as_slice(), &mut Vec::new(), &mut values);
        for (sum, column) in sums.0.iter_mut().zip(values.chunks_exact(n)) {
            *sum += column.iter().zip(weights).map(|(h, w)| h * w).sum::<f64>();
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
            self.moments.exponents().iter().zip(moments.0.iter()).map(|(gamma, moment)| {
                gamma.iter().zip(contraction.iter()).map(|(&e, rho)| rho.powi(e as i32)).product::<f64>()
                    * moment
            }),
        );
        let mut sums = NormalEquations::zeros(self.features.len(), dim);
        sums.weight = moments.0[0];
        for &(a, b, g, coefficient) in &self.products {
            sums.gram[(a, b)] += coefficient * smoothed[g];
        }
        sums.gram.fill_upper_triangle_with_lower_triangle();
        for axis in 0..dim {
            self.fill_moment_column(
                axis,
                &smoothed,
                contraction[axis],
                component_std,
                noise,
                &mut sums.moment,
            );
        }
        sums
    }

    /// b for one output: E\[h_α(u) x\] − σ₀² E\[∂h_α(u)\], with x·h expanded by the three-term recurrence.
    fn fill_moment_column(
        &self,
        axis: usize,
        smoothed: &DVector<f64>,
        contraction: f64,
        component_std: f64,
        noise: f64,
        moment: &mut DMatrix<f64>,
    ) {
        let (centre, variance) = (self.centre[axis], self.variances[axis]);
        let scale = 1.0 / (variance + noise * noise).sqrt();
        for (index, alpha) in self.features.exponents().iter().enumerate() {
            let order = alpha[axis];
            let neighbour = |exponent: usize| {
                let mut gamma = alpha.clone();
                gamma[axis] = exponent;
                self.moments.position(&gamma).map_or(0.0, |g| smoothed[g])
            };
            let raised = ((order + 1) as f64).sqrt() * neighbour(order + 1) / contraction;
            let lowered = if order > 0 { (order as f64).sqrt() * neighbour(order - 1) } else { 0.0 };
            let product = centre * neighbour(order) + variance.sqrt() * (raised + contraction * lowered);
            moment[(index, axis)] = product - component_std * component_std * scale * lowered;
        }
    }
}

/// The terms of h_α h_β = Σ c_γ h_γ, a product over the variables of
/// hₐh_b = Σᵣ √(a! b! (a+b−2r)!) / (r! (a−r)! (b−r)!) hₐ₊b₋₂ᵣ.
fn product_terms(alpha: &[usize], beta: &[usize]) -> Vec<(Vec<usize>, f64)> {
    let factorial = |n: usize| (1..=n).map(|i| i as f64).product::<f64>();
    let mut terms = vec![(Vec::with_capacity(alpha.len()), 1.0)];
    for (&a, &b) in alpha.iter().zip(beta) {
        let mut extended = Vec::new();
        for (gamma, coefficient) in &terms {
            for r in 0..=a.min(b) {
                let order = a + b - 2 * r;
                let factor = (factorial(a) * factorial(b) * factorial(order)).sqrt()
                    / (factorial(r) * factorial(a - r) * factorial(b - r));
                let mut gamma: Vec<usize> = Vec::clone(gamma);
                gamma.push(order);
                extended.push((gamma, coefficient * factor));
            }
        }
        terms = extended;
    }
    terms
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::partition::GaussianCells;
    use crate::regression::{LevelBasis, NoisedBlock, RegressionTarget};

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
                let block = NoisedBlock { noised: &noised, clean: &rows, known: None, weights: &[1.0; 40] };
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
