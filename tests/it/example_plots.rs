//! The examples' pictures: whole files for any data, and an error instead of a wrong picture.

use std::fs;
use std::path::{Path, PathBuf};

use gmix_diffusion::Error;
use gmix_diffusion::nalgebra::{DMatrix, DVector};

use crate::support::plot::groups::groups_svg;
use crate::support::plot::{LogDensity, plot_fit};

/// A file in an empty directory of a test's own.
fn picture(test: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example_plots").join(test);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory.join("fit.svg")
}

fn names(dim: usize) -> Vec<String> {
    (0..dim).map(|column| format!("column {column} <mm>")).collect()
}

/// A wave with a slope, so that no two columns are alike.
fn rows(n: usize, dim: usize) -> DMatrix<f64> {
    DMatrix::from_fn(n, dim, |i, j| 10.0 * (j as f64 + 1.0) + (i as f64 * (j as f64 + 0.7)).sin())
}

fn draw(
    path: &Path,
    data: &DMatrix<f64>,
    new: &DMatrix<f64>,
    density: Option<&LogDensity<'_>>,
) -> Result<String, String> {
    plot_fit(path, &names(data.ncols()), data, new, density).map_err(|error| error.to_string())?;
    Ok(fs::read_to_string(path).unwrap())
}

/// −|x − (10, 20, …)|²/2 of the columns asked for.
fn bell(columns: &[usize], points: &DMatrix<f64>) -> gmix_diffusion::Result<DVector<f64>> {
    let square = |i: usize, j: usize| (points[(i, j)] - 10.0 * (columns[j] as f64 + 1.0)).powi(2);
    Ok(DVector::from_fn(points.nrows(), |i, _| -0.5 * (0..points.ncols()).map(|j| square(i, j)).sum::<f64>()))
}

#[test]
fn names_the_columns_on_an_opaque_ground() {
    for dim in [1, 2] {
        let svg = draw(&picture("ground"), &rows(50, dim), &rows(70, dim), Some(&bell)).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("fill=\"#FFFFFF\""));
        for text in ["data (50 rows)", "new rows (70 rows)", "learned density", "column 0 &lt;mm&gt;"] {
            assert!(svg.contains(text), "{dim} columns: {text}");
        }
    }
}

/// Four columns: a panel for every pair and every column, with the density of just these.
#[test]
fn of_many_columns_every_pair_is_shown() {
    let asked = std::cell::RefCell::new(Vec::new());
    let density = |columns: &[usize], points: &DMatrix<f64>| {
        asked.borrow_mut().push(columns.to_vec());
        assert_eq!(points.ncols(), columns.len());
        bell(columns, points)
    };
    let svg = draw(&picture("pairs"), &rows(50, 4), &rows(70, 4), Some(&density)).unwrap();
    for text in ["data (50 rows)", "new rows (70 rows)", "learned density", "mass inside"] {
        assert!(svg.contains(text), "{text}");
    }
    // Names stand at the left and below.
    assert_eq!(svg.matches("column 0 &lt;mm&gt;").count(), 2);
    let expected = [&[0][..], &[0, 1], &[1], &[0, 2], &[1, 2], &[2], &[0, 3], &[1, 3], &[2, 3], &[3]];
    assert_eq!(*asked.borrow(), expected);
    let without = draw(&picture("pairs"), &rows(50, 4), &rows(70, 4), None).unwrap();
    assert!(!without.contains("mass inside"));
    let many = draw(&picture("pairs"), &rows(20, 11), &rows(20, 11), None).unwrap();
    assert!(many.contains("the last 3 columns are not shown"));
}

#[test]
fn says_how_many_rows_are_not_shown() {
    let mut new = rows(4000, 2);
    new[(0, 1)] = 1e9;
    new[(1, 0)] = f64::NAN;
    let svg = draw(&picture("outside"), &rows(100, 2), &new, None).unwrap();
    assert!(svg.contains("new rows (4000 rows, 3000 drawn, 2 out of view)"));
}

#[test]
fn the_darkest_region_is_where_the_density_is_highest() {
    // Uniform on the left half of the picture: each region of highest density lies there.
    let data = DMatrix::from_row_slice(2, 2, &[0.0, 0.0, 1.0, 1.0]);
    let half = |_: &[usize], points: &DMatrix<f64>| {
        Ok(DVector::from_fn(
            points.nrows(),
            |i, _| if points[(i, 0)] < 0.5 { 0.0 } else { f64::NEG_INFINITY },
        ))
    };
    let svg = draw(&picture("region"), &data, &data, Some(&half)).unwrap();
    let darkest = "fill=\"#440154\"";
    let lefts: Vec<f64> = svg
        .lines()
        .filter(|line| line.contains(darkest))
        .map(|line| line.split("x=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
        .collect();
    // The third panel starts at 760 pixels, its plotting area at 834 and ends at 1130; the key follows.
    let painted: Vec<f64> = lefts.into_iter().filter(|&x| x < 1130.0).collect();
    assert!(painted.len() > 200 && painted.iter().all(|&x| x < 985.0), "{painted:?}");
}

#[test]
fn data_without_spread_can_be_drawn() {
    for dim in 1..4 {
        let constant = DMatrix::from_element(5, dim, 3.0);
        draw(&picture("constant"), &constant, &constant, None).unwrap();
        draw(&picture("one_row"), &rows(1, dim), &rows(0, dim), None).unwrap();
        draw(&picture("scale"), &(rows(9, dim) * 1e-150), &(rows(9, dim) * 1e-150), None).unwrap();
    }
}

#[test]
fn a_failure_names_the_file_and_leaves_none() {
    let path = picture("failure");
    let broken = |_: &[usize], _: &DMatrix<f64>| Err(Error::custom("no density today"));
    let not_a_number =
        |_: &[usize], points: &DMatrix<f64>| Ok(DVector::from_element(points.nrows(), f64::NAN));
    let nowhere =
        |_: &[usize], points: &DMatrix<f64>| Ok(DVector::from_element(points.nrows(), f64::NEG_INFINITY));
    let mut infinite = rows(9, 2);
    infinite[(3, 1)] = f64::INFINITY;
    for (result, message) in [
        (draw(&path, &rows(9, 2), &rows(9, 2), Some(&broken)), "no density today"),
        (draw(&path, &rows(9, 2), &rows(9, 2), Some(&not_a_number)), "not one number for each row"),
        (draw(&path, &rows(9, 1), &rows(9, 1), Some(&nowhere)), "at most -inf"),
        (draw(&path, &rows(9, 2), &rows(9, 1), None), "differ in their number of columns"),
        (draw(&path, &rows(0, 2), &rows(9, 2), None), "no data"),
        (draw(&path, &infinite, &rows(9, 2), None), "not a finite number"),
    ] {
        let error = result.unwrap_err();
        assert!(error.starts_with(&format!("{}: ", path.display())) && error.contains(message), "{error}");
    }
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn groups_have_a_key() {
    let groups: Vec<Option<usize>> = (0..50).map(|row| (row % 10 != 0).then_some(row % 3)).collect();
    for dim in [1, 2, 4] {
        let svg = groups_svg(&names(dim), &rows(50, dim), &groups).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("fill=\"#FFFFFF\""));
        for text in ["cluster (rows)", "none (5)", "data (50 rows)"] {
            assert!(svg.contains(text), "{dim} columns: {text}");
        }
        assert_eq!(svg.contains("principal direction 2"), dim == 4);
    }
    let many: Vec<Option<usize>> = (0..50).map(Some).collect();
    assert!(groups_svg(&names(2), &rows(50, 2), &many).unwrap().contains("to 49"));
    assert!(groups_svg(&names(2), &rows(50, 2), &groups[1..]).is_err());
    assert!(groups_svg(&names(2), &DMatrix::from_element(50, 2, f64::NAN), &groups).is_err());
}
