use nalgebra::DMatrix;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::estimate::Estimate;
use super::samples::check_sample;
use crate::error::{Error, Result};
use crate::process::{NoiseLevel, NoiseLevels};
use crate::score::ScoreModel;

/// Rows noised and scored at a time.
const BLOCK_ROWS: usize = 128;

/// How far a score is from a reference, by noise level and over the whole path; see [`score_error`].
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreError {
    /// E‖ŝ − s‖² at each level, noisiest first, with both scores those of Y/a: the variance
    /// exploding form, in (units of the data)⁻², whatever the signal a of the level.
    pub by_level: Vec<Estimate>,
    /// ½ ∫ E‖ŝ − s‖² d(s²/a²) from the quietest to the noisiest level, in nats.
    ///
    /// By Girsanov's theorem no smaller than the Kullback-Leibler divergence, at the quietest
    /// level, of the reference law from the law that the model's reverse diffusion ends with when
    /// it starts from the reference at the noisiest level and takes infinitely small steps. By
    /// Pinsker's inequality their total variation distance is at most √(`path_divergence`/2).
    pub path_divergence: Estimate,
}

/// The mean squared error of a model's score against a reference score at each of `levels`, under
/// the noised law Y = aX + sZ, and its integral along the path.
///
/// `rows` (n × d) are draws of the clean law X that `reference` knows; the noise Z is drawn from
/// `rng`, once for each row and level. Standard errors account for both. The integral is the trapezoid
/// rule in log τ, τ² = σ₀² + s²/a² with σ₀ the reference's
/// [`component_std`](ScoreModel::component_std): levels should be geometric in τ, a ratio of .9 being
/// ample. A step that ends at τ = 0 is taken linearly in s²/a².
///
/// Source: Song, Durkan, Murray, Ermon 2021, "Maximum likelihood training of score-based diffusion
/// models", theorem 1.
///
/// # Errors
/// [`Error::NoRows`], [`Error::NoColumns`] and [`Error::NotFinite`] for the rows,
/// [`Error::ShapeMismatch`] when a model has another dimension than they, [`Error::NotFinite`] at
/// the row whose score is not finite, and those of the two models.
///
/// # Examples
/// A model that believes in a mean of 1 where it is 0:
/// ```
/// use gmix_diffusion::metrics::score_error;
/// use gmix_diffusion::nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};
/// use gmix_diffusion::rand::SeedableRng;
/// use gmix_diffusion::{NoiseLevel, NoiseLevels, Result, ScoreModel};
/// use rand_xoshiro::Xoshiro256PlusPlus;
///
/// struct UnitGaussian(f64);
///
/// impl ScoreModel for UnitGaussian {
///     fn dim(&self) -> usize {
///         1
///     }
///     fn score_into(
///         &self,
///         level: NoiseLevel,
///         points: DMatrixView<'_, f64>,
///         mut score: DMatrixViewMut<'_, f64>,
///     ) -> Result<()> {
///         let (a, s) = (level.signal(), level.noise());
///         score.zip_apply(&points, |score, y| *score = (a * self.0 - y) / (a * a + s * s));
///         Ok(())
///     }
/// }
///
/// let levels = NoiseLevels::variance_exploding([3.0, 1.0, 0.0])?;
/// let rows = DMatrix::from_column_slice(2, 1, &[-0.7, 1.2]);
/// let error = score_error(
///     &UnitGaussian(1.0), &UnitGaussian(0.0), &levels, &rows, &mut Xoshiro256PlusPlus::seed_from_u64(0),
/// )?;
/// assert!((error.by_level[1].value - 0.25).abs() < 1e-12);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn score_error<R: Rng + ?Sized>(
    model: &dyn ScoreModel,
    reference: &dyn ScoreModel,
    levels: &NoiseLevels,
    rows: &DMatrix<f64>,
    rng: &mut R,
) -> Result<ScoreError> {
    check_sample(rows)?;
    for (what, score) in [("dimension of the model", model), ("dimension of the reference", reference)] {
        if score.dim() != rows.ncols() {
            return Err(Error::ShapeMismatch { what, expected: rows.ncols(), found: score.dim() });
        }
    }
    let weights = path_weights(levels, reference.component_std());
    let mut by_level = Vec::with_capacity(levels.len());
    // Summed row by row, so that the standard error holds although levels share their rows.
    let mut path_terms = vec![0.0; rows.nrows()];
    let mut squared_errors = vec![0.0; rows.nrows()];
    for (&level, weight) in levels.iter().zip(weights) {
        for (block, errors) in squared_errors.chunks_mut(BLOCK_ROWS).enumerate() {
            squared_errors_into(model, reference, level, rows, block * BLOCK_ROWS, rng, errors)?;
        }
        for (term, error) in path_terms.iter_mut().zip(&squared_errors) {
            *term += 0.5 * weight * error;
        }
        by_level.push(Estimate::of(&squared_errors));
    }
    Ok(ScoreError { by_level, path_divergence: Estimate::of(&path_terms) })
}

/// a² ‖ŝ − s‖² at one noised copy of each of the rows from `first_row` on, as many as `errors`.
fn squared_errors_into<R: Rng + ?Sized>(
    model: &dyn ScoreModel,
    reference: &dyn ScoreModel,
    level: NoiseLevel,
    rows: &DMatrix<f64>,
    first_row: usize,
    rng: &mut R,
    errors: &mut [f64],
) -> Result<()> {
    let (signal, noise) = (level.signal(), level.noise());
    let clean = rows.rows(first_row, errors.len());
    let noised = clean.map(|x| signal * x + noise * rng.sample::<f64, _>(StandardNormal));
    let difference = model.score(level, &noised)? - reference.score(level, &noised)?;
    errors.fill(0.0);
    for (column, values) in difference.column_iter().enumerate() {
        for (row, (error, &value)) in errors.iter_mut().zip(values.iter()).enumerate() {
            if !value.is_finite() {
                return Err(Error::NotFinite { row: first_row + row, column, value });
            }
            *error += (signal * value).powi(2);
        }
    }
    Ok(())
}

/// Weights of the levels in ∫ f d(s²/a²).
fn path_weights(levels: &NoiseLevels, component_std: f64) -> Vec<f64> {
    let variances: Vec<f64> = levels.iter().map(|level| level.bandwidth(component_std).powi(2)).collect();
    let mut weights = vec![0.0; levels.len()];
    for (index, step) in variances.windows(2).enumerate() {
        let (noisier, quieter) = (step[0], step[1]);
        if quieter > 0.0 {
            let width = (noisier / quieter).ln();
            weights[index] += 0.5 * width * noisier;
            weights[index + 1] += 0.5 * width * quieter;
        } else {
            weights[index] += 0.5 * noisier;
            weights[index + 1] += 0.5 * noisier;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrixView, DMatrixViewMut};
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::super::testing::normal_sample;
    use super::*;

    /// N(mean · (1, …, 1), variance · I).
    struct Gaussian {
        dim: usize,
        mean: f64,
        variance: f64,
        component_std: f64,
    }

    impl ScoreModel for Gaussian {
        fn dim(&self) -> usize {
            self.dim
        }

        fn score_into(
            &self,
            level: NoiseLevel,
            points: DMatrixView<'_, f64>,
            mut score: DMatrixViewMut<'_, f64>,
        ) -> Result<()> {
            let (a, s) = (level.signal(), level.noise());
            let variance = a * a * self.variance + s * s;
            score.zip_apply(&points, |score, y| *score = (a * self.mean - y) / variance);
            Ok(())
        }

        fn component_std(&self) -> f64 {
            self.component_std
        }
    }

    fn gaussian(dim: usize, mean: f64, variance: f64, component_std: f64) -> Gaussian {
        Gaussian { dim, mean, variance, component_std }
    }

    /// Levels geometric in τ = √(1 + s²) from `noisiest` down to s = 0.
    fn geometric_levels(noisiest: f64, steps: usize) -> NoiseLevels {
        let ratio = noisiest.hypot(1.0).powf(-1.0 / steps as f64);
        let noises = (0..=steps)
            .map(|i| if i == steps { 0.0 } else { (ratio.powi(2 * (i as i32 - steps as i32)) - 1.0).sqrt() });
        NoiseLevels::variance_exploding(noises).unwrap()
    }

    fn error_of(model: &Gaussian, reference: &Gaussian, levels: &NoiseLevels, n: usize) -> ScoreError {
        let rows = normal_sample(n, reference.dim, 1) * reference.variance.sqrt();
        score_error(model, reference, levels, &rows, &mut Xoshiro256PlusPlus::seed_from_u64(2)).unwrap()
    }

    #[test]
    fn shifted_gaussians_attain_the_bound() {
        // ŝ − s is constant, and ½ ∫ d m²/(1 + t)² dt over t > 0 is d m²/2, the divergence itself.
        let error = error_of(
            &gaussian(3, 0.2, 1.0, 0.0),
            &gaussian(3, 0.0, 1.0, 1.0),
            &geometric_levels(100.0, 80),
            300,
        );
        let divergence = 3.0 * 0.2f64.powi(2) / 2.0;
        assert!((error.path_divergence.value / divergence - 1.0).abs() < 0.002, "{error:?}");
        assert!(error.path_divergence.std_error < 1e-12);
        assert!((error.by_level[80].value - 0.12).abs() < 1e-12);
    }

    #[test]
    fn a_wider_gaussian_obeys_the_bound_and_the_closed_form() {
        let variance = 1.3;
        let levels = geometric_levels(20.0, 60);
        let error = error_of(&gaussian(2, 0.0, variance, 0.0), &gaussian(2, 0.0, 1.0, 1.0), &levels, 4000);
        for (level, estimate) in levels.iter().zip(&error.by_level) {
            let t = level.noise().powi(2);
            let exact = 2.0 * (1.0 / (variance + t) - 1.0 / (1.0 + t)).powi(2) * (1.0 + t);
            // Five standard errors over 61 levels: level 4e-5.
            assert!((estimate.value - exact).abs() < 5.0 * estimate.std_error, "{level:?}");
        }
        // ½ ∫ 2 c²/((1 + t)(1 + c + t)²) dt over t > 0 with c = .3 is ln(1 + c) − c/(1 + c).
        let integral = variance.ln() - 0.3 / variance;
        let divergence = variance.ln() + 1.0 / variance - 1.0;
        assert!((integral - divergence).abs() < 1e-12, "isotropic Gaussians attain the bound too");
        let found = error.path_divergence;
        assert!(
            (found.value - integral).abs() < 4.0 * found.std_error + 0.003 * integral,
            "{found} {integral}"
        );
    }

    #[test]
    fn the_standard_error_of_the_integral_is_its_spread_over_repetitions() {
        let (model, reference) = (gaussian(1, 0.0, 2.0, 0.0), gaussian(1, 0.0, 1.0, 1.0));
        let levels = geometric_levels(5.0, 12);
        let estimates: Vec<Estimate> = (0..400)
            .map(|seed| {
                let rows = normal_sample(100, 1, 1000 + seed);
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
                score_error(&model, &reference, &levels, &rows, &mut rng).unwrap().path_divergence
            })
            .collect();
        let values: Vec<f64> = estimates.iter().map(|estimate| estimate.value).collect();
        let spread = Estimate::of(&values).std_error * 400f64.sqrt();
        let claimed = estimates.iter().map(|estimate| estimate.std_error).sum::<f64>() / 400.0;
        // A standard deviation from 400 skewed values has a relative error of about 5 %: four of them.
        assert!((spread / claimed - 1.0).abs() < 0.2, "{spread} {claimed}");
    }

    #[test]
    fn the_form_of_the_levels_does_not_matter() {
        let exploding = geometric_levels(8.0, 10);
        let preserving = NoiseLevels::new(exploding.iter().map(|level| {
            let scale = level.noise().hypot(1.0);
            NoiseLevel::new(1.0 / scale, level.noise() / scale).unwrap()
        }))
        .unwrap();
        let (model, reference) = (gaussian(2, 0.4, 1.7, 0.0), gaussian(2, 0.0, 1.0, 0.0));
        let in_exploding = error_of(&model, &reference, &exploding, 200);
        let in_preserving = error_of(&model, &reference, &preserving, 200);
        for (left, right) in in_exploding.by_level.iter().zip(&in_preserving.by_level) {
            assert!((left.value / right.value - 1.0).abs() < 1e-10);
        }
        let ratio = in_exploding.path_divergence.value / in_preserving.path_divergence.value;
        assert!((ratio - 1.0).abs() < 1e-10);
    }

    #[test]
    fn a_step_to_no_noise_and_no_component_is_linear() {
        let levels = NoiseLevels::variance_exploding([2.0, 0.0]).unwrap();
        assert_eq!(path_weights(&levels, 0.0), [2.0, 2.0]);
        assert_eq!(path_weights(&NoiseLevels::variance_exploding([3.0]).unwrap(), 1.0), [0.0]);
    }

    #[test]
    fn names_the_row_whose_score_is_not_finite() {
        let levels = NoiseLevels::variance_exploding([0.0]).unwrap();
        let mut rows = normal_sample(300, 1, 4);
        rows[200] = 1e300;
        // Far out, 1e300/1e-300 overflows.
        let (model, reference) = (gaussian(1, 0.0, 1e-300, 0.0), gaussian(1, 0.0, 1.0, 0.0));
        let error =
            score_error(&model, &reference, &levels, &rows, &mut Xoshiro256PlusPlus::seed_from_u64(0));
        assert!(matches!(error, Err(Error::NotFinite { row: 200, column: 0, .. })), "{error:?}");
    }

    #[test]
    fn rejects_models_of_other_dimensions() {
        let levels = NoiseLevels::variance_exploding([1.0]).unwrap();
        let rows = normal_sample(5, 2, 3);
        let (two, three) = (gaussian(2, 0.0, 1.0, 0.0), gaussian(3, 0.0, 1.0, 0.0));
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
        for (model, reference) in [(&two, &three), (&three, &two)] {
            let error = score_error(model, reference, &levels, &rows, &mut rng).unwrap_err();
            assert!(matches!(error, Error::ShapeMismatch { expected: 2, found: 3, .. }));
        }
    }
}
