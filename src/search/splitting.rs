//! More cells from fewer: cells that are no Gaussian's in parts of their own.

use std::sync::OnceLock;

use nalgebra::{DMatrix, DVector};

use super::annealing::Annealing;
use super::expectation_maximisation::{LOG_NEGLIGIBLE, light_cell, log_joint_densities};
use super::spots::Spots;
use crate::error::Result;
use crate::kernels::responsibilities_above;
use crate::mixture::MixtureParameters;
use crate::rows::WeightedRows;

/// A cell of a smaller share of the rows stays whole: what is wrong with it matters as little.
const HEAVY: f64 = 0.1;
/// Parts of a cell at most.
const PARTS: usize = 4;
/// Standard errors by which a fourth moment exceeds a Gaussian's: one cell in some ten thousand by chance.
const KURTOSIS_ERRORS: f64 = 4.0;
/// Half the ratio of the variances of concentric cells, before EM steps find it.
const SPREAD: f64 = 3.0;
/// Rows of which a cell has a smaller share are none of its.
const SMALLEST_SHARE: f64 = 0.01;

/// How cells come apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// Heavy cells, into up to four parts by an annealed path of their rows alone. A path of all rows treats all of
    /// space alike: where strangers are scattered over the range of the rows, they take more and more cells before
    /// clusters in their midst come apart.
    InPlace,
    /// Cells whose rows have heavier tails than a Gaussian's, into a narrow and a wide one about the same centre.
    InScale,
    /// New cells where rows are much denser than the mixture says, with their nearest neighbours.
    AtSpots,
}

/// `cells` split, these being the cells of `mixture` before its background, at the rows `data`, whose `spots` are looked
/// for once.
pub(super) fn split(
    data: &WeightedRows,
    spots: &OnceLock<Spots>,
    mixture: &MixtureParameters,
    cells: &MixtureParameters,
    kind: Split,
) -> Result<MixtureParameters> {
    if kind == Split::AtSpots {
        return Ok(spots.get_or_init(|| Spots::of(data)).beside(cells, mixture));
    }
    let mut shares = log_joint_densities(data, mixture);
    responsibilities_above(&mut shares, LOG_NEGLIGIBLE);
    let (mut masses, mut means, mut covariances) = (Vec::new(), Vec::new(), Vec::new());
    for (cell, &mass) in cells.masses.iter().enumerate() {
        let shares = shares.column(cell);
        let parts = match kind {
            Split::InPlace if mass < HEAVY => None,
            Split::InPlace => parts_of(data, shares.as_slice())?,
            Split::InScale => concentric(data, shares.as_slice(), cells, cell),
            Split::AtSpots => None,
        };
        match parts {
            Some(parts) => {
                masses.extend(parts.masses.iter().map(|part| mass * part));
                means.extend(parts.means.row_iter().map(|mean| mean.into_owned()));
                covariances.extend(parts.covariances);
            }
            None => {
                masses.push(mass);
                means.push(cells.means.row(cell).into_owned());
                covariances.push(cells.covariances[cell].clone());
            }
        }
    }
    Ok(MixtureParameters {
        masses: DVector::from_vec(masses),
        means: DMatrix::from_rows(&means),
        covariances,
    })
}

/// Two cells about the centre of one, of half its mass each, where its rows' fourth moment (Mardia 1970) exceeds a
/// Gaussian's by chance in no cell of many.
fn concentric(
    data: &WeightedRows,
    shares: &[f64],
    cells: &MixtureParameters,
    cell: usize,
) -> Option<MixtureParameters> {
    let dim = data.rows.ncols() as f64;
    let factor = cells.covariances[cell].clone().cholesky()?;
    let (mut weight, mut squares, mut second, mut fourth) = (0.0, 0.0, 0.0, 0.0);
    for ((row, share), own) in data.rows.row_iter().zip(shares).zip(&data.weights) {
        if *share > 0.0 {
            let mut standard = (row - cells.means.row(cell)).transpose();
            factor.l_dirty().solve_lower_triangular_mut(&mut standard);
            let radius = standard.norm_squared();
            weight += own * share;
            squares += own * share * share;
            second += own * share * radius;
            fourth += own * share * radius * radius;
        }
    }
    // In units of the rows' own second moment: one that a shrunk covariance has too small or too large is no tail.
    let excess = fourth / weight / (second / weight / dim).powi(2) - dim * (dim + 2.0);
    let std_error = (8.0 * dim * (dim + 2.0) * squares).sqrt() / weight;
    let is_heavy_tailed = excess > KURTOSIS_ERRORS * std_error;
    if !is_heavy_tailed || weight < 2.0 * light_cell(data.rows.ncols(), data.weights.iter().sum()) {
        return None;
    }
    let (mean, covariance) = (cells.means.row(cell), &cells.covariances[cell]);
    Some(MixtureParameters {
        masses: DVector::from_element(2, 0.5),
        means: DMatrix::from_rows(&[mean, mean]),
        covariances: vec![covariance / SPREAD, covariance * SPREAD],
    })
}

/// The parts of the cell that has these `shares` of the rows of `data`; `None` where its rows are too few to tell.
fn parts_of(data: &WeightedRows, shares: &[f64]) -> Result<Option<MixtureParameters>> {
    let own: Vec<usize> = (0..shares.len()).filter(|&i| shares[i] > SMALLEST_SHARE).collect();
    if own.is_empty() {
        return Ok(None);
    }
    let mut rows = data.select(&own);
    for (weight, &row) in rows.weights.iter_mut().zip(&own) {
        *weight *= shares[row];
    }
    let mut annealing = Annealing::new(&rows)?;
    let parts = annealing.state_with(PARTS)?;
    // A path that never has more parts than these ends where no cell has the rows to split.
    Ok((!annealing.is_cold()).then_some(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path of so few rows goes down to where each is alone.
    #[test]
    fn a_cell_of_few_rows_stays_whole() {
        let rows = DMatrix::from_fn(30, 1, |i, _| (i as f64 * 0.618).fract());
        let data = WeightedRows { rows, weights: vec![1.0; 30] };
        let mixture = MixtureParameters {
            masses: DVector::from_element(1, 1.0),
            means: DMatrix::from_element(1, 1, 0.5),
            covariances: vec![DMatrix::from_element(1, 1, 0.08)],
        };
        assert_eq!(split(&data, &OnceLock::new(), &mixture, &mixture, Split::InPlace).unwrap(), mixture);
    }

    /// Three groups of rows at −5, 0 and 5; one cell for the first two, and a light one.
    #[test]
    fn a_heavy_cell_over_two_groups_is_parted_and_a_light_one_is_not() {
        let rows = DMatrix::from_fn(305, 1, |i, _| {
            let centre = if i < 300 { [-5.0, 0.0][i % 2] } else { 5.0 };
            centre + 0.3 * ((i as f64 * 0.618).fract() - 0.5)
        });
        let data = WeightedRows { rows, weights: vec![2.0; 305] };
        let mixture = MixtureParameters {
            masses: DVector::from_vec(vec![0.05, 0.95]),
            means: DMatrix::from_row_slice(2, 1, &[5.0, -2.5]),
            covariances: vec![DMatrix::from_element(1, 1, 0.1), DMatrix::from_element(1, 1, 6.0)],
        };
        let parted = split(&data, &OnceLock::new(), &mixture, &mixture, Split::InPlace).unwrap();
        assert_eq!((parted.masses[0], parted.means[0]), (0.05, 5.0));
        assert_eq!(parted.covariances[0], mixture.covariances[0]);
        assert!((parted.masses.sum() - 1.0).abs() < 1e-12);
        let mass_near = |centre: f64| -> f64 {
            let parts = parted.means.iter().zip(&parted.masses).skip(1);
            parts.filter(|(mean, _)| (*mean - centre).abs() < 0.3).map(|(_, mass)| mass).sum()
        };
        for centre in [-5.0, 0.0] {
            assert!((mass_near(centre) - 0.475).abs() < 0.01, "{}", mass_near(centre));
        }
    }

    /// Normal quantiles at 400 points: no heavier than a Gaussian. The same with every tenth one five times as far out.
    #[test]
    fn a_cell_with_heavy_tails_becomes_two_about_one_centre_and_a_gaussian_stays_whole() {
        let quantile = |i: usize| {
            let u = (i as f64 + 0.5) / 400.0;
            // Tukey's lambda, which is a Gaussian's quantile to a hundredth.
            (u.powf(0.1349) - (1.0 - u).powf(0.1349)) / 0.1975
        };
        let one = |variance: f64| MixtureParameters {
            masses: DVector::from_element(1, 1.0),
            means: DMatrix::zeros(1, 1),
            covariances: vec![DMatrix::from_element(1, 1, variance)],
        };
        let of = |tail: f64| {
            let rows = DMatrix::from_fn(400, 1, |i, _| quantile(i) * if i % 10 == 0 { tail } else { 1.0 });
            let variance = rows.norm_squared() / 400.0;
            let data = WeightedRows { rows, weights: vec![1.0; 400] };
            split(&data, &OnceLock::new(), &one(variance), &one(variance), Split::InScale).unwrap()
        };
        assert_eq!(of(1.0).masses.len(), 1);
        let two = of(5.0);
        assert_eq!((two.masses.as_slice(), two.means.as_slice()), (&[0.5, 0.5][..], &[0.0, 0.0][..]));
        assert!(two.covariances[1][(0, 0)] > 2.0 * two.covariances[0][(0, 0)]);
    }
}
