//! Principal directions, and which of them there is something to learn in.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::hull::DEGENERATE;
use crate::error::{Error, Result};
use crate::kernels::squared_distances;
use crate::rows::{FoldedSample, IsotropicRest};

/// A flat bottom has this many directions at least.
const SMALLEST_BOTTOM: usize = 5;
/// In so many directions covariances take seconds.
const MOST_DIRECTIONS: usize = 300;
/// Where rows are few in more, a direction wants this many.
const ROWS_PER_DIRECTION: u64 = 4;
/// A direction has too few rows below this many: those outside a fold should span all directions too.
const FEWEST_ROWS_PER_DIRECTION: f64 = 1.5;
/// With ten rows a direction the variances of noise differ by a factor of (1 + √.1)²/(1 − √.1)² = 3.7, and the tests for a
/// flat bottom, which count on small differences, do not hold.
const FEWEST_FOR_BOTTOM: f64 = 10.0;
/// Standard errors within which a flat bottom's kurtosis has to be a Gaussian's. One in a thousand samples
/// of noise exceeds so many, and takes all directions for active.
const KURTOSIS_ERRORS: f64 = 4.0;
/// Rows between which distances are measured, and the standard errors by which the nearest may be nearer than in noise.
/// One sample of noise in a thousand is beyond, and is learned in all directions.
const NEIGHBOUR_ROWS: usize = 1_000;
const NEIGHBOUR_ERRORS: f64 = 3.0;

/// Are there too few rows for a covariance of `dim` directions?
pub(crate) fn are_few(rows: u64, dim: usize) -> bool {
    rows as f64 <= FEWEST_ROWS_PER_DIRECTION * dim as f64
}

/// Are there too few rows for equal variances of `dim` directions to look equal?
pub(crate) fn show_no_bottom(rows: u64, dim: usize) -> bool {
    rows as f64 <= FEWEST_FOR_BOTTOM * dim as f64
}

/// Principal directions of the data, by rising variance.
#[derive(Debug, Clone)]
pub(crate) struct Spectrum {
    pub(crate) variances: DVector<f64>,
    /// d × d.
    axes: DMatrix<f64>,
}

/// The active directions, and the rest in which every component has one known variance.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    /// The axes of coordinates, d × m.
    pub(crate) active: DMatrix<f64>,
    /// Principal axes of the same directions, d × m, and the variances along them.
    principal: DMatrix<f64>,
    pub(crate) variances: DVector<f64>,
    /// d × (d − m).
    pub(crate) rest: DMatrix<f64>,
    pub(crate) isotropic: IsotropicRest,
}

impl Spectrum {
    /// # Errors
    /// [`Error::NoVariation`] when no direction varies.
    pub(crate) fn new(covariance: &DMatrix<f64>) -> Result<Self> {
        let eigen = SymmetricEigen::new(covariance.clone());
        let mut order: Vec<usize> = (0..covariance.nrows()).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[a].total_cmp(&eigen.eigenvalues[b]));
        let spectrum = Self {
            variances: eigen.eigenvalues.select_rows(&order),
            axes: eigen.eigenvectors.select_columns(&order),
        };
        if spectrum.variances.max() > 0.0 { Ok(spectrum) } else { Err(Error::NoVariation) }
    }

    /// The lowest `rest` directions apart from the others.
    fn split(&self, rest: usize, isotropic: IsotropicRest) -> Split {
        let dim = self.variances.len();
        let active = self.axes.columns(rest, dim - rest).into_owned();
        Split {
            principal: active.clone(),
            active,
            variances: self.variances.rows(rest, dim - rest).into_owned(),
            rest: self.axes.columns(0, rest).into_owned(),
            isotropic,
        }
    }

    /// Active are the `count` directions of largest variance.
    pub(crate) fn split_leading(&self, count: usize) -> Split {
        self.split(self.variances.len().saturating_sub(count), IsotropicRest::NONE)
    }

    /// Active are the directions whose variance exceeds what n rows of N(0, σ₀² I) would show: above
    /// the edge of the Marchenko-Pastur law, σ₀²(1 + √(d/n))², by three standard errors of a
    /// variance. One at least.
    pub(crate) fn split_at_noise(&self, component_std: f64, n: f64) -> Split {
        let d = self.variances.len();
        let edge = (1.0 + (d as f64 / n).sqrt()).powi(2) + 3.0 * (2.0 / n).sqrt();
        let variance = component_std * component_std;
        let rest = self.variances.iter().filter(|&&v| v <= variance * edge).count().min(d - 1);
        self.split(rest, IsotropicRest { count: f64::INFINITY, variance })
    }

    /// Whether the smallest variance, or their mean, is less than n rows of N(0, σ₀² I) would show by a twentieth and
    /// three standard errors. The smallest one is σ₀²(1 − √(d/n))² then, the lower edge of the Marchenko-Pastur law.
    pub(crate) fn is_narrower_than(&self, component_std: f64, n: f64) -> bool {
        let d = self.variances.len() as f64;
        let edge = (1.0 - (d / n).sqrt()).max(0.0).powi(2);
        let is_less = |variance: f64, expected: f64| {
            let least = expected - 3.0 * (2.0 / (n * d)).sqrt();
            1.05 * variance.max(0.0) < least * component_std * component_std
        };
        is_less(self.variances.min(), edge) || is_less(self.variances.mean(), 1.0)
    }

    /// With hardly more rows than directions no variance can be told from another, or from 0: all directions are active,
    /// for cells to shrink. Of more than a covariance can be had of, apart are all but the n/4 largest, with their average
    /// (Tipping, Bishop 1999).
    pub(crate) fn split_few_rows(&self, n: u64) -> Split {
        let dim = self.variances.len();
        let active = ((n / ROWS_PER_DIRECTION) as usize).clamp(1, dim);
        let variance = self.variances.rows(0, dim - active).sum() / (dim - active).max(1) as f64;
        if dim > MOST_DIRECTIONS && variance > DEGENERATE * DEGENERATE * self.variances.max() {
            self.split(dim - active, IsotropicRest { count: (dim - active) as f64, variance })
        } else {
            self.split(0, IsotropicRest::NONE)
        }
    }

    /// Apart are the lowest directions whose variances are equal by a likelihood-ratio test of
    /// sphericity and whose rows have a Gaussian's kurtosis (Mardia 1970); five at least, or none.
    pub(crate) fn split_flat_bottom(&self, sample: &FoldedSample, n: f64) -> Split {
        let d = self.variances.len();
        let logs = self.variances.map(|v| v.max(f64::MIN_POSITIVE).ln());
        for size in (SMALLEST_BOTTOM..d).rev() {
            let q = size as f64;
            let bottom = logs.rows(0, size);
            let mean = bottom.mean();
            let spread: f64 = bottom.iter().map(|l| (l - mean).powi(2)).sum();
            if n / 2.0 * spread <= (q - 1.0) * (q + 2.0) {
                let variance = self.variances.rows(0, size).mean();
                // Directions that do not vary are no noise.
                let varies = variance > DEGENERATE * DEGENERATE * self.variances.max();
                if varies && is_noise(&(&sample.rows * self.axes.columns(0, size)), &sample.weights) {
                    return self.split(size, IsotropicRest { count: q, variance });
                }
                break;
            }
        }
        self.split(0, IsotropicRest::NONE)
    }
}

/// Are rows (n × q) with a spherical covariance a sample of noise? They are if their fourth moment is a Gaussian's
/// (Mardia 1970), and the nearest ones are no nearer to each other than in a sample of noise: clusters between which
/// directions neither correlate nor differ in variance, as those of principal components, show in nothing else.
fn is_noise(rows: &DMatrix<f64>, weights: &[f64]) -> bool {
    let q = rows.ncols() as f64;
    let (mut second, mut fourth, mut total, mut squares) = (0.0, 0.0, 0.0, 0.0);
    for (row, weight) in rows.row_iter().zip(weights) {
        let square = row.norm_squared();
        second += weight * square;
        fourth += weight * square * square;
        total += weight;
        squares += weight * weight;
    }
    // Of the same rows, so that a sample that varies a little more than all rows do is no star.
    let variance = second / total / q;
    let excess = fourth / total / (variance * variance) - q * (q + 2.0);
    let std_error = (8.0 * q * (q + 2.0) * squares).sqrt() / total;
    if excess.abs() >= KURTOSIS_ERRORS * std_error {
        return false;
    }
    let n = rows.nrows().min(NEIGHBOUR_ROWS);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let noise = DMatrix::from_fn(n, rows.ncols(), |_, _| StandardNormal.sample(&mut rng));
    let own = log_nearest_squares(&(rows.rows(0, n) / variance.sqrt()));
    let expected = log_nearest_squares(&noise);
    let (own, expected) = (mean_and_variance(&own), mean_and_variance(&expected));
    // Two rows that are nearest to each other count once.
    let std_error = (2.0 * (own.1 + expected.1) / n as f64).sqrt();
    expected.0 - own.0 < NEIGHBOUR_ERRORS * std_error
}

/// Logarithm of the squared distance of every row from the nearest other one.
fn log_nearest_squares(rows: &DMatrix<f64>) -> Vec<f64> {
    let mut squares = Vec::new();
    let nearest = rows.row_iter().enumerate().map(|(i, row)| {
        squared_distances(rows, row.iter().copied(), &mut squares);
        squares[i] = f64::INFINITY;
        let nearest = squares.iter().copied().fold(f64::INFINITY, f64::min);
        nearest.clamp(f64::MIN_POSITIVE, f64::MAX).ln()
    });
    nearest.collect()
}

fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n)
}

impl Split {
    /// The sample in active coordinates.
    pub(crate) fn project(&self, working: &FoldedSample) -> FoldedSample {
        FoldedSample {
            rows: &working.rows * &self.active,
            weights: working.weights.clone(),
            folds: working.folds.clone(),
            n_folds: working.n_folds,
            stands_for: working.stands_for,
            rest: self.isotropic,
        }
    }

    /// With the columns for axes, where all directions are active.
    pub(super) fn along_columns(mut self) -> Self {
        if self.rest.ncols() == 0 {
            self.active = DMatrix::identity(self.active.nrows(), self.active.ncols());
        }
        self
    }

    /// Q diag(max(λ, σ₀²)) Qᵀ + σ₀² (I − QQᵀ) for the principal axes Q.
    pub(crate) fn covariance(&self, component_std: f64) -> DMatrix<f64> {
        let variance = component_std * component_std;
        let mut scaled = self.principal.clone();
        for (mut column, own) in scaled.column_iter_mut().zip(self.variances.iter()) {
            column *= (own - variance).max(0.0);
        }
        let mut covariance = scaled * self.principal.transpose();
        covariance = (&covariance + covariance.transpose()) * 0.5;
        for i in 0..covariance.nrows() {
            covariance[(i, i)] += variance;
        }
        covariance
    }

    /// Whether the rest has one variance.
    pub(crate) fn is_flat(&self) -> bool {
        self.isotropic.count > 0.0
    }

    /// Standard deviation along the rest; infinite when there is none.
    pub(crate) fn rest_std(&self) -> f64 {
        if self.rest.ncols() > 0 { self.isotropic.variance.sqrt() } else { f64::INFINITY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagonal(variances: &[f64]) -> Spectrum {
        Spectrum::new(&DMatrix::from_diagonal(&DVector::from_row_slice(variances))).unwrap()
    }

    /// The edge is σ₀²((1 + √(d/n))² + 3√(2/n)): at d = 4 and n = 400 that is 1.4221 σ₀².
    #[test]
    fn directions_above_the_edge_of_noise_are_active() {
        let spectrum = diagonal(&[9.0, 0.25, 0.355, 0.356]);
        let split = spectrum.split_at_noise(0.5, 400.0);
        assert_eq!(split.variances.as_slice(), [0.356, 9.0]);
        assert_eq!((split.isotropic.count, split.isotropic.variance), (f64::INFINITY, 0.25));
        assert_eq!(split.rest_std(), 0.5);
        // One at least.
        assert_eq!(spectrum.split_at_noise(9.0, 400.0).variances.as_slice(), [9.0]);
        assert_eq!(spectrum.split_at_noise(0.1, 400.0).rest_std(), f64::INFINITY);
    }

    #[test]
    fn with_few_rows_a_quarter_as_many_directions_are_active_or_all() {
        let variances: Vec<f64> = (1..=400).map(f64::from).collect();
        let spectrum = diagonal(&variances);
        let split = spectrum.split_few_rows(9);
        assert_eq!(split.variances.as_slice(), [399.0, 400.0]);
        assert_eq!((split.isotropic.count, split.isotropic.variance), (398.0, 199.5));
        assert_eq!(spectrum.split_few_rows(2).variances.as_slice(), [400.0]);
        assert!(!spectrum.split_few_rows(1600).is_flat());
        assert!(!diagonal(&variances[..300]).split_few_rows(9).is_flat());
    }

    /// max(λ, σ₀²) along the active axes, σ₀² along the others.
    #[test]
    fn the_covariance_of_a_split_has_the_blur_in_every_direction() {
        let covariance = diagonal(&[0.1, 0.5, 4.0]).split_leading(2).covariance(1.0);
        assert!(
            (covariance - DMatrix::from_diagonal(&DVector::from_vec(vec![1.0, 1.0, 4.0]))).amax() < 1e-12
        );
    }

    /// `dim` standard normal columns, the first two 5 and 3 times as wide.
    fn rows(n: usize, dim: usize) -> DMatrix<f64> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        DMatrix::from_fn(n, dim, |_, axis| {
            let z: f64 = StandardNormal.sample(&mut rng);
            [5.0, 3.0].get(axis).unwrap_or(&1.0) * z
        })
    }

    fn flat_bottom(rows: DMatrix<f64>, weight: f64) -> Split {
        let n = rows.nrows();
        let sample = FoldedSample::new(rows, vec![weight; n], vec![0; n], 2).unwrap();
        let covariance = sample.rows.transpose() * &sample.rows / n as f64;
        Spectrum::new(&covariance).unwrap().split_flat_bottom(&sample, n as f64)
    }

    #[test]
    fn a_bottom_is_flat_where_it_is_gaussian_noise_and_only_there() {
        for weight in [1.0, 3.0] {
            let split = flat_bottom(rows(4000, 8), weight);
            assert_eq!((split.isotropic.count, split.active.ncols()), (6.0, 2));
            assert!((split.isotropic.variance - 1.0).abs() < 0.05);
            assert!((split.rest_std() - 1.0).abs() < 0.03);
        }
        // Four directions are too few to be judged.
        assert!(!flat_bottom(rows(4000, 6), 1.0).is_flat());
        // On a sphere the variances are equal too, but not the kurtosis: too small; and too large in a star.
        for power in [-1.0, 1.0] {
            let mut bent = rows(4000, 8);
            for mut row in bent.row_iter_mut() {
                let length: f64 = row.columns(2, 6).norm();
                row.columns_mut(2, 6).scale_mut((length / 6f64.sqrt()).powf(power));
            }
            assert!(!flat_bottom(bent, 1.0).is_flat(), "{power}");
        }
        // One direction wider by a half is no noise; the five below it are.
        let mut wider = rows(4000, 8);
        wider.column_mut(2).scale_mut(1.5);
        assert_eq!(flat_bottom(wider, 1.0).isotropic.count, 5.0);
    }
}
