//! Warm starts by annealing: coarse to fine on the clean rows, deterministic, without restarts.

use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector, DVectorView, SymmetricEigen};

use super::covariance::least_variance;
use crate::error::Result;
use crate::linalg::transposed_product;
use crate::partition::cells::{MixtureParameters, Partition};
use crate::partition::voronoi::VoronoiCells;

/// By how much the bandwidth falls from state to state.
const RATIO: f64 = 0.85;
/// Rounds of EM steps, merging and splitting at one bandwidth, at most.
const ROUNDS: usize = 3;
/// EM steps a round.
const STEPS: usize = 2;
/// Centres closer than this many bandwidths are one.
const MERGE: f64 = 0.3;
/// A cell whose largest local variance exceeds τ² by this factor splits.
const SPLIT: f64 = 1.05;
/// Half the distance between the halves of a split cell, in bandwidths, at least.
const SMALLEST_STEP: f64 = 0.35;

/// A mixture Σ wⱼ N(cⱼ, τ² I) that follows a falling bandwidth τ.
///
/// At each τ a few EM steps at fixed variance τ²; centres that meet merge, light ones drop, and a cell
/// that is wider than τ in some direction splits along it. τ is a temperature here, not the noise
/// of a level: the rows are clean.
#[derive(Debug, Clone)]
pub(crate) struct Annealing<'a> {
    rows: &'a DMatrix<f64>,
    weights: &'a [f64],
    bandwidth: f64,
    centres: DMatrix<f64>,
    masses: DVector<f64>,
    /// Weight below which a cell is too light to split.
    light: f64,
    /// The least bandwidth at which sums of squares tell rows apart.
    narrowest: f64,
    /// The last state with each number of cells.
    states: BTreeMap<usize, MixtureParameters>,
}

impl<'a> Annealing<'a> {
    /// Starts with one cell at the mean and the largest standard deviation of `rows` (n × m) as τ, if not
    /// that is too small to tell rows apart.
    pub(crate) fn new(rows: &'a DMatrix<f64>, weights: &'a [f64]) -> Self {
        let mean_square = |column: DVectorView<'_, f64>| column.norm_squared() / column.len() as f64;
        let least_variance = least_variance(rows.column_iter().map(mean_square));
        let total: f64 = weights.iter().sum();
        let weighted = DVector::from_column_slice(weights);
        let mean = DVector::from_iterator(rows.ncols(), rows.column_iter().map(|c| c.dot(&weighted) / total));
        let centres = DMatrix::from_row_slice(1, rows.ncols(), mean.as_slice());
        let masses = DVector::from_element(1, 1.0);
        let light = (2 * rows.ncols()).max(10) as f64 * total / rows.nrows() as f64;
        let states = BTreeMap::new();
        let mut start =
            Self { rows, weights, bandwidth: 0.0, centres, masses, light, narrowest: 0.0, states };
        let (variance, _) = start.widest_direction(0, &DMatrix::from_element(rows.nrows(), 1, 1.0));
        start.narrowest = least_variance.sqrt();
        start.bandwidth = variance.sqrt().max(start.narrowest);
        start.keep_state();
        start
    }

    /// The last state with `cells` cells, or with the nearest smaller number, after cooling until the
    /// number is passed.
    pub(crate) fn state_with(&mut self, cells: usize) -> Result<MixtureParameters> {
        while self.masses.len() <= cells && !self.is_cold() {
            self.cool()?;
        }
        let nearest = self.states.range(..=cells).next_back();
        Ok(nearest.map_or_else(|| self.state(), |(_, state)| state.clone()))
    }

    /// Whether rows can hardly be told apart at this bandwidth. No larger share of the spread of all rows ends
    /// the path: far clusters, or one far row, may be that much farther apart than anything else.
    pub(crate) fn is_cold(&self) -> bool {
        self.bandwidth <= self.narrowest
    }

    fn state(&self) -> MixtureParameters {
        let dim = self.centres.ncols();
        let covariance = DMatrix::from_diagonal_element(dim, dim, self.bandwidth * self.bandwidth);
        MixtureParameters {
            masses: self.masses.clone(),
            means: self.centres.clone(),
            covariances: vec![covariance; self.masses.len()],
        }
    }

    fn keep_state(&mut self) {
        self.states.insert(self.masses.len(), self.state());
    }

    pub(crate) fn bandwidth(&self) -> f64 {
        self.bandwidth
    }

    /// The cells of the present state.
    pub(crate) fn cells(&self) -> Result<VoronoiCells> {
        VoronoiCells::soft(self.centres.clone(), self.masses.clone())
    }

    /// Lowers the bandwidth by one step and lets the cells follow.
    pub(crate) fn cool(&mut self) -> Result<()> {
        self.bandwidth *= RATIO;
        for round in 0..ROUNDS {
            for _ in 0..STEPS {
                self.expectation_maximisation_step()?;
            }
            self.merge_and_drop();
            self.keep_state();
            if round + 1 == ROUNDS || !self.split()? {
                break;
            }
        }
        Ok(())
    }

    fn responsibilities(&self) -> Result<DMatrix<f64>> {
        self.cells()?.responsibilities(self.bandwidth, self.rows)
    }

    fn expectation_maximisation_step(&mut self) -> Result<()> {
        let mut responsibilities = self.responsibilities()?;
        for mut column in responsibilities.column_iter_mut() {
            for (r, w) in column.iter_mut().zip(self.weights) {
                *r *= w;
            }
        }
        let weight = responsibilities.row_sum();
        let sums = transposed_product(&responsibilities, self.rows);
        let total = weight.sum();
        for cell in 0..self.masses.len() {
            // A cell that lost all its rows stays where it is until it is dropped.
            if weight[cell] > 0.0 {
                self.centres.set_row(cell, &(sums.row(cell) / weight[cell]));
            }
            self.masses[cell] = (weight[cell] / total).max(f64::MIN_POSITIVE);
        }
        Ok(())
    }

    fn merge_and_drop(&mut self) {
        let cells = self.masses.len();
        let total: f64 = self.weights.iter().sum();
        let mut by_mass: Vec<usize> = (0..cells).collect();
        by_mass.sort_by(|&a, &b| self.masses[b].total_cmp(&self.masses[a]));
        let mut kept: Vec<usize> = Vec::new();
        for &cell in &by_mass {
            let near = kept.iter().copied().find(|&other| {
                (self.centres.row(cell) - self.centres.row(other)).norm() < MERGE * self.bandwidth
            });
            match near {
                Some(other) => {
                    let mass = self.masses[other] + self.masses[cell];
                    let centre = (self.centres.row(other) * self.masses[other]
                        + self.centres.row(cell) * self.masses[cell])
                        / mass;
                    self.centres.set_row(other, &centre);
                    self.masses[other] = mass;
                }
                None if kept.is_empty() || self.masses[cell] * total > 0.5 * self.light => kept.push(cell),
                None => {}
            }
        }
        kept.sort_unstable();
        self.centres = self.centres.select_rows(&kept);
        self.masses = self.masses.select_rows(&kept);
        self.masses /= self.masses.sum();
    }

    /// Splits the widest cells, a quarter of all at most; whether any was wide enough.
    fn split(&mut self) -> Result<bool> {
        let responsibilities = self.responsibilities()?;
        let total: f64 = self.weights.iter().sum();
        let variance = self.bandwidth * self.bandwidth;
        let mut wide: Vec<(usize, f64, DVector<f64>)> = (0..self.masses.len())
            .filter(|&cell| self.masses[cell] * total > 2.0 * self.light)
            .map(|cell| {
                let (largest, direction) = self.widest_direction(cell, &responsibilities);
                (cell, largest, direction)
            })
            .filter(|(_, largest, _)| *largest > SPLIT * variance)
            .collect();
        wide.sort_by(|a, b| b.1.total_cmp(&a.1));
        wide.truncate((self.masses.len() / 4).max(1));
        for (cell, largest, direction) in &wide {
            let step = (largest - variance).sqrt().max(SMALLEST_STEP * self.bandwidth);
            let offset = direction.transpose() * step;
            let (centre, mass) = (self.centres.row(*cell).into_owned(), self.masses[*cell] / 2.0);
            let last = self.masses.len();
            self.centres.set_row(*cell, &(&centre + &offset));
            self.masses[*cell] = mass;
            self.centres = self.centres.clone().insert_row(last, 0.0);
            self.centres.set_row(last, &(centre - offset));
            self.masses = self.masses.clone().insert_row(last, mass);
        }
        Ok(!wide.is_empty())
    }

    /// Largest eigenvalue of a cell's responsibility-weighted covariance, and its eigenvector.
    fn widest_direction(&self, cell: usize, responsibilities: &DMatrix<f64>) -> (f64, DVector<f64>) {
        let r = responsibilities.column(cell);
        let members: Vec<usize> = (0..self.rows.nrows()).filter(|&i| r[i] > 1e-3).collect();
        let weight = DVector::from_iterator(members.len(), members.iter().map(|&i| r[i] * self.weights[i]));
        let mut centred = self.rows.select_rows(&members);
        for (mut column, c) in centred.column_iter_mut().zip(self.centres.row(cell).iter()) {
            column.add_scalar_mut(-c);
        }
        let mut weighted = centred.clone();
        for mut column in weighted.column_iter_mut() {
            column.component_mul_assign(&weight);
        }
        let covariance = transposed_product(&weighted, &centred) / weight.sum();
        let eigen = SymmetricEigen::new(covariance);
        let largest = eigen.eigenvalues.imax();
        (eigen.eigenvalues[largest], eigen.eigenvectors.column(largest).into_owned())
    }
}
