use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::comparison::{asked, noised, require_at_least, require_close, require_finite};
use crate::error::{Error, Result};
use crate::process::{NoiseLevel, NoiseLevels};
use crate::score::ScoreModel;
use crate::shapes::check_columns;

/// Relative difference of two evaluations that should agree; single precision has room in it.
const AGREEMENT: f64 = 1e-5;

/// How far out "far away" is, in units of the points' spread plus noise.
const FAR: f64 = 1e4;

/// The denoiser's Jacobian may have eigenvalues down to minus this.
const NEGATIVE_JACOBIAN: f64 = 0.01;

/// The start's variance may be below the noise's by this share.
const START_VARIANCE: f64 = 0.05;

/// Points at which the Jacobian is taken; it costs 2d evaluations.
const JACOBIAN_POINTS: usize = 8;

/// Checks a score model at `points`, rows (n × d) of X or typical of it, noised here to each level.
///
/// Levels are those of `levels` at which the bandwidth √(σ₀² + s²/a²) is positive. At each of them:
///
/// 1. The score is finite, at the points and 10,000 times their spread away.
/// 2. A row's score does not depend on its neighbours: other orders and other blocks agree to 1e-5.
/// 3. `denoise_into` is Tweedie's (y + s² ∇log p)/a, to 1e-5.
/// 4. Far away the score points home: ∇log p(y) · (y − centre) < 0.
///
/// And once, at the noisiest level:
///
/// 5. The start law has the right shape, and no direction has less than the variance of the noise.
/// 6. The Jacobian of the denoiser, by central differences, is positive semidefinite up to -0.01.
///    It is s²/a times the covariance of Z given Y for every noised law, so this finds a wrong
///    noise scale or sign. It also finds tempering, products and guidance: a score multiplied by β > 1, or a sum of
///    two, is in general not the score of a law noised by s. Samplers run on it all the same, and treat it as one; what
///    they draw is then near what was meant at the quietest levels only.
///
/// # Errors
/// [`Error::CheckFailed`] with the property that does not hold and the row,
/// [`Error::ShapeMismatch`], [`Error::NoRows`], and those of the model.
///
/// # Examples
/// ```
/// use gmix_diffusion::check::check_score_model;
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::{GaussianMixture, NoiseLevels};
///
/// let points = DMatrix::from_row_slice(3, 1, &[-1.0, 0.5, 2.0]);
/// let levels = NoiseLevels::variance_exploding([10.0, 1.0, 0.0])?;
/// check_score_model(&GaussianMixture::kernel(&points, 0.3)?, &levels, &points)?;
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn check_score_model(model: &dyn ScoreModel, levels: &NoiseLevels, points: &DMatrix<f64>) -> Result<()> {
    check_columns(model.dim(), points)?;
    if points.nrows() == 0 {
        return Err(Error::NoRows);
    }
    let component_std = model.component_std();
    require_at_least("the component standard deviation is not negative", 0, 0.0, component_std)?;
    for level in asked(levels, component_std) {
        let points = noised(level, points);
        let score = model.score(level, &points)?;
        require_finite("the score is finite at the points", &score)?;
        let scale = (level.signal() * level.bandwidth(component_std)).recip();
        rows_are_independent(model, level, &points, &score, scale)?;
        denoiser_is_tweedie_s(model, level, &points, &score)?;
        points_home(model, level, &points)?;
    }
    let noisiest = levels.noisiest();
    if noisiest.noise() > 0.0 {
        start_covers_the_noise(model, noisiest)?;
        denoiser_is_monotone(model, noisiest, &noised(noisiest, points))?;
    }
    Ok(())
}

fn rows_are_independent(
    model: &dyn ScoreModel,
    level: NoiseLevel,
    points: &DMatrix<f64>,
    score: &DMatrix<f64>,
    scale: f64,
) -> Result<()> {
    let n = points.nrows();
    let same = |row: usize, found: &DMatrix<f64>, found_row: usize| {
        let property = "a row's score does not depend on its neighbours";
        (0..points.ncols()).try_for_each(|axis| {
            let expected = score[(row, axis)];
            let tolerance = AGREEMENT * (scale + expected.abs());
            require_close(property, row, expected, found[(found_row, axis)], tolerance)
        })
    };
    let reversed = DMatrix::from_fn(n, points.ncols(), |row, axis| points[(n - 1 - row, axis)]);
    let found = model.score(level, &reversed)?;
    (0..n).try_for_each(|row| same(row, &found, n - 1 - row))?;
    for row in [0, n / 2, n - 1] {
        let alone = model.score(level, &points.rows(row, 1).into_owned())?;
        same(row, &alone, 0)?;
    }
    Ok(())
}

fn denoiser_is_tweedie_s(
    model: &dyn ScoreModel,
    level: NoiseLevel,
    points: &DMatrix<f64>,
    score: &DMatrix<f64>,
) -> Result<()> {
    let denoised = model.denoise(level, points)?;
    let variance = level.noise().powi(2);
    for axis in 0..points.ncols() {
        for row in 0..points.nrows() {
            let (y, pull) = (points[(row, axis)], variance * score[(row, axis)]);
            let tolerance = AGREEMENT * (y.abs() + pull.abs() + level.noise()) / level.signal();
            let expected = (y + pull) / level.signal();
            let property = "the denoiser is (y + s² ∇log p)/a";
            require_close(property, row, expected, denoised[(row, axis)], tolerance)?;
        }
    }
    Ok(())
}

fn points_home(model: &dyn ScoreModel, level: NoiseLevel, points: &DMatrix<f64>) -> Result<()> {
    let dim = points.ncols();
    let centre = points.row_mean();
    let spread = points.row_iter().map(|row| (row - &centre).norm()).fold(0.0, f64::max);
    let distance = FAR * (spread + level.signal() * level.bandwidth(model.component_std()));
    // Both ways along every axis and along the diagonal.
    let mut outward = DMatrix::zeros(2 * dim + 2, dim);
    for axis in 0..dim {
        outward[(2 * axis, axis)] = 1.0;
        outward[(2 * axis + 1, axis)] = -1.0;
    }
    outward.row_mut(2 * dim).fill((dim as f64).sqrt().recip());
    outward.row_mut(2 * dim + 1).fill(-(dim as f64).sqrt().recip());
    let far = DMatrix::from_fn(2 * dim + 2, dim, |row, axis| centre[axis] + distance * outward[(row, axis)]);
    let score = model.score(level, &far)?;
    require_finite("the score is finite far away", &score)?;
    for row in 0..far.nrows() {
        let found = -score.row(row).dot(&outward.row(row));
        require_at_least("the score far away points home", row, f64::MIN_POSITIVE, found)?;
    }
    Ok(())
}

fn start_covers_the_noise(model: &dyn ScoreModel, level: NoiseLevel) -> Result<()> {
    let (law, dim) = (model.start(level)?, model.dim());
    for (what, found) in [
        ("length of the start's mean", law.mean.len()),
        ("rows of the start's covariance", law.covariance.nrows()),
        ("columns of the start's covariance", law.covariance.ncols()),
    ] {
        if found != dim {
            return Err(Error::ShapeMismatch { what, expected: dim, found });
        }
    }
    require_finite("the start's covariance is finite", &law.covariance)?;
    require_finite("the start's mean is finite", &DMatrix::from_row_slice(dim, 1, law.mean.as_slice()))?;
    let least = SymmetricEigen::new(law.covariance).eigenvalues.min();
    let noise = level.noise().powi(2) * (1.0 - START_VARIANCE);
    require_at_least("the start has at least the variance of the noise", 0, noise, least)
}

fn denoiser_is_monotone(model: &dyn ScoreModel, level: NoiseLevel, points: &DMatrix<f64>) -> Result<()> {
    let (dim, step) = (model.dim(), 1e-2 * level.noise());
    for row in 0..points.nrows().min(JACOBIAN_POINTS) {
        let probes = DMatrix::from_fn(2 * dim, dim, |probe, axis| {
            let by = if probe / 2 == axis { step } else { 0.0 };
            points[(row, axis)] + if probe % 2 == 0 { by } else { -by }
        });
        let denoised = model.denoise(level, &probes)?;
        // In units of Y, where it is the identity for data without noise.
        let jacobian = DMatrix::from_fn(dim, dim, |i, j| {
            level.signal() * (denoised[(2 * j, i)] - denoised[(2 * j + 1, i)]) / (2.0 * step)
        });
        let symmetric = (&jacobian + jacobian.transpose()) * 0.5;
        require_finite("the denoiser's Jacobian is finite", &symmetric)?;
        let eigenvalues: DVector<f64> = SymmetricEigen::new(symmetric).eigenvalues;
        let property = "not the score of a noised law, although samplers run on it all the same: least eigenvalue of the denoiser's Jacobian at the noisiest level";
        require_at_least(property, row, -NEGATIVE_JACOBIAN, eigenvalues.min())?;
    }
    Ok(())
}
