//! Sums of EM steps and log-densities in few axes, where rows that are near each other stand beside each other:
//! a block of them is evaluated for those cells alone that matter to it.

use fearless_simd::prelude::*;
use nalgebra::{DMatrix, DMatrixView, DVector};

use super::few_axes::{Cell, load_rows};
use crate::kernels::lanes::{LANES, Lanes, Rows};
use crate::kernels::softmax::softmax_above;

/// Groups of eight rows in a block.
const GROUPS: usize = 8;
/// Rows that are bounded together.
pub(crate) const BLOCK: usize = GROUPS * LANES;

/// One block of rows x, and the responsibilities of the cells that matter there.
struct Block<S: Simd, const M: usize> {
    rows: [[Lanes<S>; M]; GROUPS],
    groups: usize,
    /// Indices of these cells.
    near: Vec<usize>,
    /// Group by group, one [`Lanes`] a near cell.
    responsibilities: Vec<Lanes<S>>,
    /// Log-sum-exp of every group.
    log_sums: [Lanes<S>; GROUPS],
    /// Of every cell the largest log-weight that a row can have.
    most: Vec<f64>,
}

impl<S: Simd, const M: usize> Block<S, M> {
    #[inline(always)]
    fn new(simd: S) -> Self {
        let zero = Lanes::splat(simd, 0.0);
        Self {
            rows: [[zero; M]; GROUPS],
            groups: 0,
            near: Vec::new(),
            responsibilities: Vec::new(),
            log_sums: [zero; GROUPS],
            most: Vec::new(),
        }
    }

    /// Reads the rows from `start` on and evaluates the cells that matter there. A function of its own, which sums
    /// and log-densities share.
    #[inline(never)]
    fn fill(&mut self, simd: S, points: &DMatrixView<'_, f64>, start: usize, cells: &[Cell<M>], cut: f64) {
        simd.vectorize(
            #[inline(always)]
            || {
                self.load(simd, points, start);
                self.find_near(cells, cut);
                self.evaluate(simd, cells, cut);
            },
        );
    }

    /// Reads the rows from `start` on.
    #[inline(always)]
    fn load(&mut self, simd: S, points: &DMatrixView<'_, f64>, start: usize) {
        self.groups = (points.nrows() - start).div_ceil(LANES).min(GROUPS);
        for (group, rows) in self.rows.iter_mut().enumerate().take(self.groups) {
            *rows = load_rows(simd, points, start + group * LANES);
        }
    }

    /// Middle and half width of the rows along every axis.
    #[inline(always)]
    fn bounds(&self) -> [(f64, f64); M] {
        let mut bounds = [(0.0, 0.0); M];
        for (axis, bounds) in bounds.iter_mut().enumerate() {
            let (mut low, mut high) = (self.rows[0][axis], self.rows[0][axis]);
            for rows in &self.rows[1..self.groups.max(1)] {
                low = -(-low).or_above(-rows[axis]);
                high = high.or_above(rows[axis]);
            }
            let low = low.as_slice().iter().copied().fold(f64::INFINITY, f64::min);
            let high = high.as_slice().iter().copied().fold(f64::NEG_INFINITY, f64::max);
            *bounds = (0.5 * (low + high), 0.5 * (high - low));
        }
        bounds
    }

    /// Finds the cells whose responsibility may exceed exp(`cut`) of the largest for any row: all where that
    /// cannot be told.
    #[inline(always)]
    fn find_near(&mut self, cells: &[Cell<M>], cut: f64) {
        let bounds = self.bounds();
        self.most.clear();
        let mut peak = f64::NEG_INFINITY;
        for cell in cells {
            let (least, largest) = cell.log_joint_within(&bounds);
            self.most.push(largest);
            peak = peak.max(least);
        }
        self.near.clear();
        self.near.extend((0..cells.len()).filter(|&j| self.most[j] >= peak + cut));
        if self.near.is_empty() {
            self.near.extend(0..cells.len());
        }
    }

    /// Responsibilities of the near cells, and every group's log-sum-exp.
    #[inline(always)]
    fn evaluate(&mut self, simd: S, cells: &[Cell<M>], cut: f64) {
        self.responsibilities.clear();
        for (group, x) in self.rows.iter().enumerate().take(self.groups) {
            let first = self.responsibilities.len();
            for &j in &self.near {
                self.responsibilities.push(cells[j].log_joint(simd, &cells[j].coordinates(simd, x)));
            }
            self.log_sums[group] = softmax_above(simd, &mut self.responsibilities[first..], cut);
        }
    }
}

/// Σ w r (1, x, xxᵀ) and Σ w r² of one cell, a lane a row of eight.
#[derive(Clone, Copy)]
struct Sums<S: Simd, const M: usize> {
    weight: Lanes<S>,
    information: Lanes<S>,
    first: [Lanes<S>; M],
    /// Of columns a ≤ b at [a][b].
    second: [[Lanes<S>; M]; M],
}

impl<S: Simd, const M: usize> Sums<S, M> {
    #[inline(always)]
    fn zero(simd: S) -> Self {
        let zero = Lanes::splat(simd, 0.0);
        Self { weight: zero, information: zero, first: [zero; M], second: [[zero; M]; M] }
    }

    #[inline(always)]
    fn add(&mut self, r: Lanes<S>, weights: Lanes<S>, x: &[Lanes<S>; M], second: bool) {
        let weighted = r * weights;
        self.weight += weighted;
        self.information += r * weighted;
        for (a, &x_a) in x.iter().enumerate() {
            let product = weighted * x_a;
            self.first[a] += product;
            if second {
                for (b, &x_b) in x.iter().enumerate().skip(a) {
                    self.second[a][b] += product * x_b;
                }
            }
        }
    }

    /// Columns 1, x and, where they are wanted, xₐx_b for a ≤ b.
    fn moments(&self, second: bool) -> Vec<f64> {
        let mut moments = vec![total(self.weight)];
        moments.extend(self.first.iter().map(|&sum| total(sum)));
        if second {
            for (a, sums) in self.second.iter().enumerate() {
                moments.extend(sums[a..].iter().map(|&sum| total(sum)));
            }
        }
        moments
    }
}

fn total<S: Simd>(lanes: Lanes<S>) -> f64 {
    lanes.as_slice().iter().sum()
}

/// Σ w r (1, x, xxᵀ) of every cell, or Σ w r (1, x) without `second` moments (k × q); and Σ w r² (k).
#[inline(always)]
pub(super) fn sums<S: Simd, const M: usize>(
    simd: S,
    cells: &[Cell<M>],
    points: DMatrixView<'_, f64>,
    weights: &[f64],
    cut: f64,
    second: bool,
) -> (DMatrix<f64>, DVector<f64>) {
    let mut sums = vec![Sums::zero(simd); cells.len()];
    let mut block = Block::new(simd);
    for start in (0..points.nrows()).step_by(BLOCK) {
        block.fill(simd, &points, start, cells, cut);
        let mut block_weights = [Lanes::splat(simd, 0.0); GROUPS];
        for (group, lanes) in block_weights.iter_mut().enumerate().take(block.groups) {
            *lanes = Lanes::load(simd, weights, start + group * LANES);
        }
        for (position, &j) in block.near.iter().enumerate() {
            // A copy, which the compiler keeps in registers.
            let mut own = sums[j];
            let responsibilities = block.responsibilities.iter().skip(position).step_by(block.near.len());
            for ((&r, &weights), x) in responsibilities.zip(&block_weights).zip(&block.rows) {
                own.add(r, weights, x, second);
            }
            sums[j] = own;
        }
    }
    let columns = 1 + M + if second { M * (M + 1) / 2 } else { 0 };
    let moments: Vec<f64> = sums.iter().flat_map(|sums| sums.moments(second)).collect();
    let information = sums.iter().map(|sums| total(sums.information));
    (
        DMatrix::from_row_slice(cells.len(), columns, &moments),
        DVector::from_iterator(cells.len(), information),
    )
}

/// log Σⱼ wⱼ N(x; cⱼ, Sⱼ) at every row, without what lies exp(`cut`) below the largest.
#[inline(always)]
pub(super) fn log_density<S: Simd, const M: usize>(
    simd: S,
    cells: &[Cell<M>],
    points: DMatrixView<'_, f64>,
    cut: f64,
) -> Vec<f64> {
    let mut densities = vec![0.0; points.nrows()];
    let mut block = Block::new(simd);
    for start in (0..points.nrows()).step_by(BLOCK) {
        block.fill(simd, &points, start, cells, cut);
        for (group, log_sum) in block.log_sums.iter().enumerate().take(block.groups) {
            log_sum.store(&mut densities, start + group * LANES);
        }
    }
    densities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::gaussians::{Gaussian, Gaussians};
    use crate::kernels::responsibilities_above;

    const CUT: f64 = -16.0;

    /// Cells in a row, and rows along it, in order.
    fn cells_and_rows(n: usize, dim: usize) -> (Vec<Gaussian>, DMatrix<f64>, Vec<f64>) {
        let gaussian = |j: usize| {
            let centre = (0..dim).map(|axis| if axis == 0 { 3.0 * j as f64 } else { 0.3 * axis as f64 });
            let factor = DMatrix::from_fn(dim, dim, |a, b| match a.cmp(&b) {
                std::cmp::Ordering::Less => 0.0,
                std::cmp::Ordering::Equal => 0.6 + 0.1 * (a + j) as f64,
                std::cmp::Ordering::Greater => 0.2 - 0.1 * b as f64,
            });
            Gaussian::factored(-0.5 * j as f64, centre.collect(), &factor)
        };
        let rows = DMatrix::from_fn(n, dim, |i, axis| {
            let along = if axis == 0 { 18.0 * i as f64 / n as f64 } else { 0.0 };
            along + 0.3 * ((i * 7 + axis * 3) as f64).sin()
        });
        let weights = (0..n).map(|i| 0.5 + (i % 3) as f64).collect();
        ((0..7).map(gaussian).collect(), rows, weights)
    }

    #[test]
    fn sums_and_densities_are_those_over_all_cells() {
        for (n, dim) in [(1, 1), (8, 2), (63, 2), (64, 3), (500, 1), (500, 2), (501, 3), (499, 4), (300, 5)] {
            let (gaussians, rows, weights) = cells_and_rows(n, dim);
            let gaussians = Gaussians::new(dim, gaussians);
            let mut r = DMatrix::zeros(n, 7);
            gaussians.log_joint_into(rows.as_view(), r.as_view_mut());
            let log_sums = responsibilities_above(&mut r, CUT);
            let density = gaussians.log_density_above(rows.as_view(), CUT).unwrap();
            assert_eq!(density, log_sums, "what is left out is no more than zeros");

            let (moments, information) = gaussians.sums(rows.as_view(), &weights, CUT, true).unwrap();
            let first = gaussians.sums(rows.as_view(), &weights, CUT, false).unwrap().0;
            assert_eq!(first, moments.columns(0, 1 + dim));
            for j in 0..7 {
                let sum = |term: &dyn Fn(usize) -> f64| -> f64 {
                    (0..n).map(|i| weights[i] * r[(i, j)] * term(i)).sum()
                };
                let close = |found: f64, expected: f64| {
                    assert!((found - expected).abs() <= 1e-11 * n as f64, "{n} {dim} {found} {expected}");
                };
                close(moments[(j, 0)], sum(&|_| 1.0));
                close(information[j], sum(&|i| r[(i, j)]));
                let mut feature = 1 + dim;
                for a in 0..dim {
                    close(moments[(j, 1 + a)], sum(&|i| rows[(i, a)]));
                    for b in a..dim {
                        close(moments[(j, feature)], sum(&|i| rows[(i, a)] * rows[(i, b)]));
                        feature += 1;
                    }
                }
            }
        }
        assert!(
            Gaussians::new(6, cells_and_rows(9, 6).0)
                .sums(DMatrix::zeros(9, 6).as_view(), &[1.0; 9], CUT, true)
                .is_none()
        );
    }

    /// Rows of one end of the line are evaluated for few cells.
    #[test]
    fn far_cells_are_left_out_and_bounds_hold() {
        let (gaussians, rows, _) = cells_and_rows(640, 2);
        let cells: Vec<Cell<2>> = gaussians.into_iter().map(Cell::new).collect();
        vectorised!(simd => check_bounds(simd, &cells, &rows));
    }

    #[inline(always)]
    fn check_bounds<S: Simd>(simd: S, cells: &[Cell<2>], rows: &DMatrix<f64>) {
        let mut block = Block::new(simd);
        for start in (0..640).step_by(BLOCK) {
            block.load(simd, &rows.as_view(), start);
            block.find_near(cells, CUT);
            assert!((1..=5).contains(&block.near.len()), "{:?}", block.near);
            for cell in cells {
                let (least, largest) = cell.log_joint_within(&block.bounds());
                for x in &block.rows {
                    for &value in cell.log_joint(simd, &cell.coordinates(simd, x)).as_slice() {
                        assert!((least - 1e-9..=largest + 1e-9).contains(&value));
                    }
                }
            }
        }
    }

    /// Where nothing can be told of the cells, none is left out.
    #[test]
    fn cells_that_vanish_or_are_no_number_are_all_kept() {
        for log_weight in [f64::NEG_INFINITY, f64::NAN] {
            let cell = || Gaussian::isotropic(log_weight, vec![1.0], 1.0);
            let gaussians = Gaussians::new(1, vec![cell(), cell()]);
            let density = gaussians.log_density_above(DMatrix::zeros(3, 1).as_view(), CUT).unwrap();
            assert!(density.iter().all(|value| value.is_nan() == log_weight.is_nan()), "{density:?}");
        }
    }
}
