use approx::assert_relative_eq;
use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::ddpm::Ddpm;
use super::exact::ExactSampler;
use super::predictor_corrector::PredictorCorrector;
use super::probability_flow::ProbabilityFlow;
use super::traits::Sampler;
use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::process::{NoiseLevel, NoiseLevels};
use crate::score::ScoreModel;

const N: usize = 5_000;

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

fn diffusions() -> Vec<Box<dyn Sampler>> {
    vec![
        Box::new(Ddpm::new()),
        Box::new(Ddpm::new().with_steps(60)),
        Box::new(ProbabilityFlow::new()),
        Box::new(PredictorCorrector::new()),
    ]
}

fn samplers() -> Vec<Box<dyn Sampler>> {
    let mut samplers = diffusions();
    samplers.push(Box::new(ExactSampler));
    samplers
}

/// Noises from `noisiest` down to `quietest`, geometric, then the clean data.
fn exploding(noisiest: f64, quietest: f64, n: usize) -> NoiseLevels {
    let noise = |i: usize| noisiest * (quietest / noisiest).powf(i as f64 / (n - 1) as f64);
    NoiseLevels::variance_exploding((0..n).map(noise).chain([0.0])).unwrap()
}

/// The levels of the same noise-to-signal ratios with a² + s² = 1.
fn preserving(levels: &NoiseLevels) -> NoiseLevels {
    let level = |level: &NoiseLevel| {
        let signal = level.noise_to_signal().hypot(1.0).recip();
        NoiseLevel::new(signal, signal * level.noise_to_signal()).unwrap()
    };
    NoiseLevels::new(levels.iter().map(level)).unwrap()
}

fn line() -> GaussianMixture {
    let means = DMatrix::from_row_slice(2, 1, &[-2.0, 2.0]);
    GaussianMixture::spherical(DVector::from_vec(vec![0.3, 0.7]), means, 1.0).unwrap()
}

fn ring() -> GaussianMixture {
    let means = DMatrix::from_fn(24, 2, |i, j| {
        let angle = i as f64 / 24.0 * std::f64::consts::TAU;
        1.0 + 3.0 * if j == 0 { angle.cos() } else { angle.sin() }
    });
    GaussianMixture::spherical(DVector::from_element(24, 1.0), means, 0.3).unwrap()
}

fn ellipses() -> GaussianMixture {
    let means = DMatrix::from_row_slice(2, 2, &[-2.0, 0.0, 2.0, 1.0]);
    let covariances = vec![
        DMatrix::from_row_slice(2, 2, &[2.0, 0.9, 0.9, 0.5]),
        DMatrix::from_row_slice(2, 2, &[0.3, 0.0, 0.0, 2.0]),
    ];
    GaussianMixture::new(DVector::from_vec(vec![0.4, 0.6]), means, covariances).unwrap()
}

/// Φ(x), by the continued fraction of Mills' ratio beyond 3 and the power series below.
fn normal_cdf(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    if x.abs() > 3.0 {
        let tail = density / (1..=60).rev().fold(x.abs(), |fraction, k| x.abs() + k as f64 / fraction);
        return if x > 0.0 { 1.0 - tail } else { tail };
    }
    let (mut term, mut sum) = (x, x);
    for k in 1..60 {
        term *= x * x / (2 * k + 1) as f64;
        sum += term;
    }
    0.5 + density * sum
}

/// √n times the Kolmogorov-Smirnov distance of the rows' projection on `direction` to its law.
fn kolmogorov_smirnov(rows: &DMatrix<f64>, law: &GaussianMixture, direction: &DVector<f64>) -> f64 {
    let mut values: Vec<f64> = (rows * direction).iter().copied().collect();
    values.sort_by(f64::total_cmp);
    let component = |j: usize| {
        let std = direction.dot(&(law.covariance(j) * direction)).sqrt();
        (law.weights()[j], law.means().row(j).transpose().dot(direction), std)
    };
    let components: Vec<_> = (0..law.n_components()).map(component).collect();
    let cdf = |x: f64| components.iter().map(|(w, mean, std)| w * normal_cdf((x - mean) / std)).sum::<f64>();
    let n = values.len() as f64;
    let gaps = values.iter().enumerate().map(|(i, &x)| {
        let probability = cdf(x);
        (probability - i as f64 / n).abs().max((probability - (i + 1) as f64 / n).abs())
    });
    n.sqrt() * gaps.fold(0.0, f64::max)
}

/// 5 samplers × 2 seeds × 7 directions of 3 laws are 70 comparisons, at 1e-3 together: each at 1.4e-5,
/// and P(√n D > x) ≤ 2 exp(−2x²) is below that at x = 2.44. Discretisation moves √n D by about 0.2.
#[test]
fn exact_scores_give_draws_of_the_law() {
    for (law, noisiest) in [(line(), 20.0), (ring(), 25.0), (ellipses(), 20.0)] {
        let levels = exploding(noisiest, 0.1, 20);
        let directions = match law.dim() {
            1 => vec![DVector::from_element(1, 1.0)],
            _ => [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]].map(|v| DVector::from_row_slice(&v)).to_vec(),
        };
        for sampler in samplers() {
            for seed in 0..2 {
                let rows = sampler.sample(&law, &levels, N, &mut rng(seed)).unwrap();
                for direction in &directions {
                    let distance = kolmogorov_smirnov(&rows, &law, direction);
                    assert!(distance < 2.44, "{sampler:?}, seed {seed}: √n D = {distance}");
                }
            }
        }
    }
}

/// Means and covariances within 4.5 standard errors (two-sided 7e-6 each) and 1 % of discretisation.
#[test]
fn exact_scores_give_the_law_s_moments() {
    let law = ellipses();
    let levels = exploding(20.0, 0.1, 20);
    let exact = law.start(NoiseLevel::CLEAN).unwrap();
    for sampler in samplers() {
        let rows = sampler.sample(&law, &levels, N, &mut rng(11)).unwrap();
        let n = N as f64;
        for i in 0..2 {
            let column = rows.column(i);
            let error = 4.5 * (exact.covariance[(i, i)] / n).sqrt();
            assert!((column.mean() - exact.mean[i]).abs() < error + 0.01, "{sampler:?}");
            for j in 0..2 {
                let products =
                    (0..N).map(|row| (rows[(row, i)] - exact.mean[i]) * (rows[(row, j)] - exact.mean[j]));
                let products = DVector::from_iterator(N, products);
                let error = 4.5 * (products.variance() / n).sqrt() + 0.01 * exact.covariance.amax();
                assert!((products.mean() - exact.covariance[(i, j)]).abs() < error, "{sampler:?} {i} {j}");
            }
        }
    }
}

#[test]
fn the_signal_of_a_level_is_a_matter_of_units() {
    let levels = exploding(20.0, 0.1, 20);
    let mut samplers = samplers();
    samplers.push(Box::new(Ddpm::textbook()));
    samplers.push(Box::new(ProbabilityFlow::new().with_given_levels()));
    for sampler in samplers {
        let rows = sampler.sample(&ellipses(), &levels, 200, &mut rng(5)).unwrap();
        let other = sampler.sample(&ellipses(), &preserving(&levels), 200, &mut rng(5)).unwrap();
        assert_relative_eq!(rows, other, epsilon = 1e-8);
    }
}

/// A share of a law in a second cluster, `distance` standard deviations away in all directions alike.
fn far_cluster(dim: usize, share: f64, distance: f64) -> GaussianMixture {
    let means = DMatrix::from_fn(2, dim, |row, _| row as f64 * distance / (dim as f64).sqrt());
    GaussianMixture::spherical(DVector::from_vec(vec![1.0 - share, share]), means, 1.0).unwrap()
}

/// 5 laws × 5 samplers, two-sided 6e-5 each: about 2e-3 together. Levels start at four standard deviations of the
/// law, where the small cluster is a bump of its own.
#[test]
fn small_clusters_far_away_keep_their_share() {
    const DRAWS: usize = 100_000;
    let laws = [(1, 0.0005, 1_000.0), (1, 0.01, 100.0), (2, 0.01, 20.0), (3, 0.1, 5.0), (5, 0.003, 60.0)];
    for (seed, (dim, share, distance)) in laws.into_iter().enumerate() {
        let law = far_cluster(dim, share, distance);
        let data_std = (share * (1.0 - share) * distance * distance + 1.0).sqrt();
        let levels = NoiseLevels::variance_exploding([4.0 * data_std, 1.0, 0.0]).unwrap();
        let half = 0.5 * distance * (dim as f64).sqrt();
        // The share beyond the middle, to which the other cluster adds Φ(−distance/2).
        let beyond = share + (1.0 - 2.0 * share) * (1.0 - normal_cdf(0.5 * distance));
        let error = (beyond * (1.0 - beyond) / DRAWS as f64).sqrt();
        for sampler in samplers() {
            let rows = sampler.sample(&law, &levels, DRAWS, &mut rng(seed as u64)).unwrap();
            let found = rows.row_iter().filter(|row| row.sum() > half).count() as f64 / DRAWS as f64;
            let off = (found - beyond) / error;
            assert!(off.abs() < 4.0, "{sampler:?}, {share} at {distance}: {found}, {off:.1} standard errors");
        }
    }
}

/// Variances at 100,000 draws within four standard errors and .2 %: three component widths are what steps of this
/// length are good for.
#[test]
fn a_wide_gaussian_keeps_its_variance() {
    const DRAWS: usize = 100_000;
    for width in [0.7, 1.0, 2.0, 3.0f64] {
        // Known to the sampler as centres of this width, blurred by 1.
        let variance = width * width + 1.0;
        let law = Wide { variance };
        let levels = NoiseLevels::variance_exploding([4.0 * variance.sqrt(), 1.0, 0.0]).unwrap();
        for sampler in samplers_of_wide() {
            let rows = sampler.sample(&law, &levels, DRAWS, &mut rng(3)).unwrap();
            let off = rows.variance() / variance - 1.0;
            assert!(off.abs() < 4.0 * (2.0 / DRAWS as f64).sqrt() + 0.002, "{sampler:?} {width}: {off}");
        }
    }
}

fn samplers_of_wide() -> Vec<Box<dyn Sampler>> {
    let mut samplers = diffusions();
    samplers.push(Box::new(PredictorCorrector::new().with_corrections(3)));
    samplers.push(Box::new(PredictorCorrector::new().with_step_size(0.3)));
    samplers
}

/// N(0, variance), with a blur of 1.
struct Wide {
    variance: f64,
}

impl ScoreModel for Wide {
    fn dim(&self) -> usize {
        1
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        let variance = self.variance * level.signal().powi(2) + level.noise().powi(2);
        score.zip_apply(&points, |value, y| *value = -y / variance);
        Ok(())
    }

    fn component_std(&self) -> f64 {
        1.0
    }
}

/// N(3, ¼) known by its score alone: no component width, no start law.
struct Narrow;

impl ScoreModel for Narrow {
    fn dim(&self) -> usize {
        1
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        let variance = 0.25 * level.signal().powi(2) + level.noise().powi(2);
        score.zip_apply(&points, |value, y| *value = (3.0 * level.signal() - y) / variance);
        Ok(())
    }
}

#[test]
fn a_score_alone_serves_every_sampler_on_every_schedule() {
    let exploding = exploding(10.0, 0.05, 60);
    for levels in [preserving(&exploding), exploding] {
        let mut samplers = diffusions();
        samplers.push(Box::new(Ddpm::textbook()));
        samplers.push(Box::new(Ddpm::new().with_given_levels()));
        samplers.push(Box::new(PredictorCorrector::new().with_given_levels().with_corrections(2)));
        for sampler in samplers {
            let rows = sampler.sample(&Narrow, &levels, 4_000, &mut rng(2)).unwrap();
            assert!((rows.mean() - 3.0).abs() < 4.5 * 0.5 / 4_000f64.sqrt(), "{sampler:?}: {}", rows.mean());
            // Four and a half standard errors are .1 of the variance; the textbook form and the
            // denoiser at the end lose some more.
            assert!((rows.variance() / 0.25 - 1.0).abs() < 0.25, "{sampler:?}: {}", rows.variance());
        }
    }
}

#[test]
fn the_component_width_restores_the_variance_that_the_textbook_form_loses() {
    let law = GaussianMixture::kernel(&DMatrix::from_element(1, 1, 3.0), 0.5).unwrap();
    let levels = exploding(10.0, 0.05, 60);
    let variance =
        |sampler: &dyn Sampler| sampler.sample(&law, &levels, 20_000, &mut rng(4)).unwrap().variance();
    // 4.5 standard errors of a variance are .045 of it.
    assert!((variance(&Ddpm::new()) / 0.25 - 1.0).abs() < 0.045);
    assert!((variance(&Ddpm::new().with_given_levels()) / 0.25 - 1.0).abs() < 0.045);
    assert!(variance(&Ddpm::textbook()) / 0.25 < 0.93);
}

#[test]
fn ends_without_width_are_the_denoiser_s() {
    let points = GaussianMixture::kernel(&DMatrix::from_row_slice(2, 1, &[-1.0, 1.0]), 0.0).unwrap();
    let levels = exploding(10.0, 0.05, 30);
    for sampler in samplers() {
        let rows = sampler.sample(&points, &levels, 500, &mut rng(1)).unwrap();
        let near = rows.iter().filter(|x| (x.abs() - 1.0).abs() < 1e-9).count();
        assert!(near >= 498, "{sampler:?}: {near}");
    }
    // One level, clean or not, leaves nothing to reverse.
    let single = NoiseLevels::variance_exploding([2.0]).unwrap();
    for sampler in samplers() {
        let rows = sampler.sample(&line(), &single, 4_000, &mut rng(1)).unwrap();
        let variance = line().start(single.noisiest()).unwrap().covariance[0];
        assert!((rows.variance() / variance - 1.0).abs() < 0.1);
    }
}

#[test]
fn noise_far_below_the_width_is_lost_in_rounding_and_harmless() {
    let law = GaussianMixture::kernel(&DMatrix::from_element(1, 1, 3.0), 1e9).unwrap();
    let levels = NoiseLevels::variance_exploding([4.0, 2.0, 1.0, 0.0]).unwrap();
    let given: [Box<dyn Sampler>; 3] = [
        Box::new(Ddpm::new().with_given_levels()),
        Box::new(ProbabilityFlow::new().with_given_levels()),
        Box::new(PredictorCorrector::new().with_given_levels()),
    ];
    for sampler in samplers().into_iter().chain(given) {
        let rows = sampler.sample(&law, &levels, 100, &mut rng(1)).unwrap();
        assert!(rows.iter().all(|value| value.is_finite()), "{sampler:?}");
    }
}

#[test]
fn chunks_are_independent_and_seeds_reproduce() {
    let levels = exploding(20.0, 0.1, 10);
    for sampler in samplers() {
        let rows = sampler.sample(&line(), &levels, 2_500, &mut rng(9)).unwrap();
        assert_eq!(rows, sampler.sample(&line(), &levels, 2_500, &mut rng(9)).unwrap());
        assert_ne!(rows, sampler.sample(&line(), &levels, 2_500, &mut rng(10)).unwrap());
        // The last, shorter chunk shares nothing with the others.
        assert_eq!(rows.rows(0, 2_048), sampler.sample(&line(), &levels, 2_048, &mut rng(9)).unwrap());
        assert_ne!(rows.rows(0, 400), rows.rows(1_024, 400));
        assert_eq!(sampler.sample(&line(), &levels, 0, &mut rng(9)).unwrap().shape(), (0, 1));
    }
}

/// A standard Gaussian, which keeps the noise of every level that it is asked for.
struct Asked(std::sync::Mutex<Vec<f64>>);

impl ScoreModel for Asked {
    fn dim(&self) -> usize {
        1
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.0.lock().unwrap().push(level.noise());
        let variance = 1.0 + level.noise().powi(2);
        score.zip_apply(&points, |score, y| *score = -y / variance);
        Ok(())
    }

    fn component_std(&self) -> f64 {
        0.5
    }

    fn start(&self, level: NoiseLevel) -> Result<crate::score::GaussianLaw> {
        GaussianMixture::kernel(&DMatrix::zeros(1, 1), 1.0)?.start(level)
    }
}

#[test]
fn samplers_ask_for_the_levels_that_they_are_set_to() {
    let levels = NoiseLevels::variance_exploding([6.0, 1.5, 0.4]).unwrap();
    let asked = |sampler: &dyn Sampler| {
        let model = Asked(Default::default());
        sampler.sample(&model, &levels, 3, &mut rng(1)).unwrap();
        model.0.into_inner().unwrap()
    };
    let given: [Box<dyn Sampler>; 3] = [
        Box::new(Ddpm::new().with_given_levels()),
        Box::new(ProbabilityFlow::new().with_given_levels()),
        Box::new(PredictorCorrector::new().with_given_levels()),
    ];
    for sampler in given {
        assert!(asked(&*sampler).iter().all(|noise| [6.0, 1.5, 0.4].contains(noise)), "{sampler:?}");
    }
    let corrector = PredictorCorrector::new();
    for steps in [4, 9] {
        assert_eq!(asked(&Ddpm::new().with_steps(steps)).len(), steps);
        assert_eq!(asked(&ProbabilityFlow::new().with_steps(steps)).len(), steps);
        assert_eq!(asked(&corrector.clone().with_corrections(0).with_steps(steps)).len(), steps);
        // A correction at each level that a step has reached, but the last, or that too.
        let corrected = asked(&corrector.clone().with_corrections(2).with_steps(steps)).len();
        assert!(corrected == 3 * steps || corrected == 3 * steps - 2, "{corrected}");
    }
}

#[test]
fn impossible_requests_are_errors() {
    let levels = exploding(20.0, 0.1, 10);
    let sample = |sampler: &dyn Sampler| sampler.sample(&line(), &levels, 3, &mut rng(0));
    assert!(matches!(sample(&Ddpm::new().with_steps(0)), Err(Error::InvalidSetting { .. })));
    assert!(matches!(sample(&ProbabilityFlow::new().with_steps(0)), Err(Error::InvalidSetting { .. })));
    let corrector = PredictorCorrector::new().with_step_size(f64::NAN);
    assert!(matches!(sample(&corrector), Err(Error::InvalidSetting { .. })));
    let exact = ExactSampler.sample(&Narrow, &levels, 3, &mut rng(0));
    assert!(matches!(exact, Err(Error::NoExactDraws)));
    let mut room = DMatrix::zeros(3, 2);
    let result = Ddpm::new().sample_into(&line(), &levels, &mut rng(0), room.as_view_mut());
    assert!(matches!(result, Err(Error::ShapeMismatch { .. })));
}

#[cfg(feature = "rayon")]
#[test]
fn the_number_of_threads_does_not_show() {
    let levels = exploding(20.0, 0.1, 10);
    for sampler in samplers() {
        let draw = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| sampler.sample(&ellipses(), &levels, 3_000, &mut rng(9)).unwrap())
        };
        assert_eq!(draw(1), draw(4));
    }
}

/// X | Y = 1.5 of `line` at noise 1: with component std 1 and prior odds 3/7 e^{−y·2·2/(1 + 1)}, a mixture of N(±1 + .75, ½).
#[test]
fn rows_start_where_they_are_given() {
    let (model, y) = (line(), 1.5_f64);
    let odds = 0.3 / 0.7 * (-2.0 * y).exp();
    let (lower, upper) = (odds / (1.0 + odds), 1.0 / (1.0 + odds));
    let mean = 0.75 + upper - lower;
    let variance = 0.5 + 1.0 - (upper - lower).powi(2);
    let levels = NoiseLevels::variance_exploding([1.0, 0.0]).unwrap();
    let noised = DMatrix::from_element(20_000, 1, y);
    let rows = Ddpm::new().sample_from(&model, &levels, &noised, &mut rng(3)).unwrap();
    // Four standard errors of a mean, and of a variance of bounded kurtosis, and the discretisation.
    assert!((rows.mean() - mean).abs() < 4.0 * (variance / 20_000.0).sqrt() + 0.005, "{}", rows.mean());
    assert!((rows.variance() / variance - 1.0).abs() < 0.06, "{} {variance}", rows.variance());
    let flow = ProbabilityFlow::new().sample_from(&model, &levels, &noised, &mut rng(3)).unwrap();
    assert!(flow.variance() < 1e-12);
    let exact = ExactSampler.sample_from(&model, &levels, &noised, &mut rng(3));
    assert!(matches!(exact, Err(Error::NoExactDraws)));
    let mismatch = Ddpm::new().sample_from(&model, &levels, &DMatrix::zeros(3, 2), &mut rng(3));
    assert!(matches!(mismatch, Err(Error::ShapeMismatch { .. })));
}
