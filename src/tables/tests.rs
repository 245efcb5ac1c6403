use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, LogNormal, Poisson, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::TableModel;
use crate::columns::{Column, Columns, Table, Warp};
use crate::error::Error;
use crate::learner::DiffusionLearner;

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

fn normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    StandardNormal.sample(rng)
}

/// Two kinds of things, with a rounded length, a count, a cost that is often nothing, and a colour.
fn shop(n: usize, seed: u64) -> Table {
    let mut rng = rng(seed);
    let (mut length, mut count, mut cost) = (Vec::new(), Vec::new(), Vec::new());
    let (mut kind, mut colour) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let large = rng.random::<f64>() < 0.3;
        let size = if large { 30.0 } else { 12.0 } + 2.0 * normal(&mut rng);
        length.push((size * 10.0).round() / 10.0);
        count.push(Poisson::new(if large { 2.0 } else { 6.0 }).unwrap().sample(&mut rng));
        let nothing = rng.random::<f64>() < if large { 0.1 } else { 0.5 };
        cost.push(if nothing { 0.0 } else { LogNormal::new(1.0, 0.7).unwrap().sample(&mut rng) });
        kind.push(if large { "large" } else { "small" });
        let red = rng.random::<f64>() < if large { 0.8 } else { 0.3 };
        colour.push(if red { "red" } else { "blue" });
    }
    let table = Table::new().with_numbers("length", &length).unwrap();
    let table = table.with_numbers("count", &count).unwrap().with_numbers("cost", &cost).unwrap();
    table.with_labels("kind", &kind).unwrap().with_labels("colour", &colour).unwrap()
}

fn fitted(table: &Table) -> TableModel {
    DiffusionLearner::fast().fit_table(table, &mut rng(7)).unwrap()
}

#[test]
fn draws_look_like_the_table() {
    let table = shop(800, 1);
    let model = fitted(&table);
    println!("{}\n{}", model.columns(), model.report());
    let drawn = model.sample(20_000, &mut rng(2)).unwrap();
    assert!(drawn.numbers("count").unwrap().iter().all(|count| count.fract() == 0.0 && *count >= 0.0));
    assert!(drawn.numbers("cost").unwrap().iter().all(|cost| *cost >= 0.0));
    for text in (0..200).map(|row| drawn.text(row, 0)) {
        assert!(text.split_once('.').is_none_or(|(_, decimals)| decimals.len() == 1), "{text}");
    }
    // Shares of labels and of an atom, together and given a label. Of an atom given a label they follow from Gaussian cells.
    let share = |table: &Table, of: &dyn Fn(usize) -> bool, among: &dyn Fn(usize) -> bool| {
        let rows: Vec<usize> = (0..table.n_rows()).filter(|&row| among(row)).collect();
        rows.iter().filter(|&&row| of(row)).count() as f64 / rows.len() as f64
    };
    let large = |table: &Table, row: usize| table.text(row, 3) == "large";
    for (of, name) in [(0usize, "kind"), (1, "nothing"), (2, "red")] {
        for given in [None, Some(true), Some(false)] {
            let on = |table: &Table| {
                let is = |row: usize| match of {
                    0 => large(table, row),
                    1 => table.numbers("cost").unwrap()[row] == 0.0,
                    _ => table.text(row, 4) == "red",
                };
                share(table, &is, &|row| given.is_none_or(|given| large(table, row) == given))
            };
            let (real, found) = (on(&table), on(&drawn));
            assert!((real - found).abs() < 0.1, "{name} {given:?}: {real} {found}");
        }
    }
    let mean = |table: &Table| table.numbers("length").unwrap().iter().sum::<f64>() / table.n_rows() as f64;
    assert!((mean(&table) - mean(&drawn)).abs() < 0.5);
}

#[test]
fn probabilities_sum_to_one() {
    // Without continuous columns: over all rows there are.
    let all = shop(600, 3);
    let table = Table::new()
        .with_numbers("count", all.numbers("count").unwrap())
        .and_then(|table| table.with("kind", all.columns()[3].clone()))
        .unwrap();
    let model = fitted(&table);
    let mut total = 0.0;
    for kind in ["large", "small"] {
        let counts: Vec<f64> = (0..400).map(f64::from).collect();
        let rows =
            Table::new().with_numbers("count", &counts).unwrap().with_labels("kind", &[kind; 400]).unwrap();
        total += model.log_density(&rows).unwrap().map(f64::exp).sum();
    }
    approx::assert_relative_eq!(total, 1.0, epsilon = 1e-6);
    // Two rounded columns: paths through intervals are a law too.
    let columns =
        Columns::new(&[("a", Column::real().with_step(1.0)), ("b", Column::real().with_step(1.0))]).unwrap();
    let mut random = rng(4);
    let rows: Vec<Vec<f64>> = (0..300)
        .map(|_| {
            let z = normal(&mut random);
            vec![z.round(), (z + 0.3 * normal(&mut random)).round()]
        })
        .collect();
    let table = Table::from_rows(&["a", "b"], &rows).unwrap();
    let model = DiffusionLearner::fast().fit_table_as(&table, &columns, &mut rng(5)).unwrap();
    let grid: Vec<Vec<f64>> =
        (-15..=15).flat_map(|i| (-15..=15).map(move |j| vec![f64::from(i), f64::from(j)])).collect();
    let total =
        model.log_density(&Table::from_rows(&["a", "b"], &grid).unwrap()).unwrap().map(f64::exp).sum();
    approx::assert_relative_eq!(total, 1.0, epsilon = 1e-3);
}

#[test]
fn a_continuous_density_with_an_atom_integrates_to_one() {
    let all = shop(600, 5);
    let table = Table::new().with_numbers("cost", all.numbers("cost").unwrap()).unwrap();
    for warp in [Warp::Plain, Warp::Family, Warp::Scores] {
        let columns =
            Columns::new(&[("cost", Column::above(0.0).with_atoms(&[0.0]).with_warp(warp))]).unwrap();
        let model = DiffusionLearner::fast().fit_table_as(&table, &columns, &mut rng(5)).unwrap();
        let at = |values: &[f64]| {
            model.log_density(&Table::new().with_numbers("cost", values).unwrap()).unwrap().map(f64::exp)
        };
        let logs: Vec<f64> = (0..40_000).map(|i| -20.0 + 40.0 * (i as f64 + 0.5) / 40_000.0).collect();
        let values: Vec<f64> = logs.iter().map(|log: &f64| log.exp()).collect();
        let density: f64 = at(&values).iter().zip(&values).map(|(p, x)| p * x * 0.001).sum();
        approx::assert_relative_eq!(density + at(&[0.0])[0], 1.0, epsilon = 2e-3);
        assert_eq!(at(&[-1.0])[0], 0.0);
    }
}

#[test]
fn a_real_table_has_the_bits_of_a_matrix() {
    let mut random = rng(6);
    let rows = DMatrix::from_fn(200, 2, |i, _| normal(&mut random) + (i % 2) as f64 * 6.0);
    let learner = DiffusionLearner::fast();
    let plain = learner.fit(&rows, &mut rng(7)).unwrap();
    let table = Table::from_matrix(&["x", "y"], &rows).unwrap();
    let columns = Columns::real(&["x", "y"]).unwrap();
    let model = learner.fit_table_as(&table, &columns, &mut rng(7)).unwrap();
    assert_eq!(model.log_density(&table).unwrap(), plain.log_density(&rows).unwrap());
    let drawn = plain.sample(50, &mut rng(8)).unwrap();
    assert_eq!(model.sample(50, &mut rng(8)).unwrap(), Table::from_matrix(&["x", "y"], &drawn).unwrap());

    // Questions too, of rows with empty cells and without columns that are asked.
    let holed = [[1.0, f64::NAN], [f64::NAN, 5.0], [f64::NAN, f64::NAN], [0.5, -0.5]];
    let incomplete = Table::from_rows(&["x", "y"], &holed.map(|row| row.to_vec())).unwrap();
    let plain_rows = || crate::rows::Rows::from(&holed[..]).with_empty_cells();
    let predicted = model.predict(&incomplete, "y", &[0.1, 0.9], &mut rng(9)).unwrap();
    let expected = plain.predict(plain_rows(), &[1], &[0.1, 0.9], &mut rng(9)).unwrap();
    assert_eq!((predicted.mean, predicted.quantiles), (expected.mean, expected.quantiles));
    let filled = model.impute(&incomplete, 2, &mut rng(10)).unwrap();
    let expected = plain.impute(plain_rows(), 2, &mut rng(10)).unwrap();
    assert_eq!(filled[1], Table::from_matrix(&["x", "y"], &expected[1]).unwrap());
    assert!(model.impute(&incomplete, 0, &mut rng(10)).unwrap().is_empty());
    let logs = model.log_density(&incomplete).unwrap();
    let marginal = plain.mixture().unwrap().marginal(&[0]).unwrap().log_density(&[[1.0]][..]).unwrap();
    approx::assert_relative_eq!(logs[0], marginal[0], epsilon = 1e-12);
    assert_eq!(logs[2], 0.0);
    approx::assert_relative_eq!(logs[3], plain.log_density(&[holed[3]][..]).unwrap()[0], epsilon = 1e-12);
    let given =
        model.sample_given(&Table::new().with_numbers("x", &[6.0]).unwrap(), 200, &mut rng(11)).unwrap();
    assert!(given.numbers("x").unwrap().iter().all(|x| *x == 6.0));
    assert!((given.numbers("y").unwrap().iter().sum::<f64>() / 200.0 - 6.0).abs() < 0.5);
    assert_eq!(model.sample_given(&incomplete, 0, &mut rng(11)).unwrap().n_rows(), 0);
}

#[test]
fn questions_are_answered_by_one_law() {
    let table = shop(800, 9);
    let model = fitted(&table);
    let seen = Table::new().with_numbers("length", &[30.2, 11.5]).unwrap();
    let (labels, probabilities) = model.probabilities(&seen, "kind").unwrap();
    assert_eq!(labels, ["large", "small"]);
    assert!(probabilities[(0, 0)] > 0.97 && probabilities[(1, 1)] > 0.97, "{probabilities}");
    let given = Table::new().with_labels("kind", &["large"]).unwrap();
    let drawn = model.sample_given(&given, 2_000, &mut rng(1)).unwrap();
    let lengths = drawn.numbers("length").unwrap();
    assert!((lengths.iter().sum::<f64>() / 2_000.0 - 30.0).abs() < 0.7);
    assert!(drawn.labels("kind").unwrap().iter().all(|kind| kind.as_deref() == Some("large")));
    let predicted = model.predict(&given, "length", &[0.05, 0.95], &mut rng(2)).unwrap();
    assert!((predicted.mean[0] - 30.0).abs() < 0.7 && predicted.quantiles[0][0] > 24.0);
    // Filled cells leave the others as they are, whatever rows stand beside.
    let holed = Table::new()
        .with_numbers("length", &[30.0, f64::NAN, 12.0])
        .and_then(|table| table.with_labels("colour", &["", "red", "blue"]))
        .unwrap();
    let filled = model.impute(&holed, 3, &mut rng(3)).unwrap();
    assert_eq!(filled.len(), 3);
    assert_eq!(filled[1].numbers("length").unwrap()[2], 12.0);
    assert!(filled[2].labels("colour").unwrap().iter().all(Option::is_some));
}

#[test]
fn empty_cells_are_learned_around() {
    let mut table = shop(500, 11);
    let mut random = rng(12);
    let holed: Vec<f64> = table
        .numbers("length")
        .unwrap()
        .iter()
        .map(|x| if random.random::<f64>() < 0.2 { f64::NAN } else { *x })
        .collect();
    table = table.replaced("length", crate::columns::TableColumn::Numbers(holed));
    let drawn = fitted(&table).sample(2_000, &mut rng(2)).unwrap();
    assert!(drawn.numbers("length").unwrap().iter().all(|x| x.is_finite() && (0.0..50.0).contains(x)));
}

#[test]
fn labels_alone_depend_on_each_other() {
    let of = |i: usize| [["a", "x"], ["a", "x"], ["b", "y"], ["b", "z"]][i % 4];
    let (first, second): (Vec<&str>, Vec<&str>) = (0..400).map(|i| (of(i)[0], of(i)[1])).unzip();
    let table =
        Table::new().with_labels("u", &first).and_then(|table| table.with_labels("v", &second)).unwrap();
    let model = fitted(&table);
    let seen = Table::new().with_labels("v", &["x", "z"]).unwrap();
    let (_, probabilities) = model.probabilities(&seen, "u").unwrap();
    assert!(probabilities[(0, 0)] > 0.95 && probabilities[(1, 1)] > 0.95, "{probabilities}");
}

#[test]
fn real_columns_are_learned_as_a_matrix_unless_another_scale_pays() {
    let mut random = rng(14);
    let rows: Vec<Vec<f64>> = (0..200).map(|_| vec![normal(&mut random), normal(&mut random)]).collect();
    let model = fitted(&Table::from_rows(&["x", "y"], &rows).unwrap());
    println!("{}", model.report());
    assert!(model.real().is_some());
}

#[test]
fn a_circle_has_no_end() {
    let mut random = rng(15);
    let angles: Vec<f64> = (0..500).map(|_| (10.0 + 60.0 * normal(&mut random)).rem_euclid(360.0)).collect();
    let table = Table::new().with_numbers("angle", &angles).unwrap();
    let columns = Columns::new(&[("angle", Column::circle(360.0))]).unwrap();
    let model = DiffusionLearner::fast().fit_table_as(&table, &columns, &mut rng(5)).unwrap();
    let drawn = model.sample(5_000, &mut rng(1)).unwrap();
    assert!(drawn.numbers("angle").unwrap().iter().all(|angle| (0.0..360.0).contains(angle)));
    let at = |from: f64| {
        let values: Vec<f64> = (0..36_000).map(|i| from + 0.01 * (f64::from(i) + 0.5)).collect();
        model.log_density(&Table::new().with_numbers("angle", &values).unwrap()).unwrap().map(f64::exp)
    };
    let (one, other) = (at(0.0), at(-360.0));
    approx::assert_relative_eq!(one.sum() * 0.01, 1.0, epsilon = 2e-3);
    approx::assert_relative_eq!(one, other, max_relative = 1e-6);
    // Across 0, where most rows are, nothing jumps.
    assert!((one[0] / one[35_999] - 1.0).abs() < 0.01);
}

#[test]
fn what_breaks_a_column_is_named() {
    let table = Table::new().with_numbers("price", &[3.0, 2.0, -3.0, 5.0, 4.0]).unwrap();
    let learn = |column: Column| {
        let columns = Columns::new(&[("price", column)]).unwrap();
        DiffusionLearner::fast().fit_table_as(&table, &columns, &mut rng(1))
    };
    match learn(Column::above(0.0)) {
        Err(Error::OutsideColumn { row: 2, name, value, .. }) => {
            assert_eq!((&*name, &*value), ("price", "-3"))
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(learn(Column::real().with_step(2.0)), Err(Error::OutsideColumn { row: 1, .. })));
    assert!(matches!(learn(Column::labels(&[])), Err(Error::InvalidColumn { .. })));
    assert!(matches!(learn(Column::values(&[1.0])), Err(Error::OutsideColumn { row: 0, .. })));
}

#[cfg(feature = "serde")]
#[test]
fn a_saved_table_answers_as_before() {
    let table = shop(300, 13);
    let model = fitted(&table);
    let saved = serde_json::to_string(&model).unwrap();
    let loaded: TableModel = serde_json::from_str(&saved).unwrap();
    assert_eq!(loaded.log_density(&table).unwrap(), model.log_density(&table).unwrap());
    assert_eq!(loaded.sample(50, &mut rng(1)).unwrap(), model.sample(50, &mut rng(1)).unwrap());
    let damaged = saved.replacen("\"masses\":[", "\"masses\":[0.5,", 1);
    assert!(serde_json::from_str::<TableModel>(&damaged).is_err());
}
