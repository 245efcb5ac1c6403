//! The Gaussian from which a reverse diffusion starts where nothing better is known, probed from a score that is
//! nearly linear.

use nalgebra::{Cholesky, DMatrix, DMatrixViewMut, DVector};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::gaussian_law::GaussianLaw;
use crate::error::{Error, Result};
use crate::process::NoiseLevel;

/// Mean-shift steps to the mode; the contraction per step is about Var(aX)/(Var(aX) + s²).
const MEAN_SHIFT_STEPS: usize = 50;

/// Mode and inverse Hessian of −log p: mean and covariance where p, with this `noise` and `score` in `dim`
/// dimensions, is nearly Gaussian.
pub(super) fn probe(
    dim: usize,
    noise: f64,
    score: impl Fn(&DMatrix<f64>) -> Result<DMatrix<f64>>,
) -> Result<GaussianLaw> {
    if dim == 0 {
        return Err(Error::NoColumns);
    }
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

/// Draws of X become draws of Y = aX + sZ.
pub(super) fn noise_into(level: NoiseLevel, rng: &mut dyn Rng, mut rows: DMatrixViewMut<'_, f64>) {
    let (signal, noise) = (level.signal(), level.noise());
    rows.apply(|value| {
        let z: f64 = if noise > 0.0 { StandardNormal.sample(rng) } else { 0.0 };
        *value = signal * *value + noise * z;
    });
}
