use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::component_std::estimate_component_std;
use super::moments::Moments;
use super::rows::Block;
use super::units::Units;
use super::warning::FitWarning;
use crate::error::{Error, Result};
use crate::process::DataScale;
use crate::score::ActiveSubspace;

/// Directions with less than this share of the largest standard deviation count as degenerate.
const DEGENERATE: f64 = 1e-7;

/// What the first pass tells about the data: units, σ₀, and the directions worth learning.
#[derive(Debug, Clone)]
pub(crate) struct Geometry {
    pub(crate) units: Units,
    /// In working units.
    pub(crate) subspace: ActiveSubspace,
    /// Variances along the active axes, length m.
    pub(crate) variances: DVector<f64>,
    /// Covariance in working units, d × d.
    pub(crate) covariance: DMatrix<f64>,
    pub(crate) component_std: f64,
    /// Bounded subsample in active coordinates, in random order.
    pub(crate) subsample: Block,
    /// Σ w over all rows.
    pub(crate) weight: f64,
}

impl Geometry {
    /// Units, component std and active subspace from the moments of `n_rows` rows.
    pub(crate) fn new(
        moments: &Moments,
        n_rows: u64,
        given_std: Option<f64>,
        warnings: &mut Vec<FitWarning>,
    ) -> Result<Self> {
        if moments.weight <= 0.0 {
            return Err(Error::NoRows);
        }
        let std = (moments.scatter.diagonal() / moments.weight).map(f64::sqrt);
        let units = Units::of_columns(&moments.mean, &std, given_std.is_some());
        let scale = units.scale();
        let covariance = DMatrix::from_fn(std.len(), std.len(), |i, j| {
            moments.scatter[(i, j)] / moments.weight / (scale[i] * scale[j])
        });
        let raw = moments.subsample();
        let working = units.to_working(&raw.rows);

        let eigen = SymmetricEigen::new(covariance.clone());
        let largest = eigen.eigenvalues.max();
        if largest <= 0.0 {
            return Err(Error::NoVariation);
        }
        let smallest_std = (eigen.eigenvalues.min().max(0.0) / largest).sqrt();
        if smallest_std < DEGENERATE {
            warnings.push(FitWarning::DegenerateDirection { relative_std: smallest_std });
        }
        let component_std = match given_std {
            Some(std) => std / scale[0],
            None => estimate_component_std(&working, &raw.weights)?,
        };
        if component_std * component_std > 1.1 * eigen.eigenvalues.min().max(0.0) {
            let smallest_std = eigen.eigenvalues.min().max(0.0).sqrt();
            warnings.push(FitWarning::ComponentStdTooLarge { component_std, smallest_std });
        }
        let active = active_axes(&eigen.eigenvalues, component_std, n_rows);
        let subspace = ActiveSubspace {
            mean: DVector::zeros(std.len()),
            axes: eigen.eigenvectors.select_columns(&active),
        };
        let subsample = Block { rows: subspace.project(&working), weights: raw.weights };
        Ok(Self {
            units,
            variances: eigen.eigenvalues.select_rows(&active),
            subspace,
            covariance,
            component_std,
            subsample,
            weight: moments.weight,
        })
    }

    /// Rows of data in active coordinates: n × m.
    pub(crate) fn to_active(&self, rows: &DMatrix<f64>) -> DMatrix<f64> {
        self.subspace.project(&self.units.to_working(rows))
    }

    /// Number of active directions m.
    pub(crate) fn active_dim(&self) -> usize {
        self.variances.len()
    }

    /// Variances of the centres along the active axes: those of the rows less σ₀².
    pub(crate) fn centre_variances(&self) -> DVector<f64> {
        self.variances.map(|v| (v - self.component_std * self.component_std).max(0.0))
    }

    pub(crate) fn scale(&self) -> DataScale {
        DataScale { component_std: self.component_std, data_std: self.variances.max().sqrt() }
    }
}

/// Directions whose variance exceeds what n rows of N(0, σ₀² I) would show: above the edge of the
/// Marchenko-Pastur law, σ₀²(1 + √(d/n))², by three standard errors of a variance. One at least.
fn active_axes(eigenvalues: &DVector<f64>, component_std: f64, n_rows: u64) -> Vec<usize> {
    let (d, n) = (eigenvalues.len() as f64, n_rows as f64);
    let edge = (1.0 + (d / n).sqrt()).powi(2) + 3.0 * (2.0 / n).sqrt();
    let threshold = component_std * component_std * edge;
    let active: Vec<usize> = (0..eigenvalues.len()).filter(|&i| eigenvalues[i] > threshold).collect();
    if active.is_empty() { vec![eigenvalues.imax()] } else { active }
}
