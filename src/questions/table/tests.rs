use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::observation::Observation;
use super::super::testing::{Case, flat, holes, kolmogorov_smirnov, shapes};
use super::*;

#[test]
fn tables_say_row_by_row_what_conditionals_say() {
    for (beta, columns) in [(0.0, 4), (0.35, 4), (-0.5, 5)] {
        let law = Case { active: 3, ratio: 4.0, columns, ..Case::plain(90, 4, beta) }.law();
        let rows = holes(&law, 60);
        let incomplete = Rows::from(&rows).with_empty_cells();
        let one = law.predict(incomplete, &[2], &[0.05, 0.9]).unwrap();
        let two = law.predict(incomplete, &[3, 1], &[0.5]).unwrap();
        let means = law.impute_means(incomplete).unwrap();
        for row in 0..60 {
            let values: Vec<f64> = rows.row(row).iter().copied().collect();
            let given = |without: &[usize]| {
                let mut values = values.clone();
                without.iter().for_each(|&column| values[column] = f64::NAN);
                match Observation::of_incomplete_row(&values) {
                    Ok(seen) => law.given(&seen),
                    Err(_) => Ok(law.clone()),
                }
            };
            // On a hull three columns may determine the others: no law is left.
            if let Ok(left) = given(&[2]) {
                let column = left.column(2).unwrap();
                let scale = column.std();
                approx::assert_relative_eq!(one.mean[(row, 0)], column.mean(), epsilon = 1e-8 * scale);
                approx::assert_relative_eq!(one.std[(row, 0)], column.std(), epsilon = 1e-8 * scale);
                approx::assert_relative_eq!(
                    one.quantiles[0][(row, 0)],
                    column.quantile(0.05).unwrap(),
                    epsilon = 1e-7 * scale
                );
                approx::assert_relative_eq!(
                    one.quantiles[1][(row, 0)],
                    column.quantile(0.9).unwrap(),
                    epsilon = 1e-7 * scale
                );
                match values[2].is_nan() {
                    true => assert!(one.log_density[row].is_nan()),
                    false => approx::assert_relative_eq!(
                        one.log_density[row],
                        column.log_density(values[2]),
                        epsilon = 1e-7
                    ),
                }
            }
            if let Ok(left) = given(&[1, 3]) {
                let pair = left.marginal(&[3, 1]).unwrap();
                for (index, column) in [3, 1].into_iter().enumerate() {
                    let column = left.column(column).unwrap();
                    approx::assert_relative_eq!(
                        two.mean[(row, index)],
                        column.mean(),
                        epsilon = 1e-8 * column.std()
                    );
                    approx::assert_relative_eq!(
                        two.quantiles[0][(row, index)],
                        column.quantile(0.5).unwrap(),
                        epsilon = 1e-7 * column.std()
                    );
                }
                let own = DMatrix::from_row_slice(1, 2, &[values[3], values[1]]);
                if own.iter().all(|value| value.is_finite()) && columns == 4 {
                    approx::assert_relative_eq!(
                        two.log_density[row],
                        pair.log_density(&own).unwrap()[0],
                        epsilon = 1e-7
                    );
                }
            }
            if let Ok(left) = given(&[]) {
                let mean = left.mean();
                for (index, &column) in left.columns().iter().enumerate() {
                    let scale = left.covariance()[(index, index)].sqrt();
                    approx::assert_relative_eq!(means[(row, column)], mean[index], epsilon = 1e-8 * scale);
                }
            }
        }
    }
}

#[test]
fn empty_cells_are_filled_by_draws_of_what_is_left() {
    for beta in shapes() {
        let law = Case { active: 2, ..Case::plain(91, 3, beta) }.law();
        let row = [0.3, f64::NAN, f64::NAN];
        let left = law.given(&Observation::exact(&[0], &[0.3]).unwrap()).unwrap();
        let rows = vec![row; 5_000];
        let tables = law
            .impute(Rows::from(&rows[..]).with_empty_cells(), 4, &mut Xoshiro256PlusPlus::seed_from_u64(7))
            .unwrap();
        for column in [1, 2] {
            let drawn: Vec<f64> = tables
                .iter()
                .flat_map(|table| table.column(column).iter().copied().collect::<Vec<_>>())
                .collect();
            let one = left.column(column).unwrap();
            let distance = kolmogorov_smirnov(drawn, |x| one.cdf(x));
            assert!(distance < 2.5, "{beta} {column}: {distance}");
        }
        let (first, second): (f64, f64) =
            (tables[0].column(1).iter().sum(), tables[1].column(1).iter().sum());
        assert!(
            first != second && tables.iter().all(|table| table.column(0).iter().all(|&value| value == 0.3))
        );
    }
}

/// What is drawn for a row depends on its place and the seed, not on the rows beside it.
#[test]
fn a_row_has_its_own_stream() {
    let law = Case::plain(92, 4, 0.35).law();
    let rows = holes(&law, 300);
    let all = law
        .impute(Rows::from(&rows).with_empty_cells(), 2, &mut Xoshiro256PlusPlus::seed_from_u64(8))
        .unwrap();
    let first = rows.rows(0, 100).into_owned();
    let some = law
        .impute(Rows::from(&first).with_empty_cells(), 2, &mut Xoshiro256PlusPlus::seed_from_u64(8))
        .unwrap();
    for (all, some) in all.iter().zip(&some) {
        approx::assert_relative_eq!(all.rows(0, 100).into_owned(), some, epsilon = 1e-12);
    }
}

#[test]
fn tables_with_bad_cells_are_typed_errors() {
    let law = Case::plain(93, 2, 0.0).law();
    let empty = [[f64::NAN, 1.0]];
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(9);
    assert!(matches!(law.predict(&empty[..], &[1], &[]), Err(Error::NotFinite { row: 0, column: 0, .. })));
    assert!(matches!(law.impute(&empty[..], 1, &mut rng), Err(Error::NotFinite { .. })));
    let infinite = [[f64::INFINITY, 1.0]];
    let infinite = Rows::from(&infinite[..]).with_empty_cells();
    assert!(matches!(law.impute_means(infinite), Err(Error::NotFinite { .. })));
    let rows = [[0.0, 1.0]];
    assert!(matches!(law.predict(&rows[..], &[2], &[]), Err(Error::NoSuchColumn { .. })));
    assert!(matches!(law.predict(&rows[..], &[0], &[1.5]), Err(Error::InvalidSetting { .. })));
    assert!(matches!(law.predict(&[[0.0; 3]][..], &[0], &[]), Err(Error::ShapeMismatch { .. })));
    let flat = flat(0.0, 1.0);
    let rows = [[0.0, 0.0, 9.0, 7.0], [0.0, 0.0, 0.0, 8.0]];
    assert!(matches!(flat.predict(&rows[..], &[0], &[]), Err(Error::OffHull { .. })));
}

/// The columns that others determine are filled, constants to the last bit.
#[test]
fn determined_cells_are_filled() {
    let law = flat(0.35, 10.0);
    let whole = law.sample(30, &mut Xoshiro256PlusPlus::seed_from_u64(10)).unwrap();
    let mut rows = whole.clone();
    for row in 0..30 {
        rows[(row, row % 4)] = f64::NAN;
    }
    let rows = Rows::from(&rows).with_empty_cells();
    let filled = law.impute(rows, 1, &mut Xoshiro256PlusPlus::seed_from_u64(11)).unwrap();
    let scale = law.covariance().diagonal().map(f64::sqrt);
    for (row, column) in (0..30).map(|row| (row, row % 4)) {
        assert!((filled[0][(row, column)] - whole[(row, column)]).abs() <= 1e-8 * scale[column], "{row}");
    }
    let predicted = law.predict(&whole, &[2], &[0.5]).unwrap();
    assert!(predicted.std.amax() < 1e-8 * scale[2]);
    assert!(predicted.log_density.iter().all(|&log| log == 0.0));
}
