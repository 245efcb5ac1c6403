use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::base::{Base, RestCoordinates, smallest_std};
use super::component_std::estimate_component_std;
use super::diagnosis;
use super::hull::{DEGENERATE, hull_axes};
use super::moments::Moments;
use super::streams::FoldRule;
use super::units::Units;
use super::warning::FitWarning;
use crate::error::{Error, Result};
use crate::partition::{CrossFittedMixture, FoldedSample, IsotropicRest, Partitioner};
use crate::process::DataScale;
use crate::score::ActiveSubspace;

/// Component std and data may differ by this factor.
const FARTHEST_SCALES: f64 = 1e9;
/// A flat bottom has this many directions at least.
const SMALLEST_BOTTOM: usize = 5;
/// Where rows are few a direction wants this many.
const ROWS_PER_DIRECTION: u64 = 4;
/// Standard errors within which a flat bottom's kurtosis has to be a Gaussian's.
const KURTOSIS_ERRORS: f64 = 2.5;

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
        if let Some(component_std) = given_std.filter(|std| std * std > 1.1 * smallest) {
            warnings.push(FitWarning::ComponentStdTooLarge { component_std, smallest_std: smallest.sqrt() });
        }
        if let Some(axes) = hull_axes(&covariance, moments.rows, given_std) {
            spectrum = Spectrum::new(&(axes.transpose() * &covariance * &axes))?;
            units.hull_axes = Some(axes);
        }

        let repeated = moments.repeated_share();
        let fold_rule = if repeated > diagnosis::REPEATED { FoldRule::Values } else { FoldRule::Index };
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
        let found = partitioner.mixture(&sample)?;
        if let Some(found) = &found {
            found.check(&sample)?;
        }
        let component_std = match (given_std, &found) {
            (Some(std), _) => std,
            (None, Some(found)) => smallest_std(found).min(split.rest_std()),
            (None, None) => {
                let std = estimate_component_std(&working)?;
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

/// Principal directions of the data, by rising variance.
struct Spectrum {
    variances: DVector<f64>,
    /// d × d.
    axes: DMatrix<f64>,
}

/// The active directions, and the rest in which every component has one known variance.
struct Split {
    /// d × m.
    active: DMatrix<f64>,
    variances: DVector<f64>,
    /// d × (d − m).
    rest: DMatrix<f64>,
    isotropic: IsotropicRest,
}

impl Spectrum {
    /// # Errors
    /// [`Error::NoVariation`] when no direction varies.
    fn new(covariance: &DMatrix<f64>) -> Result<Self> {
        let eigen = SymmetricEigen::new(covariance.clone());
        let mut order: Vec<usize> = (0..covariance.nrows()).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[a].total_cmp(&eigen.eigenvalues[b]));
        let spectrum = Self {
            variances: eigen.eigenvalues.select_rows(&order),
            axes: eigen.eigenvectors.select_columns(&order),
        };
        if spectrum.variances.max() > 0.0 { Ok(spectrum) } else { Err(Error::NoVariation) }
    }

    /// The lowest `rest` directions apart from the others.
    fn split(&self, rest: usize, isotropic: IsotropicRest) -> Split {
        let dim = self.variances.len();
        Split {
            active: self.axes.columns(rest, dim - rest).into_owned(),
            variances: self.variances.rows(rest, dim - rest).into_owned(),
            rest: self.axes.columns(0, rest).into_owned(),
            isotropic,
        }
    }

    /// Active are the directions whose variance exceeds what n rows of N(0, σ₀² I) would show: above
    /// the edge of the Marchenko-Pastur law, σ₀²(1 + √(d/n))², by three standard errors of a
    /// variance. One at least.
    fn split_at_noise(&self, component_std: f64, n: f64) -> Split {
        let d = self.variances.len();
        let edge = (1.0 + (d as f64 / n).sqrt()).powi(2) + 3.0 * (2.0 / n).sqrt();
        let variance = component_std * component_std;
        let rest = self.variances.iter().filter(|&&v| v <= variance * edge).count().min(d - 1);
        self.split(rest, IsotropicRest { count: f64::INFINITY, variance })
    }

    /// With hardly more rows than directions most variances cannot be told from each other or from 0: apart are all
    /// but the n/4 largest, with their average (Tipping, Bishop 1999); none where that is 0.
    fn split_few_rows(&self, n: u64) -> Split {
        let dim = self.variances.len();
        let active = ((n / ROWS_PER_DIRECTION) as usize).clamp(1, dim);
        let variance = self.variances.rows(0, dim - active).sum() / (dim - active).max(1) as f64;
        if variance > DEGENERATE * DEGENERATE * self.variances.max() {
            self.split(dim - active, IsotropicRest { count: (dim - active) as f64, variance })
        } else {
            self.split(0, IsotropicRest::NONE)
        }
    }

    /// Apart are the lowest directions whose variances are equal by a likelihood-ratio test of
    /// sphericity and whose rows have a Gaussian's kurtosis (Mardia 1970); five at least, or none.
    fn split_flat_bottom(&self, sample: &FoldedSample, n: f64) -> Split {
        let d = self.variances.len();
        let logs = self.variances.map(|v| v.max(f64::MIN_POSITIVE).ln());
        for size in (SMALLEST_BOTTOM..d).rev() {
            let q = size as f64;
            let bottom = logs.rows(0, size);
            let mean = bottom.mean();
            let spread: f64 = bottom.iter().map(|l| (l - mean).powi(2)).sum();
            if n / 2.0 * spread <= (q - 1.0) * (q + 2.0) {
                let variance = self.variances.rows(0, size).mean();
                let rows = &sample.rows * self.axes.columns(0, size);
                let (mut fourth, mut total, mut squares) = (0.0, 0.0, 0.0);
                for (row, weight) in rows.row_iter().zip(&sample.weights) {
                    fourth += weight * (row.norm_squared() / variance).powi(2);
                    total += weight;
                    squares += weight * weight;
                }
                fourth /= total;
                let std_error = (8.0 * q * (q + 2.0) * squares).sqrt() / total;
                // Directions that do not vary are no noise.
                let varies = variance > DEGENERATE * DEGENERATE * self.variances.max();
                if varies && (fourth - q * (q + 2.0)).abs() < KURTOSIS_ERRORS * std_error {
                    return self.split(size, IsotropicRest { count: q, variance });
                }
                break;
            }
        }
        self.split(0, IsotropicRest::NONE)
    }
}

impl Split {
    /// The sample in active coordinates.
    fn project(&self, working: &FoldedSample) -> FoldedSample {
        FoldedSample {
            rows: &working.rows * &self.active,
            weights: working.weights.clone(),
            folds: working.folds.clone(),
            n_folds: working.n_folds,
            stands_for: working.stands_for,
            rest: self.isotropic,
        }
    }

    /// Q diag(max(λ, σ₀²)) Qᵀ + σ₀² (I − QQᵀ) for the active axes Q.
    fn covariance(&self, component_std: f64) -> DMatrix<f64> {
        let variance = component_std * component_std;
        let mut scaled = self.active.clone();
        for (mut column, own) in scaled.column_iter_mut().zip(self.variances.iter()) {
            column *= (own - variance).max(0.0);
        }
        let mut covariance = scaled * self.active.transpose();
        covariance = (&covariance + covariance.transpose()) * 0.5;
        for i in 0..covariance.nrows() {
            covariance[(i, i)] += variance;
        }
        covariance
    }

    /// Standard deviation along the rest; infinite when there is none.
    fn rest_std(&self) -> f64 {
        if self.rest.ncols() > 0 { self.isotropic.variance.sqrt() } else { f64::INFINITY }
    }

    fn rest_coordinates(&self, working: &FoldedSample) -> RestCoordinates {
        RestCoordinates {
            axes: self.rest.clone(),
            variance: self.isotropic.variance,
            rows: &working.rows * &self.rest,
        }
    }
}
