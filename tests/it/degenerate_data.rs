//! Rows that do not vary in every direction are fitted on their affine hull: draws stay on it, the density
//! is the one on it, and off it there is none.

use gmix_diffusion::check::check_score_model;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use gmix_diffusion::{
    DifferentiableScore, DiffusionLearner, DiffusionModel, Error, FitWarning, NoiseLevel, NoiseLevels,
    ScoreModel, VoronoiPartitioner,
};

fn normals(n: usize, dim: usize) -> DMatrix<f64> {
    let mut rng = StdRng::seed_from_u64(1);
    DMatrix::from_fn(n, dim, |_, _| StandardNormal.sample(&mut rng))
}

fn fit(learner: &DiffusionLearner, rows: &DMatrix<f64>) -> DiffusionModel {
    learner.fit(rows, &mut StdRng::seed_from_u64(2)).unwrap()
}

fn draw(model: &DiffusionModel, n: usize) -> DMatrix<f64> {
    model.sample(n, &mut StdRng::seed_from_u64(3)).unwrap()
}

/// The compositions that differ in how they learn, with σ₀ found and given.
fn learners() -> Vec<DiffusionLearner> {
    let soft = DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft());
    vec![
        DiffusionLearner::new(),
        DiffusionLearner::new().with_component_std(0.3),
        soft.clone(),
        soft.with_component_std(0.3),
    ]
}

fn warns_of_degenerate_direction(model: &DiffusionModel) -> bool {
    model.report().warnings.iter().any(|w| matches!(w, FitWarning::DegenerateDirection { .. }))
}

/// `rows` with a column of `value` put in at `column`.
fn with_constant(rows: &DMatrix<f64>, column: usize, value: f64) -> DMatrix<f64> {
    rows.clone().insert_column(column, value)
}

#[test]
fn constant_columns_are_drawn_to_the_last_bit() {
    let rows = normals(500, 2);
    for (learner, values) in
        learners().into_iter().zip([&[0.0, 0.1, 1e300, -1e-300][..], &[1_234_567.1], &[0.1], &[0.0]])
    {
        for &value in values {
            let model = fit(&learner, &with_constant(&rows, 1, value));
            assert!(warns_of_degenerate_direction(&model));
            let drawn = draw(&model, 300);
            assert!(drawn.column(1).iter().all(|x| x.to_bits() == value.to_bits()), "{value}");
            for column in [0, 2] {
                assert!((0.7..1.4).contains(&drawn.column(column).variance()), "{value}");
            }
        }
    }
}

#[test]
fn a_constant_column_changes_nothing_in_the_others() {
    let rows = normals(300, 2);
    for learner in learners() {
        let plain = fit(&learner, &rows);
        let model = fit(&learner, &with_constant(&rows, 0, 7.5));
        let density = model.log_density(&with_constant(&rows, 0, 7.5)).unwrap();
        assert!((density - plain.log_density(&rows).unwrap()).amax() < 1e-9);
        assert_eq!(draw(&model, 200).columns(1, 2), draw(&plain, 200));
        assert_eq!((model.report().dim, model.report().active_dim), (3, plain.report().active_dim));
    }
}

#[test]
fn collinear_columns_stay_so_to_rounding() {
    let free = normals(300, 2);
    // x₂ = 3 + 2x₀ − x₁ in units 1000 times smaller, x₃ = x₀.
    let third = |row: &[f64]| 1000.0 * (3.0 + 2.0 * row[0] - row[1]);
    let rows = DMatrix::from_fn(300, 4, |i, j| match j {
        2 => third(&[free[(i, 0)], free[(i, 1)]]),
        3 => free[(i, 0)],
        _ => free[(i, j)],
    });
    for learner in learners() {
        let model = fit(&learner, &rows);
        assert!(warns_of_degenerate_direction(&model));
        let axes = model.units().hull_axes().unwrap();
        assert_eq!(axes.shape(), (4, 2));
        // The standard deviation of the widest column is 2236; with a given σ₀ all columns are in its units.
        let rounding = 1e-11 * 2236.0;
        for row in draw(&model, 500).row_iter() {
            assert!((row[2] - third(&[row[0], row[1]])).abs() < rounding, "{row}");
            assert!((row[3] - row[0]).abs() < rounding, "{row}");
        }
    }
}

/// The rows of a plane through space, parametrised by (u, v) ↦ (u, v, u − 2v + 5), have the area element √6.
#[test]
fn the_density_is_the_one_on_the_hull_and_none_off_it() {
    let flat = normals(3000, 2);
    let lift = |rows: &DMatrix<f64>| {
        rows.clone().insert_column(2, 0.0).map_with_location(|i, j, x| match j {
            2 => rows[(i, 0)] - 2.0 * rows[(i, 1)] + 5.0,
            _ => x,
        })
    };
    let model = fit(&DiffusionLearner::new(), &lift(&flat));
    let density = model.log_density(&lift(&flat)).unwrap();
    // The entropy of N(0, I) in the plane, and the area element. Five standard errors.
    let expected = -(1.0 + std::f64::consts::TAU.ln()) - 0.5 * 6f64.ln();
    assert!((density.mean() - expected).abs() < 5.0 / 3000f64.sqrt(), "{} {expected}", density.mean());
    let mut off = lift(&flat.rows(0, 20).into_owned());
    off.column_mut(2).add_scalar_mut(1e-3);
    assert!(model.log_density(&off).unwrap().iter().all(|&l| l == f64::NEG_INFINITY));

    let constant = fit(&DiffusionLearner::new(), &with_constant(&flat, 2, 0.1));
    for (value, on) in [(0.1, true), (0.1 + 1e-17, true), (0.1001, false), (0.0, false), (1e300, false)] {
        let density = constant.log_density(&with_constant(&flat.rows(0, 5).into_owned(), 2, value)).unwrap();
        assert!(density.iter().all(|l| if on { l.is_finite() } else { *l == f64::NEG_INFINITY }), "{value}");
    }
}

/// Under noise the law fills space: across the hull it is the noise, N(0, s²).
#[test]
fn the_score_of_noised_rows_is_that_of_a_law_on_the_hull() {
    let angle: f64 = 0.6;
    let line = normals(2000, 1) * 2.0;
    let rows =
        DMatrix::from_fn(2000, 3, |i, j| line[i] * [angle.cos(), angle.sin(), 0.0][j] + [1.0, -1.0, 4.0][j]);
    let learner = DiffusionLearner::new().with_component_std(1.0);
    let model = fit(&learner, &rows);
    let mut rng = StdRng::seed_from_u64(4);
    let points = DMatrix::from_fn(30, 3, |_, j| [1.0, -1.0, 4.0][j] + 3.0 * (rng.random::<f64>() - 0.5));
    let levels =
        NoiseLevels::new([NoiseLevel::new(0.7, 2.0).unwrap(), NoiseLevel::new(0.9, 0.3).unwrap()]).unwrap();
    check_score_model(&model, &levels, &points).unwrap();
    for &level in levels.iter() {
        let score = model.score(level, &points).unwrap();
        let (a, s) = (level.signal(), level.noise());
        for (y, score) in points.row_iter().zip(score.row_iter()) {
            // The third direction, and the one in the plane across the line.
            let across = [-angle.sin(), angle.cos()];
            let beyond = across[0] * (y[0] - a) + across[1] * (y[1] + a);
            let found = across[0] * score[0] + across[1] * score[1];
            assert!((found + beyond / (s * s)).abs() < 1e-8 * (1.0 + found.abs()));
            assert!((score[2] + (y[2] - 4.0 * a) / (s * s)).abs() < 1e-8 * (1.0 + score[2].abs()));
        }
        let start = model.start(level).unwrap();
        assert!((start.covariance[(2, 2)] - s * s).abs() < 1e-12);
        assert!((start.mean[2] - 4.0 * a).abs() < 1e-12);
        // N(mean, 4a² + s²) along the line: the trace of the Hessian of its logarithm.
        let (mut gradient, mut divergence) = (DMatrix::zeros(30, 3), vec![0.0; 30]);
        model
            .score_and_divergence_into(level, points.as_view(), gradient.as_view_mut(), &mut divergence)
            .unwrap();
        let expected = -2.0 / (s * s) - 1.0 / (4.0 * a * a + s * s);
        for divergence in divergence {
            assert!((divergence / expected - 1.0).abs() < 0.1, "{divergence} {expected}");
        }
    }
}

#[test]
fn fewer_rows_than_columns_are_no_hull() {
    for n in [2, 5, 20] {
        let model = fit(&DiffusionLearner::new(), &normals(n, 20));
        assert!(model.units().hull_axes().is_none());
        assert!(model.log_density(&(normals(3, 20) * 3.0)).unwrap().iter().all(|l| l.is_finite()));
        assert!(model.report().warnings.iter().any(|w| matches!(w, FitWarning::FewRows { .. })));
    }
}

#[test]
fn few_rows_are_a_warning_and_many_are_none() {
    let warning = |n: usize| {
        let model = fit(&DiffusionLearner::new(), &normals(n, 2));
        model.report().warnings.iter().find_map(|w| match w {
            FitWarning::FewRows { rows, dim } => Some((*rows, *dim)),
            _ => None,
        })
    };
    assert_eq!([2, 9, 10, 100].map(warning), [Some((2, 2)), Some((9, 2)), None, None]);
}

/// The noise of such a level drowns the rows in rounding, and the draws would be wrong.
#[test]
fn a_level_that_drowns_the_rows_is_an_error() {
    for noise in [1e11, 1e150] {
        let levels = NoiseLevels::variance_exploding([noise, 1.0, 0.0]).unwrap();
        let learner = DiffusionLearner::new().with_schedule(levels);
        let result = learner.fit(&normals(200, 2), &mut StdRng::seed_from_u64(2));
        assert!(matches!(result, Err(Error::InvalidSetting { .. })), "{noise}: {result:?}");
    }
}
