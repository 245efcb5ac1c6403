use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::comparison::{require_at_least, require_close, require_finite};
use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::process::{NoiseLevel, NoiseLevels};
use crate::sampler::Sampler;
use crate::score::ScoreModel;

/// Rows drawn: several chunks of [`Sampler::sample`] and one short one.
const ROWS: usize = 4_500;

/// Rows of a chunk of the provided [`Sampler::sample`].
const CHUNK: usize = 1_024;

/// Two-sided, 6e-7 a comparison: about 1e-5 for all of them.
const STANDARD_ERRORS: f64 = 5.0;

/// What discretisation may shift a mean by, in standard deviations of the law.
const MEAN_BIAS: f64 = 0.05;

/// What discretisation may change a covariance by, relative to the largest variance.
const COVARIANCE_BIAS: f64 = 0.1;

/// Share of the cluster that is far away, and how far, in its standard deviations.
const FAR_SHARE: f64 = 0.01;
const FAR_DISTANCE: f64 = 100.0;

/// Checks a sampler with the exact score of a mixture of two components in the plane, whose extent
/// is a tenth of the noise-to-signal ratio of the noisiest of `levels`.
///
/// 1. Rows are finite, and the same seed gives the same rows, another seed others.
/// 2. Means are within 5 standard errors of the law's, plus 0.05 standard deviations.
/// 3. Covariances are within 5 standard errors of the law's, plus 0.1 of its largest variance for
///    discretisation, plus s²/a² of the quietest level: rows may carry its noise or not.
/// 4. A cluster of 1 % of another law, 100 of its standard deviations away, has its share of the rows within 5
///    standard errors. Its extent is the noise-to-signal ratio of the noisiest level, where such a law is not
///    Gaussian: a sampler that starts from a Gaussian there loses the cluster, and one that starts at
///    [`ScoreModel::start_sample_into`] keeps it.
/// 5. Rows are independent: the correlation of rows 1 and 1,024 apart (in different chunks of
///    [`Sampler::sample`]) is within 5 standard errors of 0, and no row repeats.
///
/// An ancestral sampler fails the third where the levels are too few for it. A check with 4,500 rows
/// finds an error of a fifth of a standard deviation, not a subtle one.
///
/// # Errors
/// [`Error::CheckFailed`] with the property that does not hold, [`Error::InvalidSetting`] when the
/// noisiest level has no noise, and those of the sampler.
///
/// # Examples
/// ```
/// use gmix_diffusion::check::check_sampler;
/// use gmix_diffusion::rand::{SeedableRng, rngs::SmallRng};
/// use gmix_diffusion::{Ddpm, NoiseLevels};
///
/// let levels = NoiseLevels::variance_exploding([10.0, 0.0])?;
/// check_sampler(&Ddpm::new(), &levels, &mut SmallRng::seed_from_u64(1))?;
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn check_sampler(sampler: &dyn Sampler, levels: &NoiseLevels, rng: &mut dyn Rng) -> Result<()> {
    let scale = 0.1 * levels.noisiest().noise_to_signal();
    if scale <= 0.0 {
        let (name, requirement) = ("noise of the noisiest level", "positive");
        return Err(Error::InvalidSetting { name, value: scale, requirement });
    }
    let means = DMatrix::from_row_slice(2, 2, &[-1.0, -0.5, 0.8, 0.4]) * scale;
    let law = GaussianMixture::spherical(DVector::from_vec(vec![0.4, 0.6]), means, 0.5 * scale)?;

    let (first, other) = (rng.random::<u64>(), rng.random::<u64>());
    let draw = |seed: u64| sampler.sample(&law, levels, ROWS, &mut Xoshiro256PlusPlus::seed_from_u64(seed));
    let rows = draw(first)?;
    if rows.shape() != (ROWS, 2) {
        return Err(Error::ShapeMismatch { what: "rows drawn", expected: ROWS, found: rows.nrows() });
    }
    require_finite("rows are finite", &rows)?;
    let again = draw(first)?;
    for (row, (expected, found)) in rows.column(0).iter().zip(again.column(0).iter()).enumerate() {
        require_close("the same seed gives the same rows", row, *expected, *found, 0.0)?;
    }
    let changed = (draw(other)? - &rows).amax();
    require_at_least("another seed gives other rows", 0, f64::MIN_POSITIVE, changed)?;
    moments_are_the_law_s(&rows, &law, levels)?;
    rows_are_independent(&rows)?;
    a_far_cluster_keeps_its_share(sampler, levels, other)
}

fn a_far_cluster_keeps_its_share(sampler: &dyn Sampler, levels: &NoiseLevels, seed: u64) -> Result<()> {
    let distance = levels.noisiest().noise_to_signal() / (FAR_SHARE * (1.0 - FAR_SHARE)).sqrt();
    let means = DMatrix::from_row_slice(2, 2, &[0.0, 0.0, distance, 0.0]);
    let weights = DVector::from_vec(vec![1.0 - FAR_SHARE, FAR_SHARE]);
    let law = GaussianMixture::spherical(weights, means, distance / FAR_DISTANCE)?;
    let rows = sampler.sample(&law, levels, ROWS, &mut Xoshiro256PlusPlus::seed_from_u64(seed))?;
    let found = rows.column(0).iter().filter(|&&x| x > 0.5 * distance).count() as f64 / ROWS as f64;
    let tolerance = STANDARD_ERRORS * (FAR_SHARE * (1.0 - FAR_SHARE) / ROWS as f64).sqrt();
    require_close("a small cluster far away keeps its share", 0, FAR_SHARE, found, tolerance)
}

fn moments_are_the_law_s(rows: &DMatrix<f64>, law: &GaussianMixture, levels: &NoiseLevels) -> Result<()> {
    let exact = law.start(NoiseLevel::CLEAN)?;
    let largest = exact.covariance.diagonal().max();
    let left_over = levels.quietest().noise_to_signal().powi(2);
    let error = |values: &DVector<f64>| STANDARD_ERRORS * (values.variance() / values.len() as f64).sqrt();
    for i in 0..2 {
        let column = rows.column(i).into_owned();
        let tolerance = error(&column) + MEAN_BIAS * largest.sqrt();
        require_close("the mean of the rows is the law's", i, exact.mean[i], column.mean(), tolerance)?;
        for j in 0..=i {
            let products = column.zip_map(&rows.column(j), |x, y| (x - exact.mean[i]) * (y - exact.mean[j]));
            let tolerance = error(&products) + COVARIANCE_BIAS * largest + left_over;
            let (expected, property) = (exact.covariance[(i, j)], "the covariance of the rows is the law's");
            require_close(property, i, expected, products.mean(), tolerance)?;
        }
    }
    Ok(())
}

fn rows_are_independent(rows: &DMatrix<f64>) -> Result<()> {
    for column in rows.column_iter() {
        let centred = column.add_scalar(-column.mean());
        for lag in [1, CHUNK] {
            let pairs = ROWS - lag;
            let product = centred.rows(0, pairs).dot(&centred.rows(lag, pairs));
            let correlation = product / centred.norm_squared() * ROWS as f64 / pairs as f64;
            let tolerance = STANDARD_ERRORS / (pairs as f64).sqrt();
            let property = "rows 1 and 1,024 apart are not correlated";
            require_close(property, lag, 0.0, correlation, tolerance)?;
        }
    }
    let mut order: Vec<usize> = (0..ROWS).collect();
    order.sort_by(|&a, &b| rows[(a, 0)].total_cmp(&rows[(b, 0)]));
    for pair in order.windows(2) {
        let apart = (rows.row(pair[0]) - rows.row(pair[1])).amax();
        require_at_least("no row repeats", pair[1], f64::MIN_POSITIVE, apart)?;
    }
    Ok(())
}
