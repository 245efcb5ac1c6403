use nalgebra::{Cholesky, DMatrix, DMatrixView, DVector};

use super::background::Background;
use super::cell_moments::{CellMoments, covariance, feature_count, pairs, weigh};
use super::covariance::{CellScatter, least_variance, shrink_covariances};
use crate::kernels::{Gaussian, Gaussians, responsibilities_above};
use crate::linalg::dot;
use crate::mixture::MixtureParameters;
use crate::rows::{IsotropicRest, WeightedRows};

/// Responsibilities below 10⁻⁷ move no sum that matters while cells are sought, and cost most of the time.
pub(crate) const LOG_NEGLIGIBLE: f64 = -16.0;
/// A share of all weight that is none.
const NONE: f64 = 1e-9;
/// Rows that a cell has at least, and a share of all rows that is enough in any number of columns.
const FEWEST_ROWS: f64 = 5.0;
const LIGHT_SHARE: f64 = 0.05;
/// Rows evaluated together.
const BLOCK: usize = 256;

/// One EM step of a mixture whose last cell is the `background`, its M-step for the covariances being
/// [`shrink_covariances`].
pub(super) fn expectation_maximisation_step(
    data: &WeightedRows,
    mixture: &MixtureParameters,
    rest: IsotropicRest,
    background: &Background,
) -> MixtureParameters {
    CellSums::of(data, mixture).maximise_before(rest, mixture, background)
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
    if let Some(densities) = gaussians.log_density_above(data.rows.as_view(), LOG_NEGLIGIBLE) {
        return densities;
    }
    let mut densities = Vec::with_capacity(data.weights.len());
    for_each_block(data, |rows, _| {
        let mut log_joint = DMatrix::zeros(rows.nrows(), mixture.masses.len());
        gaussians.log_joint_into(rows, log_joint.as_view_mut());
        densities.extend(responsibilities_above(&mut log_joint, LOG_NEGLIGIBLE));
    });
    densities
}

/// log wⱼ N(x; mⱼ, Sⱼ) at every row: n × k.
pub(crate) fn log_joint_densities(data: &WeightedRows, mixture: &MixtureParameters) -> DMatrix<f64> {
    let mut log_joint = DMatrix::zeros(data.rows.nrows(), mixture.masses.len());
    whitened(mixture).log_joint_into(data.rows.as_view(), log_joint.as_view_mut());
    log_joint
}

/// Additive statistics of an EM step: Σ w r φ with φ = (1, x, xxᵀ), and Σ w r²; as matrices that add up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CellSums {
    /// k × q.
    pub(crate) moments: DMatrix<f64>,
    /// Length k.
    pub(crate) information: DVector<f64>,
}

impl CellSums {
    /// Cells and features of the sums for `mixture`.
    pub(crate) fn shape_for(mixture: &MixtureParameters) -> (usize, usize) {
        let (cells, dim) = mixture.means.shape();
        (cells, feature_count(dim))
    }

    pub(crate) fn of(data: &WeightedRows, mixture: &MixtureParameters) -> Self {
        let (cells, dim) = mixture.means.shape();
        let gaussians = whitened(mixture);
        if let Some((moments, information)) =
            gaussians.sums(data.rows.as_view(), &data.weights, LOG_NEGLIGIBLE, true)
        {
            return Self { moments, information };
        }
        let mut moments = CellMoments::new(cells, dim, true);
        let mut information = DVector::zeros(cells);
        for_each_block(data, |rows, weights| {
            let mut r = DMatrix::zeros(rows.nrows(), cells);
            gaussians.log_joint_into(rows, r.as_view_mut());
            responsibilities_above(&mut r, LOG_NEGLIGIBLE);
            let mut weighted = r.clone();
            weigh(&mut weighted, weights);
            let columns = r.as_slice().chunks_exact(weights.len());
            let weighted_columns = weighted.as_slice().chunks_exact(weights.len());
            for ((own, r), weighted) in information.iter_mut().zip(columns).zip(weighted_columns) {
                *own += dot(r, weighted);
            }
            moments.add(rows, &weighted);
        });
        Self { moments: moments.into_sums(), information }
    }

    /// The M-step. A cell with hardly any row is dropped, one with few keeps its shape; `before` again where overflow
    /// has left no cell any weight.
    pub(crate) fn maximise(&self, rest: IsotropicRest, before: &MixtureParameters) -> MixtureParameters {
        let total = self.moments.column(0).sum();
        let kept = self.heavy(before.masses.len(), before.means.ncols());
        if kept.is_empty() || !total.is_finite() {
            return before.clone();
        }
        let mut after = self.maximised(&kept, rest, before);
        let light = (0..before.masses.len()).filter(|j| !kept.contains(j));
        for cell in light.filter(|&j| self.moments[(j, 0)] > NONE * total) {
            let mass = self.moments[(cell, 0)] / total;
            let mean = before.means.row(cell).transpose();
            after = after.with_cell(mass, &mean, before.covariances[cell].clone());
        }
        after
    }

    /// As [`maximise`](Self::maximise), for a mixture whose last cell is the `background`: it has the rows of cells that
    /// have lost all but a few, and these are dropped.
    pub(super) fn maximise_before(
        &self,
        rest: IsotropicRest,
        before: &MixtureParameters,
        background: &Background,
    ) -> MixtureParameters {
        let cells = before.masses.len() - 1;
        let total = self.moments.column(0).sum();
        let kept = self.heavy(cells, before.means.ncols());
        if kept.is_empty() || !total.is_finite() {
            return before.clone();
        }
        let mut after = self.maximised(&kept, rest, before);
        let mass = (self.moments[(cells, 0)] / total).max(background.least_mass);
        after.masses *= (1.0 - mass) / after.masses.sum();
        background.with_mass(after, mass)
    }

    /// The share of all weight that is a cell's.
    pub(super) fn share(&self, cell: usize) -> f64 {
        self.moments[(cell, 0)] / self.moments.column(0).sum()
    }

    /// The cells `kept`, their masses shares of all weight.
    fn maximised(
        &self,
        kept: &[usize],
        rest: IsotropicRest,
        before: &MixtureParameters,
    ) -> MixtureParameters {
        let dim = before.means.ncols();
        let of = |values: &dyn Fn(usize) -> f64| {
            DVector::from_iterator(kept.len(), kept.iter().map(|&j| values(j)))
        };
        let weights = of(&|j| self.moments[(j, 0)]);
        let information = of(&|j| self.information[j]);
        let covariances = kept.iter().map(|&j| covariance(self.moments.as_view(), j, dim)).collect();
        let scatter = CellScatter { covariances, weights: &weights, information: &information };
        let covariances = shrink_covariances(scatter, rest, least_variance(self.mean_squares(dim)));
        let means = DMatrix::from_fn(kept.len(), dim, |i, axis| self.mean(kept[i], dim)[axis]);
        MixtureParameters { masses: weights / self.moments.column(0).sum(), means, covariances }
    }

    /// Those of the first `cells` that have as many rows as a path's have at least; the heaviest one where none has.
    fn heavy(&self, cells: usize, dim: usize) -> Vec<usize> {
        let light = light_cell(dim, self.moments.column(0).sum());
        let kept: Vec<usize> = (0..cells).filter(|&j| self.moments[(j, 0)] >= light).collect();
        if !kept.is_empty() {
            return kept;
        }
        let heaviest = (0..cells).max_by(|&a, &b| self.moments[(a, 0)].total_cmp(&self.moments[(b, 0)]));
        heaviest.filter(|&j| self.moments[(j, 0)] > 0.0).into_iter().collect()
    }

    fn mean(&self, cell: usize, dim: usize) -> DVector<f64> {
        self.moments.row(cell).columns(1, dim).transpose() / self.moments[(cell, 0)]
    }

    /// E x² along every axis.
    fn mean_squares(&self, dim: usize) -> impl Iterator<Item = f64> {
        let total = self.moments.column(0).sum();
        let squares = pairs(dim).enumerate().filter(|(_, (a, b))| a == b);
        squares.map(move |(feature, _)| self.moments.column(1 + dim + feature).sum() / total)
    }
}

impl From<CellSums> for [DMatrix<f64>; 2] {
    fn from(sums: CellSums) -> Self {
        let CellSums { moments, information } = sums;
        [moments, DMatrix::from_column_slice(information.len(), 1, information.as_slice())]
    }
}

impl From<[DMatrix<f64>; 2]> for CellSums {
    fn from([moments, information]: [DMatrix<f64>; 2]) -> Self {
        Self { moments, information: information.column(0).into_owned() }
    }
}

/// Weight of a cell below which it is none: rows enough to tell a width in every direction, or a twentieth of all `rows`
/// where they are few in many columns; and five at least, which lie together by chance in no law.
pub(super) fn light_cell(dim: usize, rows: f64) -> f64 {
    (dim as f64 + 2.0).min(LIGHT_SHARE * rows).max(FEWEST_ROWS)
}

/// The cells, whitened by the Cholesky factors of their covariances.
pub(super) fn whitened(mixture: &MixtureParameters) -> Gaussians {
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

/// Calls `visit` with the rows and the weights of every block.
pub(crate) fn for_each_block(data: &WeightedRows, mut visit: impl FnMut(DMatrixView<'_, f64>, &[f64])) {
    for start in (0..data.rows.nrows()).step_by(BLOCK) {
        let size = BLOCK.min(data.rows.nrows() - start);
        visit(data.rows.rows(start, size), &data.weights[start..start + size]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two cells, three rows with weights: Σ w r, Σ w r x, Σ w r xxᵀ and Σ w r² by hand; and the M-step keeps
    /// masses, means and, with so many rows, covariances.
    #[test]
    fn the_sums_of_a_step_are_those_by_hand() {
        let mixture = MixtureParameters {
            masses: DVector::from_vec(vec![0.3, 0.7]),
            means: DMatrix::from_row_slice(2, 1, &[0.0, 2.0]),
            covariances: vec![DMatrix::from_element(1, 1, 1.0), DMatrix::from_element(1, 1, 4.0)],
        };
        let (x, w) = ([0.5, -1.0, 3.0], [10.0, 20.0, 5.0]);
        let data = WeightedRows { rows: DMatrix::from_column_slice(3, 1, &x), weights: w.to_vec() };
        let sums = CellSums::of(&data, &mixture);
        let joint = |x: f64| [0.3 * (-0.5 * x * x).exp(), 0.35 * (-0.125 * (x - 2.0) * (x - 2.0)).exp()];
        for cell in 0..2 {
            let share = |i: usize| joint(x[i])[cell] / (joint(x[i])[0] + joint(x[i])[1]);
            let sum = |term: &dyn Fn(usize) -> f64| (0..3).map(|i| w[i] * term(i)).sum::<f64>();
            let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
            close(sums.information[cell], sum(&|i| share(i) * share(i)));
            close(sums.moments[(cell, 0)], sum(&share));
            close(sums.moments[(cell, 1)], sum(&|i| share(i) * x[i]));
            close(sums.moments[(cell, 2)], sum(&|i| share(i) * x[i] * x[i]));
            let next = sums.maximise(IsotropicRest::NONE, &mixture);
            close(next.masses[cell], sum(&share) / 35.0);
            close(next.means[cell], sum(&|i| share(i) * x[i]) / sum(&share));
        }
        let density = mixture_log_density(&data, &mixture);
        for i in 0..3 {
            let expected = (joint(x[i])[0] + joint(x[i])[1]).ln() - 0.5 * std::f64::consts::TAU.ln();
            assert!((density[i] - expected).abs() < 1e-12);
        }
    }
}
