//! Whether rows show a valley: how many lie around the pass, and how many around the tops beside it.

use nalgebra::{DMatrix, DVector};

use crate::error::{Error, Result};

/// Width of the windows in which rows are counted, in the distance from the pass to the nearer top.
const WIDTH: f64 = 0.33;
/// Across the way windows are at least so wide that this part of the rows at a top counts there.
const LEAST_PART: f64 = 1.0 / 3.0;
/// Beyond so many widths a row does not count.
const FAR: f64 = 5.0;
/// Rows that are whitened together.
const BLOCK: usize = 256;

/// A Gaussian window of one shape, wherever it is put.
pub(super) struct Window<'a> {
    /// n × q.
    rows: &'a DMatrix<f64>,
    weights: &'a [f64],
    /// Whitened coordinates in which the window is the standard Gaussian: q × q.
    whitening: DMatrix<f64>,
}

/// Rows in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Count {
    /// Σ w g.
    rows: f64,
    /// Σ w g².
    squares: f64,
}

impl<'a> Window<'a> {
    /// That of a pass on a way that leads `along` it, where `precision` is the inverse covariance of cells nearby and the
    /// nearer top is `distance` away in their standard deviations.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`].
    pub(super) fn new(
        (rows, weights): (&'a DMatrix<f64>, &'a [f64]),
        precision: &DMatrix<f64>,
        along: &DVector<f64>,
        distance: f64,
    ) -> Result<Self> {
        let singular = Error::NotPositiveDefinite { what: "covariance of component", index: 0 };
        let white = precision.clone().cholesky().ok_or(singular)?.l().transpose();
        let along = (&white * along).normalize();
        let width = (WIDTH * distance).max(1e-3);
        // A window of width a takes the part (1 + 1/a²)^(−(q − 1)/2) of a Gaussian in q − 1 directions across.
        let directions = (precision.nrows() as f64 - 1.0).max(1.0);
        let least = 1.0 / (LEAST_PART.powf(-2.0 / directions) - 1.0).sqrt();
        let across = width.max(least);
        // z ↦ z/across + along (along · z) (1/width − 1/across).
        let part = along.transpose() * &white;
        let whitening = &white / across + &along * part * (1.0 / width - 1.0 / across);
        Ok(Self { rows, weights, whitening })
    }

    /// Rows in the windows around `centres`.
    pub(super) fn counts<const N: usize>(&self, centres: [&DVector<f64>; N]) -> [Count; N] {
        let (n, dim) = self.rows.shape();
        let centres = centres.map(|centre| &self.whitening * centre);
        let mut counts = [Count { rows: 0.0, squares: 0.0 }; N];
        let mut white = vec![[0.0; BLOCK]; dim];
        for start in (0..n).step_by(BLOCK) {
            let len = BLOCK.min(n - start);
            for (axis, white) in white.iter_mut().enumerate() {
                white.fill(0.0);
                for (column, factor) in self.whitening.row(axis).iter().enumerate() {
                    let values = &self.rows.as_slice()[column * n + start..][..len];
                    for (white, value) in white.iter_mut().zip(values) {
                        *white += factor * value;
                    }
                }
            }
            for (count, centre) in counts.iter_mut().zip(&centres) {
                let mut squares = [0.0; BLOCK];
                for (white, centre) in white.iter().zip(centre.iter()) {
                    for (square, value) in squares.iter_mut().zip(white) {
                        *square += (value - centre) * (value - centre);
                    }
                }
                for (square, weight) in squares.iter().zip(&self.weights[start..start + len]) {
                    if *square <= FAR * FAR {
                        let g = (-0.5 * square).exp();
                        count.rows += weight * g;
                        count.squares += weight * g * g;
                    }
                }
            }
        }
        counts
    }
}

/// The evidence of rows for fewer around the pass than around a top, in nats: the logarithm of the ratio of likelihoods
/// of two rates against one, 0 where there are no fewer. Were the rates equal, it would exceed G with a probability of
/// about e^−G at most.
pub(super) fn valley(pass: Count, top: Count) -> f64 {
    if pass.rows >= top.rows {
        return 0.0;
    }
    let both = pass.rows + top.rows;
    let part = |rows: f64| if rows > 0.0 { rows * (2.0 * rows / both).ln() } else { 0.0 };
    // A row counts for g, so that Σ g rows have the variance Σ g².
    (part(pass.rows) + part(top.rows)) * both / (pass.squares + top.squares)
}

/// The standard error of the difference of log-densities at a pass and a top, from the rows around both.
pub(super) fn std_error(pass: Count, top: Count) -> f64 {
    // Half a row more, so that none are no certainty.
    let of = |count: Count| (count.squares + 0.5) / ((count.rows + 0.5) * (count.rows + 0.5));
    (of(pass) + of(top)).sqrt()
}
