//! Draws of a fitted law without a diffusion: they follow the model's own density, as those of the reverse
//! diffusion do, and a model without a closed form says so.

use gmix_diffusion::metrics::total_variation;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::targets;
use gmix_diffusion::{
    Ddpm, DiffusionLearner, DiffusionModel, Error, ExactSampler, LogDensity, NoiseLevel, NoiseLevels,
    Sampler, VoronoiPartitioner,
};

fn target(name: &str) -> Box<dyn gmix_diffusion::reference::Law> {
    let laws = targets::all();
    laws.into_iter().find(|(other, _)| *other == name).map(|(_, law)| law).expect("a benchmark law")
}

fn fitted(name: &str, rng: &mut StdRng) -> DiffusionModel {
    DiffusionLearner::new()
        .fit(&target(name).draw(3_000, rng), rng)
        .unwrap()
        .with_sampler(ExactSampler)
        .unwrap()
}

/// With p the truth, q the model's density and q′ the law of its draws, E_p(1 − q/p)₊ is the total variation
/// distance of p and q, and E_q′(1 − p/q)₊ is the same number if q′ = q. Each mean has a standard error
/// below .0013 at 20,000 rows: .01 is more than five of their difference.
#[test]
fn draws_and_density_are_one_law() {
    for (name, seed) in [("gmm2d_k3", 2), ("ring2d", 3), ("balls5d", 4)] {
        let (law, mut rng) = (target(name), StdRng::seed_from_u64(seed));
        let model = fitted(name, &mut rng);
        let rows = law.draw(20_000, &mut rng);
        let truth = |rows: &DMatrix<f64>| law.log_density(NoiseLevel::CLEAN, rows).unwrap();
        let own = |rows: &DMatrix<f64>| model.log_density(rows).unwrap();
        let from_truth = total_variation(truth(&rows).as_slice(), own(&rows).as_slice()).unwrap().value;
        let drawn = model.sample(20_000, &mut rng).unwrap();
        let from_model = total_variation(own(&drawn).as_slice(), truth(&drawn).as_slice()).unwrap().value;
        assert!((from_truth - from_model).abs() < 0.01, "{name}: {from_truth:.4} and {from_model:.4}");
    }
}

/// The mean log-density of draws is minus the entropy, by quadrature: within five standard errors.
#[test]
fn draws_on_a_line_have_the_entropy_of_the_density() {
    const N: usize = 50_000;
    let mut rng = StdRng::seed_from_u64(5);
    let model = fitted("gmm1d_k2", &mut rng);
    let step = 0.005;
    let grid = DMatrix::from_fn(8_001, 1, |i, _| -20.0 + step * i as f64);
    let log_density = model.log_density(&grid).unwrap();
    let entropy = -step * log_density.iter().map(|value| value * value.exp()).sum::<f64>();
    let values = model.log_density(&model.sample(N, &mut rng).unwrap()).unwrap();
    let error = (values.variance() / N as f64).sqrt();
    assert!((values.mean() + entropy).abs() < 5.0 * error, "{} {entropy} {error}", values.mean());
}

/// Two samples of 10,000 rows each, every coordinate and every square of one. Means agree within five
/// standard errors, and .03 standard deviations that 30 steps of a diffusion may be off by.
#[test]
fn the_reverse_diffusion_draws_from_the_same_law() {
    const N: usize = 10_000;
    let mut rng = StdRng::seed_from_u64(4);
    let model = fitted("balls5d", &mut rng);
    assert!(model.report().radial_shape.is_some(), "the balls' cells have a shape of their own");
    let exact = model.sample(N, &mut rng).unwrap();
    let diffused = model.clone().with_sampler(Ddpm::new()).unwrap().sample(N, &mut rng).unwrap();
    for power in [1, 2, 4] {
        let (a, b) = (exact.map(|x| x.powi(power)), diffused.map(|x| x.powi(power)));
        for (a, b) in a.column_iter().zip(b.column_iter()) {
            let error = ((a.variance() + b.variance()) / N as f64).sqrt();
            let tolerance = 5.0 * error + 0.03 * a.variance().sqrt();
            assert!((a.mean() - b.mean()).abs() < tolerance, "{power} {} {}", a.mean(), b.mean());
        }
    }
}

#[test]
fn noised_levels_and_the_data_s_units_are_kept() {
    let mut rng = StdRng::seed_from_u64(6);
    let rows = target("ring2d").draw(800, &mut rng) * 1e3;
    let model = DiffusionLearner::new().fit(&rows, &mut rng).unwrap();
    let levels = NoiseLevels::variance_exploding([3e3, 1e3]).unwrap();
    let drawn = ExactSampler.sample(&model, &levels, 20_000, &mut rng).unwrap();
    let law = gmix_diffusion::ScoreModel::start(&model, levels.quietest()).unwrap();
    for j in 0..2 {
        let (column, variance) = (drawn.column(j), law.covariance[(j, j)]);
        assert!((column.mean() - law.mean[j]).abs() < 5.0 * (variance / 2e4).sqrt());
        assert!((column.variance() / variance - 1.0).abs() < 0.05);
    }
}

#[test]
fn rows_on_a_line_in_the_plane_are_drawn_on_it() {
    let mut rng = StdRng::seed_from_u64(8);
    let line = target("gmm1d_k2").draw(600, &mut rng);
    let rows = DMatrix::from_fn(600, 2, |i, j| line[i] * [3.0, -4.0][j] + 1.0);
    let model = DiffusionLearner::new().fit(&rows, &mut rng).unwrap();
    let clean = NoiseLevels::variance_exploding([0.0]).unwrap();
    let outside = ExactSampler.sample(&model, &clean, 500, &mut rng).unwrap();
    let inside = model.with_sampler(ExactSampler).unwrap().sample(500, &mut rng).unwrap();
    for row in outside.row_iter().chain(inside.row_iter()) {
        assert!((4.0 * (row[0] - 1.0) + 3.0 * (row[1] - 1.0)).abs() < 1e-9, "{row}");
    }
}

#[test]
fn a_learned_score_without_a_closed_form_has_none() {
    let mut rng = StdRng::seed_from_u64(7);
    let rows = target("gmm1d_k2").draw(400, &mut rng);
    let learner = DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft());
    let model = learner.fit(&rows, &mut rng).unwrap();
    assert!(matches!(model.with_sampler(ExactSampler), Err(Error::NoExactDraws)));
    // A fit says so after its first pass, before it learns what could not be drawn.
    let mut fit = learner.with_sampler(ExactSampler).begin(&mut rng).unwrap();
    let first = fit.next_pass().unwrap();
    let sums = first.accumulate(rows.rows(0, 400), 0).unwrap();
    assert!(matches!(fit.absorb(sums), Err(Error::NoExactDraws)));
}
