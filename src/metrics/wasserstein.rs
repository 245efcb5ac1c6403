use std::cmp::Ordering;

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::samples::check_pair;
use crate::error::{Error, Result};

/// Sliced Wasserstein distance of order 2 between two samples (n × d and m × d, rows are samples),
/// in the units of the data.
///
/// SW₂² is the mean of W₂² between the samples' projections on `projections` random directions,
/// uniform on the unit sphere (Rabin, Peyré, Delon, Bernot 2011); in one dimension W₂ between
/// sorted samples is exact, for samples of different sizes too. In one column this is W₂ itself and
/// one projection suffices. A shift of one sample by v adds |v|²/d to SW₂² on average.
///
/// Cost: O(projections · (n + m) · (d + log(n + m))). Two samples of the *same* law are at a positive
/// distance, which falls as the samples grow: compare with that of two samples of the truth.
///
/// # Errors
/// [`Error::NoRows`], [`Error::NoColumns`] and [`Error::NotFinite`] for either sample,
/// [`Error::ShapeMismatch`] when they have different columns, [`Error::InvalidSetting`] for no projections.
///
/// # Examples
/// ```
/// use gmix_diffusion::metrics::sliced_wasserstein;
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::rand::SeedableRng;
/// use rand_xoshiro::Xoshiro256PlusPlus;
///
/// let left = DMatrix::from_column_slice(3, 1, &[1.0, 2.0, 3.0]);
/// let right = DMatrix::from_column_slice(3, 1, &[13.0, 11.0, 12.0]);
/// let distance = sliced_wasserstein(&left, &right, 1, &mut Xoshiro256PlusPlus::seed_from_u64(0))?;
/// assert!((distance - 10.0).abs() < 1e-12);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn sliced_wasserstein<R: Rng + ?Sized>(
    left: &DMatrix<f64>,
    right: &DMatrix<f64>,
    projections: usize,
    rng: &mut R,
) -> Result<f64> {
    check_pair(left, right)?;
    if projections == 0 {
        return Err(Error::InvalidSetting { name: "projections", value: 0.0, requirement: "at least 1" });
    }
    let mut left_projected = DVector::zeros(left.nrows());
    let mut right_projected = DVector::zeros(right.nrows());
    let mut sum = 0.0;
    for _ in 0..projections {
        let direction = random_direction(left.ncols(), rng);
        left_projected.gemv(1.0, left, &direction, 0.0);
        right_projected.gemv(1.0, right, &direction, 0.0);
        sum += squared_wasserstein(left_projected.as_mut_slice(), right_projected.as_mut_slice());
    }
    Ok((sum / projections as f64).sqrt())
}

/// Uniform on the unit sphere.
fn random_direction<R: Rng + ?Sized>(dim: usize, rng: &mut R) -> DVector<f64> {
    loop {
        let normal = DVector::from_fn(dim, |_, _| rng.sample(StandardNormal));
        if let Some(direction) = normal.try_normalize(1e-100) {
            return direction;
        }
    }
}

/// W₂² between two samples on the line: the integral of the squared difference of their quantile
/// functions. Sorts both.
fn squared_wasserstein(left: &mut [f64], right: &mut [f64]) -> f64 {
    left.sort_unstable_by(f64::total_cmp);
    right.sort_unstable_by(f64::total_cmp);
    // Quantile steps end at multiples of 1/n and 1/m: counted in units of 1/(nm), as integers, so
    // that ends which coincide do so exactly.
    let (left_step, right_step) = (right.len() as u128, left.len() as u128);
    let (mut i, mut j, mut position) = (0, 0, 0);
    let mut sum = 0.0;
    while i < left.len() && j < right.len() {
        let (left_end, right_end) = ((i as u128 + 1) * left_step, (j as u128 + 1) * right_step);
        let end = left_end.min(right_end);
        sum += (end - position) as f64 * (left[i] - right[j]).powi(2);
        position = end;
        let order = left_end.cmp(&right_end);
        i += usize::from(order != Ordering::Greater);
        j += usize::from(order != Ordering::Less);
    }
    sum / (left_step as f64 * right_step as f64)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::super::testing::normal_sample;
    use super::*;

    fn distance(left: &DMatrix<f64>, right: &DMatrix<f64>, projections: usize) -> f64 {
        sliced_wasserstein(left, right, projections, &mut Xoshiro256PlusPlus::seed_from_u64(9)).unwrap()
    }

    #[test]
    fn a_shifted_sample_is_as_far_as_the_shift_in_one_dimension() {
        let rows = normal_sample(501, 1, 1);
        assert!((distance(&rows, &rows.add_scalar(-3.5), 1) - 3.5).abs() < 1e-12);
        assert_eq!(distance(&rows, &rows, 1), 0.0);
    }

    #[test]
    fn a_scaled_sample_is_as_far_as_its_root_mean_square_moves() {
        let rows = normal_sample(500, 1, 2);
        let root_mean_square = rows.norm() / 500f64.sqrt();
        assert!((distance(&rows, &(&rows * 3.0), 1) - 2.0 * root_mean_square).abs() < 1e-12);
    }

    #[test]
    fn a_shift_in_many_dimensions_adds_its_mean_square_over_directions() {
        let rows = normal_sample(50, 4, 3);
        let shifted = DMatrix::from_fn(50, 4, |i, j| rows[(i, j)] + if j == 1 { 6.0 } else { 0.0 });
        // (6 θ₁)² has mean 9 and standard deviation 36 √(3/24 − 1/16) = 9 over the sphere in R⁴, so
        // that the mean over 10,000 directions has a standard error of .09: four of them.
        let squared = distance(&rows, &shifted, 10_000).powi(2);
        assert!((squared - 9.0).abs() < 0.36, "{squared}");
    }

    #[test]
    fn sizes_may_differ() {
        let short = DMatrix::from_column_slice(2, 1, &[1.0, 0.0]);
        let long = DMatrix::from_column_slice(3, 1, &[5.0, 2.0, 3.0]);
        // Quantile steps at 1/3, 1/2, 2/3: (0, 2), (0, 3), (1, 3), (1, 5).
        let squared = 4.0 / 3.0 + 9.0 / 6.0 + 4.0 / 6.0 + 16.0 / 3.0;
        assert!((distance(&short, &long, 1).powi(2) - squared).abs() < 1e-12);

        let rows = normal_sample(40, 3, 4);
        let repeated = DMatrix::from_fn(120, 3, |i, j| rows[(i / 3, j)]);
        assert!(distance(&rows, &repeated, 20) < 1e-12);
    }

    #[test]
    fn symmetric_and_blind_to_row_order_and_common_shifts() {
        let (left, right) = (normal_sample(60, 3, 5), normal_sample(45, 3, 6) * 1.5);
        let value = distance(&left, &right, 30);
        let reversed = DMatrix::from_fn(60, 3, |i, j| left[(59 - i, j)]);
        let (shifted_left, shifted_right) = (left.add_scalar(7.0), right.add_scalar(7.0));
        for other in [
            distance(&right, &left, 30),
            distance(&reversed, &right, 30),
            distance(&shifted_left, &shifted_right, 30),
            distance(&(&left * 10.0), &(&right * 10.0), 30) / 10.0,
        ] {
            assert!((other - value).abs() < 1e-12 * (1.0 + value), "{other} {value}");
        }
    }

    #[test]
    fn rejects_no_projections() {
        let rows = normal_sample(3, 2, 7);
        let error = sliced_wasserstein(&rows, &rows, 0, &mut Xoshiro256PlusPlus::seed_from_u64(0));
        assert!(matches!(error, Err(Error::InvalidSetting { name: "projections", .. })));
    }
}
