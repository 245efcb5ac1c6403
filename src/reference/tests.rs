//! What holds for every law: derivatives against finite differences, total mass, moments, agreement
//! of laws that are two names for one.

use std::f64::consts::{PI, TAU};

use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;
use crate::process::NoiseLevel;
use crate::score::{DifferentiableScore, LogDensity, ScoreModel};

fn vector(values: &[f64]) -> DVector<f64> {
    DVector::from_row_slice(values)
}

fn spiral() -> Curve {
    let at = |t: f64| vector(&[(1.0 + t) * (7.0 * t).cos(), (1.0 + t) * (7.0 * t).sin(), t]);
    Curve::new(at, 0.3).unwrap()
}

fn laws() -> Vec<(&'static str, Box<dyn Law>)> {
    let mut laws: Vec<(&'static str, Box<dyn Law>)> = vec![
        ("two points", Box::new(Sphere::new(2.0, 1, 3, 0.7).unwrap())),
        ("thin circle", Box::new(Sphere::circle(3.0, 3, 0.05).unwrap())),
        ("sphere", Box::new(Sphere::new(2.0, 6, 6, 1.5).unwrap())),
        ("interval", Box::new(Ball::new(vector(&[1.0]), 2.0, 0.2).unwrap())),
        ("wide disc", Box::new(Ball::new(vector(&[1.0, -1.0]), 5.0, 0.1).unwrap())),
        ("small ball", Box::new(Ball::new(vector(&[0.0; 7]), 0.3, 1.0).unwrap())),
        ("segment", Box::new(Segment::new(vector(&[0.0, 1.0]), vector(&[4.0, -2.0]), 0.4).unwrap())),
        ("spiral", Box::new(spiral())),
    ];
    let mixed: Vec<(f64, Box<dyn Law>)> = vec![
        (1.0, Box::new(Sphere::circle(3.0, 2, 0.3).unwrap())),
        (2.0, Box::new(Ball::new(vector(&[0.5, 0.0]), 1.0, 0.2).unwrap())),
    ];
    laws.push(("mixture", Box::new(MixtureOfLaws::new(mixed).unwrap())));
    laws.extend(targets::all().into_iter().skip(4));
    laws
}

fn levels() -> Vec<NoiseLevel> {
    let new = |signal, noise| NoiseLevel::new(signal, noise).unwrap();
    vec![NoiseLevel::CLEAN, new(1.0, 0.3), new(0.6, 0.8), new(0.05, 2.0), new(1.0, 20.0)]
}

fn generator(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Rows at a level where they typically are, some several blurs away, and the origin.
fn probes(law: &dyn Law, level: NoiseLevel, seed: u64) -> DMatrix<f64> {
    let blur = level.signal() * level.bandwidth(law.component_std());
    let mut points = law.draw(5, &mut generator(seed)) * level.signal();
    for (row, away) in [(1, 1.0), (2, -3.0), (3, 8.0)] {
        points.row_mut(row).add_scalar_mut(away * blur);
    }
    points.row_mut(4).fill(0.0);
    points
}

/// A central difference of fourth order of `f` along one coordinate.
fn slope(f: impl Fn(f64) -> f64, step: f64) -> f64 {
    (8.0 * (f(step) - f(-step)) - (f(2.0 * step) - f(-2.0 * step))) / (12.0 * step)
}

#[test]
fn scores_and_divergences_are_those_of_the_density() {
    for (name, law) in laws() {
        for level in levels() {
            let points = probes(&*law, level, 7);
            let blur = level.signal() * level.bandwidth(law.component_std());
            let mut score = DMatrix::zeros(points.nrows(), points.ncols());
            let mut divergence = vec![0.0; points.nrows()];
            law.score_and_divergence_into(level, points.as_view(), score.as_view_mut(), &mut divergence)
                .unwrap();
            for row in 0..points.nrows() {
                let at = |column: usize, step: f64| {
                    let mut point = points.rows(row, 1).into_owned();
                    point[column] += step;
                    point
                };
                let mut trace = 0.0;
                for column in 0..points.ncols() {
                    let step = 2e-4 * blur;
                    let expected = slope(|h| law.log_density(level, &at(column, h)).unwrap()[0], step);
                    let found = score[(row, column)];
                    let tolerance = 1e-6 * (found.abs() + 0.01 / blur);
                    assert!(
                        (found - expected).abs() < tolerance,
                        "{name}, {level:?}, row {row}: {found} {expected}"
                    );
                    trace += slope(|h| law.score(level, &at(column, h)).unwrap()[column], step);
                }
                let tolerance = 1e-6 * (divergence[row].abs() + 0.01 / (blur * blur));
                assert!(
                    (divergence[row] - trace).abs() < tolerance,
                    "{name}, {level:?}, row {row}: {} {trace}",
                    divergence[row]
                );
            }
        }
    }
}

/// ∫ p over a box, by the trapezoidal rule, which is spectrally accurate for a blurred density.
fn mass(law: &dyn Law, level: NoiseLevel, half_width: f64) -> f64 {
    let step = 0.4 * level.signal() * level.bandwidth(law.component_std());
    let n = (half_width / step).ceil() as i32;
    let axis: Vec<f64> = (-n..=n).map(|i| f64::from(i) * step).collect();
    let points = match law.dim() {
        1 => DMatrix::from_row_slice(axis.len(), 1, &axis),
        _ => {
            let grid: Vec<f64> = axis.iter().flat_map(|&x| axis.iter().flat_map(move |&y| [x, y])).collect();
            DMatrix::from_row_slice(grid.len() / 2, 2, &grid)
        }
    };
    law.log_density(level, &points).unwrap().iter().map(|p| p.exp()).sum::<f64>()
        * step.powi(law.dim() as i32)
}

#[test]
fn densities_in_one_and_two_dimensions_integrate_to_one() {
    let level = NoiseLevel::new(0.8, 0.5).unwrap();
    for (name, law) in laws().into_iter().filter(|(_, law)| law.dim() <= 2) {
        let quiet = if name == "wide disc" { level } else { NoiseLevel::CLEAN };
        for level in [quiet, level] {
            let total = mass(&*law, level, 12.0);
            assert!((total - 1.0).abs() < 1e-9, "{name}: {total}");
        }
    }
}

#[test]
fn densities_in_many_dimensions_integrate_to_one_over_their_radius() {
    // Area of the unit sphere of R^p for p = 3, 5, 6, and the radial trapezoidal sum.
    let radial = |law: &dyn Law, span: i32, area: f64, rest: f64| {
        let step = 0.05 * law.component_std();
        let points =
            DMatrix::from_fn(2000, law.dim(), |i, j| if j == 0 { (i + 1) as f64 * step } else { 0.0 });
        let log_density = law.log_density(NoiseLevel::CLEAN, &points).unwrap();
        let shells = points.column(0).map(|r| r.powi(span - 1));
        log_density.map(f64::exp).dot(&shells) * step * area * rest
    };
    let sphere = targets::sphere10d();
    // The other seven coordinates are Gaussian: integrated in closed form.
    let total = radial(&sphere, 3, 4.0 * PI, (TAU * 0.25).powf(3.5));
    assert!((total - 1.0).abs() < 1e-9, "{total}");
    let ball = Ball::new(DVector::zeros(5), 1.0, 0.5).unwrap();
    let total = radial(&ball, 5, 8.0 * PI * PI / 3.0, 1.0);
    assert!((total - 1.0).abs() < 1e-9, "{total}");
    let shell = Sphere::new(4.0, 6, 6, 0.7).unwrap();
    let total = radial(&shell, 6, PI.powi(3), 1.0);
    assert!((total - 1.0).abs() < 1e-9, "{total}");
}

#[test]
fn laws_of_two_names_agree() {
    let agree = |left: &dyn Law, right: &dyn Law| {
        for level in levels() {
            let points = probes(left, level, 3);
            let (a, b) =
                (left.log_density(level, &points).unwrap(), right.log_density(level, &points).unwrap());
            assert!((&a - &b).amax() < 1e-9 * (1.0 + a.amax()), "{level:?}: {a} {b}");
            let (a, b) = (left.score(level, &points).unwrap(), right.score(level, &points).unwrap());
            assert!((&a - &b).amax() < 1e-9 * (1.0 + a.amax()), "{level:?}: {a} {b}");
            let (a, b) = (left.start(level).unwrap(), right.start(level).unwrap());
            assert!((a.mean - b.mean).amax() < 1e-9 && (&a.covariance - b.covariance).amax() < 1e-9);
        }
    };
    let points = DMatrix::from_row_slice(2, 1, &[-2.0, 2.0]);
    let pair = GaussianMixture::spherical(vector(&[0.5, 0.5]), points, 0.7).unwrap();
    agree(&Sphere::new(2.0, 1, 1, 0.7).unwrap(), &pair);
    let interval = Segment::new(vector(&[-1.0]), vector(&[3.0]), 0.2).unwrap();
    agree(&Ball::new(vector(&[1.0]), 2.0, 0.2).unwrap(), &interval);
    let circle = Curve::new(|t| vector(&[3.0 * (TAU * t).cos(), 3.0 * (TAU * t).sin(), 0.0]), 0.3).unwrap();
    agree(&Sphere::circle(3.0, 3, 0.3).unwrap(), &circle);
    let line = Curve::new(|t| vector(&[4.0 * t, 1.0 - 3.0 * t]), 0.4).unwrap();
    agree(&Segment::new(vector(&[0.0, 1.0]), vector(&[4.0, -2.0]), 0.4).unwrap(), &line);
}

/// Mean and covariance of 20,000 rows within 5 standard errors of `start` at the clean level. With
/// at most a few hundred entries in all, a correct generator fails with probability below 1e-3.
#[test]
fn generators_have_the_moments_of_their_law() {
    for (seed, (name, law)) in laws().into_iter().chain(targets::all().into_iter().take(4)).enumerate() {
        let n = 20_000;
        let rows = law.draw(n, &mut generator(seed as u64));
        let exact = law.start(NoiseLevel::CLEAN).unwrap();
        let centred = DMatrix::from_fn(n, law.dim(), |i, j| rows[(i, j)] - exact.mean[j]);
        for i in 0..law.dim() {
            let error = exact.covariance[(i, i)].sqrt() / (n as f64).sqrt();
            assert!(centred.column(i).mean().abs() < 5.0 * error, "{name}: mean {i}");
            for j in 0..=i {
                let products = centred.column(i).component_mul(&centred.column(j));
                let error = products.variance().sqrt() / (n as f64).sqrt();
                let difference = products.mean() - exact.covariance[(i, j)];
                assert!(difference.abs() < 5.0 * error, "{name}: covariance {i}, {j}");
            }
        }
    }
}

/// E log p of the rows is stationary in the true law: the mean over rows of ∇log p is 0 and of
/// (∇log p)·x is −d (Stein). Finds a generator that draws from another law of the same moments.
#[test]
fn generators_draw_from_their_density() {
    for (seed, (name, law)) in laws().into_iter().enumerate() {
        let n = 3_000;
        let rows = law.draw(n, &mut generator(100 + seed as u64));
        let score = law.score(NoiseLevel::CLEAN, &rows).unwrap();
        let stein = DVector::from_fn(n, |i, _| score.row(i).dot(&rows.row(i)) + law.dim() as f64);
        assert!(stein.mean().abs() < 5.0 * (stein.variance() / n as f64).sqrt(), "{name}: {}", stein.mean());
    }
}

#[test]
fn far_points_have_finite_values_and_scores_that_point_home() {
    for (name, law) in laws() {
        for level in levels() {
            // Far away the widest part of a mixture wins.
            let widest = if name == "mixture" { 0.3 } else { law.component_std() };
            let blur = level.signal() * level.bandwidth(widest);
            // No axis of symmetry, on which parts would tie.
            let points = DMatrix::from_fn(1, law.dim(), |_, j| (1.0 + 0.1 * j as f64) * 1e8 * blur);
            let log_density = law.log_density(level, &points).unwrap()[0];
            let mut score = DMatrix::zeros(1, law.dim());
            let mut divergence = [0.0];
            law.score_and_divergence_into(level, points.as_view(), score.as_view_mut(), &mut divergence)
                .unwrap();
            assert!(log_density.is_finite() && log_density < -1e15, "{name}");
            let home = -&points / (blur * blur);
            assert!((&score - &home).amax() < 1e-4 * home.amax(), "{name}: {score} {home}");
            let expected = -(law.dim() as f64) / (blur * blur);
            assert!((divergence[0] / expected - 1.0).abs() < 0.01, "{name}: {divergence:?} {expected}");
        }
    }
}

#[test]
fn impossible_settings_are_errors() {
    assert!(Sphere::new(0.0, 2, 2, 0.1).is_err());
    assert!(Sphere::new(1.0, 0, 2, 0.1).is_err());
    assert!(Sphere::new(1.0, 3, 2, 0.1).is_err());
    assert!(Sphere::circle(1.0, 2, 0.0).is_err());
    assert!(Ball::new(DVector::zeros(0), 1.0, 0.1).is_err());
    assert!(Ball::new(vector(&[f64::NAN]), 1.0, 0.1).is_err());
    assert!(Ball::new(vector(&[0.0]), f64::INFINITY, 0.1).is_err());
    assert!(Segment::new(vector(&[0.0]), vector(&[0.0]), 0.1).is_err());
    assert!(Segment::new(vector(&[0.0]), vector(&[0.0, 1.0]), 0.1).is_err());
    assert!(Curve::new(|t| DVector::zeros(if t < 0.5 { 1 } else { 2 }), 0.1).is_err());
    assert!(Curve::new(|t| vector(&[1.0 / (0.5 - t)]), 0.1).is_err());
    assert!(Curve::new(|t| vector(&[t]), 1e-9).is_err());
    assert!(MixtureOfLaws::new(vec![]).is_err());
    let disc = || Box::new(Ball::new(DVector::zeros(2), 1.0, 0.1).unwrap());
    assert!(MixtureOfLaws::new(vec![(0.0, disc())]).is_err());
    assert!(MixtureOfLaws::new(vec![(1.0, disc()), (1.0, Box::new(spiral()))]).is_err());
}
