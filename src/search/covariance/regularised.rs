//! A covariance of few rows, mixed with a multiple of the identity.

use nalgebra::DMatrix;

/// Shares of the identity that are tried: 1, and less by √2 each.
const SHARES: i32 = 25;
/// Where hardly more is left of a row's direction without the row, others do not span it.
const LEAST_LEFT: f64 = 1e-6;
/// Fewer rows tell nothing of each other.
const FEWEST_ROWS: f64 = 3.0;

/// The covariance of `rows` rows around their mean, mixed with a multiple of the identity as far as raises the
/// likelihood of rows left out, one after the other; `None` where it is best as it is.
///
/// (1 − α) S + α v I loses a row by an update of rank one, so that the likelihood of all rows, each with what the others
/// say, follows from S alone (Hoffbeck, Landgrebe 1996, with the mean of the Mahalanobis distances for each: Theiler
/// 2012). Linear shrinkage by a formula, of Ledoit and Wolf or oracle-approximating, is for squared errors; what counts here
/// is the likelihood.
///
/// Rows stand around means of `own_rows` each, and each row moves its own: around one mean they are all.
pub(in crate::search) fn regularised(
    covariance: &DMatrix<f64>,
    rows: f64,
    own_rows: f64,
) -> Option<Regularised> {
    let (share, _) = best_share(covariance, rows, own_rows)?;
    let variance = covariance.trace() / covariance.nrows() as f64;
    (share > 0.0).then(|| Regularised { covariance: mixed(covariance, share, variance), share })
}

pub(in crate::search) struct Regularised {
    pub(in crate::search) covariance: DMatrix<f64>,
    /// Of the identity.
    pub(in crate::search) share: f64,
}

/// The log-likelihood a row, up to a constant, of rows left out of their covariance so mixed; −∞ where nothing varies.
pub(crate) fn likelihood_left_out(covariance: &DMatrix<f64>, rows: f64) -> f64 {
    best_share(covariance, rows, rows).map_or(f64::NEG_INFINITY, |(_, likelihood)| likelihood)
}

/// The share of the identity, and the likelihood of the rows that are left out.
fn best_share(covariance: &DMatrix<f64>, rows: f64, own_rows: f64) -> Option<(f64, f64)> {
    let dim = covariance.nrows() as f64;
    let variance = covariance.trace() / dim;
    if !(variance > 0.0 && variance.is_finite()) {
        return None;
    }
    let log_volume = 0.5 * dim * variance.ln();
    let own_rows = own_rows.max(FEWEST_ROWS);
    if rows <= FEWEST_ROWS {
        return Some((1.0, -log_volume - 0.5 * dim));
    }
    let eigenvalues = (covariance / variance).symmetric_eigenvalues();
    let shares = (0..SHARES).map(|step| 0.5f64.powf(0.5 * f64::from(step))).chain([0.0]);
    let said =
        shares.map(|share| (share, left_out(eigenvalues.as_slice(), share, rows, own_rows) - log_volume));
    said.filter(|(_, likelihood)| likelihood.is_finite()).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Log-likelihood a row, up to a constant, of rows left out of a covariance with these eigenvalues, of which the identity
/// has this share, around means of so many rows each.
pub(super) fn left_out(eigenvalues: &[f64], share: f64, rows: f64, own_rows: f64) -> f64 {
    let (more, farther) = (rows / (rows - 1.0), own_rows / (own_rows - 1.0));
    let (mut log_determinant, mut distance) = (0.0, 0.0);
    for value in eigenvalues.iter().map(|value| value.max(0.0)) {
        let mixed = (1.0 - share) * more * value + share;
        log_determinant += mixed.ln();
        distance += if value > 0.0 { value / mixed } else { 0.0 };
    }
    let left = 1.0 - (1.0 - share) * farther / (rows - 1.0) * distance;
    if left <= LEAST_LEFT {
        return f64::NEG_INFINITY;
    }
    -0.5 * (log_determinant + left.ln() + farther * farther * distance / left)
}

/// (1 − α) S + α v I.
fn mixed(covariance: &DMatrix<f64>, share: f64, variance: f64) -> DMatrix<f64> {
    let mut mixed = covariance * (1.0 - share);
    for i in 0..mixed.nrows() {
        mixed[(i, i)] += share * variance;
    }
    mixed
}

#[cfg(test)]
mod tests {
    use nalgebra::{Cholesky, SymmetricEigen};
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    /// Rows of N(0, Σ), Σ_ij = .8^|i − j|, and Σ.
    fn chain(n: usize, dim: usize, seed: u64) -> (DMatrix<f64>, DMatrix<f64>) {
        let truth = DMatrix::from_fn(dim, dim, |i, j| 0.8f64.powi(i.abs_diff(j) as i32));
        let factor = Cholesky::new(truth.clone()).unwrap().l();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let normals: DMatrix<f64> = DMatrix::from_fn(n, dim, |_, _| StandardNormal.sample(&mut rng));
        (normals * factor.transpose(), truth)
    }

    fn sample_covariance(rows: &DMatrix<f64>) -> DMatrix<f64> {
        let mean = rows.row_mean();
        let mut centred = rows.clone();
        centred.row_iter_mut().for_each(|mut row| row -= &mean);
        centred.transpose() * &centred / rows.nrows() as f64
    }

    /// Expected log-density of the truth, up to a constant.
    fn expected(covariance: &DMatrix<f64>, truth: &DMatrix<f64>) -> f64 {
        let factor = Cholesky::new(covariance.clone()).unwrap();
        let log_determinant: f64 = factor.l().diagonal().iter().map(|v| 2.0 * v.ln()).sum();
        -0.5 * (log_determinant + factor.solve(truth).trace())
    }

    /// Against the best share, which only the truth tells, over ten samples of each size.
    #[test]
    fn the_share_is_near_the_best_one() {
        for (n, dim, within) in [(40, 20, 0.15), (30, 60, 0.4), (80, 30, 0.15)] {
            let mut behind = 0.0;
            for seed in 0..10 {
                let (rows, truth) = chain(n, dim, seed);
                let sample = sample_covariance(&rows);
                let found = expected(&regularised(&sample, n as f64, n as f64).unwrap().covariance, &truth);
                let variance = sample.trace() / dim as f64;
                let best = (1..40)
                    .map(|i| expected(&mixed(&sample, 0.025 * f64::from(i), variance), &truth))
                    .fold(f64::NEG_INFINITY, f64::max);
                behind += (best - found) / 10.0;
            }
            assert!(behind < within, "{n} × {dim}: {behind}");
        }
    }

    /// A direction that is thin stays thin, where rows are many.
    #[test]
    fn many_rows_keep_what_they_show() {
        let (mut rows, mut truth) = chain(4_000, 3, 1);
        rows.column_mut(2).scale_mut(1e-6);
        truth.column_mut(2).scale_mut(1e-6);
        truth.row_mut(2).scale_mut(1e-6);
        let sample = sample_covariance(&rows);
        let found = regularised(&sample, 4_000.0, 4_000.0)
            .map_or_else(|| sample.clone(), |simpler| simpler.covariance);
        assert!(expected(&found, &truth) > expected(&sample, &truth) - 1e-3);
    }

    #[test]
    fn the_likelihood_of_rows_left_out_is_that_of_leaving_them_out() {
        let (rows, _) = chain(400, 4, 7);
        let sample = sample_covariance(&rows);
        let share = 0.2;
        let one_by_one = (0..400).map(|k| {
            let others = rows.clone().remove_row(k);
            let mean = others.row_mean();
            let covariance = mixed(&sample_covariance(&others), share, 1.0);
            let row = rows.row(k) - mean;
            let factor = Cholesky::new(covariance).unwrap();
            let log_determinant: f64 = factor.l().diagonal().iter().map(|v| 2.0 * v.ln()).sum();
            -0.5 * (log_determinant + (&row * factor.solve(&row.transpose()))[(0, 0)])
        });
        let exact = one_by_one.sum::<f64>() / 400.0;
        let eigenvalues = SymmetricEigen::new(sample).eigenvalues;
        let found = left_out(eigenvalues.as_slice(), share, 400.0, 400.0);
        assert!((found - exact).abs() < 0.005, "{found} {exact}");
    }
}
