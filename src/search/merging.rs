//! Fewer cells from more: the pair that costs least becomes one.

use nalgebra::{Cholesky, DMatrix, DVector, RowDVector};

use crate::mixture::MixtureParameters;

/// `mixture` with its cheapest pairs merged until `cells` are left.
pub(super) fn merge_down_to(cells: usize, mixture: &MixtureParameters) -> MixtureParameters {
    if mixture.masses.len() <= cells.max(1) {
        return mixture.clone();
    }
    let mut merging = Merging::new(mixture);
    while merging.cells.len() > cells.max(1) {
        merging.merge_cheapest();
    }
    merging.into_mixture(mixture.means.ncols())
}

#[derive(Clone)]
struct Cell {
    mass: f64,
    mean: RowDVector<f64>,
    covariance: DMatrix<f64>,
    entropy: f64,
}

impl Cell {
    fn new(mass: f64, mean: RowDVector<f64>, covariance: DMatrix<f64>) -> Self {
        let entropy = entropy(mass, &covariance);
        Self { mass, mean, covariance, entropy }
    }

    /// Two cells as one of their mass, mean and covariance.
    fn joined(&self, other: &Self) -> Self {
        let mass = self.mass + other.mass;
        let apart = (&self.mean - &other.mean).transpose();
        let mean = (&self.mean * self.mass + &other.mean * other.mass) / mass;
        let mut covariance = (&self.covariance * self.mass + &other.covariance * other.mass) / mass;
        covariance.ger(self.mass / mass * (other.mass / mass), &apart, &apart, 1.0);
        Self::new(mass, mean, covariance)
    }

    /// What the log-likelihood loses when both become one, as if every row belonged to one cell alone.
    fn cost(&self, other: &Self) -> f64 {
        self.joined(other).entropy - self.entropy - other.entropy
    }
}

/// Cells, with the costs of all pairs.
struct Merging {
    cells: Vec<Cell>,
    /// Of the pair of i and j < i at \[i\]\[j\].
    costs: Vec<Vec<f64>>,
}

impl Merging {
    fn new(mixture: &MixtureParameters) -> Self {
        let parts = mixture.masses.iter().zip(mixture.means.row_iter()).zip(&mixture.covariances);
        let cells: Vec<Cell> = parts
            .map(|((&mass, mean), covariance)| Cell::new(mass, mean.into_owned(), covariance.clone()))
            .collect();
        let costs = (0..cells.len()).map(|i| (0..i).map(|j| cells[i].cost(&cells[j])).collect()).collect();
        Self { cells, costs }
    }

    fn merge_cheapest(&mut self) {
        let pairs = self
            .costs
            .iter()
            .enumerate()
            .flat_map(|(i, costs)| costs.iter().enumerate().map(move |(j, cost)| ((i, j), *cost)));
        let Some(((i, j), _)) = pairs.min_by(|a, b| a.1.total_cmp(&b.1)) else { return };
        let joined = self.cells[i].joined(&self.cells[j]);
        self.cells.remove(i);
        self.costs.remove(i);
        for costs in &mut self.costs[i..] {
            costs.remove(i);
        }
        for other in 0..self.cells.len() {
            let (late, early) = (j.max(other), j.min(other));
            if other != j {
                self.costs[late][early] = joined.cost(&self.cells[other]);
            }
        }
        self.cells[j] = joined;
    }

    fn into_mixture(self, dim: usize) -> MixtureParameters {
        let means = DMatrix::from_fn(self.cells.len(), dim, |cell, axis| self.cells[cell].mean[axis]);
        let masses = DVector::from_iterator(self.cells.len(), self.cells.iter().map(|cell| cell.mass));
        let covariances = self.cells.into_iter().map(|cell| cell.covariance).collect();
        MixtureParameters { masses, means, covariances }
    }
}

/// w (½ log det S − log w): what a cell's rows lose of log-likelihood, up to what all cells share.
fn entropy(mass: f64, covariance: &DMatrix<f64>) -> f64 {
    match Cholesky::new(covariance.clone()) {
        Some(factor) => mass * (factor.l_dirty().diagonal().iter().map(|v| v.ln()).sum::<f64>() - mass.ln()),
        None => f64::NEG_INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_halves_of_a_cluster_are_merged_and_moments_kept() {
        let mixture = MixtureParameters {
            masses: DVector::from_vec(vec![0.25, 0.5, 0.25]),
            means: DMatrix::from_row_slice(3, 1, &[-0.5, 10.0, 0.5]),
            covariances: vec![DMatrix::from_element(1, 1, 1.0); 3],
        };
        let merged = merge_down_to(2, &mixture);
        assert_eq!(merged.masses.as_slice(), [0.5, 0.5]);
        approx::assert_abs_diff_eq!(merged.means[0], 0.0);
        approx::assert_relative_eq!(merged.covariances[0][(0, 0)], 1.25);
        assert_eq!(merged.means[1], 10.0);
    }

    /// Whatever the order in which cells stand, the costs kept are those of the cells that are left.
    #[test]
    fn costs_follow_the_cells() {
        let mixture = MixtureParameters {
            masses: DVector::from_fn(9, |i, _| (1 + i % 4) as f64 / 21.0),
            means: DMatrix::from_fn(9, 2, |i, axis| ((i * 7 + axis * 5) as f64).sin() * 4.0),
            covariances: (0..9)
                .map(|i| DMatrix::from_row_slice(2, 2, &[1.0 + i as f64 * 0.2, 0.3, 0.3, 0.5]))
                .collect(),
        };
        let mut merging = Merging::new(&mixture);
        while merging.cells.len() > 2 {
            merging.merge_cheapest();
            for i in 0..merging.cells.len() {
                for j in 0..i {
                    let expected = merging.cells[i].cost(&merging.cells[j]);
                    approx::assert_relative_eq!(merging.costs[i][j], expected, epsilon = 1e-12);
                }
            }
        }
    }

    /// What a cell's rows lose, w (½ log det S − log w), is −w E log (w N(x; m, S)) up to ½ d (1 + log 2π).
    #[test]
    fn the_entropy_of_a_cell_is_that_of_a_gaussian_of_its_mass() {
        let covariance = DMatrix::from_row_slice(2, 2, &[4.0, 1.0, 1.0, 2.0]);
        for mass in [0.2, 1.0] {
            let expected = mass * (0.5 * 7f64.ln() - f64::ln(mass));
            assert!((entropy(mass, &covariance) - expected).abs() < 1e-12);
        }
    }
}
