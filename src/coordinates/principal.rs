use super::active::ActiveRows;
use super::component_std::BlurPath;
use super::hull::hull_axes;
use super::scaled::Scaled;
use super::spectrum::{Spectrum, show_no_bottom};
use super::units::Units;
use crate::error::Result;
use crate::rows::{FoldRule, FoldedSample};

/// The principal directions of the rows on their affine hull, and a sample of the rows there.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) units: Units,
    pub(super) fold_rule: FoldRule,
    /// Σ w over all rows.
    pub(super) weight: f64,
    spectrum: Spectrum,
    /// In working coordinates.
    pub(crate) sample: FoldedSample,
}

impl Principal {
    /// # Errors
    /// [`Error::NoVariation`](crate::Error::NoVariation) when no direction of the hull varies.
    pub(crate) fn new(scaled: &Scaled<'_>) -> Result<Self> {
        let Scaled { columns, covariance, .. } = scaled;
        let (mut units, mut spectrum) = (scaled.units.clone(), scaled.spectrum.clone());
        if let Some(axes) = hull_axes(covariance, columns.moments.rows, scaled.given_std) {
            spectrum = Spectrum::new(&(axes.transpose() * covariance * &axes))?;
            units.hull_axes = Some(axes);
        }
        let (fold_rule, weight) = (columns.fold_rule(), columns.moments.weight);
        let sample = columns.subsample(&units);
        Ok(Self { units, fold_rule, weight, spectrum, sample })
    }

    /// Active are the directions that vary by more than rows of N(0, σ₀² I) would.
    pub(crate) fn above_noise(&self, component_std: f64) -> ActiveRows {
        ActiveRows::new(self.spectrum.split_at_noise(component_std, self.weight), &self.sample)
    }

    /// The active directions for cells with covariances of their own: above the noise of a given σ₀, or those that are not
    /// one flat bottom of noise; few where rows are few. Where all are, their axes are the columns, which may vary apart
    /// from each other within cells though they do not between them.
    pub(crate) fn for_cells(&self, given_std: Option<f64>) -> ActiveRows {
        let rows = self.sample.stands_for;
        let split = match given_std {
            Some(component_std) => self.spectrum.split_at_noise(component_std, self.weight),
            None if show_no_bottom(rows, self.units.working_dim()) => self.spectrum.split_few_rows(rows),
            None => self.spectrum.split_flat_bottom(&self.sample, self.weight),
        };
        ActiveRows::new(split.along_columns(), &self.sample)
    }

    /// σ₀ as an annealed mixture of spherical Gaussians shows it.
    pub(crate) fn blur(&self) -> Result<f64> {
        Ok(BlurPath::new(&self.sample)?.component_std())
    }
}
