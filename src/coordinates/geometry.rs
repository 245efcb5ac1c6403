use nalgebra::{DMatrix, DVector};

use super::column_scales::column_scales;
use super::component_std::BlurPath;
use super::hull::{DEGENERATE, hull_axes};
use super::spectrum::Spectrum;
use super::units::Units;
use crate::cells::Partitioner;
use crate::error::{Error, Result};
use crate::learner::diagnosis;
use crate::levels::{Base, RestCoordinates, smallest_std};
use crate::mixture::CrossFittedMixture;
use crate::polynomial::ActiveSubspace;
use crate::process::DataScale;
use crate::report::FitWarning;
use crate::rows::{FoldRule, FoldedSample, Moments};

/// Component std and data may differ by this factor.
const FARTHEST_SCALES: f64 = 1e9;

/// What the first pass tells about the data: units, σ₀, the directions worth learning, and the base
/// mixture where the partitioner finds one.
#[derive(Debug, Clone)]
pub(crate) struct Geometry {
    pub(crate) units: Units,
    /// In working units.
    pub(crate) subspace: ActiveSubspace,
    /// Variances along the active axes, length m.
    pub(crate) variances: DVector<f64>,
    /// Covariance of X = U + σ₀Z in working units, d × d: the rows', but σ₀² along the directions that are
    /// not active and at least σ₀² along the others.
    pub(crate) covariance: DMatrix<f64>,
    /// Directions outside the active subspace.
    pub(crate) rest: RestCoordinates,
    /// In working units.
    given_std: Option<f64>,
    pub(crate) component_std: f64,
    /// Bounded subsample in active coordinates, in random order.
    pub(crate) subsample: FoldedSample,
    pub(crate) base: Option<Base>,
    pub(crate) fold_rule: FoldRule,
    /// Σ w over all rows.
    pub(crate) weight: f64,
}

impl Geometry {
    /// Units, component std and active subspace from the moments; and the mixture that
    /// the partitioner finds in the subsample, if it finds one.
    pub(crate) fn new(
        moments: &Moments,
        seed: u64,
        given_std: Option<f64>,
        partitioner: &dyn Partitioner,
        warnings: &mut Vec<FitWarning>,
    ) -> Result<(Self, Option<CrossFittedMixture>)> {
        if moments.weight <= 0.0 {
            return Err(Error::NoRows);
        }
        if let Some(column) = moments.scatter.diagonal().iter().position(|v| !v.is_finite()) {
            return Err(Error::Overflow { column });
        }
        let std = (moments.scatter.diagonal() / moments.weight).map(f64::sqrt);
        let mut units = Units::of_columns(&moments.mean, &std, given_std.is_some());
        let repeated = moments.repeated_share();
        let fold_rule = if repeated > diagnosis::REPEATED { FoldRule::Values } else { FoldRule::Index };
        if given_std.is_none() {
            units.scale = column_scales(moments, &std, &units, seed, fold_rule, partitioner)?;
        }
        let scale = units.scale().clone();
        let covariance = DMatrix::from_fn(std.len(), std.len(), |i, j| {
            moments.scatter[(i, j)] / moments.weight / (scale[i] * scale[j])
        });
        let mut spectrum = Spectrum::new(&covariance)?;
        let smallest = spectrum.variances.min().max(0.0);
        let relative_std = (smallest / spectrum.variances.max()).sqrt();
        if relative_std < DEGENERATE {
            warnings.push(FitWarning::DegenerateDirection { relative_std });
        }
        let given_std = given_std.map(|std| std / scale[0]);
        check_component_std(given_std, spectrum.variances.max().sqrt())?;
        let too_large = given_std.filter(|std| spectrum.is_narrower_than(*std, moments.rows as f64));
        if let Some(component_std) = too_large {
            warnings.push(FitWarning::ComponentStdTooLarge { component_std, smallest_std: smallest.sqrt() });
        }
        if let Some(axes) = hull_axes(&covariance, moments.rows, given_std) {
            spectrum = Spectrum::new(&(axes.transpose() * &covariance * &axes))?;
            units.hull_axes = Some(axes);
        }

        let working = moments.subsample(&units, seed, fold_rule);
        warnings.extend(diagnosis::of_sample(&working, units.dim(), repeated));

        let mut split = match given_std {
            Some(std) => spectrum.split_at_noise(std, moments.weight),
            None if diagnosis::are_few(moments.rows, units.working_dim()) => {
                spectrum.split_few_rows(moments.rows)
            }
            None => spectrum.split_flat_bottom(&working, moments.weight),
        };
        let sample = split.project(&working);
        if let (Some(std), None, FoldRule::Index) = (given_std, too_large, fold_rule) {
            warnings.extend(diagnosis::of_component_std(std, &sample)?);
        }
        let found = partitioner.mixture(&sample)?;
        if let Some(found) = &found {
            found.check(&sample)?;
        }
        let component_std = match (given_std, &found) {
            (Some(std), _) => std,
            (None, Some(found)) => smallest_std(found).min(split.rest_std()),
            (None, None) => {
                let std = BlurPath::new(&working)?.component_std();
                split = spectrum.split_at_noise(std, moments.weight);
                std
            }
        };
        let geometry = Self {
            variances: split.variances.clone(),
            subsample: split.project(&working),
            rest: split.rest_coordinates(&working),
            covariance: split.covariance(component_std),
            subspace: ActiveSubspace { mean: DVector::zeros(units.working_dim()), axes: split.active },
            units,
            given_std,
            component_std,
            base: None,
            fold_rule,
            weight: moments.weight,
        };
        Ok((geometry, found))
    }

    /// With the final mixture as base, whose smallest standard deviation is σ₀ unless that is given.
    pub(crate) fn with_base(mut self, found: CrossFittedMixture) -> Result<Self> {
        let rest = self.rest.std();
        self.component_std = self.given_std.unwrap_or_else(|| smallest_std(&found).min(rest));
        self.base = Some(Base::new(found, &self)?);
        Ok(self)
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

/// Is a given component std of an order that can be told from 0 and from the data?
fn check_component_std(given: Option<f64>, data_std: f64) -> Result<()> {
    match given.map(|std| std / data_std) {
        Some(share) if !(1.0 / FARTHEST_SCALES..=FARTHEST_SCALES).contains(&share) => {
            Err(Error::InvalidSetting {
                name: "component std, in standard deviations of the data,",
                value: share,
                requirement: "between 1e-9 and 1e9",
            })
        }
        _ => Ok(()),
    }
}
