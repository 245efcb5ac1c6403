//! Every checker passes the shipped parts and finds the mistake it is there for.

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::derivatives::{check_divergence, check_log_density};
use super::sampler::check_sampler;
use super::score_model::check_score_model;
use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::process::{NoiseLevel, NoiseLevels};
use crate::sampler::{Ddpm, PredictorCorrector, ProbabilityFlow, Sampler};
use crate::score::{DifferentiableScore, GaussianLaw, LogDensity, NumericalDivergence, ScoreModel};

fn mixture() -> GaussianMixture {
    let means = DMatrix::from_row_slice(2, 2, &[-2.0, 0.0, 2.0, 1.0]);
    let covariances = vec![
        DMatrix::from_row_slice(2, 2, &[2.0, 0.9, 0.9, 0.5]),
        DMatrix::from_row_slice(2, 2, &[0.3, 0.0, 0.0, 2.0]),
    ];
    GaussianMixture::new(DVector::from_vec(vec![0.4, 0.6]), means, covariances).unwrap()
}

fn points() -> DMatrix<f64> {
    DMatrix::from_fn(20, 2, |row, axis| ((row * 7 + axis * 3) % 11) as f64 * 0.6 - 3.0)
}

fn levels() -> NoiseLevels {
    let preserving = [20.0f64, 3.0, 0.5, 0.0].map(|ratio| {
        let signal = ratio.hypot(1.0).recip();
        NoiseLevel::new(signal, signal * ratio).unwrap()
    });
    NoiseLevels::new(preserving).unwrap()
}

/// A wrapper of the mixture with one mistake.
#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    Neighbours,
    Tweedie,
    Tempered,
    Outward,
    Overflow,
    Start,
    Divergence,
    Gradient,
}

struct Wrong(GaussianMixture, Mistake);

impl ScoreModel for Wrong {
    fn dim(&self) -> usize {
        2
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.0.score_into(level, points, score.as_view_mut())?;
        match self.1 {
            Mistake::Neighbours => score.add_scalar_mut(0.01 * points.row(0).sum()),
            Mistake::Tempered => score *= 1.5,
            Mistake::Outward => score *= -1.0,
            Mistake::Overflow => {
                score.zip_apply(&points, |value, y| *value += 1.0 - y.abs().exp() / y.abs().exp())
            }
            Mistake::Gradient => score *= 1.01,
            _ => {}
        }
        Ok(())
    }

    fn denoise_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        mut denoised: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.score_into(level, points, denoised.as_view_mut())?;
        let forgotten = if self.1 == Mistake::Tweedie { 1.0 } else { level.signal() };
        let variance = level.noise().powi(2);
        denoised.zip_apply(&points, |value, y| *value = (y + variance * *value) / forgotten);
        Ok(())
    }

    fn component_std(&self) -> f64 {
        self.0.component_std()
    }

    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        let mut law = self.0.start(level)?;
        if self.1 == Mistake::Start {
            law.covariance *= 0.5;
        }
        Ok(law)
    }
}

impl DifferentiableScore for Wrong {
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        self.0.score_and_divergence_into(level, points, score, divergence)?;
        if self.1 == Mistake::Divergence {
            divergence.iter_mut().for_each(|value| *value *= 1.01);
        }
        Ok(())
    }
}

impl LogDensity for Wrong {
    fn log_density_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        log_density: &mut [f64],
    ) -> Result<()> {
        self.0.log_density_into(level, points, log_density)
    }
}

fn property(result: Result<()>) -> &'static str {
    match result {
        Err(Error::CheckFailed { property, .. }) => property,
        other => panic!("{other:?}"),
    }
}

#[test]
fn shipped_models_pass() {
    let kernel = GaussianMixture::kernel(&points(), 0.0).unwrap();
    for model in [mixture(), kernel] {
        check_score_model(&model, &levels(), &points()).unwrap();
        check_score_model(&NumericalDivergence(&model), &levels(), &points()).unwrap();
        check_divergence(&model, &levels(), &points()).unwrap();
        check_log_density(&model, &levels(), &points()).unwrap();
    }
}

#[test]
fn mistakes_of_a_score_are_found() {
    for (mistake, words) in [
        (Mistake::Neighbours, "neighbours"),
        (Mistake::Tweedie, "denoiser is"),
        (Mistake::Tempered, "Jacobian"),
        (Mistake::Outward, "points home"),
        (Mistake::Overflow, "finite far away"),
        (Mistake::Start, "variance of the noise"),
    ] {
        let found = property(check_score_model(&Wrong(mixture(), mistake), &levels(), &points()));
        assert!(found.contains(words), "{words}: {found}");
    }
}

#[test]
fn mistakes_of_a_divergence_and_a_log_density_are_found() {
    let wrong = Wrong(mixture(), Mistake::Divergence);
    assert!(property(check_divergence(&wrong, &levels(), &points())).contains("divergence is"));
    let wrong = Wrong(mixture(), Mistake::Gradient);
    assert!(property(check_divergence(&wrong, &levels(), &points())).contains("score with the divergence"));
    assert!(property(check_log_density(&wrong, &levels(), &points())).contains("gradient"));
}

#[test]
fn shapes_are_checked_first() {
    let wide = DMatrix::zeros(3, 4);
    assert!(matches!(check_score_model(&mixture(), &levels(), &wide), Err(Error::ShapeMismatch { .. })));
    assert!(matches!(check_divergence(&mixture(), &levels(), &wide), Err(Error::ShapeMismatch { .. })));
    let none = DMatrix::zeros(0, 2);
    assert!(matches!(check_score_model(&mixture(), &levels(), &none), Err(Error::NoRows)));
}

#[test]
fn shipped_samplers_pass_on_exploding_and_preserving_levels() {
    let noises = (0..60).map(|step| 20.0 * 0.9f64.powi(step)).chain([0.0]);
    let fine = NoiseLevels::variance_exploding(noises).unwrap();
    let samplers: Vec<Box<dyn Sampler>> = vec![
        Box::new(Ddpm::new()),
        Box::new(Ddpm::textbook()),
        Box::new(ProbabilityFlow::new()),
        Box::new(PredictorCorrector::new()),
    ];
    for sampler in samplers {
        check_sampler(&sampler, &fine, &mut Xoshiro256PlusPlus::seed_from_u64(1)).unwrap();
    }
    check_sampler(&Ddpm::new(), &levels(), &mut Xoshiro256PlusPlus::seed_from_u64(2)).unwrap();
}

/// Rows of a good sampler, spoiled.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spoiled {
    Shrunk,
    Shifted,
    Repeated,
    Deterministic,
    Gaussian,
}

impl Sampler for Spoiled {
    fn sample_into(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        rng: &mut dyn Rng,
        mut rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        let mut same = Xoshiro256PlusPlus::seed_from_u64(0);
        let rng = if *self == Self::Deterministic { &mut same } else { rng };
        // The score alone, and so the Gaussian start of a score alone.
        struct Alone<'a>(&'a dyn ScoreModel);
        impl ScoreModel for Alone<'_> {
            fn dim(&self) -> usize {
                self.0.dim()
            }
            fn score_into(
                &self,
                level: NoiseLevel,
                points: DMatrixView<'_, f64>,
                score: DMatrixViewMut<'_, f64>,
            ) -> Result<()> {
                self.0.score_into(level, points, score)
            }
            fn component_std(&self) -> f64 {
                self.0.component_std()
            }
            fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
                self.0.start(level)
            }
        }
        let alone = Alone(model);
        let model = if *self == Self::Gaussian { &alone } else { model };
        Ddpm::new().sample_into(model, levels, rng, rows.as_view_mut())?;
        match self {
            Self::Shrunk => rows *= 0.85,
            Self::Shifted => rows.add_scalar_mut(0.25),
            Self::Repeated => {
                let first = rows.rows(0, rows.nrows() / 2).into_owned();
                rows.rows_mut(rows.nrows() / 2, first.nrows()).copy_from(&first);
            }
            Self::Deterministic | Self::Gaussian => {}
        }
        Ok(())
    }
}

#[test]
fn mistakes_of_a_sampler_are_found() {
    for (spoiled, words) in [
        (Spoiled::Shrunk, "covariance"),
        (Spoiled::Shifted, "mean"),
        (Spoiled::Repeated, "no row repeats"),
        (Spoiled::Deterministic, "another seed"),
        (Spoiled::Gaussian, "small cluster far away"),
    ] {
        let levels = NoiseLevels::variance_exploding([10.0, 0.0]).unwrap();
        let found = property(check_sampler(&spoiled, &levels, &mut Xoshiro256PlusPlus::seed_from_u64(3)));
        assert!(found.contains(words), "{words}: {found}");
    }
}

/// Chunks of 1,024 rows that all start from the same stream, nearly.
#[derive(Debug)]
struct SameChunks;

impl Sampler for SameChunks {
    fn sample_into(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        rng: &mut dyn Rng,
        rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        Ddpm::new().sample_into(model, levels, rng, rows)
    }

    fn sample(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        n: usize,
        rng: &mut dyn Rng,
    ) -> Result<DMatrix<f64>> {
        let chunk = Ddpm::new().sample(model, levels, 1024, rng)?;
        Ok(DMatrix::from_fn(n, model.dim(), |row, axis| chunk[(row % 1024, axis)] + 1e-9 * row as f64))
    }
}

#[test]
fn chunks_that_share_a_stream_are_found() {
    let levels = NoiseLevels::variance_exploding([10.0, 0.0]).unwrap();
    let found = property(check_sampler(&SameChunks, &levels, &mut Xoshiro256PlusPlus::seed_from_u64(3)));
    assert!(found.contains("correlated"), "{found}");
}
