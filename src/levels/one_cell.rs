use std::sync::Arc;

use nalgebra::DVector;

use super::fitted::Fitted;
use super::setup::Setup;
use crate::cells::{GaussianCells, Partition};
use crate::error::Result;
use crate::polynomial::{HermiteMoments, LevelBasis, SmoothingBasis};
use crate::process::NoiseLevel;

/// The Gaussian of all rows as one cell, whose polynomials are solved for infinitely many noise draws.
#[derive(Debug, Clone)]
pub(crate) struct OneCell {
    smoothing: Arc<SmoothingBasis>,
    /// Of the rows, one a fold.
    moments: Vec<HermiteMoments>,
}

impl OneCell {
    /// What has to be summed over all rows first.
    pub(crate) fn smoothing(setup: &Setup) -> SmoothingBasis {
        let geometry = &setup.geometry;
        let dim = geometry.active_dim();
        let degree = setup.regression.single_cell_degree(dim);
        // The cell's variance is σ₀² at least, whatever the rows' may be.
        let variances = geometry.centre_variances().add_scalar(geometry.component_std.powi(2));
        SmoothingBasis::new(DVector::zeros(dim), variances, degree)
    }

    pub(crate) fn new(smoothing: Arc<SmoothingBasis>, moments: Vec<HermiteMoments>) -> Self {
        Self { smoothing, moments }
    }

    pub(super) fn cell(setup: &Setup) -> Arc<dyn Partition> {
        let centre = DVector::zeros(setup.geometry.active_dim());
        Arc::new(GaussianCells::axis_aligned(&centre, setup.geometry.centre_variances()))
    }

    /// The score of a level.
    pub(super) fn fitted(&self, setup: &Setup, level: NoiseLevel) -> Result<Fitted> {
        let component_std = setup.geometry.component_std;
        let degree = setup.regression.single_cell_degree(setup.geometry.active_dim());
        let basis = LevelBasis::new(Self::cell(setup), setup.bandwidth(level), degree);
        let equations = self
            .moments
            .iter()
            .map(|fold| self.smoothing.normal_equations(fold, component_std, level.noise_to_signal()));
        Fitted::in_cells(basis, equations.collect(), setup.regression.ridge())
    }
}
