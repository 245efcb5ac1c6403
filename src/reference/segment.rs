use nalgebra::DVector;
use rand::{Rng, RngExt};

use super::blurred::{Centres, Posterior, blurred_law, finite_point, log_gaussian_normaliser, positive};
use super::quadrature::{gaussian_window, normalise};
use crate::error::{Error, Result};
use crate::score::GaussianLaw;

/// Centres uniform on a line segment in R^d, blurred by N(0, σ₀² I).
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::{DMatrix, DVector};
/// use gmix_diffusion::reference::Segment;
/// use gmix_diffusion::{LogDensity, NoiseLevel};
///
/// // In one dimension, well inside: 1/length.
/// let segment = Segment::new(DVector::from_element(1, -4.0), DVector::from_element(1, 4.0), 0.2)?;
/// let log_density = segment.log_density(NoiseLevel::CLEAN, &DMatrix::zeros(1, 1))?[0];
/// assert!((log_density + 8f64.ln()).abs() < 1e-12);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    start: DVector<f64>,
    direction: DVector<f64>,
    length: f64,
    component_std: f64,
}

impl Segment {
    /// The segment between two points of R^d (length d each), blurred by `component_std` (σ₀).
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless length and blur are positive, [`Error::ShapeMismatch`] when
    /// the points differ in dimension, [`Error::NoColumns`] or [`Error::NotFinite`] for impossible
    /// points.
    pub fn new(start: DVector<f64>, end: DVector<f64>, component_std: f64) -> Result<Self> {
        finite_point(&start)?;
        finite_point(&end)?;
        positive("component_std", component_std)?;
        if start.len() != end.len() {
            let what = "dimension of the segment's end";
            return Err(Error::ShapeMismatch { what, expected: start.len(), found: end.len() });
        }
        let length = positive("length of the segment", (&end - &start).norm())?;
        let direction = (end - &start) / length;
        Ok(Self { start, direction, length, component_std })
    }
}

impl Centres for Segment {
    fn dim(&self) -> usize {
        self.start.len()
    }

    fn component_std(&self) -> f64 {
        self.component_std
    }

    fn posterior_into(&self, bandwidth: f64, point: &[f64], mean: &mut [f64]) -> Posterior {
        let (dim, variance) = (self.start.len(), bandwidth * bandwidth);
        let axes = || point.iter().zip(self.start.iter()).zip(self.direction.iter());
        let along: f64 = axes().map(|((y, start), e)| (y - start) * e).sum();
        let across: f64 = axes().map(|((y, start), e)| (y - start - along * e).powi(2)).sum();
        let (nodes, log_peak) = gaussian_window(along, 0.0, self.length, bandwidth, 0.0);
        let mut weights = vec![];
        let positions: Vec<f64> = nodes
            .map(|node| {
                weights.push(node.log_weight);
                node.position
            })
            .collect();
        let log_integral = normalise(&mut weights);
        let average = |value: &dyn Fn(f64) -> f64| -> f64 {
            weights.iter().zip(&positions).map(|(weight, &position)| weight * value(position)).sum()
        };
        let position = average(&|t| t);
        for ((mean, start), e) in mean.iter_mut().zip(self.start.iter()).zip(self.direction.iter()) {
            *mean = start + position * e;
        }
        let log_density =
            log_gaussian_normaliser(dim, bandwidth) - 0.5 * across / variance + log_peak + log_integral
                - self.length.ln();
        Posterior { log_density, variance: average(&|t| (t - position).powi(2)) }
    }

    fn moments(&self) -> GaussianLaw {
        GaussianLaw {
            mean: &self.start + &self.direction * (0.5 * self.length),
            covariance: &self.direction * self.direction.transpose() * (self.length * self.length / 12.0),
        }
    }

    fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> DVector<f64> {
        &self.start + &self.direction * (self.length * rng.random::<f64>())
    }
}

blurred_law!(Segment);
