//! A radial shape that all cells share: flatter or more peaked than a Gaussian, closed under noise.

use nalgebra::DMatrix;

/// Weight of the plain Gaussian beside the squared polynomial: keeps the density positive everywhere.
const GAUSSIAN_SHARE: f64 = 1e-3;

/// The factor ((1 + βL(ρ))² + γ)/(1 + β² + γ) on a Gaussian cell, ρ the squared Mahalanobis radius
/// in m directions, L = (m − ρ)/√(2m) the first Laguerre polynomial of ρ/2, normalised; γ = 10⁻³.
///
/// Near 0, β > 0 is more peaked and β < 0 flatter than a Gaussian; a large β > 0 cuts the tail off. A squared polynomial times a Gaussian stays one
/// under Gaussian noise: given a noised point, ρ is a quadratic form in Gaussians, whose mean and
/// variance are all that is needed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RadialShape {
    pub(crate) beta: f64,
}

/// One cell at one level, in the frame of its own axes: what a noised point y says of the cell's
/// standard coordinates z, zᵢ | y ~ N(slopeᵢ pᵢ, remainderᵢ), p the frame coordinates of y.
pub(super) struct PosteriorFrame<'a> {
    pub(super) slopes: &'a [f64],
    pub(super) remainders: &'a [f64],
}

impl RadialShape {
    pub(crate) const GAUSSIAN: Self = Self { beta: 0.0 };

    pub(crate) fn new(beta: f64) -> Self {
        Self { beta }
    }

    pub(crate) fn is_gaussian(self) -> bool {
        self.beta == 0.0
    }

    /// 1 + β² + γ.
    fn normaliser(self) -> f64 {
        1.0 + self.beta * self.beta + GAUSSIAN_SHARE
    }

    /// κ by which covariances shrink or grow, so that shaped cells keep theirs: m/E|z|², from E ρL = −√(2m)
    /// and E ρL² = m + 4.
    pub(crate) fn covariance_factor(self, dim: usize) -> f64 {
        if self.is_gaussian() {
            return 1.0;
        }
        let (m, beta) = (dim as f64, self.beta);
        let excess = (4.0 * beta * beta - 2.0 * beta * (2.0 * m).sqrt()) / (m * self.normaliser());
        1.0 / (1.0 + excess)
    }

    /// Logarithm of the clean factor at squared Mahalanobis radius `radius` in `dim` directions.
    pub(crate) fn log_factor(self, dim: usize, radius: f64) -> f64 {
        let m = dim as f64;
        let a = 1.0 + self.beta * (m - radius) / (2.0 * m).sqrt();
        let scale = a.abs().max(1.0);
        let relative = (a / scale).powi(2) + GAUSSIAN_SHARE / scale / scale;
        2.0 * scale.ln() + (relative / self.normaliser()).ln()
    }

    /// Adds the logarithm of the noised factor at a block of frame coordinates (n × m) to
    /// `log_joint`; and its gradient in frame coordinates to `gradient` and the trace of its Hessian
    /// to `trace`, where they are wanted.
    ///
    /// Everything is scaled by B = max(1, |A|), A = 1 + β E L, so that far points do not overflow.
    pub(super) fn add_to(
        self,
        posterior: PosteriorFrame<'_>,
        frame: &DMatrix<f64>,
        log_joint: &mut [f64],
        mut derivatives: Option<(&mut DMatrix<f64>, &mut [f64])>,
    ) {
        let (n, dim) = frame.shape();
        let m = dim as f64;
        let (beta, unit) = (self.beta, (2.0 * m).sqrt());
        for i in 0..n {
            let means = |axis: usize| posterior.slopes[axis] * frame[(i, axis)];
            let (mut radius, mut variance) = (0.0, 0.0);
            for axis in 0..dim {
                let (mean, c) = (means(axis), posterior.remainders[axis]);
                radius += mean * mean + c;
                variance += 2.0 * c * c + 4.0 * c * mean * mean;
            }
            let a = 1.0 + beta * (m - radius) / unit;
            let scale = a.abs().max(1.0);
            let relative = (a / scale).powi(2)
                + (beta * beta / (2.0 * m) * (variance / scale) + GAUSSIAN_SHARE / scale) / scale;
            log_joint[i] += 2.0 * scale.ln() + (relative / self.normaliser()).ln();
            let Some((gradient, trace)) = &mut derivatives else { continue };
            for axis in 0..dim {
                let (slope, c) = (posterior.slopes[axis], posterior.remainders[axis]);
                // ∂P = m t (−4βA/√(2m) + 4β²c/m), each factor of two relative to B.
                let pull = -4.0 * beta / unit * (a / scale) + 4.0 * beta * beta * c / m / scale;
                let first = means(axis) * slope / scale * pull / relative;
                let moved = 4.0 * beta * beta / m * (means(axis) * slope / scale).powi(2);
                let second = (slope * slope * pull / scale + moved) / relative;
                gradient[(i, axis)] += first;
                trace[i] += second - first * first;
            }
        }
    }
}
