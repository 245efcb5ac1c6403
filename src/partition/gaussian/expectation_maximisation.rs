use nalgebra::{Cholesky, DMatrix, DMatrixView, DVector};

use super::covariance::{CellScatter, IsotropicRest, least_variance, shrink_covariances};
use crate::kernels::{Gaussian, Gaussians, responsibilities_in_place};
use crate::linalg::add_transposed_product;
use crate::partition::cells::MixtureParameters;

/// Rows evaluated together.
const BLOCK: usize = 256;

/// Rows (n × m) with weights, on which mixtures are fitted and judged.
#[derive(Debug, Clone)]
pub(crate) struct WeightedRows {
    pub(crate) rows: DMatrix<f64>,
    pub(crate) weights: Vec<f64>,
}

impl WeightedRows {
    /// Every other row, and the rest.
    pub(crate) fn halves(&self) -> [Self; 2] {
        [0, 1].map(|first| {
            let members: Vec<usize> = (first..self.weights.len()).step_by(2).collect();
            let weights = members.iter().map(|&i| self.weights[i]).collect();
            Self { rows: self.rows.select_rows(&members), weights }
        })
    }
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
    let gaussians = whitened(mixture);
    let mut densities = Vec::with_capacity(data.weights.len());
    for_each_block(data, |rows, _| {
        let mut log_joint = DMatrix::zeros(rows.nrows(), mixture.masses.len());
        gaussians.log_joint_into(rows, log_joint.as_view_mut());
        densities.extend(responsibilities_in_place(&mut log_joint));
    });
    densities
}

/// log wⱼ N(x; mⱼ, Sⱼ) at every row: n × k.
pub(crate) fn log_joint_densities(data: &WeightedRows, mixture: &MixtureParameters) -> DMatrix<f64> {
    let mut log_joint = DMatrix::zeros(data.rows.nrows(), mixture.masses.len());
    whitened(mixture).log_joint_into(data.rows.as_view(), log_joint.as_view_mut());
    log_joint
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
        let gaussians = whitened(mixture);
        let mut sums = Self {
            moments: DMatrix::zeros(cells, feature_count(dim)),
            information: DVector::zeros(cells),
            dim,
        };
        for_each_block(data, |rows, weights| {
            let mut r = DMatrix::zeros(rows.nrows(), cells);
            gaussians.log_joint_into(rows, r.as_view_mut());
            responsibilities_in_place(&mut r);
            for (cell, mut column) in r.column_iter_mut().enumerate() {
                let mut information = 0.0;
                for (r, w) in column.iter_mut().zip(weights) {
                    information += w * *r * *r;
                    *r *= w;
                }
                sums.information[cell] += information;
            }
            add_transposed_product((&r).into(), (&features(rows, true)).into(), &mut sums.moments);
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
        let covariances = alive.iter().map(|&j| covariance(self.moments.as_view(), j, dim)).collect();
        let scatter = CellScatter { covariances, weights: &weights, information: &information };
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

/// The cells, whitened by the Cholesky factors of their covariances.
fn whitened(mixture: &MixtureParameters) -> Gaussians {
    let (cells, dim) = mixture.means.shape();
    let gaussian = |cell: usize| {
        let mean = mixture.means.row(cell).iter().copied().collect();
        match Cholesky::new(mixture.covariances[cell].clone()) {
            Some(factor) => Gaussian::factored(mixture.masses[cell].ln(), mean, factor.l_dirty()),
            // The M-step keeps every eigenvalue positive; a factor can only fail on overflow.
            None => Gaussian::factored(f64::NEG_INFINITY, mean, &DMatrix::identity(dim, dim)),
        }
    };
    Gaussians::new(dim, (0..cells).map(gaussian).collect())
}

/// 1 + m + m(m+1)/2.
fn feature_count(dim: usize) -> usize {
    1 + dim + dim * (dim + 1) / 2
}

/// The covariance of one cell from its sums of (1, x, xxᵀ).
pub(super) fn covariance(moments: DMatrixView<'_, f64>, cell: usize, dim: usize) -> DMatrix<f64> {
    let weight = moments[(cell, 0)];
    let mean = |axis: usize| moments[(cell, 1 + axis)] / weight;
    let mut covariance = DMatrix::zeros(dim, dim);
    for (feature, (a, b)) in pairs(dim).enumerate() {
        covariance[(a, b)] = moments[(cell, 1 + dim + feature)] / weight - mean(a) * mean(b);
        covariance[(b, a)] = covariance[(a, b)];
    }
    covariance
}

/// Index pairs a ≤ b.
fn pairs(dim: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..dim).flat_map(move |a| (a..dim).map(move |b| (a, b)))
}

/// φ = (1, x, xxᵀ) of every row, n × q; or (1, x) where second moments are not wanted.
pub(super) fn features(rows: DMatrixView<'_, f64>, second: bool) -> DMatrix<f64> {
    let (n, dim) = rows.shape();
    let count = if second { feature_count(dim) } else { 1 + dim };
    let mut features = DMatrix::from_element(n, count, 1.0);
    features.columns_mut(1, dim).copy_from(&rows);
    for (feature, (a, b)) in pairs(dim).enumerate().take(count - 1 - dim) {
        let mut column = features.column_mut(1 + dim + feature);
        column.copy_from(&rows.column(a));
        column.component_mul_assign(&rows.column(b));
    }
    features
}

/// Calls `visit` with the rows and the weights of every block.
pub(super) fn for_each_block(data: &WeightedRows, mut visit: impl FnMut(DMatrixView<'_, f64>, &[f64])) {
    for start in (0..data.rows.nrows()).step_by(BLOCK) {
        let size = BLOCK.min(data.rows.nrows() - start);
        visit(data.rows.rows(start, size), &data.weights[start..start + size]);
    }
}
