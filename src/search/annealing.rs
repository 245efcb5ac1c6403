//! Warm starts by annealing: coarse to fine on the clean rows, deterministic, without restarts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector, DVectorView, SymmetricEigen};

use super::background::Background;
use super::cell_moments::{CellMoments, covariance, weigh};
use super::covariance::least_variance;
use super::expectation_maximisation::{LOG_NEGLIGIBLE, for_each_block, light_cell};
use crate::cells::{Partition, VoronoiCells};
use crate::error::{Error, Result};
use crate::kernels::{FEW_AXES, Gaussian, Gaussians, responsibilities_above, squared_distances};
use crate::mixture::MixtureParameters;
use crate::rows::WeightedRows;

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
/// Cells of so many times the least weight can split, whose halves are then told from chance; and where that has ended and
/// rows show more, of so many.
const SPLITS_FROM: f64 = 4.0;
const FEWEST_TO_SPLIT: f64 = 2.0;
/// Where no cell has the rows to split, cells move hardly any more below this share of the last bandwidth at which one had.
const SETTLED: f64 = 0.125;
/// With more axes than these the widest direction is found by so many steps of power iteration.
const EIGEN_AXES: usize = 30;
const POWERS: usize = 60;
/// Half the distance between the halves of a split cell, in bandwidths, at least.
const SMALLEST_STEP: f64 = 0.35;

/// A mixture Σ wⱼ N(cⱼ, τ² I) that follows a falling bandwidth τ.
///
/// At each τ a few EM steps at fixed variance τ²; centres that meet merge, light ones drop, and a cell
/// that is wider than τ in some direction splits along it. τ is a temperature here, not the noise
/// of a level: the rows are clean.
#[derive(Debug, Clone)]
pub(crate) struct Annealing<'a> {
    /// All rows, until some are found to be strays.
    data: Cow<'a, WeightedRows>,
    /// Σ w.
    total: f64,
    bandwidth: f64,
    centres: DMatrix<f64>,
    masses: DVector<f64>,
    /// Weight below which a cell is dropped.
    light: f64,
    /// Cells of more than so many times that weight can split.
    splits_from: f64,
    /// The least bandwidth at which sums of squares tell rows apart.
    narrowest: f64,
    /// Of one width in every direction, as cells are here.
    background: Background,
    /// The last bandwidth at which some cell had the rows to split.
    last_splitting: f64,
    /// The last state with each number of cells.
    states: BTreeMap<usize, MixtureParameters>,
}

impl<'a> Annealing<'a> {
    /// Starts with one cell at the mean and the largest standard deviation of the rows (n × m) as τ, if not
    /// that is too small to tell rows apart.
    pub(crate) fn new(data: &'a WeightedRows) -> Result<Self> {
        let (n, dim) = data.rows.shape();
        if n == 0 {
            return Err(Error::NoRows);
        }
        let mean_square = |column: DVectorView<'_, f64>| column.norm_squared() / column.len() as f64;
        let narrowest = least_variance(data.rows.column_iter().map(mean_square)).sqrt();
        let total: f64 = data.weights.iter().sum();
        let mut start = Self {
            data: Cow::Borrowed(data),
            background: Background::of(data).spherical(),
            total,
            bandwidth: 1.0,
            centres: DMatrix::zeros(1, dim),
            masses: DVector::from_element(1, 1.0),
            light: light_cell(dim, total),
            splits_from: SPLITS_FROM,
            narrowest,
            last_splitting: narrowest,
            states: BTreeMap::new(),
        };
        let covariances = start.expectation_maximisation_step(true)?;
        let (variance, _) = widest_direction(&covariances[0]);
        start.bandwidth = variance.max(0.0).sqrt().max(narrowest);
        start.last_splitting = start.bandwidth;
        start.keep_state();
        Ok(start)
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

    /// Whether rows can hardly be told apart at this bandwidth, or cells are as they will be. No larger share of the spread
    /// of all rows ends the path: far clusters, or one far row, may be that much farther apart than anything else.
    pub(crate) fn is_cold(&self) -> bool {
        self.bandwidth <= self.narrowest || self.bandwidth < SETTLED * self.last_splitting
    }

    /// From here on cells split that have the rows for two.
    pub(crate) fn split_to_the_last(&mut self) {
        self.splits_from = FEWEST_TO_SPLIT;
        self.last_splitting = self.bandwidth;
    }

    fn has_rows_to_split(&self, cell: usize) -> bool {
        self.masses[cell] * self.total > self.splits_from * self.light
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
        if (0..self.masses.len()).any(|cell| self.has_rows_to_split(cell)) {
            self.last_splitting = self.bandwidth;
        }
        self.bandwidth *= RATIO;
        for round in 0..ROUNDS {
            for _ in 1..STEPS {
                self.expectation_maximisation_step(false)?;
            }
            let covariances = self.expectation_maximisation_step(true)?;
            let kept = self.merge_and_drop();
            self.keep_state();
            if round + 1 == ROUNDS || !self.split(&covariances, &kept) {
                break;
            }
        }
        Ok(())
    }

    /// Centres and masses after one EM step at fixed variance; and the cells' covariances, where wanted.
    fn expectation_maximisation_step(&mut self, wants_covariances: bool) -> Result<Vec<DMatrix<f64>>> {
        let moments = self.moments(wants_covariances)?;
        let dim = self.centres.ncols();
        for cell in 0..self.masses.len() {
            let weight = moments[(cell, 0)];
            // A cell that lost all its rows stays where it is until it is dropped.
            if weight > 0.0 {
                self.centres.set_row(cell, &(moments.row(cell).columns(1, dim) / weight));
            }
            self.masses[cell] = (weight / self.total).max(f64::MIN_POSITIVE);
        }
        let cells = if wants_covariances { self.masses.len() } else { 0 };
        Ok((0..cells).map(|cell| covariance(moments.as_view(), cell, dim)).collect())
    }

    /// Σ w r (1, x) of every cell, or Σ w r (1, x, xxᵀ): k × q.
    fn moments(&self, second: bool) -> Result<DMatrix<f64>> {
        let (data, cells, dim) = (self.data.as_ref(), self.masses.len(), self.centres.ncols());
        if dim <= FEW_AXES
            && let Some((moments, _)) =
                self.gaussians().sums(data.rows.as_view(), &data.weights, LOG_NEGLIGIBLE, second)
        {
            return Ok(moments);
        }
        let partition = self.cells()?;
        let mut moments = CellMoments::new(cells, dim, second);
        let mut failed = Ok(());
        for_each_block(data, |rows, weights| {
            let mut r = DMatrix::zeros(rows.nrows(), cells);
            if let Err(error) = partition.log_weights_into(self.bandwidth, rows, r.as_view_mut()) {
                failed = Err(error);
                return;
            }
            responsibilities_above(&mut r, LOG_NEGLIGIBLE);
            weigh(&mut r, weights);
            moments.add(rows, &r);
        });
        failed?;
        Ok(moments.into_sums())
    }

    fn gaussians(&self) -> Gaussians {
        let centres = self.centres.row_iter().map(|centre| centre.iter().copied().collect());
        let gaussian =
            |(centre, mass): (Vec<f64>, &f64)| Gaussian::isotropic(mass.ln(), centre, self.bandwidth);
        let cells = centres.zip(&self.masses).map(gaussian).collect();
        Gaussians::new(self.centres.ncols(), cells)
    }

    /// Merges cells that met, drops light ones, and returns the indices of those kept.
    fn merge_and_drop(&mut self) -> Vec<usize> {
        let cells = self.masses.len();
        let mut by_mass: Vec<usize> = (0..cells).collect();
        by_mass.sort_by(|&a, &b| self.masses[b].total_cmp(&self.masses[a]));
        let (mut kept, mut dropped): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
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
                None if kept.is_empty() || self.masses[cell] * self.total > self.light => {
                    kept.push(cell);
                }
                None => dropped.push(cell),
            }
        }
        kept.sort_unstable();
        let dropped = self.centres.select_rows(&dropped);
        self.centres = self.centres.select_rows(&kept);
        self.masses = self.masses.select_rows(&kept);
        self.masses /= self.masses.sum();
        self.leave_strays(dropped);
        kept
    }

    /// Rows at these centres of `dropped` cells, too few for a cell, have no part in the path from here on where they
    /// are so far from all others that they are the background's: cells with such rows are wider than any other, and
    /// would come apart again and again before real ones do.
    fn leave_strays(&mut self, dropped: DMatrix<f64>) {
        if dropped.nrows() == 0 {
            return;
        }
        let gaussians = self.gaussians();
        let mut log_joint = DMatrix::zeros(dropped.nrows(), self.masses.len());
        gaussians.log_joint_into(dropped.as_view(), log_joint.as_view_mut());
        let behind = self.background.log_density(&dropped);
        let strange = (0..dropped.nrows()).filter(|&cell| log_joint.row(cell).max() < behind[cell]);
        let strange = dropped.select_rows(&strange.collect::<Vec<_>>());
        if strange.nrows() == 0 {
            return;
        }
        let mut squares = Vec::new();
        let mut nearest = |centres: &DMatrix<f64>, row: usize| {
            squared_distances(centres, self.data.rows.row(row).iter().copied(), &mut squares);
            squares.iter().copied().fold(f64::INFINITY, f64::min)
        };
        let is_stray = |&row: &usize| nearest(&strange, row) < nearest(&self.centres, row);
        let strays: Vec<usize> = (0..self.data.weights.len()).filter(is_stray).collect();
        let weights = &mut self.data.to_mut().weights;
        strays.into_iter().for_each(|row| weights[row] = 0.0);
        self.total = weights.iter().sum();
    }

    /// Splits the widest cells, a quarter of all at most; whether any was wide enough. The covariances are
    /// those of the cells before some were dropped and others `kept`.
    fn split(&mut self, covariances: &[DMatrix<f64>], kept: &[usize]) -> bool {
        let variance = self.bandwidth * self.bandwidth;
        let mut wide: Vec<(usize, f64, DVector<f64>)> = kept
            .iter()
            .enumerate()
            .filter(|(cell, _)| self.has_rows_to_split(*cell))
            .map(|(cell, &before)| {
                let (largest, direction) = widest_direction(&covariances[before]);
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
        !wide.is_empty()
    }
}

/// Largest eigenvalue of a covariance, and its eigenvector.
fn widest_direction(covariance: &DMatrix<f64>) -> (f64, DVector<f64>) {
    if covariance.nrows() > EIGEN_AXES {
        return by_powers(covariance);
    }
    let eigen = SymmetricEigen::new(covariance.clone());
    let largest = eigen.eigenvalues.imax();
    (eigen.eigenvalues[largest], eigen.eigenvectors.column(largest).into_owned())
}

/// The same by power iteration from the longest column: of directions that are about as wide it may find any between them,
/// any of which will do to split a cell.
fn by_powers(covariance: &DMatrix<f64>) -> (f64, DVector<f64>) {
    let longest = covariance.column_iter().map(|column| column.norm()).enumerate();
    let (column, length) = longest.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
    if !(length > 0.0 && length.is_finite()) {
        return (0.0, DVector::zeros(covariance.nrows()));
    }
    let mut direction = covariance.column(column) / length;
    let mut largest = 0.0;
    for _ in 0..POWERS {
        let next = covariance * &direction;
        largest = next.norm();
        direction = next / largest;
    }
    (largest, direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(data: &'a WeightedRows, centres: &[f64], masses: &[f64], bandwidth: f64) -> Annealing<'a> {
        let mut annealing = Annealing::new(data).unwrap();
        annealing.centres = DMatrix::from_column_slice(centres.len(), 1, centres);
        annealing.masses = DVector::from_row_slice(masses);
        annealing.bandwidth = bandwidth;
        annealing
    }

    fn hundred_rows() -> WeightedRows {
        WeightedRows { rows: DMatrix::from_fn(100, 1, |i, _| i as f64), weights: vec![1.0; 100] }
    }

    #[test]
    fn cells_that_meet_merge_at_their_centre_of_mass_and_light_ones_drop() {
        let data = hundred_rows();
        // Of 100 rows a cell with fewer than five is light.
        let mut annealing = at(&data, &[10.0, 50.0, 12.0, 80.0, 90.0], &[0.3, 0.36, 0.2, 0.06, 0.04], 8.0);
        assert_eq!(annealing.merge_and_drop(), [0, 1, 3]);
        let masses = annealing.masses.as_slice();
        let expected = [0.5, 0.36, 0.06].map(|mass| mass / 0.92);
        assert!(masses.iter().zip(expected).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-12), "{masses:?}");
        let centres = annealing.centres.as_slice();
        assert!((centres[0] - 10.8).abs() < 1e-12 && centres[1..] == [50.0, 80.0], "{centres:?}");
    }

    #[test]
    fn the_widest_of_many_directions_is_that_of_an_eigenvalue() {
        let spread =
            DMatrix::from_fn(40, 60, |i, j| ((i * 7 + j * 13) as f64 * 0.37).sin() / (1.0 + i as f64));
        let covariance = &spread * spread.transpose();
        let expected = covariance.clone().symmetric_eigenvalues().max();
        let (found, direction) = widest_direction(&covariance);
        approx::assert_relative_eq!(found, expected, max_relative = 1e-6);
        assert!((&covariance * &direction - &direction * found).norm() < 1e-3 * found);
        assert_eq!(widest_direction(&DMatrix::zeros(40, 40)).0, 0.0);
    }

    #[test]
    fn wide_cells_split_along_their_widest_direction() {
        let data = hundred_rows();
        let variances = [25.0, 16.5].map(|variance| DMatrix::from_element(1, 1, variance));
        // Bandwidth 4: the first cell is wider by 25 > 1.05 · 16, by √(25 − 16) = 3 to both sides.
        let mut annealing = at(&data, &[20.0, 70.0], &[0.6, 0.4], 4.0);
        assert!(annealing.split(&variances, &[0, 1]));
        let mut centres: Vec<f64> = annealing.centres.iter().copied().collect();
        centres.sort_by(f64::total_cmp);
        assert!(centres.iter().zip([17.0, 23.0, 70.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{centres:?}");
        let mut masses: Vec<f64> = annealing.masses.iter().copied().collect();
        masses.sort_by(f64::total_cmp);
        assert_eq!(masses, [0.3, 0.3, 0.4]);
        // A cell of fewer rows than four light ones, twenty, stays whole.
        assert!(!at(&data, &[20.0, 70.0], &[0.19, 0.81], 4.0).split(&variances, &[0, 1]));
        assert!(at(&data, &[20.0, 70.0], &[0.21, 0.79], 4.0).split(&variances, &[0, 1]));
        // A step is a third of a bandwidth at least, and a quarter of the cells split at most.
        let variances = vec![DMatrix::from_element(1, 1, 17.0); 8];
        let eight: Vec<f64> = (0..8).map(|i| 12.0 * i as f64).collect();
        let mut annealing = at(&data, &eight, &[0.2; 8], 4.0);
        annealing.masses.fill(0.25);
        assert!(annealing.split(&variances, &[0, 1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(annealing.masses.len(), 10);
        assert!((annealing.centres[8] - annealing.centres[0]).abs() > 2.0 * 0.35 * 4.0 - 1e-12);
    }
}
