//! A fit that is saved and loaded between any two passes goes on to the same bits, and so do sums that travel
//! as bytes. What is damaged does not load, or is an error where it is used.
#![cfg(feature = "serde")]

use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{
    CosineBeta, DiffusionLearner, DiffusionModel, Error, Fit, Geometric, Karras, LinearBeta, NoiseLevels,
    NoiseSchedule, OrnsteinUhlenbeck, Pass, PolynomialRegression, SingleCell, Statistics, VarianceExploding,
    VoronoiPartitioner,
};
use serde_json::{Value, json};

use crate::support::fingerprint;

fn model_hash(model: &DiffusionModel) -> u64 {
    fingerprint::model_hash(model).unwrap()
}

fn rows(n: usize) -> DMatrix<f64> {
    targets::gmm2d_k3().draw(n, &mut StdRng::seed_from_u64(1))
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(11)
}

fn through_bytes<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    postcard::from_bytes(&postcard::to_stdvec(value).unwrap()).unwrap()
}

/// Goes through bytes before every pass and after the last.
fn fit_with_interruptions(learner: &DiffusionLearner, rows: &DMatrix<f64>) -> DiffusionModel {
    let mut fit = learner.begin(&mut rng()).unwrap();
    loop {
        fit = through_bytes(&fit);
        let Some(pass) = fit.next_pass() else { return fit.finish().unwrap() };
        fit.absorb(pass.accumulate(rows, 0).unwrap()).unwrap();
    }
}

#[test]
fn a_fit_goes_on_to_the_same_bits_from_every_pass() {
    let small = DiffusionLearner::new().with_regression(PolynomialRegression::default().with_ridge([0.1]));
    for (name, learner, n) in [
        ("default", DiffusionLearner::new(), 12_000),
        ("fast", DiffusionLearner::fast(), 3_000),
        ("one cell", small.clone().with_partitioner(SingleCell).with_component_std(1.0), 3_000),
        ("other parts", small.with_schedule(Geometric::new().with_ratio(0.7)).with_component_std(0.9), 3_000),
    ] {
        let rows = rows(n);
        let expected = learner.fit(&rows, &mut rng()).unwrap();
        let found = fit_with_interruptions(&learner, &rows);
        assert_eq!(model_hash(&found), model_hash(&expected), "{name}");
        assert_eq!(found.report(), expected.report(), "{name}");
    }
}

#[test]
fn every_schedule_of_this_crate_is_saved() {
    let schedules: [Box<dyn NoiseSchedule>; 7] = [
        Box::new(Geometric::new().with_ratio(0.7)),
        Box::new(VarianceExploding::new().with_noisiest(9.0)),
        Box::new(Karras::new().with_rho(5.0)),
        Box::new(LinearBeta::new().with_steps(77)),
        Box::new(CosineBeta::new().with_steps(55)),
        Box::new(OrnsteinUhlenbeck::new().with_time(4.0)),
        Box::new(NoiseLevels::variance_exploding([5.0, 1.0, 0.1]).unwrap()),
    ];
    for schedule in schedules {
        let learner = DiffusionLearner::new().with_component_std(0.2).with_partitioner(SingleCell);
        let name = format!("{schedule:?}");
        let start = learner.with_schedule(schedule).begin(&mut rng()).unwrap();
        let rows = DMatrix::from_fn(400, 1, |i, _| (i as f64 * 0.7).sin() * 2.0);
        let levels = |mut fit: Fit| {
            fit.absorb(fit.next_pass().unwrap().accumulate(&rows, 0).unwrap()).unwrap();
            fit.levels().unwrap().clone()
        };
        assert_eq!(levels(through_bytes(&start)), levels(start), "{name}");
    }
}

#[test]
fn levels_with_cells_of_their_own_are_a_clear_error() {
    let rows = rows(2_500);
    let learner =
        DiffusionLearner::new().with_component_std(0.5).with_partitioner(VoronoiPartitioner::soft());
    let mut fit = learner.begin(&mut rng()).unwrap();
    let error = loop {
        match postcard::to_stdvec(&fit) {
            Ok(bytes) => fit = postcard::from_bytes(&bytes).unwrap(),
            Err(_) => break serde_json::to_value(&fit).unwrap_err(),
        }
        let pass = fit.next_pass().unwrap();
        fit.absorb(pass.accumulate(&rows, 0).unwrap()).unwrap();
    };
    assert!(error.to_string().contains("one after the other"), "{error}");
}

#[test]
fn passes_and_sums_that_travel_as_bytes_give_the_same_bits() {
    let voronoi = DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft());
    let few_levels = Geometric::new().with_ratio(0.6);
    let paper = DiffusionLearner::paper().with_component_std(1.0);
    travel(&DiffusionLearner::new(), 12_000);
    travel(&voronoi.with_component_std(1.0).with_schedule(few_levels), 3_000);
    travel(&paper.with_schedule(few_levels), 3_000);
}

fn travel(learner: &DiffusionLearner, n_rows: usize) {
    let rows = rows(n_rows);
    let mut fit = learner.begin(&mut rng()).unwrap();
    while let Some(pass) = fit.next_pass() {
        let mut sums = Statistics::default();
        let third = n_rows / 3;
        for first in [third, 0, 2 * third] {
            let n = third;
            // The pass itself comes from elsewhere.
            let pass: Pass = through_bytes(&pass);
            let part = pass.accumulate(rows.rows(first, n), first as u64).unwrap();
            pass.merge(&mut sums, through_bytes(&part)).unwrap();
            sums = through_bytes(&sums);
        }
        fit.absorb(sums).unwrap();
    }
    let expected = learner.fit(&rows, &mut rng()).unwrap();
    assert_eq!(model_hash(&fit.finish().unwrap()), model_hash(&expected));
}

/// Numbers and lists of a saved value, by their paths.
fn places(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| places(field, format!("{path}/{name}"), found));
        }
        Value::Array(items) => {
            if !items.is_empty() {
                found.push(path.clone());
            }
            // The first and the last stand for all.
            let ends = [0, items.len().saturating_sub(1)];
            for index in ends {
                if let Some(item) = items.get(index) {
                    places(item, format!("{path}/{index}"), found);
                }
            }
        }
        _ => found.push(path),
    }
}

fn damaged(value: &Value, path: &str, rng: &mut StdRng) -> Value {
    let mut damaged = value.clone();
    let place = damaged.pointer_mut(path).unwrap();
    match place {
        Value::Array(items) => drop(items.pop()),
        Value::Number(number) if number.is_f64() => {
            *place = [json!(-1.0), json!(1e308), json!(0.0), json!(-1e-300)][rng.random_range(0..4)].clone();
        }
        Value::Number(_) => {
            *place = [json!(0), json!(u64::MAX), json!(1u64 << 60), json!(3)][rng.random_range(0..4)].clone();
        }
        _ => *place = json!("something else"),
    }
    damaged
}

/// Nothing that is read makes a fit panic or hang; lists that are cut are always found.
#[test]
fn what_is_damaged_is_an_error_or_harmless() {
    let rows = rows(2_500);
    let learner = DiffusionLearner::fast()
        .with_schedule(NoiseLevels::variance_exploding([12.0, 3.0, 1.0]).unwrap())
        .with_regression(PolynomialRegression::default().with_max_degree(2));
    let mut rng_of_damage = StdRng::seed_from_u64(1);
    let mut fit = learner.with_component_std(1.0).begin(&mut rng()).unwrap();
    let mut rejected = 0;
    while let Some(pass) = fit.next_pass() {
        let pass_number = fit.report().passes;
        let sums = pass.accumulate(&rows, 0).unwrap();
        let saved = serde_json::to_value(&pass).unwrap();
        let mut paths = Vec::new();
        places(&saved, String::new(), &mut paths);
        for path in paths {
            // Damage that is not seen gives other sums, but no panic.
            let value = damaged(&saved, &path, &mut rng_of_damage);
            let used = serde_json::from_value::<Pass>(value).map_err(Error::custom);
            rejected += usize::from(used.and_then(|pass| pass.accumulate(&rows, 0)).is_err());
        }
        let saved = serde_json::to_value(&sums).unwrap();
        let mut paths = Vec::new();
        places(&saved, String::new(), &mut paths);
        for path in paths {
            let value = damaged(&saved, &path, &mut rng_of_damage);
            let is_list = saved.pointer(&path).unwrap().is_array();
            let used = serde_json::from_value::<Statistics>(value)
                .map_err(Error::custom)
                .and_then(|sums| fit.clone().absorb(sums).map(drop));
            // The first pass learns how many rows there are.
            let is_whole = pass_number > 0 || path != "/pending";
            assert!(used.is_err() || !(is_list && is_whole), "{path}");
            rejected += usize::from(used.is_err());
        }
        fit.absorb(sums).unwrap();
        let saved = serde_json::to_value(&fit).unwrap();
        let mut paths = Vec::new();
        places(&saved, String::new(), &mut paths);
        paths.retain(|path| !path.starts_with("/absorbed/0/moments/sample/"));
        for path in paths {
            let value = damaged(&saved, &path, &mut rng_of_damage);
            rejected += usize::from(serde_json::from_value::<Fit>(value).is_err());
        }
    }
    assert!(rejected > 20, "{rejected}");
}

#[test]
fn what_is_something_else_does_not_load() {
    let fit = DiffusionLearner::new().begin(&mut rng()).unwrap();
    let saved = serde_json::to_value(&fit).unwrap();
    for (path, value, what) in [
        ("/format", json!("gmix-diffusion model"), "the format is not \"gmix-diffusion fit\""),
        ("/version", json!(7), "version 7 is not known to this release, which reads 3"),
        ("/learner/component_std", json!(-1.0), "component std is -1"),
        ("/learner/regression/ridge", json!([]), "ridge strength"),
    ] {
        let mut changed = saved.clone();
        *changed.pointer_mut(path).unwrap() = value;
        let error = serde_json::from_value::<Fit>(changed).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    assert!(postcard::from_bytes::<Statistics>(&postcard::to_stdvec(&fit).unwrap()).is_err());
}
