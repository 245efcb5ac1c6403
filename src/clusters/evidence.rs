//! Whether rows show a valley: how many lie around the pass, and how many around the tops beside it.

use nalgebra::{DMatrix, DVector};

use crate::error::{Error, Result};

/// Width of the windows in which rows are counted, in the distance from the pass to the nearer top: along the way, and
/// across it; across it at least so many standard deviations of a cell.
const ALONG: f64 = 0.3;
const ACROSS: f64 = 0.5;
const LEAST_ACROSS: f64 = 2.0;
/// Beyond so many widths a row does not count.
const FAR: f64 = 5.0;

/// A Gaussian window of one shape, wherever it is put.
pub(super) struct Window<'a> {
    /// A column a row: q × n.
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
        let (width, across) = ((ALONG * distance).max(1e-3), (ACROSS * distance).max(LEAST_ACROSS));
        // z ↦ z/across + along (along · z) (1/width − 1/across).
        let part = along.transpose() * &white;
        let whitening = &white / across + &along * part * (1.0 / width - 1.0 / across);
        Ok(Self { rows, weights, whitening })
    }

    /// Rows in the window around `centre`.
    pub(super) fn count(&self, centre: &DVector<f64>) -> Count {
        let mut count = Count { rows: 0.0, squares: 0.0 };
        let (dim, far) = (centre.len(), FAR * FAR);
        let mut offset = vec![0.0; dim];
        for (row, weight) in self.rows.column_iter().zip(self.weights) {
            for ((offset, value), centre) in offset.iter_mut().zip(row.iter()).zip(centre.iter()) {
                *offset = value - centre;
            }
            let mut square = 0.0;
            for axis in 0..dim {
                let z: f64 = (0..dim).map(|other| self.whitening[(axis, other)] * offset[other]).sum();
                square += z * z;
                if square > far {
                    break;
                }
            }
            if square <= far {
                let g = (-0.5 * square).exp();
                count.rows += weight * g;
                count.squares += weight * g * g;
            }
        }
        count
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
