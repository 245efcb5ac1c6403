//! The work of a fit, a draw and a density does not grow unnoticed: counters, which no machine's mood changes.
//!
//! Bounds are a quarter above what was counted when they were written, or what the method is defined by.

use std::sync::atomic::{AtomicUsize, Ordering};

use gmix_diffusion::nalgebra::{DMatrixView, DMatrixViewMut};
use gmix_diffusion::rand::{Rng, SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{GaussianMixture, Law, targets};
use gmix_diffusion::{
    DataScale, Ddpm, DifferentiableScore, DiffusionLearner, ExactSampler, FitReport, GaussianLaw, Geometric,
    NoiseLevel, NoiseLevels, NoiseSchedule, ProbabilityFlow, Result, Sampler, ScoreModel, VoronoiPartitioner,
    log_density,
};

/// Rows of one pass: no more than the subsample, in which cells are looked for.
const FEW: usize = 2_000;
/// More rows than the subsample, so that cells are refined on all of them.
const MANY: usize = 20_000;

fn fitted(learner: &DiffusionLearner, law: &dyn Law, n: usize) -> FitReport {
    let mut rng = StdRng::seed_from_u64(1);
    let rows = law.draw(n, &mut rng);
    learner.fit(&rows, &mut rng).unwrap().report().clone()
}

fn level_by_level() -> DiffusionLearner {
    DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft())
}

/// Rows × draws × features² of all candidates of each level, a row.
fn products_a_row(report: &FitReport) -> Vec<u64> {
    report.levels.iter().map(|level| level.work.gram_updates / report.n_rows).collect()
}

fn solves(report: &FitReport) -> u64 {
    report.levels.iter().map(|level| level.work.solves).sum()
}

#[test]
fn a_mixture_reads_rows_once_and_regresses_nothing() {
    for learner in [DiffusionLearner::new(), DiffusionLearner::fast()] {
        for law in [&targets::gmm2d_k3() as &dyn Law, &targets::ring2d(), &targets::gmm10d_k5()] {
            let report = fitted(&learner, law, FEW);
            assert!(report.passes <= 1 && solves(&report) == 0, "{report}");
            assert!(products_a_row(&report).iter().all(|&products| products == 0), "{report}");
        }
    }
}

#[test]
fn more_rows_than_the_subsample_cost_a_bounded_number_of_passes() {
    for learner in [DiffusionLearner::new(), DiffusionLearner::fast()] {
        for law in [&targets::gmm2d_k3() as &dyn Law, &targets::ring2d()] {
            let report = fitted(&learner, law, MANY);
            // Moments, and four EM steps with one judgement for each of up to two groups.
            assert!(report.passes <= 11, "{report}");
        }
    }
}

#[test]
fn level_by_level_a_level_takes_at_most_one_pass() {
    let cases = [
        (level_by_level(), &targets::gmm2d_k3() as &dyn Law, 1_240_000, 1_150),
        (DiffusionLearner::paper(), &targets::gmm2d_k3(), 1_060_000, 1_150),
        (DiffusionLearner::paper(), &targets::ring2d(), 5_800_000, 1_680),
    ];
    for (learner, law, products, systems) in cases {
        let report = fitted(&learner, law, FEW);
        assert!(report.passes <= report.levels.len() + 2, "{report}");
        let total: u64 = products_a_row(&report).iter().sum();
        assert!(total <= products && solves(&report) <= systems, "{total}, {}", solves(&report));
    }
}

/// Counts the rows at which its score is asked for.
struct Counted {
    law: GaussianMixture,
    rows: AtomicUsize,
}

impl Counted {
    fn new() -> Self {
        Self { law: targets::gmm2d_k3(), rows: AtomicUsize::new(0) }
    }

    fn levels(&self) -> NoiseLevels {
        let scale = DataScale { component_std: self.law.component_std(), data_std: 3.0 };
        Geometric::default().levels(scale).unwrap()
    }

    /// Evaluations of the score for each of `rows` rows.
    fn evaluations(&self, rows: usize) -> f64 {
        self.rows.load(Ordering::Relaxed) as f64 / rows as f64
    }
}

impl ScoreModel for Counted {
    fn dim(&self) -> usize {
        ScoreModel::dim(&self.law)
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.rows.fetch_add(points.nrows(), Ordering::Relaxed);
        self.law.score_into(level, points, score)
    }

    fn component_std(&self) -> f64 {
        ScoreModel::component_std(&self.law)
    }

    fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
        self.law.start(level)
    }

    fn exact_sample_into(&self, rng: &mut dyn Rng, rows: DMatrixViewMut<'_, f64>) -> Result<()> {
        self.law.exact_sample_into(rng, rows)
    }
}

impl DifferentiableScore for Counted {
    fn score_and_divergence_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
        divergence: &mut [f64],
    ) -> Result<()> {
        self.rows.fetch_add(points.nrows(), Ordering::Relaxed);
        self.law.score_and_divergence_into(level, points, score, divergence)
    }
}

#[test]
fn a_draw_takes_as_many_evaluations_as_its_sampler_has_steps() {
    let samplers: [(&dyn Sampler, usize); 5] = [
        (&Ddpm::new(), 30),
        (&Ddpm::new().with_steps(16), 16),
        (&ProbabilityFlow::new(), 30),
        (&ProbabilityFlow::new().with_steps(16), 16),
        (&ExactSampler, 0),
    ];
    for (sampler, most) in samplers {
        let model = Counted::new();
        sampler.sample(&model, &model.levels(), FEW, &mut StdRng::seed_from_u64(1)).unwrap();
        assert!(model.evaluations(FEW) <= most as f64, "{sampler:?}: {}", model.evaluations(FEW));
    }
}

#[test]
fn a_density_by_the_flow_takes_four_evaluations_a_step() {
    let model = Counted::new();
    let points = model.law.draw(300, &mut StdRng::seed_from_u64(1));
    let levels = model.levels();
    log_density(&model, &levels, &points).unwrap();
    let length = (levels.noisiest().bandwidth(1.0) / levels.quietest().bandwidth(1.0)).ln();
    let steps = (length / 0.16).ceil();
    assert!(model.evaluations(300) <= 4.0 * steps + 1.0, "{} in {steps} steps", model.evaluations(300));
}
