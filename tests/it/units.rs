//! The units of a column do not matter: powers of ten and shifts at all, other factors hardly.

use approx::assert_relative_eq;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, Sphere, targets};
use gmix_diffusion::{
    DiffusionLearner, DiffusionModel, Error, Geometric, Karras, NoiseLevel, NoiseLevels, NoiseSchedule,
    ProbabilityFlow, Sampler, VarianceExploding, VoronoiPartitioner, log_density, metrics,
};

const ROWS: usize = 2_000;
const SEEDS: u64 = 2;

/// Rows of `law`, shifted and then multiplied column by column.
fn rows_of(law: &dyn Law, factors: &[f64], shift: f64, seed: u64) -> DMatrix<f64> {
    let mut rows = law.draw(ROWS, &mut StdRng::seed_from_u64(seed));
    rescale(&mut rows, factors, shift);
    rows
}

fn rescale(rows: &mut DMatrix<f64>, factors: &[f64], shift: f64) {
    for (mut column, factor) in rows.column_iter_mut().zip(factors) {
        column.apply(|x| *x = (*x + shift) * factor);
    }
}

fn fit(rows: &DMatrix<f64>) -> DiffusionModel {
    DiffusionLearner::new().fit(rows, &mut StdRng::seed_from_u64(7)).unwrap()
}

/// Total variation between `law` and a fit to its rows, the columns multiplied by `factors`; the mean
/// over seeds.
fn total_variation(law: &dyn Law, factors: &[f64]) -> f64 {
    let of_seed = |seed: u64| {
        let model = fit(&rows_of(law, factors, 0.0, seed));
        let mut test = law.draw(10_000, &mut StdRng::seed_from_u64(100 + seed));
        let truth = law.log_density(NoiseLevel::CLEAN, &test).unwrap();
        rescale(&mut test, factors, 0.0);
        let volume: f64 = factors.iter().map(|factor| factor.ln()).sum();
        let learned = model.log_density(&test).unwrap().add_scalar(volume);
        metrics::total_variation(truth.as_slice(), learned.as_slice()).unwrap().value
    };
    (0..SEEDS).map(of_seed).sum::<f64>() / SEEDS as f64
}

#[test]
fn any_factor_costs_a_tenth_of_the_accuracy_at_most() {
    let laws: [(&str, Box<dyn Law>); 2] =
        [("three Gaussians", Box::new(targets::gmm2d_k3())), ("ring", Box::new(targets::ring2d()))];
    for (name, law) in laws {
        let plain = total_variation(law.as_ref(), &[1.0, 1.0]);
        for factor in [2.0, 3.0, 0.3] {
            let scaled = total_variation(law.as_ref(), &[factor, 1.0]);
            println!("{name}: {plain:.4}, one column times {factor} {scaled:.4}");
            assert!(scaled < 1.1 * plain, "{name} × {factor}: {scaled} against {plain}");
        }
    }
}

#[test]
fn powers_of_ten_and_shifts_change_nothing() {
    let law = targets::gmm2d_k3();
    let plain_rows = rows_of(&law, &[1.0, 1.0], 0.0, 3);
    let plain = fit(&plain_rows).log_density(&plain_rows).unwrap();
    // Shifted by 1e6 standard deviations, doubles are 1e-10 of one apart.
    for (factors, shift) in [([1e3, 1e-2], 0.0), ([1e-7, 1.0], 0.0), ([1.0, 1.0], 2e6), ([1.0, 1e4], 2e6)] {
        let rows = rows_of(&law, &factors, shift, 3);
        let volume: f64 = factors.iter().map(|factor: &f64| factor.ln()).sum();
        let density = fit(&rows).log_density(&rows).unwrap().add_scalar(volume);
        let difference = (density - &plain).amax();
        assert!(difference < 1e-6, "{factors:?} + {shift}: {difference}");
    }
}

#[test]
fn equal_columns_have_exactly_the_same_units() {
    let law = targets::balls5d();
    let units = |factors: &[f64]| fit(&rows_of(&law, factors, 0.0, 4)).units().clone();
    assert_eq!(units(&[1.0; 5]).uniform_scale(), Some(1.0));
    // √10 times as wide as 0.625: the border between two powers of ten.
    assert!(units(&[10f64.sqrt() / 0.625; 5]).uniform_scale().is_some());
    let scaled = units(&[1.0, 1.0, 3.0, 1.0, 1.0]);
    let scale = scaled.scale();
    assert!([1, 3, 4].iter().all(|&j| scale[j] == scale[0]), "{scale}");
    assert!((scale[2] / scale[0] - 3.0).abs() < 0.15, "{scale}");
}

/// Two sets of rows, 0.7 as wide in one column as in the other and thousands of their widths apart.
#[test]
fn columns_that_are_nearly_alike_within_far_clusters_have_nearly_one_unit() {
    for (seed, distance) in [(1, 1e3), (2, 1.7e3), (3, 1.8e3), (4, 1.9e3), (5, 1e4), (6, 1e5)] {
        let mut rows = rows_of(&targets::gmm2d_k3(), &[1.0, 0.7], 0.0, seed);
        let n = rows.nrows();
        rows.rows_mut(0, n / 3).add_scalar_mut(distance);
        let scale = fit(&rows).units().scale().clone();
        assert!(scale.max() < 2.0 * scale.min(), "{distance}: {scale}");
    }
}

#[test]
fn a_given_component_std_gives_all_columns_one_unit() {
    let rows = rows_of(&targets::gmm2d_k3(), &[1.0, 3.0], 0.0, 5);
    let model =
        DiffusionLearner::new().with_component_std(1.0).fit(&rows, &mut StdRng::seed_from_u64(7)).unwrap();
    assert_eq!(model.units().uniform_scale(), Some(10.0));
}

/// Radius 300 in the data's units, of which a working unit is 100.
#[test]
fn levels_of_a_model_are_in_the_units_of_the_model() {
    let mut rng = StdRng::seed_from_u64(4);
    let rows = Sphere::circle(3.0, 2, 0.3).unwrap().draw(2_000, &mut rng) * 100.0;
    for learner in [
        DiffusionLearner::new(),
        DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft()).with_component_std(30.0),
    ] {
        let model = learner.fit(&rows, &mut rng).unwrap();
        assert_eq!(model.units().uniform_scale(), Some(100.0));
        let (levels, inner) = (model.levels().unwrap(), model.score_model());
        assert_relative_eq!(
            levels.noisiest().noise(),
            100.0 * inner.levels().noisiest().noise(),
            max_relative = 1e-12
        );
        let drawn = ProbabilityFlow::new().sample(&model, &levels, 2_000, &mut rng).unwrap();
        let radius = drawn.row_iter().map(|row| row.norm()).sum::<f64>() / 2_000.0;
        assert!((radius - 300.0).abs() < 6.0, "{radius}");
        let density = log_density(&model, &levels, &rows.rows(0, 50).into_owned()).unwrap();
        let own = model.log_density(&rows.rows(0, 50).into_owned()).unwrap();
        assert!((&density - &own).amax() < 0.05, "{}", (density - own).amax());
        // Levels of other units start elsewhere: an error, or draws of the same law where a start is in closed form.
        match ProbabilityFlow::new().sample(&model, inner.levels(), 2_000, &mut rng) {
            Err(error) => assert!(matches!(error, Error::LevelOutOfRange { .. }), "{error}"),
            Ok(drawn) => {
                let radius = drawn.row_iter().map(|row| row.norm()).sum::<f64>() / 2_000.0;
                assert!((radius - 300.0).abs() < 6.0, "{radius}");
            }
        }
        assert!(matches!(
            ProbabilityFlow::new().sample(inner, &levels, 10, &mut rng),
            Err(Error::LevelOutOfRange { .. })
        ));
    }
    // Columns of their own scales have no unit for noise.
    let stretched = DMatrix::from_fn(2_000, 2, |i, j| rows[(i, j)] * [1.0, 3e4][j]);
    let model = DiffusionLearner::new().fit(&stretched, &mut rng).unwrap();
    assert!(matches!(model.levels(), Err(Error::AnisotropicUnits { .. })));
}

/// Rows at ±.005: a noise of the first level is one in their units.
#[test]
fn noises_of_a_schedule_are_in_the_data_s_units() {
    let mut rng = StdRng::seed_from_u64(5);
    let rows = targets::gmm1d_k2().draw(1_000, &mut rng) * 0.005;
    let noisiest = 4.0 * rows.variance().sqrt();
    let schedules: [Box<dyn NoiseSchedule>; 4] = [
        Box::new(Geometric::new().with_noisiest(noisiest)),
        Box::new(VarianceExploding::new().with_noisiest(noisiest)),
        Box::new(Karras::new().with_noisiest(noisiest)),
        Box::new(NoiseLevels::variance_exploding([noisiest, 0.3 * noisiest, 0.1 * noisiest, 0.0]).unwrap()),
    ];
    for schedule in schedules {
        let model = DiffusionLearner::new().with_schedule(schedule).fit(&rows, &mut rng).unwrap();
        assert_relative_eq!(model.levels().unwrap().noisiest().noise(), noisiest, max_relative = 1e-12);
        let unit = model.units().uniform_scale().unwrap();
        assert!(unit < 0.1, "{unit}");
        let (found, expected) = (model.sample(4_000, &mut rng).unwrap().variance(), rows.variance());
        assert!((found / expected - 1.0).abs() < 0.15, "{found} {expected}");
    }
    let stretched = DMatrix::from_fn(1_000, 2, |i, j| [rows[i], (i as f64 * 0.61).fract() * 1e5][j]);
    let learner = DiffusionLearner::new().with_schedule(Geometric::new().with_noisiest(1.0));
    assert!(matches!(learner.fit(&stretched, &mut rng), Err(Error::NoUnitOfNoise)));
}
