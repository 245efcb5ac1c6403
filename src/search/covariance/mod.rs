//! The covariance part of an EM step: cells' covariances as free as the rows prove them to be.
//!
//! One rule from "all equal and spherical" to "free": eigenvalues that sampling noise explains are
//! pooled, first within a cell (a flat bottom of its spectrum), then across cells (equal spectra);
//! only where a cell has few rows is the whole matrix mixed with something simpler first, and when all have few, what
//! cells have in common too.

mod regularised;
mod targets;
#[cfg(test)]
mod tests;

use nalgebra::{Cholesky, DMatrix, DVector, SymmetricEigen};

pub(crate) use self::regularised::likelihood_left_out;
pub(super) use self::regularised::regularised;
use self::targets::{Common, Mixed, shrink_to_target};
use crate::rows::IsotropicRest;

/// Standard deviations of a χ² statistic that count as chance.
const CHANCE: f64 = 2.0;
/// With fewer rows than this many times the parameters of a covariance, twice, a cell leans on something simpler first.
const FEW_ROWS: f64 = 2.5;
/// With fewer rows in all than this many times the parameters of a covariance, twice, what cells have in common is mixed
/// with something simpler, as far as that pays: a covariance of n rows costs d(d + 3)/4n nats a row.
const FEW_ROWS_OF_ALL: f64 = 5.0;
/// Rows a direction, and two directions, that span all of them.
const ROWS_THAT_SPAN: f64 = 2.0;
/// Eigenvalues below this share of the largest count as this share: degenerate directions.
const SMALLEST_SHARE: f64 = 1e-12;

/// Sample covariances of the cells with what the rows know of each.
pub(crate) struct CellScatter<'a> {
    /// k matrices m × m.
    pub(crate) covariances: Vec<DMatrix<f64>>,
    /// Σ w r, the weight of each cell.
    pub(crate) weights: &'a DVector<f64>,
    /// Σ w r², the rows' information about each cell.
    pub(crate) information: &'a DVector<f64>,
}

/// Whether so many rows span `dim` directions well enough for a covariance of their own.
pub(super) fn span(rows: f64, dim: usize) -> bool {
    rows >= ROWS_THAT_SPAN * (dim as f64 + 2.0)
}

/// The mean of the cells' covariances, by their weights.
fn common(covariances: &[DMatrix<f64>], weights: &DVector<f64>) -> DMatrix<f64> {
    let (dim, total) = (covariances[0].nrows(), weights.sum());
    let mut common = DMatrix::zeros(dim, dim);
    for (covariance, weight) in covariances.iter().zip(weights.iter()) {
        common += covariance * (weight / total);
    }
    common
}

/// Mean and two standard deviations of a χ² with `freedom` degrees of freedom.
fn chance(freedom: f64) -> f64 {
    freedom + CHANCE * (2.0 * freedom).sqrt()
}

/// The least variance of a cell in any direction, for rows with these mean squares along the axes: below
/// it, sums of squares cannot tell it from 0.
pub(super) fn least_variance(mean_squares: impl Iterator<Item = f64>) -> f64 {
    let largest = mean_squares.fold(0.0, f64::max);
    SMALLEST_SHARE * if largest > 0.0 { largest } else { 1.0 }
}

/// The cells' covariances, shrunk as far as sampling noise explains their differences; no eigenvalue is
/// below `least_variance`.
pub(crate) fn shrink_covariances(
    scatter: CellScatter<'_>,
    rest: IsotropicRest,
    least_variance: f64,
) -> Vec<DMatrix<f64>> {
    let CellScatter { mut covariances, weights, information } = scatter;
    let (cells, dim) = (covariances.len(), covariances[0].nrows());
    let (parameters, rows) = ((dim * (dim + 1)) as f64, information.sum());
    let floor = rest.floor().max(least_variance);
    let mut common = Common { covariance: common(&covariances, weights), parameters: 0.5 * parameters };
    if rows < FEW_ROWS_OF_ALL * parameters
        && let Some(simpler) = regularised(&common.covariance, rows, information.mean())
    {
        if cells == 1 {
            return Spectra::new(vec![simpler.covariance], floor).into_covariances(floor);
        }
        common.parameters = simpler.share + (1.0 - simpler.share) * common.parameters;
        common.covariance = simpler.covariance;
    }
    let few: Vec<usize> = (0..cells).filter(|&cell| information[cell] < FEW_ROWS * parameters).collect();
    let mixed = if cells > 1 && !few.is_empty() {
        shrink_to_target(&mut covariances, common, information, &few, floor)
    } else {
        Vec::new()
    };
    // Beside directions of a known variance a few rows a cell show whether its lowest ones are of them.
    let telling = if rest.count > 0.0 { rows } else { information.mean() };
    if !span(telling, dim) {
        return floored(covariances, floor);
    }
    let mut spectra = Spectra::new(covariances, floor);
    let worth = spectra.worth(&mixed, information);
    let bottom = spectra.pool_bottoms(weights, &worth, rest);
    if cells > 1 {
        spectra.pool_across_cells(weights, information, &worth, bottom);
    }
    spectra.into_covariances(floor)
}

/// With no eigenvalue below `floor`.
fn floored(covariances: Vec<DMatrix<f64>>, floor: f64) -> Vec<DMatrix<f64>> {
    let is_above = |covariance: &DMatrix<f64>| {
        let mut above = covariance.clone();
        (0..above.nrows()).for_each(|i| above[(i, i)] -= floor);
        Cholesky::new(above).is_some()
    };
    if covariances.iter().all(is_above) {
        return covariances;
    }
    Spectra::new(covariances, floor).into_covariances(floor)
}

/// Eigenvalues (k rows, rising) and eigenvectors of the cells' covariances.
struct Spectra {
    values: DMatrix<f64>,
    axes: Vec<DMatrix<f64>>,
}

/// The lowest `size` eigenvalues of every cell are equal within the cell.
#[derive(Clone, Copy)]
struct FlatBottom {
    size: usize,
}

impl Spectra {
    fn new(covariances: Vec<DMatrix<f64>>, floor: f64) -> Self {
        let (cells, dim) = (covariances.len(), covariances[0].nrows());
        let mut values = DMatrix::zeros(cells, dim);
        let mut axes = Vec::with_capacity(cells);
        for (cell, covariance) in covariances.into_iter().enumerate() {
            let eigen = SymmetricEigen::new(covariance);
            let mut order: Vec<usize> = (0..dim).collect();
            order.sort_by(|&a, &b| eigen.eigenvalues[a].total_cmp(&eigen.eigenvalues[b]));
            let smallest = floor.max(SMALLEST_SHARE * eigen.eigenvalues.max());
            for (position, &axis) in order.iter().enumerate() {
                values[(cell, position)] = eigen.eigenvalues[axis].max(smallest);
            }
            axes.push(eigen.eigenvectors.select_columns(&order));
        }
        Self { values, axes }
    }

    /// Of how many rows an eigenvalue is that varies by chance as much: k × m.
    fn worth(&self, mixed: &[Option<Mixed>], information: &DVector<f64>) -> DMatrix<f64> {
        let (cells, dim) = self.values.shape();
        DMatrix::from_fn(cells, dim, |cell, axis| {
            let more = mixed
                .get(cell)
                .and_then(Option::as_ref)
                .map_or(1.0, |mixed| mixed.worth(self.axes[cell].column(axis), self.values[(cell, axis)]));
            information[cell] * more
        })
    }

    /// Pools the largest set of lowest eigenvalues that a likelihood-ratio test of sphericity accepts
    /// in all cells together; ties it to the isotropic rest where that is consistent.
    fn pool_bottoms(
        &mut self,
        weights: &DVector<f64>,
        worth: &DMatrix<f64>,
        rest: IsotropicRest,
    ) -> FlatBottom {
        let (cells, dim) = self.values.shape();
        let logs = self.values.map(f64::ln);
        let rest_log = rest.variance.ln();
        for size in (1..=dim).rev() {
            let (k, q) = (cells as f64, size as f64);
            let within = (q - 1.0) * (q + 2.0) / 2.0;
            if rest.count > 0.0 {
                let mut statistic = 0.0;
                for cell in 0..cells {
                    let bottom = logs.row(cell).columns(0, size).into_owned();
                    let common = if rest.count.is_infinite() {
                        rest_log
                    } else {
                        (bottom.sum() + rest.count * rest_log) / (q + rest.count)
                    };
                    let own =
                        if rest.count.is_infinite() { 0.0 } else { rest.count * (rest_log - common).powi(2) };
                    let rows = worth.row(cell).columns(0, size).into_owned();
                    statistic += 0.5 * (rows.dot(&bottom.map(|l| (l - common).powi(2))) + rows.mean() * own);
                }
                if statistic <= chance(k * (within + 1.0)) {
                    self.set_bottoms(size, |_| None, Some(self.tied_variance(size, weights, rest)));
                    return FlatBottom { size };
                }
            }
            let mut statistic = 0.0;
            for cell in 0..cells {
                let bottom = logs.row(cell).columns(0, size).into_owned();
                let mean = bottom.mean();
                let rows = worth.row(cell).columns(0, size).into_owned();
                statistic += 0.5 * rows.dot(&bottom.map(|l| (l - mean).powi(2)));
            }
            if size == 1 || statistic <= chance(k * within) {
                let means: Vec<f64> =
                    (0..cells).map(|c| self.values.row(c).columns(0, size).mean()).collect();
                self.set_bottoms(size, |cell| Some(means[cell]), None);
                return FlatBottom { size };
            }
        }
        FlatBottom { size: 1 }
    }

    /// The variance of bottoms that belong to the isotropic rest.
    fn tied_variance(&self, size: usize, weights: &DVector<f64>, rest: IsotropicRest) -> f64 {
        if rest.count.is_infinite() {
            return rest.variance;
        }
        let total = weights.sum();
        let mean: f64 = (0..self.values.nrows())
            .map(|cell| weights[cell] / total * self.values.row(cell).columns(0, size).mean())
            .sum();
        let q = size as f64;
        (q * mean + rest.count * rest.variance) / (q + rest.count)
    }

    fn set_bottoms(&mut self, size: usize, own: impl Fn(usize) -> Option<f64>, tied: Option<f64>) {
        for cell in 0..self.values.nrows() {
            if let Some(value) = tied.or_else(|| own(cell)) {
                self.values.row_mut(cell).columns_mut(0, size).fill(value);
            }
        }
    }

    /// Pools the spectra of all cells, orientations left free: log-eigenvalues shrink to those of the
    /// mean eigenvalue by an empirical Bayes factor, fully where their spread is chance.
    fn pool_across_cells(
        &mut self,
        weights: &DVector<f64>,
        information: &DVector<f64>,
        worth: &DMatrix<f64>,
        bottom: FlatBottom,
    ) {
        let (cells, dim) = self.values.shape();
        let shares = weights / weights.sum();
        let groups: Vec<(usize, f64)> = std::iter::once((bottom.size - 1, bottom.size as f64))
            .chain((bottom.size..dim).map(|axis| (axis, 1.0)))
            .collect();
        // A size alone is told by all variances of a cell, whatever shape these were mixed with.
        let rows = |cell: usize, axis: usize| match bottom.size == dim {
            true => information[cell],
            false if axis + 1 == bottom.size => worth.row(cell).columns(0, bottom.size).mean(),
            false => worth[(cell, axis)],
        };
        let (mut statistic, mut total) = (0.0, 0.0);
        for &(axis, multiplicity) in &groups {
            let logs = self.values.column(axis).map(f64::ln);
            let mean = logs.dot(&shares);
            for cell in 0..cells {
                let precision = rows(cell, axis) * multiplicity / 2.0;
                statistic += precision * (logs[cell] - mean).powi(2);
                total += precision;
            }
        }
        let k = cells as f64;
        let excess = (statistic - chance((k - 1.0) * groups.len() as f64)).max(0.0);
        let variance = excess / total * k / (k - 1.0);
        for &(axis, multiplicity) in &groups {
            let common = self.values.column(axis).dot(&shares).ln();
            for cell in 0..cells {
                let noise = 2.0 / (rows(cell, axis) * multiplicity);
                let keep = variance / (variance + noise);
                let log = keep * self.values[(cell, axis)].ln() + (1.0 - keep) * common;
                self.values[(cell, axis)] = log.exp();
            }
        }
        for cell in 0..cells {
            let value = self.values[(cell, bottom.size - 1)];
            self.values.row_mut(cell).columns_mut(0, bottom.size).fill(value);
        }
    }

    fn into_covariances(self, floor: f64) -> Vec<DMatrix<f64>> {
        let rebuild = |(cell, axes): (usize, &DMatrix<f64>)| {
            let mut scaled = axes.clone();
            for (axis, mut column) in scaled.column_iter_mut().enumerate() {
                column *= self.values[(cell, axis)].max(floor);
            }
            let covariance = scaled * axes.transpose();
            (&covariance + covariance.transpose()) * 0.5
        };
        self.axes.iter().enumerate().map(rebuild).collect()
    }
}
