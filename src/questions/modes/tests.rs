use super::super::testing::Case;
use super::*;

/// At modes the gradient vanishes and the density is highest around; there are as many as a grid finds.
#[test]
fn modes_are_tops_and_all_are_found() {
    for (seed, beta) in [(100, 0.0), (101, 0.0), (102, 0.35), (103, -0.5)] {
        let law = Case { cells: 5, active: 2, ..Case::plain(seed, 2, beta) }.law();
        let modes = law.modes().unwrap();
        let scale = law.covariance().diagonal().map(f64::sqrt);
        for mode in &modes {
            let at = DMatrix::from_row_slice(1, 2, mode.location.as_slice());
            let gradient = law.score(NoiseLevel::CLEAN, &at).unwrap();
            assert!(gradient.row(0).transpose().component_mul(&scale).amax() < 1e-6, "{gradient}");
            approx::assert_relative_eq!(law.log_density(&at).unwrap()[0], mode.log_density, epsilon = 1e-9);
        }
        // Points of a grid that no neighbour exceeds, where a shape has its cells' tops near means.
        let side = 401;
        let points = grid(&law, side);
        let log = law.log_density(&points).unwrap();
        let inner = (1..side - 1).flat_map(|i| (1..side - 1).map(move |j| (i, j)));
        let tops = inner.filter(|&(i, j)| {
            let here = log[i + side * j];
            (0..9).all(|k| k == 4 || log[i + k % 3 - 1 + side * (j + k / 3 - 1)] < here)
        });
        // On narrow ridges across the grid a point beside the top may be one of these too.
        let tops: Vec<usize> = tops.map(|(i, j)| i + side * j).collect();
        let step = [points[1] - points[0], points[(side, 1)] - points[(0, 1)]];
        let near = |top: &usize, mode: &Mode| {
            (0..2).all(|axis| (points[(*top, axis)] - mode.location[axis]).abs() < 4.0 * step[axis])
        };
        assert!(modes.iter().all(|mode| tops.iter().any(|top| near(top, mode))), "{modes:?} {tops:?}");
        // A shape has tops of its own around a cell, where no ascent from its middle ends.
        if beta == 0.0 {
            assert!(tops.iter().all(|top| modes.iter().any(|mode| near(top, mode))), "{modes:?} {tops:?}");
        }
        assert!(!modes.is_empty());
        assert!(modes.is_sorted_by(|a, b| a.log_density >= b.log_density));
    }
}

/// Points on a grid of `side` points a column, 4 standard deviations beyond every cell.
fn grid(law: &Mixture, side: usize) -> DMatrix<f64> {
    let (means, covariances) = (law.means(), law.covariances());
    let edge = |axis: usize, sign: f64| {
        let of = |cell: usize| sign * means[(cell, axis)] + 4.0 * covariances[cell][(axis, axis)].sqrt();
        sign * (0..means.nrows()).map(of).fold(f64::NEG_INFINITY, f64::max)
    };
    DMatrix::from_fn(side * side, 2, |index, axis| {
        let (low, high) = (edge(axis, -1.0), edge(axis, 1.0));
        low + (high - low) * (index / side.pow(axis as u32) % side) as f64 / (side - 1) as f64
    })
}
