//! The start of a reverse diffusion, probed from a score that is nearly linear.

use nalgebra::{Cholesky, DMatrix, DVector};

use super::model::{GaussianLaw, ScoreModel};
use crate::error::{Error, Result};
use crate::process::NoiseLevel;

/// Mean-shift steps to the mode; the contraction per step is about Var(aX)/(Var(aX) + s²).
const MEAN_SHIFT_STEPS: usize = 50;

/// Mode and inverse Hessian of −log p at `level`: mean and covariance where Y is nearly Gaussian.
pub(super) fn probe<M: ScoreModel + ?Sized>(model: &M, level: NoiseLevel) -> Result<GaussianLaw> {
    let (dim, noise) = (model.dim(), level.noise());
    let mut mode = DMatrix::zeros(1, dim);
    for _ in 0..MEAN_SHIFT_STEPS {
        mode += model.score(level, &mode)? * (noise * noise);
    }
    // One point a direction on either side of the mode, a step of one noise away.
    let probes = DMatrix::from_fn(2 * dim, dim, |row, column| {
        let step = if row / 2 == column { noise } else { 0.0 };
        mode[(0, column)] + if row % 2 == 0 { step } else { -step }
    });
    let scores = model.score(level, &probes)?;
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

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrixView, DMatrixViewMut, DVector};

    use super::*;
    use crate::mixture::GaussianMixture;

    /// A score alone.
    struct Alone(GaussianMixture);

    impl ScoreModel for Alone {
        fn dim(&self) -> usize {
            self.0.dim()
        }

        fn score_into(
            &self,
            level: NoiseLevel,
            points: DMatrixView<'_, f64>,
            score: DMatrixViewMut<'_, f64>,
        ) -> Result<()> {
            self.0.score_into(level, points, score)
        }
    }

    #[test]
    fn a_gaussian_s_mean_and_covariance_are_found_from_its_score_at_every_noise() {
        let covariance = DMatrix::from_row_slice(2, 2, &[0.5, 0.2, 0.2, 0.3]);
        let mean = DMatrix::from_row_slice(1, 2, &[7.0, -2.0]);
        let law = GaussianMixture::new(DVector::from_element(1, 1.0), mean, vec![covariance]).unwrap();
        for level in [(1.0, 3.0), (0.3, 1.0), (0.5, 20.0)] {
            let level = NoiseLevel::new(level.0, level.1).unwrap();
            let exact = law.start(level).unwrap();
            let found = Alone(law.clone()).start(level).unwrap();
            let variance = exact.covariance.amax();
            assert!((found.mean - exact.mean).amax() < 1e-9);
            assert!((found.covariance - exact.covariance).amax() < 1e-6 * variance);
        }
    }
}
