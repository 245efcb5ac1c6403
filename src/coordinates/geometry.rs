use nalgebra::{DMatrix, DVector};

use super::active::ActiveRows;
use super::principal::Principal;
use super::units::Units;
use crate::process::DataScale;
use crate::rows::{FoldRule, FoldedSample};

/// The coordinates in which a fit learns: units, the directions worth learning, and σ₀.
///
/// The last of a chain of values, each made from the one before: [`Columns`](super::Columns) as they are,
/// [`Scaled`](super::Scaled) to working units, turned to their [`Principal`] directions, and split into
/// [`ActiveRows`] and the rest.
#[derive(Debug, Clone)]
pub(crate) struct Geometry {
    pub(crate) units: Units,
    pub(crate) fold_rule: FoldRule,
    /// Σ w over all rows.
    pub(crate) weight: f64,
    pub(crate) active: ActiveRows,
    /// σ₀ in working units.
    pub(crate) component_std: f64,
    /// Covariance of X = U + σ₀Z in working units, d × d: the rows', but σ₀² along the directions that are
    /// not active and at least σ₀² along the others.
    pub(crate) covariance: DMatrix<f64>,
}

impl Geometry {
    pub(crate) fn new(principal: Principal, active: ActiveRows, component_std: f64) -> Self {
        let Principal { units, fold_rule, weight, .. } = principal;
        let covariance = active.split.covariance(component_std);
        Self { units, fold_rule, weight, active, component_std, covariance }
    }

    /// The same coordinates with another σ₀, as a mixture of all rows shows it.
    pub(crate) fn with_component_std(self, component_std: f64) -> Self {
        Self { component_std, ..self }
    }

    /// A bounded sample of the rows in active coordinates, n × m, in random order.
    pub(crate) fn subsample(&self) -> &FoldedSample {
        &self.active.sample
    }

    /// Number of active directions m.
    pub(crate) fn active_dim(&self) -> usize {
        self.active.dim()
    }

    /// Variances of the centres along the principal directions, which are the active axes level by level: those of the rows
    /// less σ₀².
    pub(crate) fn centre_variances(&self) -> DVector<f64> {
        self.active.split.variances.map(|v| (v - self.component_std * self.component_std).max(0.0))
    }

    pub(crate) fn scale(&self) -> DataScale {
        let data_std = self.active.split.variances.max().sqrt();
        DataScale { component_std: self.component_std, data_std }
    }
}
