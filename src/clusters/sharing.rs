//! Which cells share their rows, and in what order they join when the number of clusters is known.

use nalgebra::{DMatrix, DVector};
use rand::seq::index;

use crate::error::Result;
use crate::linalg::transposed_product;
use crate::parallel::map_blocks;
use crate::questions::Mixture;
use crate::rows::{Rows, stream};

/// Rows that are summed together.
const BLOCK: usize = 2_048;
/// From at most so many rows it is seen what cells share, and the purpose of the stream by which they are drawn.
const MOST_ROWS: usize = 16_384;
const OWN_ROWS: u64 = 62;

/// Σ w rₐ r_b over rows, r a cell's probability given the row: k × k. A line sums to the cell's rows, and what stands in it is
/// how many of these would be another cell's when dealt to cells once more.
pub(super) struct Shared(DMatrix<f64>);

impl Shared {
    /// # Errors
    /// Those of [`Mixture::responsibilities`].
    pub(super) fn new(law: &Mixture, rows: &DMatrix<f64>, weights: &[f64]) -> Result<Self> {
        let mut chosen: Vec<usize> = (0..rows.nrows()).collect();
        if rows.nrows() > MOST_ROWS {
            chosen = index::sample(&mut stream(0, OWN_ROWS, 0), rows.nrows(), MOST_ROWS).into_vec();
            chosen.sort_unstable();
        }
        let responsibilities = law.responsibilities(&Rows::from(&rows.select_rows(&chosen)))?;
        let parts = map_blocks(chosen.len(), BLOCK, |range| {
            let block = responsibilities.rows(range.start, range.len()).into_owned();
            let mut weighted = block.clone();
            for (mut values, row) in weighted.row_iter_mut().zip(&chosen[range]) {
                values *= weights[*row];
            }
            Ok(transposed_product(&weighted, &block))
        })?;
        let k = responsibilities.ncols();
        Ok(Self(parts.into_iter().fold(DMatrix::zeros(k, k), |sum, part| sum + part)))
    }

    /// Of the smaller of two cells the part that it shares with the other: k × k.
    pub(super) fn overlaps(&self) -> DMatrix<f64> {
        let sums = self.0.column_sum();
        DMatrix::from_fn(sums.len(), sums.len(), |a, b| {
            self.0[(a, b)] / f64::min(sums[a], sums[b]).max(f64::MIN_POSITIVE)
        })
    }

    /// Pairs of cells whose groups join one after the other, k − 1 of them.
    ///
    /// A group keeps the part Q/m of its m rows, which is what is left to it when they are dealt once more. Every time those
    /// two groups join that leave the sum of these parts highest, so that every cluster counts alike, whatever its mass.
    /// Cells along a ridge share much with the next and join, whatever the form of the whole; of cells that overlap
    /// without a valley those stay together that share most; a few rows far away are a cluster, and rows scattered
    /// between clusters are none, since they share with all.
    pub(super) fn joints(self) -> Vec<[usize; 2]> {
        let k = self.0.nrows();
        let rows = self.0.column_sum();
        let mut groups = Joining { shared: self.0, rows, alive: vec![true; k], best: Vec::new() };
        groups.best = (0..k).map(|group| groups.partner(group)).collect();
        (1..k).map(|_| groups.join()).collect()
    }
}

/// Groups of cells that join, each with the number of its first cell.
struct Joining {
    shared: DMatrix<f64>,
    rows: DVector<f64>,
    alive: Vec<bool>,
    /// What is gained at most when a group joins another, and which.
    best: Vec<(f64, usize)>,
}

impl Joining {
    /// What the sum of the kept parts gains when two groups join.
    fn gain(&self, a: usize, b: usize) -> f64 {
        let part = |kept: f64, rows: f64| kept / rows.max(f64::MIN_POSITIVE);
        let [own_a, own_b] = [a, b].map(|group| self.shared[(group, group)]);
        let both = part(own_a + own_b + 2.0 * self.shared[(a, b)], self.rows[a] + self.rows[b]);
        both - part(own_a, self.rows[a]) - part(own_b, self.rows[b])
    }

    fn partner(&self, group: usize) -> (f64, usize) {
        let others = (0..self.rows.len()).filter(|&other| other != group && self.alive[other]);
        let gains = others.map(|other| (self.gain(group, other), other));
        gains.fold((f64::NEG_INFINITY, group), |best, next| if next.0 > best.0 { next } else { best })
    }

    fn join(&mut self) -> [usize; 2] {
        let alive: Vec<usize> = (0..self.rows.len()).filter(|&group| self.alive[group]).collect();
        let first = alive[0];
        let best = alive.iter().fold(
            first,
            |best, &next| {
                if self.best[next].0 > self.best[best].0 { next } else { best }
            },
        );
        let other = self.best[best].1;
        let (into, gone) = (best.min(other), best.max(other));
        self.alive[gone] = false;
        self.rows[into] += self.rows[gone];
        let line = self.shared.row(gone).into_owned();
        let mut into_line = self.shared.row_mut(into);
        into_line += line;
        let column = self.shared.column(gone).into_owned();
        let mut into_column = self.shared.column_mut(into);
        into_column += column;
        for group in alive.into_iter().filter(|&group| group != gone) {
            if group == into || self.best[group].1 == into || self.best[group].1 == gone {
                self.best[group] = self.partner(group);
            } else {
                let gain = self.gain(group, into);
                if gain > self.best[group].0 {
                    self.best[group] = (gain, into);
                }
            }
        }
        [into, gone]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of three cells, a pair, and a cell without rows.
    #[test]
    fn cells_join_those_with_which_they_share() {
        let mut shared =
            DMatrix::from_diagonal(&DVector::from_column_slice(&[80.0, 60.0, 80.0, 5.0, 5.0, 0.0]));
        for (a, b, rows) in [(0, 1, 20.0), (1, 2, 20.0), (3, 4, 5.0), (2, 3, 1e-9)] {
            shared[(a, b)] = rows;
            shared[(b, a)] = rows;
        }
        let joints = Shared(shared).joints();
        assert_eq!(joints.len(), 5);
        let mut groups = super::super::tree::Groups::new(6);
        for [a, b] in &joints[..4] {
            groups.join(*a, *b);
        }
        assert!(groups.of(0) == groups.of(1) && groups.of(1) == groups.of(2));
        assert!(groups.of(3) == groups.of(4) && groups.of(0) != groups.of(3));
    }
}
