//! The closed-form score of a Gaussian mixture.

#[cfg(test)]
mod tests;

use super::component::{Component, check_shape};

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::general;
use super::noised::{Factors, NoisedMixture, Outputs};
use super::spherical::SphericalMeans;
use crate::error::{Error, Result};
use crate::kernels::responsibilities_in_place;
use crate::process::NoiseLevel;
use crate::score::{
    DifferentiableScore, GaussianLaw, LogDensity, ScoreModel, rows_by_component, standard_normals,
};
use crate::shapes::{check_columns, check_room};

/// A Gaussian mixture Σ_j w_j N(μ_j, S_j), with score, divergence and log-density in closed form.
///
/// Noise keeps it a mixture: Y = aX + sZ has components N(a μ_j, a² S_j + s² I), so every level is
/// exact. Covariances are decomposed once, after which a level costs 2·n·k·d² operations, or n·k·d
/// when all components share one spherical covariance. A covariance may be singular, a point even;
/// then levels without noise are an error, the others are exact.
///
/// Answers are finite at every finite point, however far out.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::{DMatrix, DVector};
/// use gmix_diffusion::{GaussianMixture, LogDensity, NoiseLevel, ScoreModel};
///
/// let weights = DVector::from_vec(vec![0.5, 0.5]);
/// let means = DMatrix::from_row_slice(2, 1, &[-2.0, 2.0]);
/// let mixture = GaussianMixture::spherical(weights, means, 0.5)?;
///
/// let points = DMatrix::from_row_slice(2, 1, &[0.0, 2.0]);
/// let score = mixture.score(NoiseLevel::CLEAN, &points)?;
/// assert!(score.iter().all(|value| value.abs() < 1e-6));
/// let log_density = mixture.log_density(NoiseLevel::CLEAN, &points)?;
/// assert!(log_density[1] > log_density[0]);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    weights: DVector<f64>,
    means: DMatrix<f64>,
    shape: Shape,
}

/// The covariances.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    /// All are `std`² I.
    Spherical {
        std: f64,
        means: SphericalMeans,
    },
    General(Vec<Component>),
}

impl GaussianMixture {
    /// The mixture of components N(row j of `means`, `covariances[j]`), k × d and k times d × d,
    /// with `weights` (length k) that are normalised here.
    ///
    /// # Errors
    /// [`Error::NoRows`] and [`Error::NoColumns`] for no components or no dimensions,
    /// [`Error::ShapeMismatch`], [`Error::InvalidWeight`] for a weight that is negative or not
    /// finite or when all are zero, [`Error::NotFinite`] for a mean, [`Error::NotPositiveDefinite`]
    /// for a covariance that is not symmetric, has a negative eigenvalue or is not finite.
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::GaussianMixture;
    /// use gmix_diffusion::nalgebra::{DMatrix, DVector};
    ///
    /// let covariance = DMatrix::from_row_slice(2, 2, &[2.0, 0.5, 0.5, 1.0]);
    /// let one = GaussianMixture::new(DVector::from_element(1, 1.0), DMatrix::zeros(1, 2), vec![covariance])?;
    /// assert_eq!(one.n_components(), 1);
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn new(weights: DVector<f64>, means: DMatrix<f64>, covariances: Vec<DMatrix<f64>>) -> Result<Self> {
        let weights = check_parts(weights, &means)?;
        if covariances.len() != means.nrows() {
            let (expected, found) = (means.nrows(), covariances.len());
            return Err(Error::ShapeMismatch { what: "number of covariances", expected, found });
        }
        for covariance in &covariances {
            check_shape(covariance, means.ncols())?;
        }
        let first = Component::spherical_variance(&covariances[0]);
        let shape = match first {
            Some(variance) if covariances.iter().all(|other| other == &covariances[0]) => {
                Shape::Spherical { std: variance.sqrt(), means: SphericalMeans::new(&weights, &means) }
            }
            _ => {
                let component = |(index, covariance)| Component::new(covariance, means.ncols(), index);
                let components: Result<_> = covariances.into_iter().enumerate().map(component).collect();
                Shape::General(components?)
            }
        };
        Ok(Self { weights, means, shape })
    }

    /// The mixture of components N(row j of `means`, `std`² I), with `weights` (length k) that are
    /// normalised here. `std` may be 0: then the components are points.
    ///
    /// # Errors
    /// As [`GaussianMixture::new`]; [`Error::InvalidSetting`] when `std` is negative or not finite.
    pub fn spherical(weights: DVector<f64>, means: DMatrix<f64>, std: f64) -> Result<Self> {
        let weights = check_parts(weights, &means)?;
        if !(std >= 0.0 && std.is_finite()) {
            let requirement = "non-negative and finite";
            return Err(Error::InvalidSetting {
                name: "component standard deviation",
                value: std,
                requirement,
            });
        }
        let shape = Shape::Spherical { std, means: SphericalMeans::new(&weights, &means) };
        Ok(Self { weights, means, shape })
    }

    /// The kernel density estimate of `rows` (n × d): one component N(row, `bandwidth`² I) a row, of
    /// equal weights. With bandwidth 0 its score at a level s > 0 is the empirical score, the
    /// minimiser of the denoising loss over all functions.
    ///
    /// # Errors
    /// As [`GaussianMixture::spherical`].
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::nalgebra::DMatrix;
    /// use gmix_diffusion::{GaussianMixture, NoiseLevel, ScoreModel};
    ///
    /// let rows = DMatrix::from_row_slice(2, 1, &[0.0, 4.0]);
    /// let empirical = GaussianMixture::kernel(&rows, 0.0)?;
    /// let level = NoiseLevel::variance_exploding(0.1)?;
    /// let denoised = empirical.denoise(level, &DMatrix::from_element(1, 1, 0.3))?;
    /// assert!(denoised[0].abs() < 1e-12);
    /// assert!(empirical.score(NoiseLevel::CLEAN, &rows).is_err());
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn kernel(rows: &DMatrix<f64>, bandwidth: f64) -> Result<Self> {
        Self::spherical(DVector::from_element(rows.nrows(), 1.0), rows.clone(), bandwidth)
    }

    /// The weights, which sum to one: length k.
    pub fn weights(&self) -> &DVector<f64> {
        &self.weights
    }

    /// The means, one a row: k × d.
    pub fn means(&self) -> &DMatrix<f64> {
        &self.means
    }

    /// The covariance of component `index`: d × d.
    ///
    /// # Panics
    /// When `index` is not below the number of components.
    pub fn covariance(&self, index: usize) -> DMatrix<f64> {
        assert!(index < self.n_components(), "component {index} of {}", self.n_components());
        match &self.shape {
            Shape::Spherical { std, .. } => DMatrix::from_diagonal_element(self.dim(), self.dim(), std * std),
            Shape::General(components) => components[index].covariance.clone(),
        }
    }

    /// The number of components k.
    pub fn n_components(&self) -> usize {
        self.weights.len()
    }

    /// The posterior probability of each component given Y = aX + sZ, at the rows of `points`
    /// (n × d, in the units of Y): n × k, rows sum to one.
    ///
    /// # Errors
    /// As [`ScoreModel::score`]; [`Error::NotPositiveDefinite`] at a level without noise, when a
    /// covariance is singular.
    pub fn responsibilities(&self, level: NoiseLevel, points: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        check_columns(self.dim(), points)?;
        let (weights, points) = (self.weights.as_slice(), points.as_view());
        let mut log_joint = match &self.shape {
            Shape::Spherical { std, means } => means.relative_logits(level, weights, *std, &points)?,
            Shape::General(components) => {
                let gaussians = general::at_level(level, weights, &self.means, components)?;
                let mut log_joint = DMatrix::zeros(points.nrows(), weights.len());
                gaussians.log_joint_into(points, log_joint.as_view_mut());
                log_joint
            }
        };
        responsibilities_in_place(&mut log_joint);
        Ok(log_joint)
    }

    fn evaluate(&self, level: NoiseLevel, points: DMatrixView<'_, f64>, outputs: Outputs<'_>) -> Result<()> {
        outputs.check(self.dim(), &points)?;
        let weights = self.weights.as_slice();
        match &self.shape {
            Shape::Spherical { std, means } => means.evaluate(level, weights, *std, &points, outputs),
            Shape::General(components) => {
                let gaussians = general::at_level(level, weights, &self.means, components)?;
                let factors = Factors { shape: None, pulls: DMatrix::zeros(weights.len(), 0) };
                let none = points.columns(0, 0);
                NoisedMixture { gaussians, factors }.evaluate(points, none, outputs);
                Ok(())
            }
        }
    }
}

impl ScoreModel for GaussianMixture {
    fn dim(&self) -> usize {
        self.means.ncols()
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.evaluate(level, points, Outputs { score: Some(score), divergence: None, log_density: None })
    }

    /// The square root of the smallest eigenvalue of all covariances.
    fn component_std(&self) -> f64 {
        match &self.shape {
            Shape::Spherical { std, .. } => *std,
            Shape::General(components) => {
                let eigenvalues = components.iter().flat_map(|component| component.eigenvalues.iter());
                eigenvalues.copied().fold(f64::INFINITY, f64::min).sqrt()
            }
        }
    }

    /// The exact mean and covariance of Y.
    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        let (dim, signal) = (self.dim(), level.signal());
        let mean =
            DVector::from_iterator(dim, self.means.column_iter().map(|column| column.dot(&self.weights)));
        // √w (μ − mean), so that one product gives the covariance between components.
        let centred = DMatrix::from_fn(self.n_components(), dim, |j, axis| {
            self.weights[j].sqrt() * (self.means[(j, axis)] - mean[axis])
        });
        let mut covariance = centred.transpose() * &centred;
        match &self.shape {
            Shape::Spherical { std, .. } => covariance += DMatrix::from_diagonal_element(dim, dim, std * std),
            Shape::General(components) => {
                for (component, weight) in components.iter().zip(self.weights.iter()) {
                    covariance += &component.covariance * *weight;
                }
            }
        }
        covariance *= signal * signal;
        covariance += DMatrix::from_diagonal_element(dim, dim, level.noise().powi(2));
        Ok(GaussianLaw { mean: mean * signal, covariance })
    }

    fn exact_sample_into(&self, rng: &mut dyn Rng, mut rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        check_room(self.dim(), &rows)?;
        let members = rows_by_component(self.weights.as_slice(), rows.nrows(), rng);
        for (index, members) in members.iter().enumerate().filter(|(_, members)| !members.is_empty()) {
            let standard = standard_normals(members.len(), self.dim(), rng);
            let spread = match &self.shape {
                Shape::Spherical { std, .. } => standard * *std,
                Shape::General(components) => components[index].spread(standard),
            };
            for (axis, column) in spread.column_iter().enumerate() {
                for (&row, value) in members.iter().zip(column.iter()) {
                    rows[(row, axis)] = self.means[(index, axis)] + value;
                }
            }
        }
        Ok(())
    }
}

impl DifferentiableScore for GaussianMixture {
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
}

impl LogDensity for GaussianMixture {
    fn log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        self.evaluate(
            level,
            points,
            Outputs { score: None, divergence: None, log_density: Some(log_density) },
        )
    }
}

/// One draw of X.
impl Distribution<DVector<f64>> for GaussianMixture {
    fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> DVector<f64> {
        let mut left: f64 = rng.random();
        // Rounding may leave a remainder after the last weight; a component of weight zero is never drawn.
        let last = self.weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
        let mut index = 0;
        while index < last && left >= self.weights[index] {
            left -= self.weights[index];
            index += 1;
        }
        let noise = DVector::from_fn(self.dim(), |_, _| StandardNormal.sample(rng));
        let mean = self.means.row(index).transpose();
        match &self.shape {
            Shape::Spherical { std, .. } => mean + noise * *std,
            Shape::General(components) => {
                let component = &components[index];
                let scaled = noise.zip_map(&component.eigenvalues, |z: f64, value| z * value.sqrt());
                mean + &component.eigenvectors * scaled
            }
        }
    }
}

/// Checks weights and means, and returns the weights normalised.
fn check_parts(weights: DVector<f64>, means: &DMatrix<f64>) -> Result<DVector<f64>> {
    if means.nrows() == 0 {
        return Err(Error::NoRows);
    }
    if means.ncols() == 0 {
        return Err(Error::NoColumns);
    }
    if weights.len() != means.nrows() {
        let (expected, found) = (means.nrows(), weights.len());
        return Err(Error::ShapeMismatch { what: "number of weights", expected, found });
    }
    if let Some((row, &weight)) = weights.iter().enumerate().find(|(_, w)| !(**w >= 0.0 && w.is_finite())) {
        return Err(Error::InvalidWeight { row, weight });
    }
    for (column, values) in means.column_iter().enumerate() {
        if let Some((row, &value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(Error::NotFinite { row, column, value });
        }
    }
    // Relative to the largest, so that the sum cannot overflow.
    let largest = weights.amax();
    if largest == 0.0 {
        return Err(Error::InvalidWeight { row: 0, weight: 0.0 });
    }
    let relative = weights / largest;
    let total = relative.sum();
    Ok(relative / total)
}
