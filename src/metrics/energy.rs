use nalgebra::DMatrix;

use super::samples::check_pair;
use crate::error::Result;

/// Rows of one sample whose distances to a row of the other are held at a time.
const BLOCK_ROWS: usize = 512;

/// Energy distance between two samples (n × d and m × d, rows are samples), in the units of the data.
///
/// 2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ with the expectations over the samples' own rows, each row
/// paired with itself too: never negative, and zero only for equal samples (Székely and Rizzo 2013).
/// It is the quantity itself, not its square root. It grows linearly with the units.
///
/// Cost: O((n + m) log(n + m)) for one column, where it is 2 ∫ (F − G)² of the two distribution
/// functions; O((n + m)² d) otherwise, at no memory to speak of. 10,000 rows against 10,000 in ten
/// dimensions take less than a second on one core. Two samples of the *same* law are at a distance
/// of about (1/n + 1/m) E‖X − X′‖.
///
/// # Errors
/// [`Error::NoRows`](crate::Error::NoRows), [`Error::NoColumns`](crate::Error::NoColumns) and
/// [`Error::NotFinite`](crate::Error::NotFinite) for either sample,
/// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) when they have different columns.
///
/// # Examples
/// Two points a distance 5 apart:
/// ```
/// use gmix_diffusion::metrics::energy_distance;
/// use gmix_diffusion::nalgebra::DMatrix;
///
/// let left = DMatrix::from_row_slice(1, 2, &[0.0, 0.0]);
/// let right = DMatrix::from_row_slice(1, 2, &[3.0, 4.0]);
/// assert_eq!(energy_distance(&left, &right)?, 10.0);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn energy_distance(left: &DMatrix<f64>, right: &DMatrix<f64>) -> Result<f64> {
    check_pair(left, right)?;
    Ok(if left.ncols() == 1 { distance_on_line(left, right) } else { distance_by_pairs(left, right) })
}

/// 2 ∫ (F − G)² over the steps of the two empirical distribution functions.
fn distance_on_line(left: &DMatrix<f64>, right: &DMatrix<f64>) -> f64 {
    let mut steps: Vec<(f64, bool)> = left.iter().map(|&x| (x, true)).collect();
    steps.extend(right.iter().map(|&y| (y, false)));
    steps.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (n, m) = (left.nrows() as f64, right.nrows() as f64);
    let (mut left_count, mut right_count) = (0.0, 0.0);
    let mut integral = 0.0;
    for pair in steps.windows(2) {
        if pair[0].1 {
            left_count += 1.0
        } else {
            right_count += 1.0
        }
        let difference: f64 = left_count / n - right_count / m;
        integral += difference * difference * (pair[1].0 - pair[0].0);
    }
    2.0 * integral
}

fn distance_by_pairs(left: &DMatrix<f64>, right: &DMatrix<f64>) -> f64 {
    let between = pair_sum(left, right, |_| 0) / (left.nrows() as f64 * right.nrows() as f64);
    // Each pair within a sample counts twice, a row with itself not at all.
    let within = |rows: &DMatrix<f64>| 2.0 * pair_sum(rows, rows, |i| i + 1) / (rows.nrows() as f64).powi(2);
    (2.0 * between - within(left) - within(right)).max(0.0)
}

/// Σ ‖x_i − y_j‖ over all i and all j from `first(i)` on.
fn pair_sum(left: &DMatrix<f64>, right: &DMatrix<f64>, first: impl Fn(usize) -> usize) -> f64 {
    let mut squares = [0.0; BLOCK_ROWS];
    // One running sum for each row of a block, so that square roots and sums run several at a time.
    let mut sums = [0.0; BLOCK_ROWS];
    for block_start in (0..right.nrows()).step_by(BLOCK_ROWS) {
        let block_end = right.nrows().min(block_start + BLOCK_ROWS);
        for i in 0..left.nrows() {
            let start = first(i).max(block_start);
            if start >= block_end {
                continue;
            }
            let squares = &mut squares[..block_end - start];
            squares.fill(0.0);
            for column in 0..left.ncols() {
                let x = left[(i, column)];
                let ys = &right.as_slice()[column * right.nrows()..][start..block_end];
                for (square, y) in squares.iter_mut().zip(ys) {
                    *square += (x - y) * (x - y);
                }
            }
            for (sum, square) in sums[start - block_start..].iter_mut().zip(squares) {
                *sum += square.sqrt();
            }
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{normal_cdf, normal_quantiles, normal_sample};
    use super::*;

    /// E|N(mean, std²)|.
    fn mean_distance_from_zero(mean: f64, std: f64) -> f64 {
        let ratio = mean / std;
        std * (2.0 / std::f64::consts::PI).sqrt() * (-0.5 * ratio * ratio).exp()
            + mean * (2.0 * normal_cdf(ratio) - 1.0)
    }

    #[test]
    fn finds_the_closed_form_for_gaussians() {
        for (mean, std) in [(0.0, 2.0f64), (0.5, 1.0), (3.0, 0.5)] {
            let exact = 2.0 * mean_distance_from_zero(mean, std.hypot(1.0))
                - mean_distance_from_zero(0.0, 2f64.sqrt()) * (1.0 + std);
            // Quantiles stand for the laws themselves, but for steps of 1/2000 in F and G.
            let quantiles = normal_quantiles(2000);
            let found = energy_distance(&quantiles, &(&quantiles * std).add_scalar(mean)).unwrap();
            assert!((found / exact - 1.0).abs() < 0.002, "{mean} {std}: {found} {exact}");
        }
    }

    #[test]
    fn many_dimensions_agree_with_the_line() {
        let (left, right) = (normal_sample(1300, 1, 1), normal_sample(700, 1, 2).add_scalar(0.3));
        let on_line = energy_distance(&left, &right).unwrap();
        // The line laid into three dimensions along (2, 3, 6)/7.
        let along = |rows: &DMatrix<f64>| {
            DMatrix::from_fn(rows.nrows(), 3, |i, j| rows[i] * [2.0, 3.0, 6.0][j] / 7.0)
        };
        let in_space = energy_distance(&along(&left), &along(&right)).unwrap();
        assert!((on_line - in_space).abs() < 1e-12, "{on_line} {in_space}");
    }

    #[test]
    fn equal_samples_are_at_distance_zero_however_far_from_the_origin() {
        for dim in [1, 3] {
            let rows = normal_sample(600, dim, 3).add_scalar(1e6);
            assert!(energy_distance(&rows, &rows).unwrap() < 1e-12);
        }
    }

    #[test]
    fn symmetric_and_blind_to_row_order_shifts_and_rotations() {
        let (left, right) = (normal_sample(90, 2, 4), normal_sample(600, 2, 5) * 1.4);
        let value = energy_distance(&left, &right).unwrap();
        let reversed = DMatrix::from_fn(600, 2, |i, j| right[(599 - i, j)]);
        let rotation = DMatrix::from_row_slice(2, 2, &[0.6, -0.8, 0.8, 0.6]);
        for other in [
            energy_distance(&right, &left).unwrap(),
            energy_distance(&left, &reversed).unwrap(),
            energy_distance(&left.add_scalar(5.0), &right.add_scalar(5.0)).unwrap(),
            energy_distance(&(&left * &rotation), &(&right * &rotation)).unwrap(),
            energy_distance(&(&left * 100.0), &(&right * 100.0)).unwrap() / 100.0,
        ] {
            assert!((other - value).abs() < 1e-12, "{other} {value}");
        }
    }

    #[test]
    fn samples_of_one_law_are_at_the_distance_their_sizes_explain() {
        let (n, m, repetitions) = (50, 80, 300);
        let total: f64 = (0..repetitions)
            .map(|seed| {
                energy_distance(&normal_sample(n, 2, seed), &normal_sample(m, 2, 1000 + seed)).unwrap()
            })
            .sum();
        // X − X′ ~ N(0, 2 I) in the plane: E‖X − X′‖ = √π.
        let expected = (1.0 / n as f64 + 1.0 / m as f64) * std::f64::consts::PI.sqrt();
        // The distance scatters by about a third of its mean: 300 repetitions give 2 %, four of them.
        assert!((total / repetitions as f64 / expected - 1.0).abs() < 0.08);
    }
}
