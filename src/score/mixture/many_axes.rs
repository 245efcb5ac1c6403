//! Cells in many directions: coordinates and gradients of a block of rows by products of matrices.

use nalgebra::DMatrix;

use super::{Factors, Outputs, Rows, bounded};
use crate::kernels::{LANES, Lanes, ManyAxes, softmax};

pub(super) fn evaluate(cells: &ManyAxes, factors: &Factors, rows: &Rows<'_>, outputs: &mut Outputs<'_>) {
    let n = rows.points.nrows();
    for start in (0..n).step_by(ManyAxes::BLOCK) {
        let size = ManyAxes::BLOCK.min(n - start);
        let block = Block { cells, factors, start, size };
        let coordinates = cells.coordinates(rows.points.rows(start, size).into_owned());
        let responsibilities = block.responsibilities(&coordinates, rows, outputs);
        if outputs.score.is_some() || outputs.divergence.is_some() {
            block.derivatives(coordinates, &responsibilities, outputs);
        }
    }
}

struct Block<'a> {
    cells: &'a ManyAxes,
    factors: &'a Factors,
    /// First row and number of rows.
    start: usize,
    size: usize,
}

impl Block<'_> {
    /// Of every eight rows those of all cells; writes the log-density.
    fn responsibilities(
        &self,
        coordinates: &DMatrix<f64>,
        rows: &Rows<'_>,
        outputs: &mut Outputs<'_>,
    ) -> Vec<Vec<Lanes>> {
        let mut z = vec![Lanes::ZERO; self.cells.dim()];
        let of_eight = |row: usize| {
            let log_joint = |j: usize| {
                self.cells.load(coordinates, row, j, &mut z);
                let mut log_joint = self.cells.log_joint(j, &z);
                self.factors.add_log(j, &z, &mut log_joint);
                log_joint
            };
            let mut responsibilities: Vec<Lanes> = (0..self.cells.cells()).map(log_joint).collect();
            self.factors.add_pulls(rows, self.start + row, &mut responsibilities);
            let log_density = softmax(&mut responsibilities);
            if let Some(out) = outputs.log_density.as_deref_mut() {
                log_density.store(out, self.start + row);
            }
            responsibilities
        };
        (0..self.size).step_by(LANES).map(of_eight).collect()
    }

    /// Writes score and divergence, as far as they are wanted.
    fn derivatives(
        &self,
        mut coordinates: DMatrix<f64>,
        responsibilities: &[Vec<Lanes>],
        outputs: &mut Outputs<'_>,
    ) {
        let dim = self.cells.dim();
        let mut divergence = vec![Lanes::ZERO; responsibilities.len()];
        let with_divergence = outputs.divergence.is_some();
        if with_divergence {
            for (eight, (sum, r)) in divergence.iter_mut().zip(responsibilities).enumerate() {
                *sum = self.factors.pull_spread(r) + self.mean_trace(&coordinates, eight * LANES, r);
            }
        }
        self.for_each_cell(&mut coordinates, |_, j, h| self.factors.gradient(j, h));
        let gradients = with_divergence.then(|| coordinates.clone());
        self.for_each_cell(&mut coordinates, |eight, j, h| {
            h.iter_mut().for_each(|h| *h = *h * responsibilities[eight][j]);
        });
        let mean = self.cells.sum_along_axes(&coordinates);
        if let Some(score) = &mut outputs.score {
            score.view_mut((self.start, 0), (self.size, dim)).copy_from(&mean);
        }
        for (eight, r) in responsibilities.iter().enumerate() {
            self.factors.store_pulls(r, dim, self.start + eight * LANES, outputs);
        }
        if let (Some(out), Some(gradients)) = (outputs.divergence.as_deref_mut(), gradients) {
            self.add_spread(&gradients, &mean, responsibilities, &mut divergence);
            for (eight, divergence) in divergence.iter().enumerate() {
                divergence.store(out, self.start + eight * LANES);
            }
        }
    }

    /// Calls `change` with every eight rows' number, cell and coordinates in that cell.
    fn for_each_cell(&self, coordinates: &mut DMatrix<f64>, change: impl Fn(usize, usize, &mut [Lanes])) {
        let mut z = vec![Lanes::ZERO; self.cells.dim()];
        for row in (0..self.size).step_by(LANES) {
            for j in 0..self.cells.cells() {
                self.cells.load(coordinates, row, j, &mut z);
                change(row / LANES, j, &mut z);
                self.cells.store(&z, row, j, coordinates);
            }
        }
    }

    /// Σ rⱼ tr Hⱼ.
    fn mean_trace(&self, coordinates: &DMatrix<f64>, row: usize, responsibilities: &[Lanes]) -> Lanes {
        let mut z = vec![Lanes::ZERO; self.cells.dim()];
        let mut sum = Lanes::ZERO;
        for (j, &r) in responsibilities.iter().enumerate() {
            self.cells.load(coordinates, row, j, &mut z);
            sum += r * self.factors.trace(j, &z, self.cells.precisions(j));
        }
        sum
    }

    /// Adds Σ rⱼ |gⱼ − ḡ|², from gradients in standard coordinates.
    fn add_spread(
        &self,
        gradients: &DMatrix<f64>,
        mean: &DMatrix<f64>,
        responsibilities: &[Vec<Lanes>],
        divergence: &mut [Lanes],
    ) {
        for j in 0..self.cells.cells() {
            let deviations = self.cells.along_axes(j, gradients) - mean;
            for (eight, (sum, r)) in divergence.iter_mut().zip(responsibilities).enumerate() {
                let mut square = Lanes::ZERO;
                for column in deviations.as_slice().chunks_exact(self.size) {
                    let deviation = Lanes::load(column, eight * LANES);
                    square += deviation * deviation;
                }
                *sum += r[j] * bounded(square);
            }
        }
    }
}
