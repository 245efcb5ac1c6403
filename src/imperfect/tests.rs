use nalgebra::{Cholesky, DMatrix, DVector};
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::SeenRows;
use super::maximisation::maximised;
use crate::error::Error;
use crate::mixture::MixtureParameters;
use crate::rows::Rows;

/// To the top: so many steps, each of which gains more than this.
const STEPS: usize = 3000;
const LEAST_GAIN: f64 = 1e-15;

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// Values with empty cells, and errors of which some are 0.
fn imperfect(n: usize, seed: u64) -> (DMatrix<f64>, DMatrix<f64>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (mut values, mut stds) = (DMatrix::zeros(n, 3), DMatrix::zeros(n, 3));
    for i in 0..n {
        let (a, b, c) = (normal(&mut rng), normal(&mut rng), normal(&mut rng));
        let x = [a, 0.8 * a + 0.5 * b + 1.0, -0.5 * b + 0.3 * c];
        for j in 0..3 {
            stds[(i, j)] = [0.0, 0.4, 1.1][rng.random_range(0..3)];
            values[(i, j)] = x[j] + stds[(i, j)] * normal(&mut rng);
            if rng.random::<f64>() < 0.3 {
                values[(i, j)] = f64::NAN;
            }
        }
    }
    (values, stds)
}

/// The log-likelihood, written down once more: in the data's units, a Cholesky factor a row.
fn log_likelihood(values: &DMatrix<f64>, stds: &DMatrix<f64>, law: &MixtureParameters) -> f64 {
    let of_row = |i: usize| {
        let seen: Vec<usize> = (0..values.ncols()).filter(|&j| !values[(i, j)].is_nan()).collect();
        if seen.is_empty() {
            return 0.0;
        }
        let of_cell = |cell: usize| {
            let mut covariance = law.covariances[cell].select_rows(&seen).select_columns(&seen);
            for (at, &j) in seen.iter().enumerate() {
                covariance[(at, at)] += stds[(i, j)].powi(2);
            }
            let offset =
                DVector::from_fn(seen.len(), |at, _| values[(i, seen[at])] - law.means[(cell, seen[at])]);
            let factor = Cholesky::new(covariance * std::f64::consts::TAU).unwrap();
            let square = offset.dot(&factor.solve(&offset)) * std::f64::consts::TAU;
            law.masses[cell] * (-0.5 * square - 0.5 * factor.determinant().ln()).exp()
        };
        (0..law.masses.len()).map(of_cell).sum::<f64>().ln()
    };
    (0..values.nrows()).map(of_row).sum()
}

fn in_data_units(seen: &SeenRows, law: &MixtureParameters) -> MixtureParameters {
    let dim = seen.dim();
    MixtureParameters {
        masses: law.masses.clone(),
        means: DMatrix::from_fn(law.means.nrows(), dim, |cell, i| {
            seen.shift[i] + seen.scale[i] * law.means[(cell, i)]
        }),
        covariances: (law.covariances.iter())
            .map(|own| DMatrix::from_fn(dim, dim, |i, j| own[(i, j)] * seen.scale[i] * seen.scale[j]))
            .collect(),
    }
}

#[test]
fn one_gaussian_is_at_the_maximum_of_the_exact_likelihood() {
    let (values, stds) = imperfect(400, 1);
    let seen = SeenRows::read(&Rows::from(&values).with_empty_cells().with_errors(&stds).unwrap()).unwrap();
    let law = in_data_units(&seen, &seen.one_gaussian(STEPS, LEAST_GAIN).unwrap());
    let at = |i: usize, j: usize, step: f64| {
        let mut moved = law.clone();
        if i == 3 {
            moved.means[(0, j)] += step;
        } else {
            moved.covariances[0][(i, j)] += step;
            if i != j {
                moved.covariances[0][(j, i)] += step;
            }
        }
        log_likelihood(&values, &stds, &moved)
    };
    for i in 0..4 {
        for j in 0..3.min(i + 1) {
            let step = 1e-4;
            let (up, middle, down) = (at(i, j, step), at(i, j, 0.0), at(i, j, -step));
            let (slope, bend) = ((up - down) / (2.0 * step), (up - 2.0 * middle + down) / (step * step));
            // The step of Newton's method to the stationary point, less the bias of central differences.
            assert!(bend < 0.0 && (slope / bend).abs() < 1e-6, "{i} {j}: {slope} {bend}");
        }
    }
}

#[test]
fn steps_never_lower_the_likelihood_and_sums_say_what_it_is() {
    let (values, stds) = imperfect(300, 2);
    let seen = SeenRows::read(&Rows::from(&values).with_empty_cells().with_errors(&stds).unwrap()).unwrap();
    let mut law = MixtureParameters {
        masses: DVector::from_vec(vec![0.4, 0.6]),
        means: DMatrix::from_row_slice(2, 3, &[-0.5, 0.0, 0.2, 0.6, -0.1, 0.0]),
        covariances: vec![DMatrix::identity(3, 3), DMatrix::identity(3, 3) * 0.5],
    };
    let log_scale = |seen: &SeenRows| {
        let mut total = 0.0;
        for (index, value) in values.iter().enumerate() {
            total += if value.is_nan() { 0.0 } else { seen.scale[index / values.nrows()].ln() };
        }
        total
    };
    let mut before = f64::NEG_INFINITY;
    for _ in 0..40 {
        let sums = seen.sums(&law).unwrap();
        let own = log_likelihood(&values, &stds, &in_data_units(&seen, &law)) + log_scale(&seen);
        assert!((sums.log_likelihood - own).abs() < 1e-6 * own.abs(), "{} {own}", sums.log_likelihood);
        assert!(sums.log_likelihood >= before - 1e-7, "{before} {}", sums.log_likelihood);
        before = sums.log_likelihood;
        law = maximised(&sums, &law);
    }
}

#[test]
fn weights_count_as_equal_rows() {
    let (values, stds) = imperfect(60, 3);
    let weights: Vec<f64> = (0..60).map(|i| (i % 3) as f64).collect();
    let repeated: Vec<usize> = (0..60).flat_map(|i| vec![i; i % 3]).collect();
    let (more, more_stds) = (values.select_rows(&repeated), stds.select_rows(&repeated));
    let weighted = Rows::from(&values).with_empty_cells().with_errors(&stds).unwrap();
    let weighted = SeenRows::read(&weighted.with_weights(&weights).unwrap()).unwrap();
    let repeated =
        SeenRows::read(&Rows::from(&more).with_empty_cells().with_errors(&more_stds).unwrap()).unwrap();
    let [a, b] = [&weighted, &repeated]
        .map(|seen| in_data_units(seen, &seen.one_gaussian(STEPS, LEAST_GAIN).unwrap()));
    assert!((a.means - b.means).amax() < 1e-6 && (&a.covariances[0] - &b.covariances[0]).amax() < 1e-6);
}

#[test]
fn draws_keep_what_is_exact_and_have_the_posterior_s_moments() {
    // N(0, I + 0.8 off the diagonal) seen as (2, ·) exactly and as (·, 1) with an error of 1, many times each.
    let n = 40_000;
    let nan = f64::NAN;
    let values = DMatrix::from_fn(n, 2, |i, j| if i % 2 == 0 { [2.0, nan][j] } else { [nan, 1.0][j] });
    let stds = DMatrix::from_fn(n, 2, |i, j| if i % 2 == 1 && j == 1 { 1.0 } else { 0.0 });
    let seen = SeenRows::read(&Rows::from(&values).with_empty_cells().with_errors(&stds).unwrap()).unwrap();
    let law = MixtureParameters {
        masses: DVector::from_element(1, 1.0),
        means: DMatrix::zeros(1, 2),
        covariances: vec![DMatrix::from_row_slice(2, 2, &[1.0, 0.8, 0.8, 1.0])],
    };
    let drawn = seen.drawn(&seen.to_scaled(&law), 5, 6).unwrap();
    let part = |first: usize, column: usize| {
        DVector::from_iterator(n / 2, (first..n).step_by(2).map(|i| drawn[(i, column)]))
    };
    assert!(part(0, 0).iter().all(|value| *value == 2.0));
    let expected = [(0, 1, 1.6, 0.36), (1, 0, 0.4, 1.0 - 0.32), (1, 1, 0.5, 0.5)];
    for (first, column, mean, variance) in expected {
        let own = part(first, column);
        assert!((own.mean() - mean).abs() < 0.03 && (own.variance() - variance).abs() < 0.03);
    }
}

#[test]
fn what_makes_no_sense_is_a_typed_error() {
    let nan = f64::NAN;
    let values = DMatrix::from_row_slice(3, 2, &[1.0, nan, 2.0, nan, 3.0, nan]);
    let rows = Rows::from(&values).with_empty_cells();
    assert!(matches!(SeenRows::read(&rows), Err(Error::NothingSeenOfColumn { column: 1 })));
    assert!(matches!(SeenRows::read(&Rows::from(&values)), Err(Error::NotFinite { row: 0, column: 1, .. })));
    let nothing = DMatrix::from_element(2, 2, nan);
    assert!(matches!(SeenRows::read(&Rows::from(&nothing).with_empty_cells()), Err(Error::NoRows)));
    let values = DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 3.0, 5.0]);
    for wrong in [-1.0, nan, f64::INFINITY, 1e200] {
        let stds = DMatrix::from_row_slice(2, 2, &[0.0, 0.0, wrong, 0.0]);
        let found = SeenRows::read(&Rows::from(&values).with_errors(&stds).unwrap());
        assert!(matches!(found, Err(Error::InvalidErrorStd { row: 1, column: 0, .. })));
    }
}
