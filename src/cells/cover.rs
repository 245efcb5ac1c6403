//! Warm starts: a greedy cover of the centre estimates, and the Lloyd steps that refine it.

use nalgebra::{DMatrix, DMatrixView, DVector};

use super::partition::Partition;
use super::voronoi::VoronoiCells;
use crate::error::Result;
use crate::linalg::transposed_product;

/// Warm starts with the share of weight that is theirs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WarmStarts {
    /// k × m.
    pub(super) centres: DMatrix<f64>,
    /// Length k, summing to 1.
    pub(super) masses: DVector<f64>,
}

/// The paper's greedy cover: the first point that no centre covers within `radius` becomes a
/// centre; cells lighter than `lightest` are dropped and their points go to the nearest cell left.
///
/// Stops at `most` centres; the points left over then belong to their nearest ones.
pub(super) fn greedy_cover(
    points: DMatrixView<'_, f64>,
    weights: &[f64],
    radius: f64,
    lightest: f64,
    most: usize,
) -> WarmStarts {
    let mut chosen: Vec<usize> = Vec::new();
    for (row, &weight) in weights.iter().enumerate() {
        let covered = chosen.iter().any(|&c| squared_distance(points, row, points, c) <= radius * radius);
        if !covered && weight > 0.0 {
            chosen.push(row);
            if chosen.len() == most {
                break;
            }
        }
    }
    let centres = DMatrix::from_fn(chosen.len(), points.ncols(), |j, axis| points[(chosen[j], axis)]);
    let warm = lloyd_step(points, weights, &centres);
    let heavy: Vec<usize> = (0..warm.masses.len()).filter(|&j| warm.masses[j] >= lightest).collect();
    if heavy.is_empty() {
        return warm;
    }
    lloyd_step(points, weights, &warm.centres.select_rows(&heavy))
}

/// One hard Lloyd step: every centre moves to the mean of the points nearest to it. A centre with
/// no point is dropped.
pub(super) fn lloyd_step(
    points: DMatrixView<'_, f64>,
    weights: &[f64],
    centres: &DMatrix<f64>,
) -> WarmStarts {
    let (cells, dim) = centres.shape();
    let mut sums = DMatrix::zeros(cells, dim);
    let mut masses = DVector::zeros(cells);
    for row in 0..points.nrows() {
        let distance = |j: usize| squared_distance(points, row, centres.as_view(), j);
        let nearest = (1..cells).fold((0, distance(0)), |best, j| {
            let d = distance(j);
            if d < best.1 { (j, d) } else { best }
        });
        masses[nearest.0] += weights[row];
        for axis in 0..dim {
            sums[(nearest.0, axis)] += weights[row] * points[(row, axis)];
        }
    }
    means_of_cells(sums, masses)
}

/// One soft Lloyd step: an EM step for the centres and masses of Σ wⱼ N(cⱼ, τ² I) on `points`,
/// rows already noised to the bandwidth τ.
pub(super) fn soft_lloyd_step(
    points: &DMatrix<f64>,
    weights: &[f64],
    bandwidth: f64,
    warm: WarmStarts,
) -> Result<WarmStarts> {
    let cells = VoronoiCells::soft(warm.centres, warm.masses)?;
    let mut responsibilities = cells.responsibilities(bandwidth, points)?;
    for mut column in responsibilities.column_iter_mut() {
        for (r, w) in column.iter_mut().zip(weights) {
            *r *= w;
        }
    }
    let masses = responsibilities.row_sum().transpose();
    Ok(means_of_cells(transposed_product(&responsibilities, points), masses))
}

/// Joins the closest pair of centres.
pub(super) fn merge_closest(warm: &WarmStarts) -> Option<WarmStarts> {
    let cells = warm.masses.len();
    let centres = warm.centres.as_view();
    let pairs = (0..cells).flat_map(|i| (i + 1..cells).map(move |j| (i, j)));
    let (i, j) = pairs.min_by(|&(a, b), &(c, d)| {
        squared_distance(centres, a, centres, b).total_cmp(&squared_distance(centres, c, centres, d))
    })?;
    let mass = warm.masses[i] + warm.masses[j];
    let mut merged = warm.clone();
    let joined = (warm.centres.row(i) * warm.masses[i] + warm.centres.row(j) * warm.masses[j]) / mass;
    merged.centres.set_row(i, &joined);
    merged.masses[i] = mass;
    Some(WarmStarts { centres: merged.centres.remove_row(j), masses: merged.masses.remove_row(j) })
}

/// Means and shares from weighted sums (k × m) and weights (k); empty cells are dropped.
fn means_of_cells(mut sums: DMatrix<f64>, masses: DVector<f64>) -> WarmStarts {
    let total = masses.sum();
    for (mut row, mass) in sums.row_iter_mut().zip(masses.iter()) {
        row /= *mass;
    }
    let kept: Vec<usize> = (0..masses.len()).filter(|&j| masses[j] > 1e-12 * total).collect();
    WarmStarts { centres: sums.select_rows(&kept), masses: masses.select_rows(&kept) / total }
}

fn squared_distance(a: DMatrixView<'_, f64>, row: usize, b: DMatrixView<'_, f64>, other: usize) -> f64 {
    (0..a.ncols()).map(|axis| (a[(row, axis)] - b[(other, axis)]).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_pair_is_joined_at_its_centre_of_mass() {
        let warm = WarmStarts {
            centres: DMatrix::from_row_slice(3, 2, &[-1.0, -3.0, 1.0, 3.0, 1.4, 3.3]),
            masses: DVector::from_vec(vec![0.4, 0.2, 0.4]),
        };
        let merged = merge_closest(&warm).unwrap();
        let expected = DMatrix::from_row_slice(2, 2, &[-1.0, -3.0, 3.8 / 3.0, 3.2]);
        assert!((merged.centres - expected).amax() < 1e-12);
        assert!((merged.masses - DVector::from_vec(vec![0.4, 0.6])).amax() < 1e-12);
        let one = WarmStarts { centres: DMatrix::zeros(1, 2), masses: DVector::from_element(1, 1.0) };
        assert!(merge_closest(&one).is_none());
    }

    /// Points at −1, 1 and near 1: a cover of radius ½ is two cells, with the means of their points.
    #[test]
    fn a_cover_has_a_centre_within_its_radius_of_every_point() {
        let points = DMatrix::from_column_slice(4, 1, &[-1.0, 1.0, 1.3, 0.9]);
        let weights = [1.0, 2.0, 1.0, 1.0];
        let cover = greedy_cover(points.as_view(), &weights, 0.5, 0.0, 9);
        assert!((cover.centres - DMatrix::from_column_slice(2, 1, &[-1.0, 1.05])).amax() < 1e-12);
        assert!((cover.masses - DVector::from_vec(vec![0.2, 0.8])).amax() < 1e-12);
        // A cell with less than the least share is dropped, and its point falls to the other one.
        let one = greedy_cover(points.as_view(), &weights, 0.5, 0.3, 9);
        assert_eq!((one.centres.nrows(), one.masses[0]), (1, 1.0));
        assert!((one.centres[(0, 0)] - 0.64).abs() < 1e-12);
        // Zero radius, and no more centres than are wanted.
        assert_eq!(greedy_cover(points.as_view(), &weights, 0.0, 0.0, 9).centres.nrows(), 4);
        assert_eq!(greedy_cover(points.as_view(), &weights, 0.0, 0.0, 2).centres.nrows(), 2);
    }
}
