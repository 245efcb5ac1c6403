//! A fit is one law: its score is the gradient of its log-density, and every sampler draws from it.

use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::StandardNormal;
use gmix_diffusion::reference::{GaussianMixture, Law, targets};
use gmix_diffusion::{
    Ddpm, DiffusionLearner, DiffusionModel, ExactSampler, GaussianPartitioner, NoiseLevel,
    PredictorCorrector, ProbabilityFlow, Sampler, ScoreModel,
};

fn target(name: &str) -> Box<dyn Law> {
    let laws = targets::all();
    laws.into_iter().find(|(other, _)| *other == name).map(|(_, law)| law).expect("a benchmark law")
}

fn fit(learner: &DiffusionLearner, law: &dyn Law, n: usize) -> DiffusionModel {
    let mut rng = StdRng::seed_from_u64(1);
    learner.fit(&law.draw(n, &mut rng), &mut rng).unwrap()
}

/// By central differences of a step that leaves 10⁻⁸ of the score to rounding and curvature.
#[test]
fn the_clean_score_is_the_gradient_of_the_log_density() {
    let few = DiffusionLearner::new().with_mixture(GaussianPartitioner::default().with_cells(4));
    for learner in [DiffusionLearner::new(), DiffusionLearner::fast(), few] {
        for name in ["gmm1d_k2", "gmm2d_k3", "ring2d", "balls5d", "gmm10d_k5"] {
            let law = target(name);
            let model = fit(&learner, law.as_ref(), 2_000);
            let points = law.draw(50, &mut StdRng::seed_from_u64(2));
            let score = model.score(NoiseLevel::CLEAN, &points).unwrap();
            let scale = score.amax();
            for axis in 0..law.dim() {
                let moved = |by: f64| {
                    let mut moved = points.clone();
                    moved.column_mut(axis).add_scalar_mut(by);
                    model.log_density(&moved).unwrap()
                };
                let step = 1e-4;
                // Of fourth order.
                let slope = (moved(step) - moved(-step)) * (8.0 / (12.0 * step))
                    - (moved(2.0 * step) - moved(-2.0 * step)) / (12.0 * step);
                let off = (slope - score.column(axis)).amax();
                assert!(off < 1e-6 * scale, "{name}, axis {axis}: {off} of {scale}");
            }
        }
    }
}

/// √(n/2) times the largest difference of the distribution functions of two samples of n.
fn two_sample(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let (mut j, mut largest) = (0, 0.0f64);
    for (i, &value) in a.iter().enumerate() {
        while j < b.len() && b[j] <= value {
            j += 1;
        }
        largest = largest.max((i as f64 + 1.0 - j as f64).abs());
    }
    largest / (2.0 * a.len() as f64).sqrt()
}

/// Against exact draws, along ten random directions and in the log-density. 2 laws × 3 samplers × 11 comparisons,
/// each beyond 2.44 with probability 1.4e-5.
#[test]
fn every_sampler_draws_from_it() {
    const DRAWS: usize = 50_000;
    for name in ["ring2d", "balls5d"] {
        let law = target(name);
        let model = fit(&DiffusionLearner::new(), law.as_ref(), 3_000);
        let mut rng = StdRng::seed_from_u64(3);
        let exact = model.clone().with_sampler(ExactSampler).unwrap().sample(DRAWS, &mut rng).unwrap();
        let directions: Vec<DVector<f64>> = (0..10)
            .map(|_| DVector::from_fn(law.dim(), |_, _| rng.sample::<f64, _>(StandardNormal)))
            .collect();
        let samplers: [Box<dyn Sampler>; 3] =
            [Box::new(Ddpm::new()), Box::new(ProbabilityFlow::new()), Box::new(PredictorCorrector::new())];
        for sampler in samplers {
            let what = format!("{name} {sampler:?}");
            let drawn = model.clone().with_sampler(sampler).unwrap().sample(DRAWS, &mut rng).unwrap();
            let along =
                |rows: &DMatrix<f64>, direction: &DVector<f64>| (rows * direction).as_slice().to_vec();
            for direction in &directions {
                let found = two_sample(along(&drawn, direction), along(&exact, direction));
                assert!(found < 2.44, "{what}: √(n/2) D = {found}");
            }
            let density = |rows: &DMatrix<f64>| model.log_density(rows).unwrap().as_slice().to_vec();
            let found = two_sample(density(&drawn), density(&exact));
            assert!(found < 2.44, "{what}, log-density: √(n/2) D = {found}");
        }
    }
}

/// The share of a small cluster in draws is that of the fit: within four standard errors.
#[test]
fn a_small_cluster_far_away_is_drawn_as_often_as_the_density_says() {
    const DRAWS: usize = 100_000;
    for (share, distance, dim) in [(0.01, 100.0, 1), (0.003, 1_000.0, 2), (0.02, 20.0, 3)] {
        let means = DMatrix::from_fn(2, dim, |row, axis| if row == 1 && axis == 0 { distance } else { 0.0 });
        let law =
            GaussianMixture::spherical(DVector::from_vec(vec![1.0 - share, share]), means, 1.0).unwrap();
        let model = fit(&DiffusionLearner::new(), &law, 10_000);
        let far = |value: f64| value > 0.5 * distance;
        let expected = model.mixture().unwrap().column(0).unwrap().survival(0.5 * distance);
        assert!((expected / share - 1.0).abs() < 0.5, "{expected} of {share}");
        let error = (expected * (1.0 - expected) / DRAWS as f64).sqrt();
        let samplers: [Box<dyn Sampler>; 3] =
            [Box::new(Ddpm::new()), Box::new(ProbabilityFlow::new()), Box::new(PredictorCorrector::new())];
        for sampler in samplers {
            let what = format!("{sampler:?}");
            let model = model.clone().with_sampler(sampler).unwrap();
            let drawn = model.sample(DRAWS, &mut StdRng::seed_from_u64(5)).unwrap();
            let found = drawn.column(0).iter().filter(|x| far(**x)).count() as f64 / DRAWS as f64;
            let off = (found - expected) / error;
            assert!(off.abs() < 4.0, "{what}, {share} at {distance}: {found}, {off:.1} standard errors");
        }
    }
}
