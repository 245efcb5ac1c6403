//! A saved model loads to one that answers bit for bit the same, and what is damaged does not load.
#![cfg(feature = "serde")]

use gmix_diffusion::nalgebra::{DMatrix, DMatrixViewMut};
use gmix_diffusion::rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use gmix_diffusion::{
    Ddpm, DiffusionLearner, DiffusionModel, ExactOrDdpm, ExactSampler, FitWarning, Geometric, NoiseLevel,
    NoiseLevels, PolynomialRegression, PredictorCorrector, ProbabilityFlow, Result, Sampler, ScoreModel,
    SingleCell, VoronoiPartitioner,
};
use serde_json::{Value, json};

fn normal(rng: &mut StdRng) -> f64 {
    StandardNormal.sample(rng)
}

/// Two clusters on a line.
fn line(n: usize) -> DMatrix<f64> {
    let mut rng = StdRng::seed_from_u64(1);
    DMatrix::from_fn(n, 1, |i, _| if i % 3 == 0 { -3.0 } else { 3.0 } + normal(&mut rng))
}

/// A blurred ring, its second column in units that are `unit` times smaller.
fn ring(n: usize, unit: f64) -> DMatrix<f64> {
    let mut rng = StdRng::seed_from_u64(2);
    let mut rows = DMatrix::zeros(n, 2);
    for mut row in rows.row_iter_mut() {
        let angle = rng.random::<f64>() * std::f64::consts::TAU;
        row[0] = 4.0 * angle.cos() + 0.4 * normal(&mut rng);
        row[1] = unit * (4.0 * angle.sin() + 0.4 * normal(&mut rng));
    }
    rows
}

fn fit(learner: DiffusionLearner, rows: &DMatrix<f64>) -> DiffusionModel {
    learner.fit(rows, &mut StdRng::seed_from_u64(3)).unwrap()
}

/// Few levels and few coefficients.
fn small_model() -> DiffusionModel {
    let learner = DiffusionLearner::new()
        .with_schedule(NoiseLevels::variance_exploding([120.0, 30.0, 10.0, 2.0]).unwrap())
        .with_partitioner(VoronoiPartitioner::soft())
        .with_regression(PolynomialRegression::default().with_max_degree(1))
        .with_component_std(1.0);
    fit(learner, &line(90))
}

/// As [`small_model`], with all that a base mixture can have: cells that are not Gaussian, and a direction that is
/// not active.
fn small_base_model() -> DiffusionModel {
    let mut rng = StdRng::seed_from_u64(4);
    let rows = DMatrix::from_fn(300, 2, |_, _| rng.random::<f64>());
    let learner = DiffusionLearner::new()
        .with_schedule(NoiseLevels::variance_exploding([0.4, 0.15, 0.0]).unwrap())
        .with_regression(PolynomialRegression::default().with_max_degree(1))
        .with_component_std(0.5);
    fit(learner, &rows)
}

/// As [`small_model`], on a line through space, with a column that is constant.
fn small_hull_model() -> DiffusionModel {
    let line = line(90);
    let rows = DMatrix::from_fn(90, 3, |i, j| [line[i], 2.0 * line[i] - 1.0, 0.1][j]);
    let learner = DiffusionLearner::new()
        .with_schedule(Geometric::new().with_ratio(0.1))
        .with_regression(PolynomialRegression::default().with_max_degree(1));
    fit(learner, &rows)
}

fn small_models() -> [DiffusionModel; 3] {
    [small_model(), small_base_model(), small_hull_model()]
}

fn bits(values: impl IntoIterator<Item = f64>) -> Vec<u64> {
    values.into_iter().map(f64::to_bits).collect()
}

/// Answers of a model at points in the data's range, or the errors where it has none.
fn answers(model: &DiffusionModel) -> Vec<(&'static str, std::result::Result<Vec<f64>, String>)> {
    fn numbers<'a>(values: impl IntoIterator<Item = &'a f64>) -> Vec<f64> {
        values.into_iter().copied().collect()
    }
    let mut rng = StdRng::seed_from_u64(5);
    let (shift, scale) = (model.units().shift(), model.units().scale());
    let points = DMatrix::from_fn(7, model.dim(), |_, j| shift[j] + 5.0 * scale[j] * normal(&mut rng));
    let mut answers = vec![
        ("centres", Ok(numbers(model.centres()))),
        ("weights", Ok(numbers(model.masses()))),
        ("component std", Ok(vec![model.component_std()])),
        ("log-density", model.log_density(&points).map(|values| numbers(&values))),
        ("responsibilities", model.responsibilities(&points).map(|values| numbers(&values))),
        ("rows", model.sample(5, &mut StdRng::seed_from_u64(6)).map(|values| numbers(&values))),
    ];
    let working = model.units().to_working(&points).unwrap();
    let inner = model.score_model();
    let levels: Vec<NoiseLevel> = model.score_model().levels().to_vec();
    // Between two levels too.
    let between = levels.windows(2).map(|pair| (pair[0].noise_to_signal() + pair[1].noise_to_signal()) / 2.0);
    let between = between.filter_map(|noise| NoiseLevel::variance_exploding(noise).ok());
    for level in between.chain(levels.iter().copied()) {
        answers.push(("score", inner.score(level, &working).map(|values| numbers(&values))));
        answers.push(("denoiser", inner.denoise(level, &working).map(|values| numbers(&values))));
    }
    answers.push(("start", inner.start(levels[0]).map(|law| numbers(&law.covariance))));
    answers.push(("data score", model.score(NoiseLevel::CLEAN, &points).map(|values| numbers(&values))));
    answers.into_iter().map(|(name, answer)| (name, answer.map_err(|error| error.to_string()))).collect()
}

fn assert_same(saved: &DiffusionModel, loaded: &DiffusionModel) {
    assert_eq!(saved.report(), loaded.report());
    assert_eq!(saved.report().to_string(), loaded.report().to_string());
    assert_eq!(saved.score_model().levels(), loaded.score_model().levels());
    assert_eq!(saved.units(), loaded.units());
    for ((name, before), (_, after)) in answers(saved).into_iter().zip(answers(loaded)) {
        assert_eq!(before.map(bits), after.map(bits), "{name}");
    }
}

fn assert_round_trip(model: &DiffusionModel) {
    let json = serde_json::to_string(model).unwrap();
    let loaded: DiffusionModel = serde_json::from_str(&json).unwrap();
    assert_same(model, &loaded);
    assert_eq!(serde_json::to_string(&loaded).unwrap(), json);

    let bytes = postcard::to_stdvec(model).unwrap();
    let loaded: DiffusionModel = postcard::from_bytes(&bytes).unwrap();
    assert_same(model, &loaded);
    assert_eq!(postcard::to_stdvec(&loaded).unwrap(), bytes);
}

#[test]
fn default_fits_come_back_bit_for_bit() {
    assert_round_trip(&fit(DiffusionLearner::new(), &line(600)));
    assert_round_trip(&fit(DiffusionLearner::new(), &ring(800, 1.0)));
    assert_round_trip(&fit(DiffusionLearner::new().with_component_std(0.4), &ring(800, 1.0)));
}

#[test]
fn soft_hard_and_single_cells_come_back_bit_for_bit() {
    assert_round_trip(&fit(DiffusionLearner::paper(), &line(400)));
    let soft = DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft());
    assert_round_trip(&fit(soft, &ring(500, 1.0)));
    let single = DiffusionLearner::new().with_partitioner(SingleCell);
    assert_round_trip(&fit(single, &line(400)));
    assert_round_trip(&small_model());
}

#[test]
fn a_base_mixture_comes_back_with_all_it_can_have() {
    let saved = serde_json::to_value(small_base_model()).unwrap();
    assert_ne!(saved["base"]["shape"], json!(0.0));
    assert!(saved["base"]["embedding"]["rest_means"].is_object());
    assert!(saved["scores"].as_array().unwrap().iter().all(Value::is_null));
    assert_round_trip(&small_base_model());
}

#[test]
fn columns_of_different_scale_come_back_bit_for_bit() {
    for partitioner in [None, Some(VoronoiPartitioner::soft())] {
        let learner = DiffusionLearner::new();
        let learner = match partitioner {
            Some(partitioner) => learner.with_partitioner(partitioner),
            None => learner,
        };
        let model = fit(learner, &ring(500, 1000.0));
        assert_eq!(model.units().uniform_scale(), None);
        assert_round_trip(&model);
    }
}

#[test]
fn every_sampler_comes_back_with_its_settings() {
    let model = small_model();
    let samplers: Vec<Box<dyn Sampler>> = vec![
        Box::new(Ddpm::new()),
        Box::new(Ddpm::textbook()),
        Box::new(Ddpm::textbook().with_steps(9)),
        Box::new(Ddpm::new().with_given_levels()),
        Box::new(ProbabilityFlow::new().with_steps(11)),
        Box::new(ProbabilityFlow::new().with_given_levels()),
        Box::new(PredictorCorrector::new().with_steps(7).with_corrections(3).with_step_size(0.23)),
        Box::new(PredictorCorrector::new().with_given_levels()),
        Box::new(ExactSampler),
        Box::new(ExactOrDdpm),
    ];
    let exact = fit(DiffusionLearner::fast(), &line(90));
    for sampler in samplers {
        let expected = format!("{sampler:?}");
        let model = if expected == "ExactSampler" { &exact } else { &model };
        let model = model.clone().with_sampler(sampler).unwrap();
        assert_round_trip(&model);
        let loaded: DiffusionModel = serde_json::from_value(serde_json::to_value(&model).unwrap()).unwrap();
        assert!(format!("{loaded:?}").contains(&expected), "{expected}");
    }
}

#[test]
fn reports_come_back_with_their_warnings() {
    let rows = line(60);
    let learner = DiffusionLearner::new()
        .with_schedule(NoiseLevels::variance_exploding([2.0, 1.9]).unwrap())
        .with_component_std(0.3);
    let model = fit(learner, &rows);
    let warnings = &model.report().warnings;
    assert!(warnings.iter().any(|warning| matches!(warning, FitWarning::NoisiestNotGaussian { .. })));
    assert_round_trip(&model);
}

#[derive(Debug)]
struct OwnSampler;

impl Sampler for OwnSampler {
    fn sample_into(
        &self,
        _: &dyn ScoreModel,
        _: &NoiseLevels,
        _: &mut dyn Rng,
        mut rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        rows.fill(0.0);
        Ok(())
    }
}

#[test]
fn a_user_s_own_part_is_named() {
    for model in [
        small_model().with_sampler(OwnSampler).unwrap(),
        small_model().with_sampler(Box::new(OwnSampler) as Box<dyn Sampler>).unwrap(),
    ] {
        let error = serde_json::to_string(&model).unwrap_err().to_string();
        assert!(error.contains("OwnSampler"), "{error}");
    }
}

#[test]
fn what_could_not_be_loaded_is_not_saved() {
    let endless = PredictorCorrector::new().with_corrections(usize::MAX);
    let model = small_model().with_sampler(endless).unwrap();
    let error = serde_json::to_string(&model).unwrap_err().to_string();
    assert!(error.contains("saved model"), "{error}");
}

#[test]
fn samplers_that_could_not_draw_are_refused() {
    let refused = |sampler: Box<dyn Sampler>| {
        matches!(small_model().with_sampler(sampler), Err(gmix_diffusion::Error::InvalidSetting { .. }))
    };
    assert!(refused(Box::new(PredictorCorrector::new().with_step_size(f64::NAN))));
    assert!(refused(Box::new(PredictorCorrector::new().with_steps(usize::MAX))));
    assert!(refused(Box::new(Ddpm::new().with_steps(0))));
    assert!(refused(Box::new(ProbabilityFlow::new().with_steps(0))));
}

#[test]
fn a_hull_comes_back_bit_for_bit() {
    assert_eq!(small_hull_model().units().hull_axes().map(|axes| axes.shape()), Some((3, 1)));
    assert_round_trip(&small_hull_model());
}

/// Checks that a model answers with finite numbers or errors, if it has loaded. Returns whether it has.
fn harmless(loaded: Option<DiffusionModel>, what: impl std::fmt::Display) -> bool {
    let Some(model) = loaded else { return false };
    for (name, answer) in answers(&model) {
        // Off the affine hull of the rows there is no density.
        let none = name == "log-density" && model.units().hull_axes().is_some();
        let allowed = |value: &f64| value.is_finite() || (none && *value == f64::NEG_INFINITY);
        assert!(answer.iter().flatten().all(allowed), "{what}: {name} {answer:?}");
    }
    true
}

#[test]
fn truncated_files_are_errors() {
    for model in small_models() {
        let json = serde_json::to_vec(&model).unwrap();
        for length in 0..json.len() {
            assert!(serde_json::from_slice::<DiffusionModel>(&json[..length]).is_err(), "{length}");
        }
        let bytes = postcard::to_stdvec(&model).unwrap();
        for length in 0..bytes.len() {
            assert!(postcard::from_bytes::<DiffusionModel>(&bytes[..length]).is_err(), "{length}");
        }
    }
}

#[test]
fn nesting_and_huge_lengths_are_errors() {
    let deep = "[".repeat(1_000_000);
    assert!(serde_json::from_str::<DiffusionModel>(&deep).is_err());
    let nested = serde_json::to_string(&small_model()).unwrap().replacen(
        "\"shift\":",
        &format!("\"shift\":{deep}"),
        1,
    );
    assert!(serde_json::from_str::<DiffusionModel>(&nested).is_err());
    // A length of 2⁶⁴ − 1 in place of every byte; many are bytes of numbers, where it shifts the rest.
    let huge = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
    for model in small_models() {
        let bytes = postcard::to_stdvec(&model).unwrap();
        for start in 0..bytes.len() {
            let damaged = [&bytes[..start], &huge, &bytes[start + 1..]].concat();
            harmless(postcard::from_bytes(&damaged).ok(), format_args!("length at byte {start}"));
        }
    }
}

/// Paths of all values in a JSON document that are not containers.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, inner)| leaves(inner, &format!("{path}/{key}"), found))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, inner)| leaves(inner, &format!("{path}/{i}"), found))
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn replaced_values_are_errors_or_harmless() {
    let replacements = [
        json!(null),
        json!("NaN"),
        json!(-1.0),
        json!(-1),
        json!(0),
        json!(0.0),
        json!(1),
        json!(1e-300),
        json!(-1e-40),
        json!(1e40),
        json!(-1e49),
        json!(1e300),
        json!(-1e300),
        json!(1e99),
        json!(u64::MAX),
        json!(1u64 << 40),
        json!(7),
        json!([]),
        json!({}),
    ];
    let mut loaded = 0;
    for model in small_models() {
        let saved = serde_json::to_value(&model).unwrap();
        let mut paths = Vec::new();
        leaves(&saved, "", &mut paths);
        for path in &paths {
            for replacement in &replacements {
                let mut damaged = saved.clone();
                *damaged.pointer_mut(path).unwrap() = replacement.clone();
                let model = serde_json::from_value(damaged).ok();
                loaded += usize::from(harmless(model, format_args!("{path} = {replacement}")));
            }
        }
    }
    assert!(loaded > 500, "{loaded}");
}

#[test]
fn overwritten_bytes_are_errors_or_harmless() {
    let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300, 1e-310, 0.0];
    let mut loaded = 0;
    // Of a model on a hull, the units that say so.
    let whole = usize::MAX;
    for (model, most) in [(small_model(), whole), (small_base_model(), whole), (small_hull_model(), 150)] {
        let saved = postcard::to_stdvec(&model).unwrap();
        for start in 0..saved.len().min(most) {
            for byte in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut damaged = saved.clone();
                damaged[start] = byte;
                let model = postcard::from_bytes(&damaged).ok();
                loaded += usize::from(harmless(model, format_args!("byte {start} = {byte}")));
            }
            for number in numbers {
                let mut damaged = saved.clone();
                let end = (start + 8).min(saved.len());
                damaged[start..end].copy_from_slice(&number.to_le_bytes()[..end - start]);
                let model = postcard::from_bytes(&damaged).ok();
                loaded += usize::from(harmless(model, format_args!("{number} at byte {start}")));
            }
        }
    }
    assert!(loaded > 2000, "{loaded}");
}

#[test]
fn flipped_bits_of_a_text_are_errors_or_harmless() {
    let mut loaded = 0;
    for model in [small_base_model(), small_hull_model()] {
        let saved = serde_json::to_vec(&model).unwrap();
        for start in 0..saved.len() {
            let mut damaged = saved.clone();
            damaged[start] ^= 1 << (start % 8);
            let model = serde_json::from_slice(&damaged).ok();
            loaded += usize::from(harmless(model, format_args!("bit {} of byte {start}", start % 8)));
        }
    }
    // Many of a text's bytes are digits.
    assert!(loaded > 500, "{loaded}");
}

/// The error of loading `model` with the value at each path replaced.
fn error_with(model: &Value, changes: &[(&str, Value)]) -> String {
    let mut damaged = model.clone();
    for (path, value) in changes {
        *damaged.pointer_mut(path).unwrap_or_else(|| panic!("no {path}")) = value.clone();
    }
    serde_json::from_value::<DiffusionModel>(damaged).unwrap_err().to_string()
}

#[test]
fn errors_say_what_is_wrong() {
    let soft = serde_json::to_value(small_model().with_sampler(Ddpm::new()).unwrap()).unwrap();
    let based = serde_json::to_value(small_base_model()).unwrap();
    let flat = serde_json::to_value(small_hull_model()).unwrap();
    let last = soft["scores"].as_array().unwrap().len() - 1;
    let quiet = |field: &str| format!("/scores/{last}/{field}");
    // The cells of the quietest level are the first partition.
    let masses = &soft["partitions"][0]["voronoi"]["masses"];
    assert_eq!(masses.as_array().unwrap().len(), 2, "{masses}");
    let matrix = |rows: usize, columns: usize| json!({ "rows": rows, "columns": columns, "values": vec![1.0; rows * columns] });
    let one = |model: &Value, path: &str, value: Value| error_with(model, &[(path, value)]);
    let cases = [
        (one(&soft, "/format", json!("another model")), "the format is not \"gmix-diffusion model\""),
        (one(&soft, "/version", json!(2)), "version 2 is not known to this release, which reads 1"),
        (one(&soft, "/units/scale", json!([1.0, 1.0])), "units need a shift and a scale for each column"),
        (one(&soft, "/units/scale/0", json!(-1.0)), "scale of the units, value 0: -1e0 is not between"),
        (one(&soft, "/units", json!({ "shift": [], "scale": [] })), "it has no columns"),
        (
            one(&soft, "/covariance/values/0", json!(-1.0)),
            "covariance of the rows is not positive semidefinite",
        ),
        (one(&soft, "/covariance/values", json!([])), "1 × 1 values do not fit a list of 0"),
        (
            one(&soft, "/covariance/rows", json!(u64::MAX)),
            "18446744073709551615 × 1 values do not fit a list of 1",
        ),
        (one(&soft, "/covariance", matrix(2, 1)), "covariance of the rows: expected 1 × 1, found 2 × 1"),
        (one(&soft, "/subspace/axes/values/0", json!(0.9)), "active directions are not orthonormal"),
        (one(&soft, "/subspace/axes", matrix(1, 0)), "0 active directions are not between 1 and 1"),
        (one(&soft, "/component_std", json!(-0.5)), "component std, value 0: -5e-1 is not between"),
        (one(&soft, "/levels/1/noise", json!(20.0)), "noise level 1: ratio 20 is not below the previous one"),
        (one(&soft, "/levels/1/signal", json!(0.0)), "signal 0 must be positive and finite"),
        (one(&soft, "/levels", json!([])), "there are no noise levels"),
        (one(&soft, "/partitions/0/voronoi/masses/0", json!(-0.5)), "masses of cells, value 0: -5e-1"),
        (
            one(&soft, "/partitions/0/voronoi/masses", json!([0.5, 0.6])),
            "masses of cells sum to 1.1, not to 1",
        ),
        (one(&soft, "/partitions/0/voronoi/masses", json!([1.0])), "masses of cells: expected 2, found 1"),
        (one(&soft, "/partitions/0/voronoi/centres", matrix(0, 1)), "a partition has no cells"),
        (
            one(&soft, "/partitions/0/voronoi/centres", matrix(2, 3)),
            "centres of partition 0: expected 1 columns",
        ),
        (
            one(&soft, "/partitions/0/voronoi/centres/values/0", json!(1e99)),
            "centres of cells, value 0: 1e99",
        ),
        (one(&soft, &quiet("degree"), json!(7)), "the coefficients do not fit degree 7 in 2 cells"),
        (
            one(&soft, &quiet("degree"), json!(u64::MAX)),
            "the coefficients do not fit degree 18446744073709551615",
        ),
        (one(&soft, &quiet("bandwidth"), json!(3.0)), "bandwidth 3 does not fit its noise"),
        (one(&soft, &quiet("partition"), json!(99)), "there is no partition 99"),
        (one(&soft, &quiet("coefficients/rows"), json!(1u64 << 60)), "larger than this release reads"),
        (one(&soft, "/scores", json!([])), "0 scores for 4 noise levels"),
        (one(&soft, "/cells", json!(99)), "there is no partition 99"),
        (
            one(&soft, "/sampler/ddpm/steps", json!({ "geometric": u64::MAX })),
            "18446744073709551615 is more than 1000000",
        ),
        (one(&soft, "/report/dim", json!(2)), "the report is that of another model"),
        (one(&soft, "/report/levels/1/index", json!(2)), "the report of level 1 is that of another model"),
        (one(&soft, "/units", json!({ "shift": [0.0], "scale": [1.0], "more": 1 })), "unknown field `more`"),
        (one(&flat, "/units/hull_axes", matrix(3, 3)), "3 directions of the hull are not between 1 and 2"),
        (one(&flat, "/units/hull_axes/values/0", json!(2.0)), "directions of the hull are not orthonormal"),
        (one(&flat, "/units/hull_axes", json!(null)), "mean of the rows needs 3 values"),
        (
            one(&based, "/base/scaled_covariances/0/values/0", json!(-1.0)),
            "covariance of the base is not positive",
        ),
        (one(&based, "/base/scaled_covariances", json!([])), "the base needs a covariance for each of its"),
        (
            one(&based, "/base/embedding/rest/values/0", json!(2.0)),
            "directions of the base are not orthonormal",
        ),
        (one(&based, "/base/embedding/rest_variance", json!(0.0)), "variance of the base's other directions"),
        (one(&based, "/covariance/values/1", json!(0.5)), "covariance of the rows is not symmetric"),
        (
            one(&based, "/partitions/0/gaussian/variances/0/0", json!(-1.0)),
            "variances of a cell, value 0: -1e0",
        ),
        (
            one(&based, "/partitions/0/gaussian/axes/0/values/0", json!(0.5)),
            "axes of a cell are not orthonormal",
        ),
        (one(&based, "/partitions/0/gaussian/axes", json!([])), "axes and variances are needed for"),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "expected {expected:?}, found {error:?}");
    }
}
