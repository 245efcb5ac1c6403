//! A user's own schedule, partitioner, cells, sampler, score model and observer work, and so does every
//! schedule that ships.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gmix_diffusion::check::{check_divergence, check_sampler, check_schedule, check_score_model};
use gmix_diffusion::metrics::total_variation;
use gmix_diffusion::nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};
use gmix_diffusion::rand::{Rng, SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use gmix_diffusion::reference::{GaussianMixture, Law, targets};
use gmix_diffusion::{
    CentreEstimates, CosineBeta, DataScale, Ddpm, DiffusionLearner, DiffusionModel, Error, FitObserver,
    FitReport, Geometric, Karras, LevelReport, LinearBeta, LogDensity, NoiseLevel, NoiseLevels,
    NoiseSchedule, NumericalDivergence, OrnsteinUhlenbeck, Partition, Partitioner, PolynomialRegression,
    PredictorCorrector, ProbabilityFlow, RegressionTarget, Result, Sampler, ScoreModel, SingleCell,
    VarianceExploding, VoronoiCells, VoronoiPartitioner, log_density,
};

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Two clusters on the line, 4σ₀ apart; σ₀ = 1.
fn law() -> GaussianMixture {
    targets::gmm1d_k2()
}

fn rows(n: usize) -> DMatrix<f64> {
    law().draw(n, &mut rng(1))
}

fn learner() -> DiffusionLearner {
    DiffusionLearner::new().with_component_std(1.0)
}

/// Total variation distance from the law, at 4,000 rows of it: a standard error below .001 where it is .02.
fn distance(model: &DiffusionModel) -> f64 {
    let points = law().draw(4000, &mut rng(2));
    let truth = law().log_density(NoiseLevel::CLEAN, &points).unwrap();
    total_variation(truth.as_slice(), model.log_density(&points).unwrap().as_slice()).unwrap().value
}

// ── schedules

/// Halves the noise from level to level and ends at the clean one; every level has a signal of its own.
#[derive(Debug)]
struct Halving;

impl NoiseSchedule for Halving {
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
        let noises = (0..6).map(|i| 4.0 * scale.data_std * 0.5f64.powi(i)).chain([0.0]);
        let levels: Result<Vec<NoiseLevel>> = noises
            .enumerate()
            .map(|(i, noise)| {
                let signal = 0.3 + (i as f64 * 1.7).sin().abs();
                NoiseLevel::new(signal, signal * noise)
            })
            .collect();
        NoiseLevels::new(levels?)
    }
}

fn schedules() -> Vec<(&'static str, Box<dyn NoiseSchedule>)> {
    vec![
        ("geometric", Box::new(Geometric::new())),
        ("variance exploding", Box::new(VarianceExploding::new().with_levels(20))),
        ("cosine", Box::new(CosineBeta::new().with_steps(40))),
        ("linear", Box::new(LinearBeta::new().with_steps(40))),
        ("Karras", Box::new(Karras::new().with_levels(20))),
        ("Ornstein-Uhlenbeck", Box::new(OrnsteinUhlenbeck::new())),
        ("own", Box::new(Halving)),
    ]
}

#[test]
fn every_schedule_fits_with_every_kind_of_cells() {
    let rows = rows(4000);
    for (name, schedule) in schedules() {
        check_schedule(schedule.as_ref(), DataScale { component_std: 1.0, data_std: 2.0 }).unwrap();
        let schedule: Arc<dyn NoiseSchedule> = schedule.into();
        let with = |learner: DiffusionLearner| learner.with_schedule(Shared(schedule.clone()));
        for (cells, learner, bound) in [
            ("mixture", with(learner()), 0.015),
            ("soft", with(learner()).with_partitioner(VoronoiPartitioner::soft()), 0.03),
            ("one", with(learner()).with_partitioner(SingleCell), 0.1),
        ] {
            let model = learner.fit(&rows, &mut rng(3)).unwrap();
            let found = distance(&model);
            assert!(found < bound, "{name}, {cells}: {found:.4}");
        }
    }
}

/// A schedule that is shared.
#[derive(Debug)]
struct Shared(Arc<dyn NoiseSchedule>);

impl NoiseSchedule for Shared {
    fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
        self.0.levels(scale)
    }
}

#[test]
fn what_is_drawn_does_not_depend_on_the_signals_of_the_levels() {
    /// The levels of `Halving`, in the variance exploding form.
    #[derive(Debug)]
    struct Exploding;
    impl NoiseSchedule for Exploding {
        fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
            let levels = Halving.levels(scale)?;
            NoiseLevels::variance_exploding(levels.iter().map(|level| level.noise_to_signal()))
        }
    }
    let rows = rows(1000);
    for partitioner in [Box::new(VoronoiPartitioner::soft()) as Box<dyn Partitioner>, Box::new(SingleCell)] {
        let partitioner = Arc::new(partitioner);
        let fit = |learner: DiffusionLearner| learner.fit(&rows, &mut rng(3)).unwrap();
        let [one, other] = [
            fit(learner().with_partitioner(SharedPartitioner(partitioner.clone())).with_schedule(Halving)),
            fit(learner().with_partitioner(SharedPartitioner(partitioner.clone())).with_schedule(Exploding)),
        ];
        let [a, b] = [&one, &other].map(|model| model.sample(500, &mut rng(4)).unwrap());
        assert!((&a - &b).amax() < 1e-8, "{}", (&a - &b).amax());
        let difference = one.log_density(&a).unwrap() - other.log_density(&a).unwrap();
        assert!(difference.amax() < 1e-8, "{}", difference.amax());
    }
}

#[derive(Debug)]
struct SharedPartitioner(Arc<Box<dyn Partitioner>>);

impl Partitioner for SharedPartitioner {
    fn candidates(&self, seen: &CentreEstimates<'_>, rng: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
        self.0.candidates(seen, rng)
    }
}

// ── cells

/// Two half-lines whose border has a fixed width, smooth but no posterior of anything.
#[derive(Debug)]
struct HalfLines(DMatrix<f64>);

impl Partition for HalfLines {
    fn centres(&self) -> &DMatrix<f64> {
        &self.0
    }

    fn log_weights_into(
        &self,
        _: f64,
        points: DMatrixView<'_, f64>,
        mut out: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        for (row, &y) in points.column(0).iter().enumerate() {
            out[(row, 0)] = -y;
            out[(row, 1)] = y;
        }
        Ok(())
    }

    fn log_weight_gradient_into(
        &self,
        _: f64,
        cell: usize,
        _: DMatrixView<'_, f64>,
        mut out: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        out.fill(if cell == 0 { -1.0 } else { 1.0 });
        Ok(())
    }
}

/// The same two cells at every level, soft or hard.
#[derive(Debug)]
struct Halves {
    soft: bool,
}

impl Partitioner for Halves {
    fn candidates(&self, seen: &CentreEstimates<'_>, _: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
        assert_eq!(seen.rows.shape(), seen.estimates.shape());
        assert_eq!(seen.rows.nrows(), seen.weights.len());
        let centres = DMatrix::from_row_slice(2, 1, &[-2.5, 1.0]);
        Ok(vec![if self.soft {
            Arc::new(HalfLines(centres))
        } else {
            Arc::new(VoronoiCells::hard(centres)?)
        }])
    }
}

#[test]
fn own_smooth_cells_fit_and_their_score_is_consistent() {
    let model = learner().with_partitioner(Halves { soft: true }).fit(&rows(4000), &mut rng(3)).unwrap();
    assert!(model.report().levels.iter().any(|level| level.n_cells == 2));
    let found = distance(&model);
    assert!(found < 0.06, "{found:.4}");
    let points = law().draw(20, &mut rng(5));
    check_score_model(model.score_model(), model.score_model().levels(), &points).unwrap();
    check_divergence(model.score_model(), model.score_model().levels(), &points).unwrap();
}

#[test]
fn hard_cells_need_the_denoising_target() {
    for hard in [
        learner().with_partitioner(VoronoiPartitioner::hard()),
        learner().with_partitioner(Halves { soft: false }),
    ] {
        let result = hard.fit(&rows(500), &mut rng(3));
        assert!(matches!(result, Err(Error::IncompatibleParts { .. })), "{result:?}");
        let denoising = PolynomialRegression::default().with_target(RegressionTarget::Denoising);
        let model = hard.with_regression(denoising).fit(&rows(4000), &mut rng(3)).unwrap();
        let found = distance(&model);
        assert!(found < 0.08, "{found:.4}");
    }
}

// ── samplers

/// Draws from the Gaussian of the noisiest level and keeps count of how often it was asked.
#[derive(Debug, Default)]
struct Blurred(Arc<AtomicUsize>);

impl Sampler for Blurred {
    fn sample_into(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        rng: &mut dyn Rng,
        mut rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let law = model.start(levels.noisiest())?;
        for value in rows.iter_mut() {
            let z: f64 = StandardNormal.sample(rng);
            *value = law.mean[0] + law.covariance[(0, 0)].sqrt() * z;
        }
        Ok(())
    }
}

#[test]
fn own_and_shipped_samplers_draw_from_a_fitted_model() {
    let asked = Arc::new(AtomicUsize::new(0));
    let rows = rows(2000);
    let model = learner().with_sampler(Blurred(asked.clone())).fit(&rows, &mut rng(3)).unwrap();
    let drawn = model.sample(5000, &mut rng(4)).unwrap();
    // Chunks of 1,024 rows, and four standard deviations of noise on top of the data's own.
    assert_eq!(asked.load(Ordering::Relaxed), 5);
    assert!((drawn.variance() / (17.0 * rows.variance()) - 1.0).abs() < 0.1, "{}", drawn.variance());

    let shipped: [Box<dyn Sampler>; 4] = [
        Box::new(Ddpm::new()),
        Box::new(ProbabilityFlow::new()),
        Box::new(PredictorCorrector::new()),
        Box::new(Ddpm::textbook().with_steps(300)),
    ];
    for sampler in shipped {
        let name = format!("{sampler:?}");
        let drawn = model.clone().with_sampler(sampler).unwrap().sample(5000, &mut rng(4)).unwrap();
        // Standard errors: .03 of the mean and about 2 % of the variance, of which the textbook form loses some.
        assert!((drawn.mean() - rows.mean()).abs() < 0.15, "{name}: mean {}", drawn.mean());
        let tolerance = if name.contains("textbook: true") { 0.15 } else { 0.1 };
        let off = drawn.variance() / rows.variance() - 1.0;
        assert!(off.abs() < tolerance, "{name}: {off}");
    }
}

#[test]
fn an_error_of_an_own_part_comes_through() {
    #[derive(Debug)]
    struct Offline;
    impl Sampler for Offline {
        fn sample_into(
            &self,
            _: &dyn ScoreModel,
            _: &NoiseLevels,
            _: &mut dyn Rng,
            _: DMatrixViewMut<'_, f64>,
        ) -> Result<()> {
            Err(Error::custom("the sampler is offline"))
        }
    }
    impl Partitioner for Offline {
        fn candidates(&self, _: &CentreEstimates<'_>, _: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
            Err(Error::custom("the partitioner is offline"))
        }
    }
    impl NoiseSchedule for Offline {
        fn levels(&self, _: DataScale) -> Result<NoiseLevels> {
            Err(Error::custom("the schedule is offline"))
        }
    }
    let rows = rows(200);
    let model = learner().with_sampler(Offline).fit(&rows, &mut rng(3)).unwrap();
    let said = |error: Error| error.to_string();
    assert_eq!(said(model.sample(1, &mut rng(4)).unwrap_err()), "the sampler is offline");
    let fit = learner().with_partitioner(Offline).fit(&rows, &mut rng(3));
    assert_eq!(said(fit.unwrap_err()), "the partitioner is offline");
    let fit = learner().with_schedule(Offline).fit(&rows, &mut rng(3));
    assert_eq!(said(fit.unwrap_err()), "the schedule is offline");
}

// ── a score model of one's own

/// Two clusters in the plane, score only.
struct TwoClusters(GaussianMixture);

impl ScoreModel for TwoClusters {
    fn dim(&self) -> usize {
        2
    }

    fn score_into(
        &self,
        level: NoiseLevel,
        points: DMatrixView<'_, f64>,
        score: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        self.0.score_into(level, points, score)
    }
}

#[test]
fn an_own_score_model_works_with_samplers_and_densities() {
    let clusters = DMatrix::from_row_slice(2, 2, &[-3.0, 0.0, 3.0, 1.0]);
    let truth = GaussianMixture::kernel(&clusters, 0.5).unwrap();
    let model = TwoClusters(truth.clone());
    let levels = Geometric::new()
        .with_noisiest(60.0)
        .with_quietest(0.01)
        .levels(DataScale { component_std: 0.0, data_std: 3.0 })
        .unwrap();
    let points = truth.draw(100, &mut rng(6));
    check_score_model(&model, &levels, &points).unwrap();
    let samplers: [&dyn Sampler; 2] = [&Ddpm::new(), &ProbabilityFlow::new()];
    for sampler in samplers {
        check_sampler(sampler, &levels, &mut rng(7)).unwrap();
        let drawn = sampler.sample(&model, &levels, 4000, &mut rng(8)).unwrap();
        let left = drawn.row_iter().filter(|row| row[0] < 0.0).count();
        assert!((1800..2200).contains(&left), "{left}");
        let spread = drawn.row_iter().map(|row| (row[0].abs() - 3.0).powi(2)).sum::<f64>() / 4000.0;
        assert!((spread - 0.25).abs() < 0.03, "{spread}");
    }
    let found = log_density(&NumericalDivergence(&model), &levels, &points).unwrap();
    let expected = truth.log_density(NoiseLevel::CLEAN, &points).unwrap();
    assert!((&found - &expected).amax() < 0.01, "{}", (found - expected).amax());
}

// ── parts chosen at run time

#[test]
fn parts_can_be_chosen_at_run_time() {
    for choice in 0..2 {
        let schedule: Box<dyn NoiseSchedule> =
            if choice == 0 { Box::new(Halving) } else { Box::new(Geometric::new()) };
        let partitioner: Box<dyn Partitioner> =
            if choice == 0 { Box::new(SingleCell) } else { Box::new(Halves { soft: true }) };
        let sampler: Box<dyn Sampler> =
            if choice == 0 { Box::new(ProbabilityFlow::new()) } else { Box::new(Ddpm::new()) };
        let learner = learner().with_schedule(schedule).with_partitioner(partitioner).with_sampler(sampler);
        assert!(format!("{learner:?}").contains(if choice == 0 { "SingleCell" } else { "Halves" }));
        assert_eq!(learner.fit(&rows(300), &mut rng(3)).unwrap().sample(5, &mut rng(4)).unwrap().nrows(), 5);
    }
}

// ── observers

/// Notes what it is told, and stops after a number of levels.
#[derive(Default)]
struct Notes {
    planned: Option<usize>,
    done: Vec<usize>,
    finished: usize,
    stop_after: Option<usize>,
}

impl FitObserver for Notes {
    fn started(&mut self, levels: &NoiseLevels) {
        assert!(self.planned.is_none() && self.done.is_empty(), "started twice or late");
        self.planned = Some(levels.len());
    }

    fn level_done(&mut self, level: &LevelReport) -> ControlFlow<()> {
        assert_eq!(Some(level.n_levels), self.planned);
        self.done.push(level.index);
        if self.stop_after == Some(self.done.len()) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn finished(&mut self, report: &FitReport) {
        assert_eq!(report.levels.len(), self.done.len());
        self.finished += 1;
    }
}

fn observed_learners() -> [DiffusionLearner; 4] {
    [
        learner(),
        learner().with_partitioner(VoronoiPartitioner::soft()),
        learner().with_partitioner(SingleCell),
        DiffusionLearner::paper().with_component_std(1.0),
    ]
}

#[test]
fn an_observer_sees_every_level_once_and_in_order() {
    for learner in observed_learners() {
        let mut notes = Notes::default();
        let model = learner.fit_observed(&rows(500), &mut rng(3), &mut notes).unwrap();
        let planned = model.score_model().levels().len();
        assert_eq!(notes.planned, Some(planned));
        assert_eq!(notes.done, (0..planned).collect::<Vec<_>>());
        assert_eq!(notes.finished, 1);
    }
}

#[test]
fn an_observer_can_stop_a_fit() {
    for learner in observed_learners() {
        for stop_after in [1, 5] {
            let mut notes = Notes { stop_after: Some(stop_after), ..Notes::default() };
            match learner.fit_observed(&rows(500), &mut rng(3), &mut notes) {
                Err(Error::Stopped { done, levels }) => {
                    assert_eq!((done, Some(levels)), (stop_after, notes.planned));
                    assert_eq!((notes.done.len(), notes.finished), (stop_after, 0));
                }
                other => panic!("{other:?}"),
            }
        }
        let mut seen = 0;
        let mut closure = |level: &LevelReport| {
            seen = level.index + 1;
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let result = learner.fit_observed(&rows(500), &mut rng(3), &mut closure);
        assert!(matches!(result, Err(Error::Stopped { done: 3, .. })));
        assert_eq!(seen, 3);
    }
}
