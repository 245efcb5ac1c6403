use nalgebra::{Cholesky, DMatrix, DVector};

use super::covariance::{CellScatter, IsotropicRest, least_variance, shrink_covariances};
use crate::linalg::add_transposed_product;
use crate::partition::cells::{MixtureParameters, responsibilities_in_place};

/// Rows evaluated together.
const BLOCK: usize = 256;

/// Rows (n × m) with weights, on which mixtures are fitted and judged.
#[derive(Debug, Clone)]
pub(crate) struct WeightedRows {
    pub(crate) rows: DMatrix<f64>,
    pub(crate) weights: Vec<f64>,
}

/// One EM step, its M-step for the covariances being [`shrink_covariances`]; and the log-likelihood of
/// the mixture it started from. Cells that lost all their rows are dropped, if any cell has rows.
pub(crate) fn expectation_maximisation_step(
    data: &WeightedRows,
    mixture: &MixtureParameters,
    rest: IsotropicRest,
) -> MixtureParameters {
    let sums = CellSums::of(data, mixture);
    sums.maximise(rest, mixture)
}

/// Log-density of `mixture` at every row, as far as it may count when mixtures are judged by rows that they
/// have not seen.
pub(crate) fn judging_log_density(data: &WeightedRows, mixture: &MixtureParameters) -> Vec<f64> {
    let floor = least_judging(mixture.means.ncols());
    mixture_log_density(data, mixture).into_iter().map(|density| density.max(floor)).collect()
}

/// The least log-density in `dim` working coordinates that counts when a mixture is judged by rows it has
/// not seen: far under that of any row of a law that has been learned, it says no more than that the row is
/// a stranger. Without it one outlier would outweigh all other rows.
pub(crate) fn least_judging(dim: usize) -> f64 {
    -500.0 - 20.0 * dim as f64
}

/// Log-density of `mixture` at every row, natural logarithm.
pub(crate) fn mixture_log_density(data: &WeightedRows, mixture: &MixtureParameters) -> Vec<f64> {
    let logits = Logits::new(mixture);
    let mut densities = Vec::with_capacity(data.weights.len());
    for_each_block(data, |features, _| {
        let mut log_weights = logits.at(features);
        densities.extend(responsibilities_in_place(&mut log_weights));
    });
    densities
}

/// Additive statistics of an EM step: Σ w r φ with φ = (1, x, xxᵀ), and Σ w r².
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CellSums {
    /// k × q.
    moments: DMatrix<f64>,
    /// Length k.
    information: DVector<f64>,
    dim: usize,
}

impl CellSums {
    pub(crate) fn add(&mut self, other: &Self) {
        self.moments += &other.moments;
        self.information += &other.information;
    }

    pub(crate) fn of(data: &WeightedRows, mixture: &MixtureParameters) -> Self {
        let (cells, dim) = mixture.means.shape();
        let logits = Logits::new(mixture);
        let mut sums = Self {
            moments: DMatrix::zeros(cells, feature_count(dim)),
            information: DVector::zeros(cells),
            dim,
        };
        for_each_block(data, |features, weights| {
            let mut r = logits.at(features);
            responsibilities_in_place(&mut r);
            for (cell, mut column) in r.column_iter_mut().enumerate() {
                let mut information = 0.0;
                for (r, w) in column.iter_mut().zip(weights) {
                    information += w * *r * *r;
                    *r *= w;
                }
                sums.information[cell] += information;
            }
            add_transposed_product((&r).into(), (features).into(), &mut sums.moments);
        });
        sums
    }

    /// The M-step; `before` again where overflow has left no cell any weight.
    pub(crate) fn maximise(&self, rest: IsotropicRest, before: &MixtureParameters) -> MixtureParameters {
        let dim = self.dim;
        let total = self.moments.column(0).sum();
        let alive: Vec<usize> =
            (0..self.moments.nrows()).filter(|&j| self.moments[(j, 0)] > 1e-9 * total).collect();
        if alive.is_empty() {
            return before.clone();
        }
        let weights = DVector::from_iterator(alive.len(), alive.iter().map(|&j| self.moments[(j, 0)]));
        let information = DVector::from_iterator(alive.len(), alive.iter().map(|&j| self.information[j]));
        let means =
            DMatrix::from_fn(alive.len(), dim, |i, axis| self.moments[(alive[i], 1 + axis)] / weights[i]);
        let covariances = alive.iter().enumerate().map(|(i, &j)| {
            let mut covariance = DMatrix::zeros(dim, dim);
            for (feature, (a, b)) in pairs(dim).enumerate() {
                let second = self.moments[(j, 1 + dim + feature)] / weights[i];
                covariance[(a, b)] = second - means[(i, a)] * means[(i, b)];
                covariance[(b, a)] = covariance[(a, b)];
            }
            covariance
        });
        let scatter =
            CellScatter { covariances: covariances.collect(), weights: &weights, information: &information };
        let covariances = shrink_covariances(scatter, rest, least_variance(self.mean_squares()));
        MixtureParameters { masses: &weights / total, means, covariances }
    }

    /// E x² along every axis.
    fn mean_squares(&self) -> impl Iterator<Item = f64> {
        let total = self.moments.column(0).sum();
        let squares = pairs(self.dim).enumerate().filter(|(_, (a, b))| a == b);
        squares.map(move |(feature, _)| self.moments.column(1 + self.dim + feature).sum() / total)
    }
}

/// log wⱼ N(x; mⱼ, Sⱼ) as linear forms in φ = (1, x, xxᵀ): the natural parameters of each component,
/// so that a block of rows costs one product of matrices.
struct Logits(DMatrix<f64>);

impl Logits {
    fn new(mixture: &MixtureParameters) -> Self {
        let (cells, dim) = mixture.means.shape();
        let mut natural = DMatrix::zeros(feature_count(dim), cells);
        for cell in 0..cells {
            let mean = mixture.means.row(cell).transpose();
            let mut column = natural.column_mut(cell);
            // The M-step keeps every eigenvalue positive; a factor can only fail on overflow.
            let Some(factor) = Cholesky::new(mixture.covariances[cell].clone()) else {
                column[0] = f64::NEG_INFINITY;
                continue;
            };
            let precision = factor.inverse();
            let pull = factor.solve(&mean);
            let log_determinant: f64 = 2.0 * factor.l_dirty().diagonal().iter().map(|v| v.ln()).sum::<f64>();
            column[0] = mixture.masses[cell].ln()
                - 0.5 * (mean.dot(&pull) + log_determinant + dim as f64 * std::f64::consts::TAU.ln());
            column.rows_mut(1, dim).copy_from(&pull);
            for (feature, (a, b)) in pairs(dim).enumerate() {
                column[1 + dim + feature] = if a == b { -0.5 } else { -1.0 } * precision[(a, b)];
            }
        }
        Self(natural)
    }

    /// n × k.
    fn at(&self, features: &DMatrix<f64>) -> DMatrix<f64> {
        features * &self.0
    }
}

/// 1 + m + m(m+1)/2.
fn feature_count(dim: usize) -> usize {
    1 + dim + dim * (dim + 1) / 2
}

/// Index pairs a ≤ b.
fn pairs(dim: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..dim).flat_map(move |a| (a..dim).map(move |b| (a, b)))
}

/// Calls `visit` with φ (n × q) and the weights of every block of rows.
fn for_each_block(data: &WeightedRows, mut visit: impl FnMut(&DMatrix<f64>, &[f64])) {
    let (n, dim) = data.rows.shape();
    for start in (0..n).step_by(BLOCK) {
        let size = BLOCK.min(n - start);
        let block = data.rows.rows(start, size);
        let mut features = DMatrix::from_element(size, feature_count(dim), 1.0);
        features.columns_mut(1, dim).copy_from(&block);
        for (feature, (a, b)) in pairs(dim).enumerate() {
            let mut column = features.column_mut(1 + dim + feature);
            column.copy_from(&block.column(a));
            column.component_mul_assign(&block.column(b));
        }
        visit(&features, &data.weights[start..start + size]);
    }
}
