//! The start of a reverse diffusion, probed from a score that is nearly linear.

use nalgebra::{Cholesky, DMatrix, DVector};

use super::gaussian_law::GaussianLaw;
use crate::error::{Error, Result};

/// Mean-shift steps to the mode; the contraction per step is about Var(aX)/(Var(aX) + s²).
const MEAN_SHIFT_STEPS: usize = 50;

/// Mode and inverse Hessian of −log p: mean and covariance where p, with this `noise` and `score` in `dim`
/// dimensions, is nearly Gaussian.
pub(super) fn probe(
    dim: usize,
    noise: f64,
    score: impl Fn(&DMatrix<f64>) -> Result<DMatrix<f64>>,
) -> Result<GaussianLaw> {
    let mut mode = DMatrix::zeros(1, dim);
    for _ in 0..MEAN_SHIFT_STEPS {
        mode += score(&mode)? * (noise * noise);
    }
    // One point a direction on either side of the mode, a step of one noise away.
    let probes = DMatrix::from_fn(2 * dim, dim, |row, column| {
        let step = if row / 2 == column { noise } else { 0.0 };
        mode[(0, column)] + if row % 2 == 0 { step } else { -step }
    });
    let scores = score(&probes)?;
    let slope =
        DMatrix::from_fn(dim, dim, |i, j| (scores[(2 * i + 1, j)] - scores[(2 * i, j)]) / (2.0 * noise));
    let precision = (&slope + slope.transpose()) * 0.5;
    let factor = Cholesky::new(precision)
        .ok_or(Error::NotPositiveDefinite { what: "precision of the start law, level", index: 0 })?;
    Ok(GaussianLaw {
        mean: DVector::from_iterator(dim, mode.iter().copied()),
        covariance: factor.solve(&DMatrix::identity(dim, dim)),
    })
}
