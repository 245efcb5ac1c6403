//! Bad input gives an error that names it, strange input a finite result: never a panic, never a hang.

use std::sync::Arc;

use gmix_diffusion::nalgebra::{DMatrix, DMatrixView, DVector};
use gmix_diffusion::rand::{Rng, SeedableRng, rngs::StdRng};
use gmix_diffusion::{
    CentreEstimates, CrossFittedMixture, DifferentiableScore, DiffusionLearner, DiffusionModel, Error,
    FoldedSample, GaussianCells, GaussianMixture, LogDensity, MixtureEstimator, MixtureParameters,
    NoiseLevel, NoiseLevels, Partition, Partitioner, PolynomialRegression, Result, Rows, ScoreModel,
    SingleCell, VoronoiCells, VoronoiPartitioner, log_density,
};

use crate::fits::{assert_works, fit, learner, normals, within_patience};

// ── what is no data at all

#[test]
fn no_rows_no_columns_and_one_row_are_errors() {
    for std in [None, Some(1.0)] {
        assert!(matches!(fit("no rows", learner(std), DMatrix::zeros(0, 2)), Err(Error::NoRows)));
        assert!(matches!(fit("no columns", learner(std), DMatrix::zeros(5, 0)), Err(Error::NoColumns)));
        assert!(matches!(fit("nothing", learner(std), DMatrix::zeros(0, 0)), Err(Error::NoColumns)));
        assert!(matches!(fit("one row", learner(std), normals(1, 2)), Err(Error::NoVariation)));
    }
    assert!(matches!(Rows::from_row_slice::<f64>(&[], 0), Err(Error::NoColumns)));
    let none: &[[f64; 2]] = &[];
    let empty = DiffusionLearner::new().fit(none, &mut StdRng::seed_from_u64(1));
    assert!(matches!(empty, Err(Error::NoRows)));
}

#[test]
fn values_that_are_not_finite_are_named_by_row_and_column() {
    // In the first chunk of rows, at the end of one and in the last, shorter one.
    for (row, value) in [(3, f64::NAN), (2047, f64::INFINITY), (4999, f64::NEG_INFINITY)] {
        let mut rows = normals(5000, 3);
        rows[(row, 1)] = value;
        match fit("not finite", learner(None), rows) {
            Err(Error::NotFinite { row: found, column: 1, .. }) => assert_eq!(found, row),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn equal_rows_are_an_error_whatever_their_value() {
    for value in [0.0, 0.1, -1.0 / 3.0, 1e9 + 0.1, 1e-300] {
        for (n, std) in [(2, None), (100, Some(0.3)), (5000, None)] {
            let result = fit("equal rows", learner(std), DMatrix::from_element(n, 2, value));
            assert!(matches!(result, Err(Error::NoVariation)), "{value} {result:?}");
        }
    }
}

// ── weights and settings

#[test]
fn weights_that_are_no_weights_are_errors() {
    let rows = normals(100, 1);
    for (row, weight) in [(0, -1.0), (99, f64::NAN), (50, f64::INFINITY)] {
        let mut weights = vec![1.0; 100];
        weights[row] = weight;
        match Rows::from(&rows).with_weights(&weights) {
            Err(Error::InvalidWeight { row: found, .. }) => assert_eq!(found, row),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        Rows::from(&rows).with_weights(&[1.0; 99]),
        Err(Error::ShapeMismatch { expected: 100, found: 99, .. })
    ));
}

fn fit_weighted(weights: Vec<f64>) -> Result<DiffusionModel> {
    within_patience("weights", move || {
        let rows = normals(weights.len(), 1);
        DiffusionLearner::new().fit(Rows::from(&rows).with_weights(&weights)?, &mut StdRng::seed_from_u64(2))
    })
}

#[test]
fn no_weight_at_all_is_an_error_and_extreme_weights_are_none() {
    assert!(matches!(fit_weighted(vec![0.0; 100]), Err(Error::NoRows)));
    let only_one = (0..100).map(|i| if i == 3 { 1.0 } else { 0.0 }).collect();
    assert!(matches!(fit_weighted(only_one), Err(Error::NoVariation)));
    assert!(matches!(fit_weighted(vec![1e308; 100]), Err(Error::Overflow { .. })));
    for weights in [
        vec![1e-300; 100],
        vec![1e290; 100],
        (0..100).map(|i| f64::from(u8::from(i < 2))).collect(),
        (0..100).map(|i| 10f64.powi(i % 40 - 20)).collect(),
    ] {
        let model = fit_weighted(weights).unwrap();
        assert!(model.sample(50, &mut StdRng::seed_from_u64(1)).unwrap().iter().all(|x| x.is_finite()));
    }
}

#[test]
fn settings_that_make_no_sense_are_errors_that_name_them() {
    let setting = |learner: DiffusionLearner| match fit("a setting", learner, normals(200, 2)) {
        Err(Error::InvalidSetting { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    for std in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-150, 1e150] {
        assert!(setting(learner(Some(std))).contains("component std"), "{std}");
    }
    for ridge in [vec![], vec![-1.0], vec![f64::NAN], vec![f64::INFINITY]] {
        let regression = PolynomialRegression::default().with_ridge(ridge);
        assert_eq!(setting(learner(None).with_regression(regression)), "ridge strength");
    }
    for share in [f64::NAN, -0.1, 1.0] {
        let partitioner = VoronoiPartitioner::soft().with_lightest_cell(share);
        assert_eq!(setting(learner(Some(1.0)).with_partitioner(partitioner)), "lightest cell");
    }
}

#[test]
fn any_degree_and_any_partitioner_fit() {
    for degree in [0, 1, 100] {
        let regression = PolynomialRegression::default().with_max_degree(degree);
        let learner = learner(Some(0.5)).with_regression(regression);
        assert_works("degree, mixture", learner.clone(), normals(200, 2));
        assert_works("degree, one cell", learner.clone().with_partitioner(SingleCell), normals(200, 2));
        assert_works("degree, soft", learner.with_partitioner(VoronoiPartitioner::soft()), normals(200, 1));
    }
}

// ── few rows and repeated ones

#[test]
fn few_rows_fit() {
    for (n, dim) in [(2, 1), (2, 2), (3, 2), (5, 1), (10, 5), (5, 20)] {
        for std in [None, Some(0.5)] {
            let what = format!("{n} rows, {dim} columns, {std:?}");
            assert_works(&what, learner(std), normals(n, dim));
            assert_works(&what, learner(std).with_partitioner(SingleCell), normals(n, dim));
        }
        let paper = DiffusionLearner::paper().with_component_std(0.5);
        assert_works("the paper's learner", paper, normals(n, dim));
    }
}

#[test]
fn repeated_rows_and_values_fit() {
    let distinct = normals(10, 2);
    let repeated = DMatrix::from_fn(100, 2, |i, j| distinct[(i % 10, j)]);
    assert_works("every row ten times", learner(None), repeated.clone());
    assert_works("every row ten times", learner(Some(0.3)), repeated);
    assert_works("integers", learner(None), normals(500, 2).map(|x| (2.0 * x).round()));
    assert_works("two values", learner(None), DMatrix::from_fn(300, 1, |i, _| (i % 2) as f64));
    let three = DMatrix::from_fn(300, 1, |i, _| (i % 3) as f64);
    assert_works("three values", learner(None), three.clone());
    assert_works("three values", DiffusionLearner::paper(), three.clone());
    assert_works("three values", learner(None).with_partitioner(VoronoiPartitioner::soft()), three);
    let one_other = DMatrix::from_fn(300, 1, |i, _| f64::from(u8::from(i == 7)));
    assert_works("all rows equal but one", learner(None), one_other);
}

// ── scales

#[test]
fn the_unit_of_the_data_does_not_matter() {
    let rows = normals(400, 2);
    let plain = assert_works("plain", learner(None), rows.clone());
    let density = plain.log_density(&rows).unwrap();
    for exponent in [-150, -20, 20, 150] {
        let unit = 10f64.powi(exponent);
        let model = assert_works("another unit", learner(None), &rows * unit);
        let shifted = model.log_density(&(&rows * unit)).unwrap().add_scalar(2.0 * unit.ln());
        assert!((shifted - &density).amax() < 1e-6, "1e{exponent}");
        let known = assert_works("another unit", learner(Some(unit)), &rows * unit);
        assert!((known.report().component_std - 1.0).abs() < 1e-9);
    }
    // Every column may have its own.
    let mut mixed = rows.clone();
    mixed.column_mut(0).scale_mut(1e150);
    mixed.column_mut(1).scale_mut(1e-150);
    let model = assert_works("mixed units", learner(None), mixed.clone());
    assert!((model.log_density(&mixed).unwrap() - density).amax() < 1e-6);
}

#[test]
fn scales_beyond_the_range_of_squares_are_errors() {
    for scale in [1e160, 1e300] {
        let result = fit("huge", learner(None), normals(100, 2) * scale);
        assert!(matches!(result, Err(Error::Overflow { column: 0 })), "{result:?}");
    }
    let ends = DMatrix::from_fn(100, 1, |i, _| if i % 2 == 0 { f64::MAX } else { f64::MIN });
    assert!(matches!(fit("ends", learner(None), ends), Err(Error::Overflow { column: 0 })));
    // The variance underflows: within double precision these rows do not vary.
    assert!(matches!(fit("tiny", learner(None), normals(100, 2) * 1e-200), Err(Error::NoVariation)));
}

#[test]
fn a_large_offset_costs_no_accuracy() {
    let rows = normals(2500, 2);
    let plain = assert_works("plain", learner(Some(1.0)), rows.clone());
    let far = rows.add_scalar(1e9);
    let model = assert_works("offset", learner(Some(1.0)), far.clone());
    let drawn = model.sample(1000, &mut StdRng::seed_from_u64(4)).unwrap();
    assert!(drawn.iter().all(|x| (x - 1e9).abs() < 6.0));
    // At 1e9 doubles are 1.2e-7 apart.
    let difference = model.log_density(&far).unwrap() - plain.log_density(&rows).unwrap();
    assert!(difference.amax() < 1e-5, "{}", difference.amax());
}

#[test]
fn outliers_and_heavy_tails_fit() {
    for size in [1e3, 1e6, 1e12] {
        let mut rows = normals(500, 2);
        rows[(3, 0)] = size;
        assert_works("an outlier", learner(None), rows);
    }
    let cauchy = normals(1000, 2).component_div(&normals(1000, 4).columns(2, 2));
    assert_works("Cauchy rows", learner(None), cauchy);
}

#[test]
fn any_component_std_of_the_datas_order_fits() {
    for std in [1e-6, 1e-2, 0.99, 1.01, 3.0, 1e3] {
        let model = assert_works("a component std", learner(Some(std)), normals(300, 2));
        let drawn = model.sample(2000, &mut StdRng::seed_from_u64(4)).unwrap();
        // No narrower than the rows, whose standard deviation is about 1, and no wider than what is said.
        let spread = drawn.column(0).variance().sqrt();
        assert!((0.85..1.2 * std.max(1.0)).contains(&spread), "{std}: {spread}");
    }
}

// ── levels

#[test]
fn strange_levels_fit() {
    for noises in [vec![0.0], vec![1e-9], vec![4.0, 0.0], vec![4.0, 1e-150], vec![1e9], vec![1e9, 1.0, 0.0]] {
        let levels = NoiseLevels::variance_exploding(noises.clone()).unwrap();
        for learner in [learner(Some(0.5)), DiffusionLearner::paper().with_component_std(0.5)] {
            assert_works(
                &format!("levels {noises:?}"),
                learner.with_schedule(levels.clone()),
                normals(300, 2),
            );
        }
    }
}

#[test]
fn levels_that_are_none_are_errors() {
    assert!(matches!(NoiseLevels::variance_exploding([]), Err(Error::NoLevels)));
    for noises in [[1.0, 1.0], [1.0, 2.0]] {
        assert!(matches!(
            NoiseLevels::variance_exploding(noises),
            Err(Error::LevelsNotDecreasing { index: 1, .. })
        ));
    }
    for (signal, noise) in
        [(0.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (f64::NAN, 1.0), (1.0, f64::NAN), (1e-300, 1e300)]
    {
        assert!(matches!(NoiseLevel::new(signal, noise), Err(Error::InvalidNoiseLevel { .. })));
    }
    let model = fit("levels", learner(Some(0.5)), normals(200, 2)).unwrap();
    let beyond = NoiseLevel::variance_exploding(1e6).unwrap();
    assert!(matches!(model.score(beyond, &normals(2, 2)), Err(Error::LevelOutOfRange { .. })));
}

// ── a fitted model

#[test]
fn points_of_another_dimension_are_errors_at_every_door() {
    let model = fit("a model", learner(Some(0.5)), normals(200, 2)).unwrap();
    let wrong = normals(4, 3);
    fn is_mismatch<T>(result: Result<T>) -> bool {
        matches!(result, Err(Error::ShapeMismatch { expected: 2, found: 3, .. }))
    }
    assert!(is_mismatch(model.log_density(&wrong)));
    assert!(is_mismatch(model.responsibilities(&wrong)));
    assert!(is_mismatch(model.assign(&wrong)));
    assert!(is_mismatch(model.score(NoiseLevel::CLEAN, &wrong)));
    assert!(is_mismatch(model.denoise(NoiseLevel::CLEAN, &wrong)));
    assert!(is_mismatch(model.score_model().score(NoiseLevel::CLEAN, &wrong)));
    assert!(is_mismatch(log_density(model.score_model(), model.score_model().levels(), &wrong)));
    let mixture = GaussianMixture::kernel(&normals(5, 2), 1.0).unwrap();
    assert!(is_mismatch(LogDensity::log_density(&mixture, NoiseLevel::CLEAN, &wrong)));
}

#[test]
fn points_that_are_not_finite_are_errors_and_far_ones_are_not() {
    for learner in [
        learner(Some(0.5)),
        learner(Some(0.5)).with_partitioner(VoronoiPartitioner::soft()),
        learner(Some(0.5)).with_partitioner(SingleCell),
        DiffusionLearner::paper().with_component_std(0.5),
    ] {
        let model = fit("a model", learner, normals(300, 2) * 2.0).unwrap();
        let mut points = normals(3, 2);
        points[(1, 0)] = f64::NAN;
        let level = *model.levels().unwrap().last().unwrap();
        for refused in [
            model.log_density(&points).err(),
            model.score(level, &points).err(),
            model.responsibilities(&points).err(),
            model.assign(&points).err(),
        ] {
            assert!(matches!(refused, Some(Error::NotFinite { row: 1, column: 0, .. })), "{refused:?}");
        }
        for distance in [1e3, 1e8, 1e100, 1e250] {
            let far = DMatrix::from_row_slice(2, 2, &[distance, 0.0, -distance, distance]);
            let level = *model.score_model().levels().last().unwrap();
            let score = model.score(level, &far).unwrap();
            assert!(score[(0, 0)] < 0.0 && score[(1, 0)] > 0.0, "{distance}: {score}");
            let density = model.log_density(&far).unwrap();
            assert!(density.iter().all(|&l| l < -1e3), "{distance}: {density}");
            let share = model.responsibilities(&far).unwrap();
            assert!(share.iter().all(|r| r.is_finite()), "{distance}: {share}");
        }
    }
}

#[test]
fn no_draws_and_no_points_are_empty_answers() {
    let model = fit("a model", learner(Some(0.5)), normals(200, 2)).unwrap();
    assert_eq!(model.sample(0, &mut StdRng::seed_from_u64(1)).unwrap().shape(), (0, 2));
    assert_eq!(model.log_density(&DMatrix::zeros(0, 2)).unwrap().len(), 0);
    assert_eq!(model.score(NoiseLevel::CLEAN, &DMatrix::zeros(0, 2)).unwrap().shape(), (0, 2));
    let mut divergence = [];
    let (points, mut score) = (DMatrix::zeros(0, 2), DMatrix::zeros(0, 2));
    model
        .score_and_divergence_into(NoiseLevel::CLEAN, points.as_view(), score.as_view_mut(), &mut divergence)
        .unwrap();
}

// ── a fit by hand

#[test]
fn sums_that_do_not_fit_are_errors() {
    let rows = normals(5000, 2);
    let part = |start: usize, n: usize| -> DMatrixView<'_, f64> { rows.rows(start, n) };
    // Level by level there is a second pass, whatever the rows are.
    let learner = learner(Some(0.5)).with_partitioner(VoronoiPartitioner::soft());
    let mut fit = learner.begin(&mut StdRng::seed_from_u64(1)).unwrap();
    let first = fit.next_pass().unwrap();

    // Rows that are missing: at the front, in the middle, behind a shorter chunk.
    for pieces in [vec![(1, 4999)], vec![(0, 2048), (2100, 2900)], vec![(0, 1000), (2048, 2048)]] {
        let mut sums = first.accumulate(part(0, 0), 0).unwrap();
        for (start, n) in pieces {
            first.merge(&mut sums, first.accumulate(part(start, n), start as u64).unwrap()).unwrap();
        }
        assert!(matches!(fit.absorb(sums), Err(Error::IncompletePass { .. })));
    }
    // Rows that are there twice.
    for (start, n) in [(0, 100), (100, 10), (2048, 2048), (4999, 1)] {
        let mut sums = first.accumulate(part(0, 5000), 0).unwrap();
        let again = first.accumulate(part(start, n), start as u64).unwrap();
        let merged = first.merge(&mut sums, again);
        assert!(merged.is_err() || fit.absorb(sums).is_err(), "{start} {n}");
    }
    assert!(matches!(first.accumulate(part(0, 10), u64::MAX), Err(Error::InvalidSetting { .. })));
    assert!(matches!(fit.absorb(Default::default()), Err(Error::NoRows)));
    assert!(matches!(fit.clone().finish(), Err(Error::IncompletePass { .. })));

    // After all that the fit still waits for its first pass; then sums of it are foreign to the second.
    let sums = first.accumulate(&rows, 0).unwrap();
    fit.absorb(sums.clone()).unwrap();
    let second = fit.next_pass().unwrap();
    assert!(matches!(fit.absorb(sums.clone()), Err(Error::ForeignStatistics { .. })));
    let mut other = second.accumulate(&rows, 0).unwrap();
    assert!(matches!(second.merge(&mut other, sums), Err(Error::ForeignStatistics { .. })));
    assert!(matches!(
        second.accumulate(&normals(10, 3), 0),
        Err(Error::ShapeMismatch { expected: 2, found: 3, .. })
    ));
    let mut spoilt = rows.clone();
    spoilt[(100, 1)] = f64::NAN;
    let spoilt = second.accumulate(&spoilt, 0);
    assert!(matches!(spoilt, Err(Error::NotFinite { row: 100, column: 1, .. })));
    let fewer = second.accumulate(part(0, 4000), 0).unwrap();
    assert!(matches!(fit.absorb(fewer), Err(Error::IncompletePass { expected: 5000, .. })));
}

// ── parts

#[test]
fn parts_that_are_none_are_errors() {
    let one = DVector::from_element(1, 1.0);
    let nan = DMatrix::from_element(1, 1, f64::NAN);
    assert!(matches!(VoronoiCells::hard(DMatrix::zeros(0, 2)), Err(Error::ShapeMismatch { .. })));
    assert!(matches!(VoronoiCells::hard(nan.clone()), Err(Error::NotFinite { .. })));
    assert!(matches!(
        VoronoiCells::soft(DMatrix::zeros(2, 2), one.clone()),
        Err(Error::ShapeMismatch { .. })
    ));
    for mass in [0.0, -1.0, f64::NAN] {
        let masses = DVector::from_element(1, mass);
        assert!(matches!(
            VoronoiCells::soft(DMatrix::zeros(1, 2), masses),
            Err(Error::InvalidSetting { .. })
        ));
    }
    for covariance in [nan, DMatrix::from_element(1, 1, -1.0), DMatrix::zeros(2, 2)] {
        assert!(GaussianCells::new(one.clone(), DMatrix::zeros(1, 1), vec![covariance]).is_err());
    }
    assert!(matches!(
        GaussianCells::new(one, DMatrix::zeros(1, 1), vec![]),
        Err(Error::ShapeMismatch { expected: 1, found: 0, .. })
    ));
}

/// A mixture of so many folds in so many dimensions.
#[derive(Debug)]
struct OddMixture {
    folds: usize,
    dim: usize,
}

impl MixtureEstimator for OddMixture {
    fn mixture(&self, _: &FoldedSample) -> Result<CrossFittedMixture> {
        let one = MixtureParameters {
            masses: DVector::from_element(1, 1.0),
            means: DMatrix::zeros(1, self.dim),
            covariances: vec![DMatrix::identity(self.dim, self.dim)],
        };
        let folds = vec![one.clone(); self.folds];
        Ok(CrossFittedMixture::new(folds, one))
    }
}

#[test]
fn mixtures_of_another_shape_are_an_error() {
    for (folds, dim) in [(0, 2), (3, 2), (5, 1), (5, 3)] {
        let learner = learner(Some(0.5)).with_mixture(OddMixture { folds, dim });
        let result = fit("an odd mixture", learner, normals(100, 2));
        assert!(matches!(result, Err(Error::ShapeMismatch { .. })), "{folds} {dim}: {result:?}");
    }
    let fitting = learner(Some(0.5)).with_mixture(OddMixture { folds: 5, dim: 2 });
    assert_works("a mixture", fitting, normals(100, 2));
}

/// Cells in more dimensions than there are.
#[derive(Debug)]
struct ElsewhereCells;

impl Partitioner for ElsewhereCells {
    fn candidates(&self, _: &CentreEstimates<'_>, _: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
        Ok(vec![Arc::new(VoronoiCells::hard(DMatrix::from_fn(2, 7, |i, _| i as f64))?)])
    }
}

#[test]
fn cells_of_another_dimension_are_an_error() {
    let learner = DiffusionLearner::paper().with_component_std(0.5).with_partitioner(ElsewhereCells);
    let result = fit("cells elsewhere", learner, normals(100, 2));
    assert!(matches!(result, Err(Error::ShapeMismatch { expected: 2, found: 7, .. })), "{result:?}");
}
