use nalgebra::DMatrix;

use crate::kernels::{BLOCK, LANES};

/// Axes that are cut, at most: the first of a sample's coordinates have most of its spread.
const AXES: usize = 8;

/// Indices of rows (n × m) in an order in which near rows stand near each other: cut at the middle of the
/// axis on which they are widest, again and again.
///
/// Most cells are then negligible for all of the few rows that are evaluated together, and cost nothing.
pub(crate) fn spatial_order(rows: &DMatrix<f64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.nrows()).collect();
    cut(rows, &mut order);
    order
}

fn cut(rows: &DMatrix<f64>, members: &mut [usize]) {
    if members.len() <= LANES {
        return;
    }
    let width = |axis: &usize| {
        let column = rows.column(*axis);
        let (low, high) = members.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &i| {
            (low.min(column[i]), high.max(column[i]))
        });
        high - low
    };
    let Some(widest) = (0..rows.ncols().min(AXES)).max_by(|a, b| width(a).total_cmp(&width(b))) else {
        return;
    };
    let column = rows.column(widest);
    // Whole blocks on the left, then whole groups, so that none straddles a cut.
    let together = if members.len() > BLOCK { BLOCK } else { LANES };
    let middle = (members.len() / 2).next_multiple_of(together);
    members.select_nth_unstable_by(middle.min(members.len() - 1), |&a, &b| column[a].total_cmp(&column[b]));
    let (left, right) = members.split_at_mut(middle.min(members.len()));
    cut(rows, left);
    cut(rows, right);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_once_and_beside_near_ones() {
        for n in [0, 1, 7, 8, 9, 100, 1000] {
            let rows = DMatrix::from_fn(n, 2, |i, j| ((i * 7919 + j * 104_729) % 1009) as f64);
            let order = spatial_order(&rows);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            let length = |order: &[usize]| -> f64 {
                order.windows(2).map(|pair| (rows.row(pair[0]) - rows.row(pair[1])).norm()).sum()
            };
            let before: Vec<usize> = (0..n).collect();
            assert!(n < 100 || length(&order) < 0.3 * length(&before));
        }
    }

    #[test]
    fn equal_rows_and_rows_without_columns_end() {
        assert_eq!(spatial_order(&DMatrix::from_element(1000, 3, 1.0)).len(), 1000);
        assert_eq!(spatial_order(&DMatrix::zeros(1000, 0)).len(), 1000);
    }
}
