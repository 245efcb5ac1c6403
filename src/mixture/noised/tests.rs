use approx::assert_relative_eq;
use nalgebra::{Cholesky, DMatrix, DVector};

use super::*;
use crate::kernels::Gaussian;

struct Law {
    log_masses: Vec<f64>,
    means: DMatrix<f64>,
    covariances: Vec<DMatrix<f64>>,
    pulls: DMatrix<f64>,
}

/// `cells` cells in `dim` directions with a smallest standard deviation `narrow` along a direction at an
/// angle to the axes, and `further` directions.
fn law(dim: usize, cells: usize, narrow: f64, further: usize) -> Law {
    let covariance = |j: usize| {
        let mixed = DMatrix::from_fn(dim, dim, |a, b| ((a * 3 + b * 5 + j * 7) as f64 + 0.3).sin());
        let axes = mixed.qr().q();
        let variances =
            DVector::from_fn(dim, |b, _| if b == 0 { narrow * narrow } else { 0.1 + 0.1 * b as f64 });
        let covariance = &axes * DMatrix::from_diagonal(&variances) * axes.transpose();
        (&covariance + covariance.transpose()) * 0.5
    };
    Law {
        log_masses: (0..cells).map(|j| -0.1 * j as f64).collect(),
        means: DMatrix::from_fn(cells, dim, |j, axis| 2.0 * ((j * 13 + axis * 5) as f64).sin()),
        covariances: (0..cells).map(covariance).collect(),
        pulls: DMatrix::from_fn(cells, further, |j, e| ((j * 3 + e) as f64).cos()),
    }
}

impl Law {
    fn mixture(&self) -> NoisedMixture {
        let gaussian = |(j, covariance): (usize, &DMatrix<f64>)| {
            let factor = Cholesky::new(covariance.clone()).unwrap().unpack();
            Gaussian::factored(self.log_masses[j], self.means.row(j).iter().copied().collect(), &factor)
        };
        let gaussians = self.covariances.iter().enumerate().map(gaussian).collect();
        NoisedMixture {
            gaussians: Gaussians::new(self.means.ncols(), gaussians),
            factors: Factors { shape: None, pulls: self.pulls.clone() },
        }
    }

    /// Log-density, score and divergence at one point, cell by cell from centred coordinates.
    fn by_hand(&self, x: &DVector<f64>, e: &DVector<f64>) -> (f64, DVector<f64>, f64) {
        let dim = x.len();
        let cell = |j: usize| {
            let factor = Cholesky::new(self.covariances[j].clone()).unwrap();
            let centred = x - self.means.row(j).transpose();
            let pull = self.pulls.row(j).transpose();
            let z = factor.l().solve_lower_triangular(&centred).unwrap();
            let log_determinant: f64 = factor.l().diagonal().iter().map(|v| v.ln()).sum();
            let log_normaliser = log_determinant + 0.5 * dim as f64 * std::f64::consts::TAU.ln();
            let log_joint = self.log_masses[j] - log_normaliser - 0.5 * z.norm_squared() + pull.dot(e);
            let gradient = -factor.l().transpose().solve_upper_triangular(&z).unwrap();
            let trace = -factor.inverse().trace();
            (log_joint, stacked(&gradient, &pull), trace)
        };
        let cells: Vec<_> = (0..self.log_masses.len()).map(cell).collect();
        let peak = cells.iter().map(|cell| cell.0).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = cells.iter().map(|cell| (cell.0 - peak).exp()).sum();
        let shares: Vec<f64> = cells.iter().map(|cell| (cell.0 - peak).exp() / total).collect();
        let mut score = DVector::zeros(dim + e.len());
        for (share, cell) in shares.iter().zip(&cells) {
            score.axpy(*share, &cell.1, 1.0);
        }
        let spread = |cell: &(f64, DVector<f64>, f64)| (&cell.1 - &score).norm_squared() + cell.2;
        let divergence = shares.iter().zip(&cells).map(|(share, cell)| share * spread(cell)).sum();
        (peak + total.ln(), score, divergence)
    }

    /// `accuracy` is relative to the largest entry of a row's score, and to the divergence.
    fn check(&self, points: &DMatrix<f64>, accuracy: f64) {
        let (n, dim) = points.shape();
        let further = DMatrix::from_fn(n, self.pulls.ncols(), |i, e| ((i + e) as f64).sin());
        let mixture = self.mixture();
        let mut score = DMatrix::zeros(n, dim + further.ncols());
        let (mut divergence, mut log_density) = (vec![0.0; n], vec![0.0; n]);
        let outputs = Outputs {
            score: Some(score.as_view_mut()),
            divergence: Some(&mut divergence),
            log_density: Some(&mut log_density),
        };
        mixture.evaluate(&Points { points: points.as_view(), further: further.as_view() }, outputs);
        let mut alone = DMatrix::zeros(n, dim + further.ncols());
        let outputs = Outputs { score: Some(alone.as_view_mut()), divergence: None, log_density: None };
        mixture.evaluate(&Points { points: points.as_view(), further: further.as_view() }, outputs);
        assert_eq!(alone, score);
        for i in 0..n {
            let (x, e) = (points.row(i).transpose(), further.row(i).transpose());
            let expected = self.by_hand(&x, &e);
            assert_relative_eq!(log_density[i], expected.0, epsilon = accuracy, max_relative = accuracy);
            let error = (score.row(i).transpose() - &expected.1).amax();
            assert!(error <= accuracy * expected.1.amax().max(1.0), "row {i} of {dim}: {error}");
            assert_relative_eq!(divergence[i], expected.2, epsilon = accuracy, max_relative = accuracy);
        }
    }
}

fn stacked(a: &DVector<f64>, b: &DVector<f64>) -> DVector<f64> {
    DVector::from_iterator(a.len() + b.len(), a.iter().chain(b.iter()).copied())
}

fn points(n: usize, dim: usize, scale: f64) -> DMatrix<f64> {
    DMatrix::from_fn(n, dim, |i, axis| scale * ((i * 7 + axis * 3) as f64 * 0.61).sin())
}

#[test]
fn every_number_of_directions_cells_and_rows_agrees_with_sums_by_hand() {
    for dim in 1..=8 {
        for (cells, n) in [(1, 1), (3, 8), (20, 77)] {
            law(dim, cells, 0.4, 0).check(&points(n, dim, 2.5), 1e-9);
        }
    }
}

#[test]
fn factors_in_further_directions_are_part_of_all_answers() {
    for dim in [2, 6] {
        law(dim, 4, 0.4, 3).check(&points(70, dim, 2.0), 1e-9);
    }
}

/// A millionth of the others wide, at an angle: the quadratic form's own coefficients would lose four digits
/// more.
#[test]
fn narrow_cells_lose_few_digits() {
    for dim in [2, 3, 6] {
        let law = law(dim, 3, 1e-6, 0);
        // Along the first cell, up to a few of its widths beside it.
        let across = law.covariances[0].clone().symmetric_eigen();
        let thin = across.eigenvectors.column(across.eigenvalues.imin()).into_owned();
        let wide = across.eigenvectors.column(across.eigenvalues.imax()).into_owned();
        let points = DMatrix::from_fn(24, dim, |i, axis| {
            let (along, beside) = ((i as f64).sin(), 3e-6 * (i as f64 * 0.7).cos());
            law.means[(0, axis)] + along * wide[axis] + beside * thin[axis]
        });
        law.check(&points, 1e-4);
    }
}

#[test]
fn far_away_answers_are_exact_relatively() {
    for dim in [1, 2, 5, 7] {
        let law = law(dim, 1, 0.4, 0);
        for far in [1e4, 1e8, 1e50] {
            law.check(&points(9, dim, far), 1e-7);
        }
    }
}

#[test]
fn what_is_not_a_number_stays_so() {
    for dim in [2, 7] {
        let mut points = points(3, dim, 1.0);
        points[(1, 0)] = f64::NAN;
        let mut log_density = vec![0.0; 3];
        let outputs = Outputs { score: None, divergence: None, log_density: Some(&mut log_density) };
        let points = Points { points: points.as_view(), further: points.columns(0, 0) };
        law(dim, 3, 0.4, 0).mixture().evaluate(&points, outputs);
        let nan: Vec<bool> = log_density.iter().map(|value| value.is_nan()).collect();
        assert_eq!(nan, [false, true, false]);
    }
}
