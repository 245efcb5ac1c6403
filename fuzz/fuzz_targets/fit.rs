//! Any small matrix with any settings: an error, or a model that answers with finite numbers.
#![no_main]

use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::{DiffusionLearner, NoiseLevels, Rows, SingleCell, VoronoiPartitioner};
use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;

#[derive(Debug)]
struct Input {
    columns: usize,
    values: Vec<f64>,
    weights: Option<Vec<f64>>,
    component_std: Option<f64>,
    levels: Option<Vec<f64>>,
    composition: u8,
}

/// A number of any bits, or one that is likely to repeat or to lie near others.
fn number(u: &mut Unstructured<'_>) -> Result<f64> {
    Ok(match u.int_in_range(0..=5)? {
        0 => f64::arbitrary(u)?,
        1 => f64::from(i8::arbitrary(u)?),
        2 => f64::from(i8::arbitrary(u)?) * 10f64.powi(u.int_in_range(-160..=160)?),
        3 => 1e9 + f64::from(i16::arbitrary(u)?) * 1e-3,
        _ => f64::from(i16::arbitrary(u)?) * 1e-3,
    })
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let columns = u.int_in_range(0..=4)?;
        let rows = u.int_in_range(0..=40)?;
        let values = (0..rows * columns).map(|_| number(u)).collect::<Result<Vec<f64>>>()?;
        let weights = if u.ratio(1, 4)? {
            Some((0..rows).map(|_| number(u).map(f64::abs)).collect::<Result<Vec<f64>>>()?)
        } else {
            None
        };
        let component_std = if u.ratio(1, 2)? { Some(number(u)?) } else { None };
        let levels = if u.ratio(1, 4)? {
            let count = u.int_in_range(0..=4)?;
            Some((0..count).map(|_| number(u).map(f64::abs)).collect::<Result<Vec<f64>>>()?)
        } else {
            None
        };
        Ok(Self { columns, values, weights, component_std, levels, composition: u8::arbitrary(u)? % 4 })
    }
}

fuzz_target!(|input: Input| {
    let learner = match input.composition {
        0 => DiffusionLearner::new(),
        1 => DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft()),
        2 => DiffusionLearner::new().with_partitioner(SingleCell),
        _ => DiffusionLearner::paper(),
    };
    let mut learner = input.component_std.into_iter().fold(learner, |l, std| l.with_component_std(std));
    if let Some(levels) = input.levels {
        let Ok(levels) = NoiseLevels::variance_exploding(levels) else { return };
        learner = learner.with_schedule(levels);
    }
    let Ok(rows) = Rows::from_row_slice(&input.values, input.columns) else { return };
    let rows = match &input.weights {
        Some(weights) => match rows.with_weights(weights) {
            Ok(rows) => rows,
            Err(_) => return,
        },
        None => rows,
    };
    let Ok(model) = learner.fit(rows, &mut StdRng::seed_from_u64(1)) else { return };
    let drawn = model.sample(5, &mut StdRng::seed_from_u64(2)).expect("a fitted model draws");
    assert!(drawn.iter().all(|x| x.is_finite()), "{drawn}");
    let points = DMatrix::from_row_slice(rows.n_rows(), rows.dim(), &input.values);
    let few = points.rows(0, points.nrows().min(5)).into_owned();
    // Rows of no weight need not lie on the hull of the others.
    let none = model.units().hull_axes().is_some() && input.weights.is_some();
    let density = model.log_density(&few).expect("a fitted model has a density");
    assert!(density.iter().all(|l| l.is_finite() || (none && *l == f64::NEG_INFINITY)), "{density}");
    let shares = model.responsibilities(&few).expect("a fitted model has cells");
    assert!(shares.row_iter().all(|row| (row.sum() - 1.0).abs() < 1e-9), "{shares}");
});
