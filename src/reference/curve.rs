use std::fmt;
use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};

use super::blurred::{Centres, Posterior, blurred_law, finite_point, log_gaussian_normaliser, positive};
use super::quadrature::{gauss_legendre, normalise};
use crate::error::{Error, Result};
use crate::score::GaussianLaw;

/// Parameters at which the length of a curve is gauged.
const GAUGE: usize = 1024;

/// Panels are at most this many σ₀ long, and at least `FEWEST_PANELS`, so that their nodes resolve
/// both the blur and the curve.
const PANEL_IN_COMPONENT_STD: f64 = 2.0;
const FEWEST_PANELS: usize = 32;
const MOST_PANELS: usize = 100_000;
const NODES_PER_PANEL: usize = 16;

/// Centres c(t) on a curve in R^d at a parameter t uniform in \[0, 1\], blurred by N(0, σ₀² I).
///
/// The density is an integral over t, by Gauss-Legendre quadrature on panels no longer than 2σ₀: for
/// a smooth c about 1e-10 or better within 20σ₀ of the curve. Farther away it is that of the nodes,
/// finite and pointing home. A kink inside a panel costs accuracy.
///
/// # Examples
/// A spiral:
/// ```
/// use gmix_diffusion::nalgebra::{DMatrix, DVector};
/// use gmix_diffusion::reference::Curve;
/// use gmix_diffusion::{LogDensity, NoiseLevel};
///
/// let spiral = Curve::new(
///     |t| {
///         let (sin, cos) = (9.0 * t).sin_cos();
///         DVector::from_vec(vec![(1.0 + t) * cos, (1.0 + t) * sin])
///     },
///     0.1,
/// )?;
/// let ends = DMatrix::from_row_slice(2, 2, &[1.0, 0.0, -3.0, 3.0]);
/// let log_density = spiral.log_density(NoiseLevel::CLEAN, &ends)?;
/// assert!(log_density[0] > log_density[1]);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Clone)]
pub struct Curve {
    curve: Arc<dyn Fn(f64) -> DVector<f64> + Send + Sync>,
    /// d × nodes: a node is a contiguous column.
    nodes: DMatrix<f64>,
    weights: DVector<f64>,
    component_std: f64,
}

impl Curve {
    /// The curve t ↦ `curve(t)` (length d for every t in \[0, 1\]), blurred by `component_std` (σ₀).
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless the blur is positive and not tiny against the curve (its
    /// fastest stretch may be 200,000 σ₀ per unit of t), [`Error::ShapeMismatch`] when the dimension
    /// changes along the curve, [`Error::NoColumns`] or [`Error::NotFinite`] for impossible points.
    pub fn new(
        curve: impl Fn(f64) -> DVector<f64> + Send + Sync + 'static,
        component_std: f64,
    ) -> Result<Self> {
        positive("component_std", component_std)?;
        let dim = curve(0.0).len();
        let at = |t: f64| {
            let point = curve(t);
            finite_point(&point)?;
            let found = point.len();
            if found == dim {
                Ok(point)
            } else {
                Err(Error::ShapeMismatch { what: "dimension of the curve", expected: dim, found })
            }
        };
        let mut fastest = 0.0f64;
        let mut before = at(0.0)?;
        for step in 1..=GAUGE {
            let after = at(step as f64 / GAUGE as f64)?;
            fastest = fastest.max((&after - before).norm() * GAUGE as f64);
            before = after;
        }
        let n_panels = (fastest / (PANEL_IN_COMPONENT_STD * component_std)).ceil();
        if n_panels > MOST_PANELS as f64 {
            return Err(Error::InvalidSetting {
                name: "component_std",
                value: component_std,
                requirement: "at least 1/200,000 of the curve's largest speed",
            });
        }
        let n_panels = (n_panels as usize).max(FEWEST_PANELS);
        let rule = gauss_legendre(NODES_PER_PANEL);
        let parameters = (0..n_panels).flat_map(|panel| {
            rule.iter().map(move |(node, weight)| {
                let t = (panel as f64 + 0.5 + 0.5 * node) / n_panels as f64;
                (t, 0.5 * weight / n_panels as f64)
            })
        });
        let (parameters, weights): (Vec<f64>, Vec<f64>) = parameters.unzip();
        let nodes: Result<Vec<DVector<f64>>> = parameters.into_iter().map(at).collect();
        let nodes = DMatrix::from_columns(&nodes?);
        Ok(Self { curve: Arc::new(curve), nodes, weights: DVector::from_vec(weights), component_std })
    }
}

impl fmt::Debug for Curve {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Curve")
            .field("dim", &self.nodes.nrows())
            .field("nodes", &self.nodes.ncols())
            .field("component_std", &self.component_std)
            .finish_non_exhaustive()
    }
}

impl Centres for Curve {
    fn dim(&self) -> usize {
        self.nodes.nrows()
    }

    fn component_std(&self) -> f64 {
        self.component_std
    }

    fn posterior_into(&self, bandwidth: f64, point: &[f64], mean: &mut [f64]) -> Posterior {
        let variance = bandwidth * bandwidth;
        let dim = self.nodes.nrows();
        let nodes = || self.nodes.as_slice().chunks_exact(dim);
        let squared_distance = |node: &[f64]| -> f64 { squared_differences(node, point) };
        let Some(nearest) =
            nodes().min_by(|left, right| squared_distance(left).total_cmp(&squared_distance(right)))
        else {
            unreachable!("a curve has at least {FEWEST_PANELS} panels of nodes")
        };
        // Squared distances relative to the nearest node's: |δ|² − 2⟨y − nearest, δ⟩, exact far away.
        let relative = |node: &[f64]| -> f64 {
            let axes = node.iter().zip(nearest).zip(point);
            axes.map(|((c, near), y)| (c - near) * ((c - near) - 2.0 * (y - near))).sum()
        };
        let mut weights: Vec<f64> = nodes()
            .zip(self.weights.iter())
            .map(|(node, weight)| weight.ln() - 0.5 * relative(node) / variance)
            .collect();
        let log_sum = normalise(&mut weights);
        mean.fill(0.0);
        for (node, weight) in nodes().zip(&weights) {
            for (mean, c) in mean.iter_mut().zip(node) {
                *mean += weight * c;
            }
        }
        let spread = nodes().zip(&weights).map(|(node, weight)| weight * squared_differences(node, mean));
        Posterior {
            log_density: log_gaussian_normaliser(dim, bandwidth) - 0.5 * squared_distance(nearest) / variance
                + log_sum,
            variance: spread.sum(),
        }
    }

    fn moments(&self) -> GaussianLaw {
        let mean = &self.nodes * &self.weights;
        let mut scaled = self.nodes.clone();
        for (mut node, weight) in scaled.column_iter_mut().zip(self.weights.iter()) {
            node -= &mean;
            node *= weight.sqrt();
        }
        GaussianLaw { covariance: &scaled * scaled.transpose(), mean }
    }

    fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> DVector<f64> {
        (self.curve)(rng.random())
    }
}

fn squared_differences(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| (a - b) * (a - b)).sum()
}

blurred_law!(Curve);
