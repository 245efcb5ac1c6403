//! Ridge regression from normal equations, and its degree and strength chosen by held-out loss from
//! per-fold statistics alone.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::normal_equations::NormalEquations;
use crate::error::{Error, Result};
use crate::linalg::{solve_lower_triangular, solve_transposed_lower_triangular};

/// How much stronger the ridge is on each further degree; two are tried.
const GROWTHS: [f64; 2] = [4.0, 16.0];
/// First jitter, relative to a unit diagonal, where a Gram matrix is singular to rounding.
const JITTER: f64 = 1e-12;

/// A ridge a·g^|α| on the unit-diagonal Gram matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ridge {
    strength: f64,
    growth: f64,
}

/// Degree and ridge of lowest held-out loss, and the coefficients from all folds.
#[derive(Debug, Clone)]
pub(crate) struct RidgeFit {
    /// Highest total degree used; `None` when no correction of the base lowers the held-out loss.
    pub(crate) degree: Option<usize>,
    /// Held-out loss a unit of weight, relative to the base (0 when nothing is corrected).
    pub(crate) held_out_loss: f64,
    /// Corrections of the base's coefficients, features × m.
    pub(crate) correction: DMatrix<f64>,
    /// Linear systems solved.
    pub(crate) solves: usize,
}

/// One degree and ridge, with its loss on every fold when fitted to the others.
struct Candidate {
    degree: usize,
    ridge: Ridge,
    losses: Vec<f64>,
}

/// Fits the correction θ of lowest held-out loss to residual equations, one a fold.
///
/// `orders` are the features' total degrees, rising; every degree up to the last one is tried, each
/// with every strength in `strengths`, rising.
pub(crate) fn fit_ridge(folds: &[NormalEquations], orders: &[usize], strengths: &[f64]) -> Result<RidgeFit> {
    let mut total = folds[0].clone();
    for fold in &folds[1..] {
        total.add(fold);
    }
    let degrees = orders.last().map_or(0, |d| d + 1);
    let prefix: Vec<usize> = (0..degrees).map(|d| orders.partition_point(|&o| o <= d)).collect();
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut solves = 0;
    for growth in if degrees > 1 { &GROWTHS[..] } else { &GROWTHS[..1] } {
        for &strength in strengths {
            let ridge = Ridge { strength, growth: *growth };
            let mut losses = vec![Vec::with_capacity(folds.len()); degrees];
            for held_out in folds {
                let mut training = total.clone();
                training.gram -= &held_out.gram;
                training.moment -= &held_out.moment;
                training.weight -= held_out.weight;
                let system = Factored::new(&training, orders, ridge)?;
                solves += 1;
                for (loss, &features) in losses.iter_mut().zip(&prefix) {
                    loss.push(held_out.loss(&system.solve_leading(features)));
                }
            }
            let of_degree = |(degree, losses)| Candidate { degree, ridge, losses };
            candidates.extend(losses.into_iter().enumerate().map(of_degree));
        }
    }
    let mut correction = DMatrix::zeros(orders.len(), total.moment.ncols());
    let Some(best) = best(&candidates) else {
        return Ok(RidgeFit { degree: None, held_out_loss: 0.0, correction, solves });
    };
    let features = prefix[best.degree];
    let coefficients = Factored::new(&total, orders, best.ridge)?.solve_leading(features);
    correction.rows_mut(0, features).copy_from(&coefficients);
    Ok(RidgeFit {
        degree: Some(best.degree),
        held_out_loss: best.losses.iter().sum::<f64>() / total.weight,
        correction,
        solves: solves + 1,
    })
}

/// The candidate of lowest loss over all folds; the first of equals, and none where none has a loss below that of no
/// correction.
fn best(candidates: &[Candidate]) -> Option<&Candidate> {
    let loss = |candidate: &Candidate| -> f64 { candidate.losses.iter().sum() };
    let lowest = candidates.iter().map(|candidate| (loss(candidate), candidate));
    let lowest = lowest.min_by(|(a, _), (b, _)| a.total_cmp(b));
    lowest.filter(|(loss, _)| *loss < 0.0).map(|(_, candidate)| candidate)
}

/// The Cholesky factor of the scaled, ridged Gram matrix, and the forward-substituted right-hand
/// side. Their leading blocks serve every lower degree.
struct Factored {
    scales: DVector<f64>,
    lower: DMatrix<f64>,
    forward: DMatrix<f64>,
}

impl Factored {
    /// Factors S⁻¹GS⁻¹ + Λ with S² = diag G, so that ridges mean the same for every feature. Where
    /// rounding leaves it indefinite, a jitter on the diagonal grows until it is not.
    fn new(equations: &NormalEquations, orders: &[usize], ridge: Ridge) -> Result<Self> {
        let gram = &equations.gram;
        let size = gram.nrows();
        // A feature that no row touches keeps a unit scale; its coefficient comes out as zero.
        let scales = gram.diagonal().map(|g| if g > 0.0 { g.sqrt() } else { 1.0 });
        let mut scaled = gram.clone();
        for mut row in scaled.row_iter_mut() {
            row.component_div_assign(&scales.transpose());
        }
        for mut column in scaled.column_iter_mut() {
            column.component_div_assign(&scales);
        }
        let penalty = |i: usize| ridge.strength * ridge.growth.powi(orders[i] as i32);
        for i in 0..size {
            scaled[(i, i)] += penalty(i) + if gram[(i, i)] > 0.0 { 0.0 } else { 1.0 };
        }
        let mut jitter = 0.0;
        let factor: Cholesky<f64, Dyn> = loop {
            let mut shifted = scaled.clone();
            for i in 0..size {
                shifted[(i, i)] += jitter;
            }
            if let Some(factor) = Cholesky::new(shifted) {
                break factor;
            }
            // A unit diagonal plus a jitter above the size is diagonally dominant: only overflow is left.
            if jitter > size as f64 {
                return Err(Error::NotPositiveDefinite {
                    what: "Gram matrix of a regression, size",
                    index: size,
                });
            }
            jitter = if jitter == 0.0 { JITTER } else { jitter * 10.0 };
        };
        let lower = factor.unpack();
        let mut forward = equations.moment.clone();
        for mut column in forward.column_iter_mut() {
            column.component_div_assign(&scales);
        }
        solve_lower_triangular(lower.as_view(), forward.as_view_mut());
        Ok(Self { scales, lower, forward })
    }

    /// The solution of the leading `features` equations.
    fn solve_leading(&self, features: usize) -> DMatrix<f64> {
        let mut solution = self.forward.rows(0, features).into_owned();
        let leading = self.lower.view((0, 0), (features, features));
        solve_transposed_lower_triangular(leading.as_view(), solution.as_view_mut());
        for mut column in solution.column_iter_mut() {
            column.component_div_assign(&self.scales.rows(0, features));
        }
        solution
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exact equations of t = 2 + 3u on four points, in one feature a degree.
    fn line(points: &[f64]) -> NormalEquations {
        let mut sums = NormalEquations::zeros(3, 1);
        for &u in points {
            let phi = DVector::from_vec(vec![1.0, u, u * u]);
            sums.gram += &phi * phi.transpose();
            sums.moment += &phi * (2.0 + 3.0 * u);
            sums.weight += 1.0;
        }
        sums
    }

    #[test]
    fn finds_a_line_exactly_and_stops_at_degree_one_with_noise_free_data() {
        let folds = [line(&[-1.0, 0.3, 2.0]), line(&[0.7, -0.4, 1.1]), line(&[1.5, -1.6, 0.2])];
        let fit = fit_ridge(&folds, &[0, 1, 2], &[0.0]).unwrap();
        assert!(fit.degree >= Some(1));
        approx::assert_relative_eq!(fit.correction[(0, 0)], 2.0, epsilon = 1e-9);
        approx::assert_relative_eq!(fit.correction[(1, 0)], 3.0, epsilon = 1e-9);
        approx::assert_abs_diff_eq!(fit.correction[(2, 0)], 0.0, epsilon = 1e-9);
    }

    #[test]
    fn a_singular_gram_matrix_is_solved_all_the_same() {
        // Three features but one distinct point a fold.
        let folds = [line(&[1.0, 1.0]), line(&[1.0, 1.0])];
        let fit = fit_ridge(&folds, &[0, 1, 2], &[0.0, 1e-3]).unwrap();
        let value = fit.correction.column(0).sum();
        approx::assert_relative_eq!(value, 5.0, epsilon = 1e-6);
    }

    #[test]
    fn nothing_is_corrected_where_there_is_nothing_to_correct() {
        let mut folds = [line(&[-1.0, 0.3, 2.0]), line(&[0.7, -0.4, 1.1])];
        for fold in &mut folds {
            fold.moment.fill(0.0);
        }
        let fit = fit_ridge(&folds, &[0, 1, 2], &[1e-3]).unwrap();
        assert_eq!((fit.degree, fit.held_out_loss), (None, 0.0));
        assert!(fit.correction.iter().all(|&c| c == 0.0));
    }

    /// Targets t in one fold each, learned by one constant. Fitted to the others it is their mean m, and its loss
    /// on a fold of n rows is n m² − 2 m Σt.
    #[test]
    fn a_constant_s_losses_are_those_by_hand() {
        let targets = [[1.0, 2.0, 3.0], [2.0, 2.5, 0.5], [4.0, 1.0, 2.0], [1.5, 2.5, 3.5]];
        let folds = targets.map(|fold| {
            let mut sums = NormalEquations::zeros(1, 1);
            sums.gram.fill(3.0);
            sums.moment.fill(fold.iter().sum());
            sums.weight = 3.0;
            sums
        });
        let fit = fit_ridge(&folds, &[0], &[0.0]).unwrap();
        let all: f64 = targets.as_flattened().iter().sum();
        let losses = targets.map(|fold| {
            let own: f64 = fold.iter().sum();
            let mean = (all - own) / 9.0;
            3.0 * mean * mean - 2.0 * mean * own
        });
        let sum: f64 = losses.iter().sum();
        approx::assert_relative_eq!(fit.held_out_loss, sum / 12.0, epsilon = 1e-12);
        // One system a fold, and the one of all.
        assert_eq!((fit.degree, fit.solves), (Some(0), 5));
    }
}
