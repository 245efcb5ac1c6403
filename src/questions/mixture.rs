#[cfg(feature = "serde")]
mod saved;
#[cfg(test)]
mod tests;

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use rand::{Rng, SeedableRng};
use rand_distr::Distribution;
use rand_distr::multi::MultiDistribution;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::pattern::directions;
use crate::coordinates::{InUnits, Units};
use crate::density::check_points;
use crate::error::{Error, Result};
use crate::mixture::{MixtureLaw, MixtureParameters, RadialShape, WholeCell};
use crate::parallel::map_blocks;
use crate::process::NoiseLevel;
use crate::rows::Rows;
use crate::score::{DifferentiableScore, GaussianLaw, LogDensity, ScoreModel};
use crate::shapes::{check_room, check_room_for_rows, check_room_for_values};

/// Rows drawn with one stream of random numbers.
const CHUNK: usize = 1024;

/// A law in closed form in the data's units: cells of Gaussian or radial shape, or what is left of such once something
/// was seen.
///
/// It answers questions, and the answers are laws again: [`marginal`](Self::marginal) of some columns,
/// [`given`](Self::given) an [`Observation`](crate::Observation), [`column`](Self::column) by column with distribution
/// function and quantiles. A column keeps the index that it has among the learned rows, whatever others were
/// seen and left the law; [`columns`](Self::columns) lists those that are left, in the order in which rows have them.
///
/// As a [`ScoreModel`] it is known at every noise level, in the data's units, so that every sampler runs on it; draws
/// of its own need none. Where the learned rows lie on an affine hull, densities are with respect to the hull's
/// volume, as [`DiffusionModel::log_density`](crate::DiffusionModel::log_density) has it.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::reference::{Law, Sphere};
/// use gmix_diffusion::{DiffusionLearner, Observation};
///
/// let mut rng = StdRng::seed_from_u64(1);
/// let rows = Sphere::circle(3.0, 2, 0.3)?.draw(1_000, &mut rng);
/// let law = DiffusionLearner::fast().fit(&rows, &mut rng)?.mixture()?;
/// // Where the first column is near 0 the second is near ±3.
/// let second = law.given(&Observation::exact(&[0], &[0.0])?)?;
/// assert_eq!(second.columns(), [1]);
/// let column = second.column(1)?;
/// assert!(column.density(3.0) > 20.0 * column.density(0.0));
/// assert!(column.quantile(0.25)? < -2.0 && column.quantile(0.75)? > 2.0);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// Their indices among the learned rows.
    columns: Vec<usize>,
    pub(super) units: Units,
    pub(super) law: MixtureLaw,
    pub(super) cells: Vec<WholeCell>,
    /// Number of columns learned.
    all_columns: usize,
}

impl Mixture {
    /// The law whose cells in working units are those of `law`, of X or of Y/a at `quietest`.
    pub(crate) fn of_model(units: Units, law: &MixtureLaw, quietest: NoiseLevel) -> Result<Self> {
        let columns: Vec<usize> = (0..units.dim()).collect();
        let noise = quietest.noise_to_signal();
        let law = if noise > 0.0 {
            let dim = units.working_dim();
            let identity = DMatrix::identity(dim, dim);
            image(law.masses(), &law.whole_cells(), &identity, &(&identity * noise))?
        } else {
            law.clone()
        };
        Ok(Self::new(columns.len(), columns, units, law))
    }

    /// The mixture of Gaussians of these parameters, of columns in whatever units.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::InvalidSetting`] for a mass, [`Error::NotFinite`] for a mean,
    /// [`Error::NotPositiveDefinite`], [`Error::NoVariation`] for a column that does not vary.
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::nalgebra::{DMatrix, DVector};
    /// use gmix_diffusion::{Mixture, MixtureParameters, Observation};
    ///
    /// let law = Mixture::gaussian(&MixtureParameters {
    ///     masses: DVector::from_element(1, 1.0),
    ///     means: DMatrix::zeros(1, 2),
    ///     covariances: vec![DMatrix::from_row_slice(2, 2, &[1.0, 0.8, 0.8, 1.0])],
    /// })?;
    /// let given = law.given(&Observation::exact(&[0], &[2.0])?)?;
    /// assert!((given.mean()[0] - 1.6).abs() < 1e-12 && (given.covariance()[0] - 0.36).abs() < 1e-12);
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn gaussian(parameters: &MixtureParameters) -> Result<Self> {
        let MixtureParameters { masses, means, covariances } = parameters;
        let dim = means.ncols();
        parameters.check(dim)?;
        let mean = means.transpose() * masses / masses.sum();
        let variance = |column: usize| {
            let of = |(cell, covariance): (usize, &DMatrix<f64>)| {
                covariance[(column, column)] + (means[(cell, column)] - mean[column]).powi(2)
            };
            covariances.iter().enumerate().map(of).fold(0.0, f64::max)
        };
        // Powers of two, which change no digit.
        let scale = DVector::from_fn(dim, |column, _| variance(column).sqrt().log2().round().exp2());
        if scale.iter().any(|scale| !(*scale > 0.0 && scale.is_finite())) {
            return Err(Error::NoVariation);
        }
        let scaled = |covariance: &DMatrix<f64>| {
            DMatrix::from_fn(dim, dim, |i, j| covariance[(i, j)] / scale[i] / scale[j])
        };
        let working = MixtureParameters {
            masses: masses / masses.sum(),
            means: DMatrix::from_fn(means.nrows(), dim, |cell, i| (means[(cell, i)] - mean[i]) / scale[i]),
            covariances: covariances.iter().map(scaled).collect(),
        };
        let law = MixtureLaw::new(&working, RadialShape::GAUSSIAN, None)?;
        Ok(Self::new(dim, (0..dim).collect(), Units { shift: mean, scale, hull_axes: None }, law))
    }

    pub(super) fn new(all_columns: usize, columns: Vec<usize>, units: Units, law: MixtureLaw) -> Self {
        Self { cells: law.whole_cells(), columns, units, law, all_columns }
    }

    /// As `self`, of other columns.
    pub(super) fn of(&self, columns: Vec<usize>, units: Units, law: MixtureLaw) -> Self {
        Self::new(self.all_columns, columns, units, law)
    }

    /// The law in working coordinates.
    pub(crate) fn working_law(&self) -> &MixtureLaw {
        &self.law
    }

    /// The map between the data's units and working units.
    pub(crate) fn units(&self) -> &Units {
        &self.units
    }

    /// The law of some of the cells alone, with their masses in proportion.
    pub(crate) fn part(&self, cells: &[usize]) -> Self {
        let masses = DVector::from_iterator(cells.len(), cells.iter().map(|&cell| self.masses()[cell]));
        let total = masses.sum();
        let whole = cells.iter().map(|&cell| self.cells[cell].clone()).collect();
        self.of(self.columns.clone(), self.units.clone(), MixtureLaw::of_whole_cells(masses / total, whole))
    }

    /// The columns of the law, by their index among those learned.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Where in a row of this law the columns are.
    ///
    /// # Errors
    /// [`Error::NoSuchColumn`].
    pub(super) fn positions(&self, columns: &[usize]) -> Result<Vec<usize>> {
        let position = |&column: &usize| {
            let found = self.columns.iter().position(|&own| own == column);
            found.ok_or(Error::NoSuchColumn { column, columns: self.all_columns })
        };
        columns.iter().map(position).collect()
    }

    /// The masses of the cells: length k, summing to 1.
    pub fn masses(&self) -> &DVector<f64> {
        self.law.masses()
    }

    /// The means of the cells: k × the number of columns.
    pub fn means(&self) -> DMatrix<f64> {
        let rows: Vec<_> = self.cells.iter().map(|cell| cell.centre().transpose()).collect();
        self.units.noised_to_data(1.0, &DMatrix::from_rows(&rows))
    }

    /// The covariances of the cells, as many rows and columns as there are columns.
    pub fn covariances(&self) -> Vec<DMatrix<f64>> {
        self.cells.iter().map(|cell| self.units.covariance_to_data(0.0, &cell.covariance())).collect()
    }

    /// Whether all cells are Gaussians, and the law so a Gaussian mixture.
    pub fn is_gaussian(&self) -> bool {
        self.cells.iter().all(|cell| cell.tilt.is_none())
    }

    /// The mean of the law.
    pub fn mean(&self) -> DVector<f64> {
        self.means().transpose() * self.masses()
    }

    /// The covariance of the law.
    pub fn covariance(&self) -> DMatrix<f64> {
        let (means, mean) = (self.means(), self.mean());
        let mut covariance = DMatrix::zeros(mean.len(), mean.len());
        for ((own, row), mass) in self.covariances().iter().zip(means.row_iter()).zip(self.masses().iter()) {
            let offset = row.transpose() - &mean;
            covariance += own * *mass;
            covariance.ger(*mass, &offset, &offset, 1.0);
        }
        covariance
    }

    /// Draws `n` rows: n × the number of columns. The same `rng` state gives the same rows for any number of threads.
    pub fn sample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Result<DMatrix<f64>> {
        let streams: Vec<Xoshiro256PlusPlus> =
            (0..n.div_ceil(CHUNK)).map(|_| Xoshiro256PlusPlus::from_rng(rng)).collect();
        let chunks = map_blocks(n, CHUNK, |range| {
            let mut chunk = DMatrix::zeros(range.len(), self.dim());
            self.exact_sample_into(&mut streams[range.start / CHUNK].clone(), chunk.as_view_mut())?;
            Ok(chunk)
        })?;
        let mut rows = DMatrix::zeros(n, self.dim());
        for (index, chunk) in chunks.iter().enumerate() {
            rows.rows_mut(index * CHUNK, chunk.nrows()).copy_from(chunk);
        }
        Ok(rows)
    }

    /// Natural logarithm of the density at the rows of `points` (n × the number of columns): length n.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for another number of columns, [`Error::NotFinite`] for a point.
    pub fn log_density<'a>(&self, points: impl Into<Rows<'a>>) -> Result<DVector<f64>> {
        let points = points.into().to_matrix();
        check_points(self.dim(), &points)?;
        LogDensity::log_density(self, NoiseLevel::CLEAN, &points)
    }

    /// The law of Y in the data's units where units stretch the noise or it leaves the hull.
    fn noised(&self, level: NoiseLevel) -> Result<Option<MixtureLaw>> {
        if level.noise() == 0.0 || (self.units.hull_axes().is_none() && self.units.uniform_scale().is_some())
        {
            return Ok(None);
        }
        let dim = self.dim();
        let mut map = directions(&self.units, &(0..dim).collect::<Vec<_>>());
        for (mut row, scale) in map.row_iter_mut().zip(self.units.scale().iter()) {
            row *= level.signal() * scale;
        }
        let noise = DMatrix::from_diagonal_element(dim, dim, level.noise());
        let mut cells = images(&self.cells, &map, &noise)?;
        for cell in &mut cells {
            cell.mean.axpy(level.signal(), self.units.shift(), 1.0);
        }
        Ok(Some(MixtureLaw::of_whole_cells(self.masses().clone(), cells)))
    }

    fn outside(&self) -> InUnits<'_, MixtureLaw> {
        InUnits { model: &self.law, units: &self.units }
    }
}

/// The cells of y = Ru + Nν, R = `map` and N = `noise`.
fn images(cells: &[WholeCell], map: &DMatrix<f64>, noise: &DMatrix<f64>) -> Result<Vec<WholeCell>> {
    let image = |(index, cell): (usize, &WholeCell)| Ok(cell.seen_through(map, noise, index)?.image());
    cells.iter().enumerate().map(image).collect()
}

/// The law of y = Ru + Nν, R = `map` and N = `noise`.
pub(super) fn image(
    masses: &DVector<f64>,
    cells: &[WholeCell],
    map: &DMatrix<f64>,
    noise: &DMatrix<f64>,
) -> Result<MixtureLaw> {
    Ok(MixtureLaw::of_whole_cells(masses.clone(), images(cells, map, noise)?))
}

impl ScoreModel for Mixture {
    fn dim(&self) -> usize {
        self.columns.len()
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        check_room_for_rows(self.dim(), &points, &score)?;
        match self.noised(level)? {
            Some(law) => law.score_into(NoiseLevel::CLEAN, points, score),
            None => self.outside().score_into(level, points, score),
        }
    }

    /// In the data's units where all columns vary and share one scale; 0, no claim, otherwise.
    fn component_std(&self) -> f64 {
        self.outside().component_std()
    }

    /// The exact mean and covariance of Y.
    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        let (signal, noise) = (level.signal(), level.noise());
        let mut covariance = self.covariance() * (signal * signal);
        for i in 0..self.dim() {
            covariance[(i, i)] += noise * noise;
        }
        Ok(GaussianLaw { mean: self.mean() * signal, covariance })
    }

    fn exact_sample_into(&self, rng: &mut dyn Rng, rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        check_room(self.dim(), &rows)?;
        self.outside().exact_sample_into(rng, rows)
    }
}

impl DifferentiableScore for Mixture {
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        check_room_for_rows(self.dim(), &points, &score)?;
        check_room_for_values(self.dim(), &points, divergence)?;
        match self.noised(level)? {
            Some(law) => law.score_and_divergence_into(NoiseLevel::CLEAN, points, score, divergence),
            None => self.outside().score_and_divergence_into(level, points, score, divergence),
        }
    }
}

impl LogDensity for Mixture {
    fn log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        check_room_for_values(self.dim(), &points, log_density)?;
        if let Some(law) = self.noised(level)? {
            return law.log_density_into(NoiseLevel::CLEAN, points, log_density);
        }
        let points = points.into_owned();
        let working = self.units.noised_to_working(level.signal(), points.clone());
        let inner = self.outside().working_level(level)?;
        self.law.log_density_into(inner, working.as_view(), log_density)?;
        let volume = self.units.log_volume();
        let off_hull = self.units.off_hull(&(points / level.signal()));
        for (value, off) in log_density.iter_mut().zip(off_hull) {
            *value = if off { f64::NEG_INFINITY } else { *value - volume };
        }
        Ok(())
    }
}

impl Distribution<DVector<f64>> for Mixture {
    /// One row.
    fn sample<R: Rng + ?Sized>(&self, mut rng: &mut R) -> DVector<f64> {
        let mut row = DMatrix::zeros(1, self.dim());
        // The shapes agree, and a law in closed form has nothing else to fail by.
        let drawn = self.exact_sample_into(&mut rng, row.as_view_mut());
        debug_assert!(drawn.is_ok());
        row.row(0).transpose()
    }
}

impl MultiDistribution<f64> for Mixture {
    fn sample_len(&self) -> usize {
        self.dim()
    }

    /// # Panics
    /// When `output` has another length than the law has columns.
    fn sample_to_slice<R: Rng + ?Sized>(&self, rng: &mut R, output: &mut [f64]) {
        let row: DVector<f64> = Distribution::sample(self, rng);
        output.copy_from_slice(row.as_slice());
    }
}
