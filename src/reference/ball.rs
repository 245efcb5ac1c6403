use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};

use super::bessel::{Tilt, tilt};
use super::blurred::{Centres, Posterior, blurred_law, finite_point, log_gaussian_normaliser, positive};
use super::quadrature::{gaussian_window, normalise};
use super::sphere::uniform_direction;
use crate::error::Result;
use crate::score::GaussianLaw;

/// Centres uniform in a ball of R^d, blurred by N(0, σ₀² I).
///
/// A ball is a stack of spheres: density and score are those of
/// [`Sphere`](crate::reference::Sphere), integrated over the radius by a quadrature on the window
/// where the integrand lives.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::{DMatrix, DVector};
/// use gmix_diffusion::reference::Ball;
/// use gmix_diffusion::{LogDensity, NoiseLevel};
///
/// // Well inside a wide disc the density is 1/area.
/// let disc = Ball::new(DVector::zeros(2), 10.0, 0.5)?;
/// let log_density = disc.log_density(NoiseLevel::CLEAN, &DMatrix::from_element(1, 2, 1.0))?[0];
/// assert!((log_density + (100.0 * std::f64::consts::PI).ln()).abs() < 1e-12);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ball {
    centre: DVector<f64>,
    radius: f64,
    component_std: f64,
}

impl Ball {
    /// The ball of `radius` around `centre` (length d), blurred by `component_std` (σ₀).
    ///
    /// # Errors
    /// [`Error::InvalidSetting`](crate::Error::InvalidSetting) unless radius and blur are positive,
    /// [`Error::NoColumns`](crate::Error::NoColumns) or [`Error::NotFinite`](crate::Error::NotFinite)
    /// for an impossible centre.
    pub fn new(centre: DVector<f64>, radius: f64, component_std: f64) -> Result<Self> {
        finite_point(&centre)?;
        positive("radius", radius)?;
        positive("component_std", component_std)?;
        Ok(Self { centre, radius, component_std })
    }
}

impl Centres for Ball {
    fn dim(&self) -> usize {
        self.centre.len()
    }

    fn component_std(&self) -> f64 {
        self.component_std
    }

    fn posterior_into(&self, bandwidth: f64, point: &[f64], mean: &mut [f64]) -> Posterior {
        let (dim, variance) = (self.centre.len(), bandwidth * bandwidth);
        let offsets = point.iter().zip(self.centre.iter()).map(|(y, c)| y - c);
        let distance = offsets.map(|w| w * w).sum::<f64>().sqrt();
        let rise = (dim as f64 - 1.0).sqrt();
        let (nodes, log_peak) = gaussian_window(distance, 0.0, self.radius, bandwidth, rise);
        // Per radius ρ: its posterior weight, and the von Mises-Fisher law of the direction.
        let mut weights = vec![];
        let shells: Vec<(f64, Tilt)> = nodes
            .map(|node| {
                let tilt = tilt(dim, node.position * distance / variance);
                let log_area = (dim as f64 - 1.0) * (node.position / self.radius).ln();
                weights.push(node.log_weight + log_area + tilt.log_scaled_normaliser);
                (node.position, tilt)
            })
            .collect();
        let log_integral = normalise(&mut weights);
        let average = |value: &dyn Fn(f64, &Tilt) -> f64| -> f64 {
            weights.iter().zip(&shells).map(|(weight, (radius, tilt))| weight * value(*radius, tilt)).sum()
        };
        let pull = average(&|radius, tilt| radius * radius * tilt.mean_over_kappa) / variance;
        for ((mean, y), c) in mean.iter_mut().zip(point).zip(self.centre.iter()) {
            *mean = c + pull * (y - c);
        }
        // Between the shells along the direction of the point, and within each shell: no cancellation.
        let along = pull * distance;
        let between = average(&|radius, tilt| (radius * (1.0 - tilt.one_minus_mean) - along).powi(2));
        let within =
            average(&|radius, tilt| radius * radius * tilt.one_minus_mean * (2.0 - tilt.one_minus_mean));
        let log_density = log_gaussian_normaliser(dim, bandwidth)
            + log_peak
            + log_integral
            + (dim as f64 / self.radius).ln();
        Posterior { log_density, variance: between + within }
    }

    fn moments(&self) -> GaussianLaw {
        let dim = self.centre.len();
        let variance = self.radius * self.radius / (dim as f64 + 2.0);
        GaussianLaw {
            mean: self.centre.clone(),
            covariance: DMatrix::from_diagonal_element(dim, dim, variance),
        }
    }

    fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> DVector<f64> {
        let dim = self.centre.len();
        let radius = self.radius * rng.random::<f64>().powf(1.0 / dim as f64);
        &self.centre + uniform_direction(dim, rng) * radius
    }
}

blurred_law!(Ball);
