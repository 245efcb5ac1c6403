use nalgebra::{DMatrix, DVector};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::bessel::tilt;
use super::blurred::{Centres, Posterior, blurred_law, log_gaussian_normaliser, positive};
use crate::error::{Error, Result};
use crate::score::GaussianLaw;

/// Centres uniform on a sphere around the origin in the first p coordinates of R^d, blurred by
/// N(0, σ₀² I): a circle for p = 2, the two points ±radius for p = 1.
///
/// The posterior of the centre is a von Mises-Fisher law, so that density and score are closed forms
/// in the modified Bessel functions I_{p/2−1} and I_{p/2}.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::reference::Sphere;
/// use gmix_diffusion::{NoiseLevel, ScoreModel};
///
/// // A 2-sphere in the first three of ten coordinates.
/// let sphere = Sphere::new(3.0, 3, 10, 0.5)?;
/// let origin = DMatrix::zeros(1, 10);
/// assert_eq!(sphere.score(NoiseLevel::CLEAN, &origin)?, origin);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sphere {
    radius: f64,
    span: usize,
    dim: usize,
    component_std: f64,
}

impl Sphere {
    /// Centres at `radius` in the first `span` (p) of `dim` (d) coordinates, blurred by
    /// `component_std` (σ₀) in all of them.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless radius and blur are positive and 1 ≤ p ≤ d.
    pub fn new(radius: f64, span: usize, dim: usize, component_std: f64) -> Result<Self> {
        positive("radius", radius)?;
        positive("component_std", component_std)?;
        if span == 0 || span > dim {
            return Err(Error::InvalidSetting {
                name: "coordinates spanned by the sphere",
                value: span as f64,
                requirement: "at least 1 and at most the dimension",
            });
        }
        Ok(Self { radius, span, dim, component_std })
    }

    /// Centres on the circle of `radius` in the first two of `dim` coordinates, blurred by
    /// `component_std`.
    ///
    /// # Errors
    /// As [`Sphere::new`].
    pub fn circle(radius: f64, dim: usize, component_std: f64) -> Result<Self> {
        Self::new(radius, 2, dim, component_std)
    }
}

impl Centres for Sphere {
    fn dim(&self) -> usize {
        self.dim
    }

    fn component_std(&self) -> f64 {
        self.component_std
    }

    fn posterior_into(&self, bandwidth: f64, point: &[f64], mean: &mut [f64]) -> Posterior {
        let (inside, rest) = point.split_at(self.span);
        let distance = inside.iter().map(|y| y * y).sum::<f64>().sqrt();
        let squared_rest: f64 = rest.iter().map(|y| y * y).sum();
        let variance = bandwidth * bandwidth;
        let tilt = tilt(self.span, distance * self.radius / variance);
        let pull = self.radius * self.radius / variance * tilt.mean_over_kappa;
        mean.fill(0.0);
        for (mean, y) in mean.iter_mut().zip(inside) {
            *mean = pull * y;
        }
        let exponent = -0.5 * ((distance - self.radius).powi(2) + squared_rest) / variance;
        Posterior {
            log_density: log_gaussian_normaliser(self.dim, bandwidth) + exponent + tilt.log_scaled_normaliser,
            variance: self.radius * self.radius * tilt.one_minus_mean * (2.0 - tilt.one_minus_mean),
        }
    }

    fn moments(&self) -> GaussianLaw {
        let variance = self.radius * self.radius / self.span as f64;
        let diagonal = DVector::from_fn(self.dim, |i, _| if i < self.span { variance } else { 0.0 });
        GaussianLaw { mean: DVector::zeros(self.dim), covariance: DMatrix::from_diagonal(&diagonal) }
    }

    fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> DVector<f64> {
        let mut centre = DVector::zeros(self.dim);
        let mut direction = centre.rows_mut(0, self.span);
        direction.copy_from(&uniform_direction(self.span, rng));
        centre * self.radius
    }
}

/// A point uniform on the unit sphere of R^`dim`.
pub(super) fn uniform_direction<R: Rng + ?Sized>(dim: usize, rng: &mut R) -> DVector<f64> {
    loop {
        let z = DVector::from_fn(dim, |_, _| StandardNormal.sample(rng));
        // A draw of exactly zero has no direction.
        if let Some(direction) = z.try_normalize(0.0) {
            return direction;
        }
    }
}

blurred_law!(Sphere);
