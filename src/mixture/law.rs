//! The one mixture of cells, in closed form at every noise level.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use rand::Rng;

use super::component::Component;
use super::embedding::Embedding;
use super::evaluation::Outputs;
use super::general::{GeneralCells, PreparedCells};
use super::parameters::MixtureParameters;
use super::radial_shape::RadialShape;
use super::radius::RadiusLaw;
use super::spherical::SphericalCells;
use super::tilt::Tilt;
use super::tilted::TiltedCells;
use super::whole_cell::WholeCell;
use crate::error::Result;
use crate::kernels::responsibilities_in_place;
use crate::process::NoiseLevel;
use crate::score::{
    DifferentiableScore, GaussianLaw, LogDensity, ScoreModel, rows_by_component, standard_normals,
};
use crate::shapes::{check_columns, check_room};

/// Cells of Gaussian shape, or of one radial shape that they share, in m active directions; in the
/// other d − m directions every cell is N(its mean, v I). Or, once something was seen, cells that are each bent in their
/// own way.
///
/// Noise keeps it such a mixture, so that every level is exact: a [`GaussianMixture`](super::GaussianMixture)
/// is one, and so is the base of a fitted score.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MixtureLaw {
    /// They sum to one; length k.
    masses: DVector<f64>,
    /// k × m, in active coordinates.
    means: DMatrix<f64>,
    cells: Cells,
}

/// How the cells lie around their means.
#[derive(Debug, Clone, PartialEq)]
enum Cells {
    /// In all directions alike.
    Spherical(SphericalCells),
    General(GeneralCells),
    /// Each bent in its own way, in all coordinates: what is left of shaped cells when something was seen.
    Tilted(TiltedCells),
}

impl MixtureLaw {
    /// Cells with the masses, means and covariances of `mixture` (in active coordinates) and `shape`; all
    /// coordinates are active without an `embedding`.
    ///
    /// # Errors
    /// Those of [`MixtureParameters::check`].
    pub(crate) fn new(
        mixture: &MixtureParameters,
        shape: RadialShape,
        embedding: Option<Embedding>,
    ) -> Result<Self> {
        let factor = shape.covariance_factor(mixture.means.ncols());
        let covariances = mixture.covariances.iter().map(|covariance| covariance * factor).collect();
        let (masses, means) = (mixture.masses.clone(), mixture.means.clone());
        Self::from_scaled(MixtureParameters { masses, means, covariances }, shape, embedding)
    }

    /// As [`new`](Self::new), from covariances κS.
    pub(crate) fn from_scaled(
        mixture: MixtureParameters,
        shape: RadialShape,
        embedding: Option<Embedding>,
    ) -> Result<Self> {
        mixture.check(mixture.means.ncols())?;
        let MixtureParameters { masses, means, covariances } = mixture;
        let components = covariances.into_iter().map(Component::new).collect();
        Ok(Self { masses, means, cells: Cells::General(GeneralCells { components, shape, embedding }) })
    }

    /// Gaussian cells of parameters that have been checked; a mass may be zero.
    pub(super) fn gaussian(
        masses: DVector<f64>,
        means: DMatrix<f64>,
        covariances: Vec<DMatrix<f64>>,
    ) -> Self {
        let components = covariances.into_iter().map(Component::new).collect();
        let cells = GeneralCells { components, shape: RadialShape::GAUSSIAN, embedding: None };
        Self { masses, means, cells: Cells::General(cells) }
    }

    /// Cells N(mean, `std`² I) of parameters that have been checked; a mass may be zero.
    pub(super) fn spherical(masses: DVector<f64>, means: DMatrix<f64>, std: f64) -> Self {
        let cells = SphericalCells::new(&masses, &means, std);
        Self { masses, means, cells: Cells::Spherical(cells) }
    }

    /// Cells in all coordinates, with `masses` that sum to one; one may be zero.
    pub(crate) fn of_whole_cells(masses: DVector<f64>, cells: Vec<WholeCell>) -> Self {
        let rows: Vec<_> = cells.iter().map(|cell| cell.mean.transpose()).collect();
        let means = DMatrix::from_rows(&rows);
        if cells.iter().all(|cell| cell.tilt.is_none()) {
            let covariances = cells.iter().map(WholeCell::covariance).collect();
            return Self::gaussian(masses, means, covariances);
        }
        Self { masses, means, cells: Cells::Tilted(TiltedCells::new(cells)) }
    }

    /// The cells in all coordinates.
    pub(crate) fn whole_cells(&self) -> Vec<WholeCell> {
        let dim = self.dim();
        let of_component = |(index, cells): (usize, &GeneralCells)| {
            let component = &cells.components[index];
            let mut factor = component.eigenvectors.clone();
            for (mut column, value) in factor.column_iter_mut().zip(component.eigenvalues.iter()) {
                column *= value.sqrt();
            }
            if let Some(Embedding { axes, rest, rest_variance, .. }) = &cells.embedding {
                let columns = [axes * factor, rest * rest_variance.sqrt()];
                let columns: Vec<_> = columns.iter().flat_map(|part| part.column_iter()).collect();
                factor = DMatrix::from_columns(&columns);
            }
            (factor, Tilt::radial(cells.shape, self.means.ncols(), dim))
        };
        let means = self.full_means();
        let whole = |index: usize| {
            let (factor, tilt) = match &self.cells {
                Cells::Spherical(cells) => (DMatrix::from_diagonal_element(dim, dim, cells.std), None),
                Cells::General(cells) => of_component((index, cells)),
                Cells::Tilted(cells) => return cells.cells[index].clone(),
            };
            WholeCell { mean: means.row(index).transpose(), factor, tilt }
        };
        (0..self.masses.len()).map(whole).collect()
    }

    /// Whether cells are each bent in their own way.
    #[cfg(feature = "serde")]
    pub(crate) fn is_tilted(&self) -> bool {
        matches!(self.cells, Cells::Tilted(_))
    }

    /// wⱼ, which sum to one: length k.
    pub(crate) fn masses(&self) -> &DVector<f64> {
        &self.masses
    }

    /// The cells' means in active coordinates: k × m.
    pub(crate) fn means(&self) -> &DMatrix<f64> {
        &self.means
    }

    /// κS of one cell in active coordinates, without a tilt of its own: m × m.
    pub(crate) fn scaled_covariance(&self, cell: usize) -> DMatrix<f64> {
        match &self.cells {
            Cells::Spherical(cells) => {
                DMatrix::from_diagonal_element(self.dim(), self.dim(), cells.std * cells.std)
            }
            Cells::General(cells) => cells.components[cell].covariance.clone(),
            Cells::Tilted(cells) => {
                let factor = &cells.cells[cell].factor;
                factor * factor.transpose()
            }
        }
    }

    /// The shape that all cells share.
    pub(crate) fn shape(&self) -> RadialShape {
        match &self.cells {
            Cells::Spherical(_) | Cells::Tilted(_) => RadialShape::GAUSSIAN,
            Cells::General(cells) => cells.shape,
        }
    }

    /// `None` where all coordinates are active.
    pub(crate) fn embedding(&self) -> Option<&Embedding> {
        match &self.cells {
            Cells::Spherical(_) | Cells::Tilted(_) => None,
            Cells::General(cells) => cells.embedding.as_ref(),
        }
    }

    /// κ, by which the shape scales covariances.
    fn covariance_factor(&self) -> f64 {
        self.shape().covariance_factor(self.means.ncols())
    }

    /// The cells' means in all coordinates: k × d.
    fn full_means(&self) -> Cow<'_, DMatrix<f64>> {
        match self.embedding() {
            Some(embedding) => Cow::Owned(embedding.full_means(&self.means)),
            None => Cow::Borrowed(&self.means),
        }
    }

    /// As [`full_means`](Self::full_means), with what tilts of their own add to them.
    fn bent_means(&self) -> Cow<'_, DMatrix<f64>> {
        match &self.cells {
            Cells::Tilted(cells) => {
                let rows: Vec<_> = cells.cells.iter().map(|cell| cell.centre().transpose()).collect();
                Cow::Owned(DMatrix::from_rows(&rows))
            }
            Cells::Spherical(_) | Cells::General(_) => self.full_means(),
        }
    }

    /// Covariance of X within cells, averaged over them, in active coordinates: m × m.
    fn covariance_within(&self) -> DMatrix<f64> {
        let dim = self.means.ncols();
        match &self.cells {
            Cells::Spherical(cells) => DMatrix::from_diagonal_element(dim, dim, cells.std * cells.std),
            Cells::General(cells) => {
                let factor = self.covariance_factor();
                let mut within = DMatrix::zeros(dim, dim);
                for (component, mass) in cells.components.iter().zip(self.masses.iter()) {
                    within += &component.covariance * (mass / factor);
                }
                within
            }
            Cells::Tilted(cells) => {
                let mut within = DMatrix::zeros(dim, dim);
                for (cell, mass) in cells.cells.iter().zip(self.masses.iter()) {
                    within += cell.covariance() * *mass;
                }
                within
            }
        }
    }

    /// Turns standard normal rows into deviations of cell `cell` from its mean in active coordinates.
    fn spread(&self, cell: usize, standard: DMatrix<f64>) -> DMatrix<f64> {
        match &self.cells {
            Cells::Spherical(cells) => standard * cells.std,
            Cells::General(cells) => cells.components[cell].spread(standard),
            Cells::Tilted(cells) => standard * cells.cells[cell].factor.transpose(),
        }
    }

    /// As a row of `spread`, for Gaussian cells.
    pub(super) fn spread_one(&self, cell: usize, standard: &DVector<f64>) -> DVector<f64> {
        match &self.cells {
            Cells::Spherical(cells) => standard * cells.std,
            Cells::General(cells) => cells.components[cell].spread_one(standard),
            Cells::Tilted(cells) => &cells.cells[cell].factor * standard,
        }
    }

    /// The posterior probability of each cell given Y in active coordinates, at the rows of `points` (n × m)
    /// and for Gaussian cells with their means in the active directions alone: n × k.
    pub(crate) fn responsibilities(&self, level: NoiseLevel, points: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        check_columns(self.means.ncols(), points)?;
        let points = points.as_view();
        let mut log_joint = match &self.cells {
            Cells::Spherical(cells) => cells.relative_logits(level, &self.masses, &points)?,
            Cells::General(cells) => {
                let noised = cells.at_level(level, &self.masses, &self.means)?;
                let mut log_joint = DMatrix::zeros(points.nrows(), self.masses.len());
                noised.gaussians.log_joint_into(points, log_joint.as_view_mut());
                log_joint
            }
            Cells::Tilted(cells) => cells.log_joint(level, &self.masses, &points)?,
        };
        responsibilities_in_place(&mut log_joint);
        Ok(log_joint)
    }

    /// What there is to prepare at `level`.
    pub(super) fn prepared_cells(&self, level: NoiseLevel) -> Result<Option<PreparedCells<'_>>> {
        match &self.cells {
            Cells::General(cells) => Ok(Some(cells.prepare(level, &self.masses, &self.means)?)),
            Cells::Spherical(_) | Cells::Tilted(_) => Ok(None),
        }
    }

    pub(super) fn evaluate(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        outputs: Outputs<'_>,
    ) -> Result<()> {
        outputs.check(self.dim(), &points)?;
        match &self.cells {
            Cells::Spherical(cells) => cells.evaluate(level, &self.masses, &points, outputs),
            Cells::General(cells) => {
                cells.prepare(level, &self.masses, &self.means)?.evaluate(points, outputs);
                Ok(())
            }
            Cells::Tilted(cells) => cells.evaluate(level, &self.masses, &points, outputs),
        }
    }
}

impl ScoreModel for MixtureLaw {
    fn dim(&self) -> usize {
        self.embedding().map_or(self.means.ncols(), |embedding| embedding.axes.nrows())
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.evaluate(level, points, Outputs { score: Some(score), divergence: None, log_density: None })
    }

    /// The smallest standard deviation of a cell in any direction.
    fn component_std(&self) -> f64 {
        match &self.cells {
            Cells::Spherical(cells) => cells.std,
            Cells::General(cells) => {
                let factor = self.covariance_factor();
                let own = cells.components.iter().map(|component| component.eigenvalues.min() / factor);
                let rest = cells.embedding.as_ref().filter(|embedding| embedding.rest.ncols() > 0);
                let rest = rest.map_or(f64::INFINITY, |embedding| embedding.rest_variance);
                own.fold(rest, f64::min).max(0.0).sqrt()
            }
            // A tilt may make any direction narrower: no claim.
            Cells::Tilted(_) => 0.0,
        }
    }

    /// The exact mean and covariance of Y.
    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        let (a, s) = (level.signal(), level.noise());
        let means = self.bent_means();
        let mean = means.transpose() * &self.masses;
        let within = self.covariance_within();
        let (mut covariance, within) = match self.embedding() {
            Some(Embedding { axes, rest, rest_variance, .. }) => {
                (rest * rest.transpose() * *rest_variance, axes * within * axes.transpose())
            }
            None => (DMatrix::zeros(mean.len(), mean.len()), within),
        };
        for (cell, &mass) in self.masses.iter().enumerate() {
            let offset = means.row(cell).transpose() - &mean;
            covariance.ger(mass, &offset, &offset, 1.0);
        }
        covariance += within;
        covariance *= a * a;
        for i in 0..covariance.nrows() {
            covariance[(i, i)] += s * s;
        }
        Ok(GaussianLaw { mean: mean * a, covariance: (&covariance + covariance.transpose()) * 0.5 })
    }

    fn exact_sample_into(&self, rng: &mut dyn Rng, mut rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        check_room(self.dim(), &rows)?;
        let (n, dim, shape) = (rows.nrows(), self.means.ncols(), self.shape());
        let radius = if shape.is_gaussian() { None } else { Some(RadiusLaw::new(shape, dim)?) };
        let mut rest = self.embedding().map(|embedding| {
            standard_normals(n, embedding.rest.ncols(), rng) * embedding.rest_variance.sqrt()
        });
        let mut active = DMatrix::zeros(n, dim);
        for (cell, members) in rows_by_component(self.masses.as_slice(), n, rng).iter().enumerate() {
            if members.is_empty() {
                continue;
            }
            if let Cells::Tilted(cells) = &self.cells {
                for &row in members {
                    active.row_mut(row).tr_copy_from(&cells.draw(cell, rng));
                }
                continue;
            }
            let mut standard = standard_normals(members.len(), dim, rng);
            if let Some(radius) = &radius {
                radius.redraw_lengths(&mut standard, rng);
            }
            let placed = self.spread(cell, standard);
            for (axis, column) in placed.column_iter().enumerate() {
                for (&row, value) in members.iter().zip(column.iter()) {
                    active[(row, axis)] = self.means[(cell, axis)] + value;
                }
            }
            if let (Some(embedding), Some(rest)) = (self.embedding(), &mut rest) {
                embedding.move_to_mean(cell, members, rest);
            }
        }
        match (self.embedding(), rest) {
            (Some(embedding), Some(rest)) => embedding.embed(&active, &rest, &mut rows),
            _ => rows.copy_from(&active),
        }
        Ok(())
    }
}

impl DifferentiableScore for MixtureLaw {
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        let outputs = Outputs { score: Some(score), divergence: Some(divergence), log_density: None };
        self.evaluate(level, points, outputs)
    }

    /// The law's own.
    fn start_log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        self.log_density_into(level, points, log_density)
    }
}

impl LogDensity for MixtureLaw {
    fn log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        let outputs = Outputs { score: None, divergence: None, log_density: Some(log_density) };
        self.evaluate(level, points, outputs)
    }
}
