use nalgebra::{DMatrix, DVector};

use super::tuning::TUNING;
use crate::error::{Error, Result};
use crate::process::NoiseLevel;
use crate::shapes::check_columns;

/// Scales of columns that do not vary: squares of these, and of their inverses, are finite.
const SMALLEST_SCALE: f64 = 1e-145;
const LARGEST_SCALE: f64 = 1e145;

/// The affine map between the data's units and the working units of a fit: x = shift + scale · w,
/// column by column.
///
/// When the component std is given, all columns share one scale, a power of ten, since a given σ₀ says that
/// the columns' units agree. Else the scales make the standard deviations of the columns within cells
/// equal, so that the units of a column do not matter: they are powers of ten where these can do that up
/// to sampling noise; where they cannot, every column has a scale of its own, one for those that
/// are equal up to sampling noise. Where cells are found level by level a mixture of some rows says so, and
/// where it finds columns alike they have the power of ten nearest to their standard deviation.
///
/// Rows that do not vary in every direction lie on an affine hull of q < d dimensions. Working coordinates
/// are then those on the hull: x = shift + scale · Ew, with the q orthonormal columns of
/// E = [`hull_axes`](Self::hull_axes), in which a column that is constant has no part.
#[derive(Debug, Clone, PartialEq)]
pub struct Units {
    pub(crate) shift: DVector<f64>,
    pub(crate) scale: DVector<f64>,
    /// d × q, where q < d.
    pub(crate) hull_axes: Option<DMatrix<f64>>,
}

impl Units {
    /// Units for columns with these means and standard deviations; one scale for all if `uniform`.
    pub(crate) fn of_columns(mean: &DVector<f64>, std: &DVector<f64>, uniform: bool) -> Self {
        let own = |mean: f64, std: f64| {
            let constant =
                || (mean.abs() * (TUNING.constant / TUNING.on_hull)).clamp(SMALLEST_SCALE, LARGEST_SCALE);
            let spread = if std > 0.0 { std } else { constant() };
            10f64.powf(spread.log10().round())
        };
        let scale = if uniform {
            DVector::from_element(std.len(), own(0.0, std.max()))
        } else {
            mean.zip_map(std, own)
        };
        Self { shift: mean.clone(), scale, hull_axes: None }
    }

    /// Number of columns d.
    pub(crate) fn dim(&self) -> usize {
        self.shift.len()
    }

    /// Number of working coordinates q.
    pub(crate) fn working_dim(&self) -> usize {
        self.hull_axes.as_ref().map_or(self.dim(), DMatrix::ncols)
    }

    /// Directions of the affine hull of the rows in scaled coordinates, orthonormal columns (d × q); `None`
    /// where the rows vary in every direction.
    pub fn hull_axes(&self) -> Option<&DMatrix<f64>> {
        self.hull_axes.as_ref()
    }

    /// The data's value of working value 0, a column each.
    pub fn shift(&self) -> &DVector<f64> {
        &self.shift
    }

    /// The data's units in one working unit, a column each.
    pub fn scale(&self) -> &DVector<f64> {
        &self.scale
    }

    /// The one scale of all columns that vary, if they share one.
    pub fn uniform_scale(&self) -> Option<f64> {
        self.one_scale().ok()
    }

    /// The scale that all columns share which vary.
    ///
    /// # Errors
    /// [`Error::AnisotropicUnits`] when they do not.
    pub(crate) fn one_scale(&self) -> Result<f64> {
        let varies = |j: &usize| self.hull_axes.as_ref().is_none_or(|axes| axes.row(*j).amax() > 0.0);
        let scales = || (0..self.dim()).filter(varies).map(|j| self.scale[j]);
        let (smallest, largest) = (scales().fold(f64::INFINITY, f64::min), scales().fold(0.0, f64::max));
        if smallest == largest { Ok(smallest) } else { Err(Error::AnisotropicUnits { smallest, largest }) }
    }

    /// Rows of data (n × d) in working units: n × q, the nearest points of the affine hull where there is
    /// one.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when `rows` does not have d columns.
    pub fn to_working(&self, rows: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        check_columns(self.dim(), rows)?;
        Ok(self.noised_to_working(1.0, rows.clone()))
    }

    /// As [`to_working`](Self::to_working), for points Y = `signal` · X + sZ of dimension d.
    pub(crate) fn noised_to_working(&self, signal: f64, points: DMatrix<f64>) -> DMatrix<f64> {
        let scaled = self.scaled(signal, points);
        match &self.hull_axes {
            Some(axes) => product(&scaled, axes),
            None => scaled,
        }
    }

    /// (y − signal · shift)/scale, column by column.
    fn scaled(&self, signal: f64, mut points: DMatrix<f64>) -> DMatrix<f64> {
        for (j, mut column) in points.column_iter_mut().enumerate() {
            let shift = signal * self.shift[j];
            column.apply(|x| *x = (*x - shift) / self.scale[j]);
        }
        points
    }

    /// Rows in working units (n × q) in the data's units: n × d.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when `rows` does not have q columns.
    pub fn to_data(&self, rows: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        check_columns(self.working_dim(), rows)?;
        Ok(self.noised_to_data(1.0, rows))
    }

    /// As [`to_data`](Self::to_data), for points Y = `signal` · X + sZ of the hull, in q dimensions.
    pub(crate) fn noised_to_data(&self, signal: f64, rows: &DMatrix<f64>) -> DMatrix<f64> {
        let mut data = match &self.hull_axes {
            Some(axes) => product(rows, &axes.transpose()),
            None => rows.clone(),
        };
        for (j, mut column) in data.column_iter_mut().enumerate() {
            let shift = signal * self.shift[j];
            column.apply(|w| *w = shift + self.scale[j] * *w);
        }
        data
    }

    /// What points Y = `signal` · X + sZ (n × d) have beyond the nearest points of the hull, in scaled
    /// coordinates (n × d); and these nearest points in working coordinates (n × q). `None` without a hull.
    fn beyond_hull(&self, signal: f64, points: &DMatrix<f64>) -> Option<(DMatrix<f64>, DMatrix<f64>)> {
        let axes = self.hull_axes.as_ref()?;
        let scaled = self.scaled(signal, points.clone());
        let working = product(&scaled, axes);
        Some((scaled - product(&working, &axes.transpose()), working))
    }

    /// The largest distance from the hull that is rounding, for a point with this largest working coordinate.
    pub(crate) fn allowed_distance(position: f64) -> f64 {
        TUNING.on_hull * position.max(1.0)
    }

    /// Which rows of `points` (n × d) lie off the affine hull of the data; none where it is all of space.
    pub(crate) fn off_hull(&self, points: &DMatrix<f64>) -> Vec<bool> {
        let Some((beyond, working)) = self.beyond_hull(1.0, points) else {
            return vec![false; points.nrows()];
        };
        let near = |(distance, position): (f64, f64)| distance <= Self::allowed_distance(position);
        let distances = beyond.row_iter().map(|row| row.amax());
        // What overflows is not near.
        distances.zip(working.row_iter().map(|row| row.amax())).map(|pair| !near(pair)).collect()
    }

    /// What isotropic noise adds across the hull to the score at points Y = `signal` · X + `noise` · Z (n × d):
    /// −(y − nearest)/noise². Nothing without noise or without a hull.
    pub(crate) fn add_score_across(
        &self,
        level: NoiseLevel,
        points: &DMatrix<f64>,
        score: &mut DMatrix<f64>,
    ) {
        if level.noise() > 0.0
            && let Some((mut beyond, _)) = self.beyond_hull(level.signal(), points)
        {
            for (mut column, scale) in beyond.column_iter_mut().zip(self.scale.iter()) {
                column *= scale / level.noise() / level.noise();
            }
            *score -= beyond;
        }
    }

    /// The divergence of what [`add_score_across`](Self::add_score_across) adds.
    pub(crate) fn divergence_across(&self, level: NoiseLevel) -> f64 {
        let across = (self.dim() - self.working_dim()) as f64;
        if level.noise() > 0.0 && across > 0.0 { -across / level.noise() / level.noise() } else { 0.0 }
    }

    /// What [`add_score_across`](Self::add_score_across) adds to a score, for the log-density.
    pub(crate) fn add_log_density_across(
        &self,
        level: NoiseLevel,
        points: &DMatrix<f64>,
        log_density: &mut [f64],
    ) {
        if level.noise() > 0.0
            && let Some((mut beyond, working)) = self.beyond_hull(level.signal(), points)
        {
            for (mut column, scale) in beyond.column_iter_mut().zip(self.scale.iter()) {
                column *= scale / level.noise();
            }
            let across = (points.ncols() - working.ncols()) as f64;
            let log_peak = -across * (0.5 * std::f64::consts::TAU.ln() + level.noise().ln());
            for (value, row) in log_density.iter_mut().zip(beyond.row_iter()) {
                *value += log_peak - 0.5 * row.norm_squared();
            }
        }
    }

    /// The projection on the directions across the hull, in which rows do not vary (d × d); `None` without a hull.
    pub(crate) fn across_hull(&self) -> Option<DMatrix<f64>> {
        let axes = self.hull_axes.as_ref()?;
        Some(DMatrix::identity(self.dim(), self.dim()) - axes * axes.transpose())
    }

    /// log |∂x/∂w|, on the hull its q-dimensional volume: what a log-density loses on the way from
    /// working units to the data's.
    pub(crate) fn log_volume(&self) -> f64 {
        match self.scaled_axes() {
            Some(axes) => axes.qr().unpack_r().diagonal().iter().map(|r| r.abs().ln()).sum(),
            None => self.scale.iter().map(|s| s.ln()).sum(),
        }
    }

    /// ∂x/∂w where there is a hull: d × q.
    fn scaled_axes(&self) -> Option<DMatrix<f64>> {
        let mut axes = self.hull_axes.clone()?;
        for (mut row, scale) in axes.row_iter_mut().zip(self.scale.iter()) {
            row *= *scale;
        }
        Some(axes)
    }

    /// Gradients with respect to w (n × q) as gradients along the hull with respect to x: n × d.
    pub(crate) fn gradient_to_data(&self, gradient: &DMatrix<f64>) -> DMatrix<f64> {
        let Some(axes) = self.scaled_axes() else {
            let mut gradient = gradient.clone();
            for (mut column, scale) in gradient.column_iter_mut().zip(self.scale.iter()) {
                column /= *scale;
            }
            return gradient;
        };
        // For ∂x/∂w = QR the gradient within the columns of Q is Q R⁻ᵀ.
        let (q, r) = axes.qr().unpack();
        let mut solved = gradient.transpose();
        r.tr_solve_upper_triangular_mut(&mut solved);
        (q * solved).transpose()
    }

    /// The covariance in the data's units (d × d) of points with isotropic `noise` whose covariance in
    /// working units (q × q) includes it.
    pub(crate) fn covariance_to_data(&self, noise: f64, covariance: &DMatrix<f64>) -> DMatrix<f64> {
        let in_scaled = match &self.hull_axes {
            Some(axes) => axes * covariance * axes.transpose(),
            None => covariance.clone(),
        };
        let mut in_data = DMatrix::from_fn(self.dim(), self.dim(), |i, j| {
            in_scaled[(i, j)] * self.scale[i] * self.scale[j]
        });
        if let Some(across) = self.across_hull() {
            in_data += across * (noise * noise);
        }
        in_data
    }
}

/// `rows` · `matrix`, each row for itself, so that equal rows stay equal wherever they stand. A zero takes
/// no part, not even times an infinity.
fn product(rows: &DMatrix<f64>, matrix: &DMatrix<f64>) -> DMatrix<f64> {
    let mut product = DMatrix::zeros(rows.nrows(), matrix.ncols());
    for (mut out, factors) in product.column_iter_mut().zip(matrix.column_iter()) {
        for (column, &factor) in rows.column_iter().zip(factors.iter()) {
            if factor != 0.0 {
                out.zip_apply(&column, |sum, x| *sum += factor * x);
            }
        }
    }
    product
}

#[cfg(feature = "serde")]
mod saved {
    use std::ops::RangeInclusive;

    use nalgebra::{DMatrix, DVector};
    use serde::{Deserialize, Serialize};

    use super::Units;
    use crate::error::Result;
    use crate::format::{Check, LENGTH, checked, matrix_within, orthonormal, require, within};

    /// Data's units: squares of these are finite.
    const SCALE: RangeInclusive<f64> = 1e-150..=1e150;
    const SHIFT: RangeInclusive<f64> = -1e300..=1e300;

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Units", deny_unknown_fields)]
    struct Saved {
        #[serde(with = "crate::format::plain")]
        shift: DVector<f64>,
        #[serde(with = "crate::format::plain")]
        scale: DVector<f64>,
        #[serde(default, with = "crate::format::plain")]
        hull_axes: Option<DMatrix<f64>>,
    }

    checked!(Units, Saved);

    impl Check for Units {
        fn check_saved(&self) -> Result<()> {
            let dim = self.shift.len();
            require!(dim > 0, "it has no columns")?;
            require!(self.scale.len() == dim, "units need a shift and a scale for each column")?;
            within("shift of the units", self.shift.as_slice(), SHIFT)?;
            within("scale of the units", self.scale.as_slice(), SCALE)?;
            let Some(axes) = &self.hull_axes else { return Ok(()) };
            let columns = axes.ncols();
            require!(
                (1..dim).contains(&columns),
                "{columns} directions of the hull are not between 1 and {}",
                dim - 1
            )?;
            matrix_within("directions of the hull", axes, (dim, columns), LENGTH)?;
            orthonormal("directions of the hull", axes)
        }
    }
}
