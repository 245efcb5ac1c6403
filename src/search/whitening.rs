//! Coordinates in which the search for cells, which is isotropic, sees most structure: any linear map of the rows.

use nalgebra::{DMatrix, DVector, RowDVector, SymmetricEigen};

use super::witness::sharpest;
use crate::kernels::squared_distances;
use crate::linalg::transposed_product;
use crate::mixture::{CrossFit, CrossFittedMixture, MixtureParameters};
use crate::rows::FoldedSample;

/// Standard deviations along the principal directions may differ by this factor before other coordinates are tried: the
/// search goes down in steps of √2, and a factor of two is one cell's shape.
const LEAST_RATIO: f64 = 2.0;
/// Directions narrower than this share of the widest may be rounding, and stay as they are.
const NARROWEST: f64 = 1e-9;
/// Rows that are looked at.
const ROWS: usize = 2_000;
/// Times nearest neighbours are sought, in the coordinates that the ones before have led to.
const NEIGHBOUR_ROUNDS: usize = 3;

/// An invertible linear map of rows, y = x W, under which a covariance becomes the identity.
#[derive(Debug, Clone)]
pub(super) struct Whitening {
    /// W, m × m.
    forward: DMatrix<f64>,
    /// W⁻¹.
    backward: DMatrix<f64>,
    /// log |det W⁻¹|: what a log-density loses on the way back.
    log_volume: f64,
}

impl Whitening {
    /// The coordinates in which a kernel density of one bandwidth says clearly more of held-out rows than in their own:
    /// those in which the rows, or the differences of nearest neighbours, are uncorrelated and of one variance. `None` where
    /// their own are as good, and where directions apart from the active ones share their unit.
    ///
    /// Nearest neighbours are of one cell, so that their differences have the covariance within cells without these being
    /// known (Art, Gnanadesikan, Kettenring 1982).
    pub(super) fn of(sample: &FoldedSample) -> Option<Self> {
        let dim = sample.rows.ncols();
        if dim < 2 || sample.rest.count > 0.0 {
            return None;
        }
        let some = sample.first(ROWS);
        let training = some.training(0);
        let whole = Self::new(&training.mean_and_covariance().1)?;
        if whole.ratio() < LEAST_RATIO {
            return None;
        }
        let mut within = whole.clone();
        for _ in 0..NEIGHBOUR_ROUNDS {
            let between = of_neighbours(&(&training.rows * &within.forward), &training.rows);
            within = Self::new(&between).unwrap_or(within);
        }
        let candidates = [whole, within];
        let views = candidates.iter().map(|map| (map.apply(&some), map.log_volume));
        let chosen = sharpest(std::iter::once((some.clone(), 0.0)).chain(views));
        chosen.checked_sub(1).and_then(|index| candidates.into_iter().nth(index))
    }

    /// Of a covariance, unless it is singular.
    fn new(covariance: &DMatrix<f64>) -> Option<Self> {
        let SymmetricEigen { eigenvalues, eigenvectors } = SymmetricEigen::new(covariance.clone());
        let widest = eigenvalues.max();
        if !(widest.is_finite() && eigenvalues.min() > NARROWEST * NARROWEST * widest) {
            return None;
        }
        let std = eigenvalues.map(f64::sqrt);
        let forward = &eigenvectors * DMatrix::from_diagonal(&std.map(f64::recip));
        let backward = DMatrix::from_diagonal(&std) * eigenvectors.transpose();
        Some(Self { forward, backward, log_volume: std.iter().map(|std| std.ln()).sum() })
    }

    /// The standard deviation that is mapped to 1, along the widest direction over that along the narrowest.
    fn ratio(&self) -> f64 {
        let stds =
            DVector::from_iterator(self.backward.nrows(), self.backward.row_iter().map(|row| row.norm()));
        stds.max() / stds.min()
    }

    /// The sample in these coordinates.
    pub(super) fn apply(&self, sample: &FoldedSample) -> FoldedSample {
        FoldedSample { rows: &sample.rows * &self.forward, ..sample.clone() }
    }

    /// What was found in these coordinates, in those of the rows.
    pub(super) fn undo(&self, found: CrossFittedMixture) -> CrossFittedMixture {
        let all = |folds: Vec<MixtureParameters>| folds.into_iter().map(|m| self.undo_mixture(m)).collect();
        let fits =
            |fits: Vec<CrossFit>| fits.into_iter().map(|fit| CrossFit { folds: all(fit.folds) }).collect();
        let mut tried = found.tried;
        tried.iter_mut().for_each(|tried| tried.log_likelihood -= self.log_volume);
        CrossFittedMixture {
            folds: all(found.folds),
            all_rows: self.undo_mixture(found.all_rows),
            also: fits(found.also),
            larger: fits(found.larger),
            tried,
            ..found
        }
    }

    fn undo_mixture(&self, mixture: MixtureParameters) -> MixtureParameters {
        let back = |covariance: DMatrix<f64>| {
            let back = self.backward.transpose() * covariance * &self.backward;
            (&back + back.transpose()) * 0.5
        };
        MixtureParameters {
            masses: mixture.masses,
            means: mixture.means * &self.backward,
            covariances: mixture.covariances.into_iter().map(back).collect(),
        }
    }
}

/// The mean square of the differences of nearest neighbours, sought among the rows of `places`, in those of `rows`. Rows
/// that are equal tell nothing of a shape.
fn of_neighbours(places: &DMatrix<f64>, rows: &DMatrix<f64>) -> DMatrix<f64> {
    let mut squares = Vec::new();
    let mut nearest = |place: RowDVector<f64>| {
        squared_distances(places, place.iter().copied(), &mut squares);
        let apart = squares.iter().enumerate().filter(|(_, square)| **square > 0.0 && square.is_finite());
        apart.min_by(|a, b| a.1.total_cmp(b.1)).map(|(row, square)| (row, *square))
    };
    let differences: Vec<_> = places
        .row_iter()
        .enumerate()
        .filter_map(|(i, place)| nearest(place.into_owned()).map(|(j, square)| (i, j, square)))
        // Each counts alike, however far: rows between cells and strays would decide otherwise.
        .map(|(i, j, square)| (rows.row(i) - rows.row(j)) / square.sqrt())
        .collect();
    if differences.is_empty() {
        return DMatrix::zeros(rows.ncols(), rows.ncols());
    }
    let differences = DMatrix::from_rows(&differences);
    transposed_product(&differences, &differences)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn sample(rows: DMatrix<f64>) -> FoldedSample {
        let n = rows.nrows();
        FoldedSample::new(rows, vec![1.0; n], (0..n).map(|i| i % 5).collect(), 5).unwrap()
    }

    fn normals(n: usize, dim: usize, seed: u64) -> DMatrix<f64> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        DMatrix::from_fn(n, dim, |_, _| StandardNormal.sample(&mut rng))
    }

    /// Three lines, 1000 : 1, under a map that hides them.
    #[test]
    fn lines_are_seen_again_after_any_map_and_round_rows_stay_as_they_are() {
        let mut rows = normals(900, 2, 1);
        for (i, mut row) in rows.row_iter_mut().enumerate() {
            row[0] *= 1000.0;
            row[1] += 8.0 * (i % 3) as f64;
        }
        let map = DMatrix::from_row_slice(2, 2, &[0.6, 0.8, -8e-4, 6e-4]);
        let mapped = sample(rows * map);
        let found = Whitening::of(&mapped).unwrap();
        let seen = found.apply(&mapped).rows;
        // Within the lines the long direction was a million times as wide as the other, and is √(1 + 2/3 · 8²) = 6.6 times
        // where all rows are whitened; by nearest neighbours less. The bound is half as much again in variance.
        let line: Vec<_> = seen.row_iter().step_by(3).collect();
        let within = sample(DMatrix::from_rows(&line)).all().mean_and_covariance().1;
        let eigenvalues = within.symmetric_eigenvalues();
        assert!(eigenvalues.max() < 66.0 * eigenvalues.min(), "{eigenvalues}");
        assert!(Whitening::of(&sample(normals(900, 2, 2))).is_none());
        assert!(Whitening::of(&sample(normals(900, 1, 2))).is_none());
    }

    #[test]
    fn back_from_other_coordinates_a_mixture_is_the_same_law() {
        let whitening = Whitening::new(&DMatrix::from_row_slice(2, 2, &[4.0, 1.5, 1.5, 1.0])).unwrap();
        let mixture = MixtureParameters {
            masses: DVector::from_element(1, 1.0),
            means: DMatrix::from_row_slice(1, 2, &[1.0, -2.0]) * &whitening.forward,
            covariances: vec![DMatrix::identity(2, 2)],
        };
        let back = whitening.undo_mixture(mixture);
        approx::assert_relative_eq!(back.means, DMatrix::from_row_slice(1, 2, &[1.0, -2.0]), epsilon = 1e-12);
        let expected = DMatrix::from_row_slice(2, 2, &[4.0, 1.5, 1.5, 1.0]);
        approx::assert_relative_eq!(back.covariances[0], expected, epsilon = 1e-12);
        // √det = √(4 − 2.25).
        approx::assert_relative_eq!(whitening.log_volume, 0.5 * 1.75_f64.ln(), epsilon = 1e-12);
    }
}
