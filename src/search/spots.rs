//! New cells where rows are much denser than a mixture says.

use nalgebra::DMatrix;

use super::expectation_maximisation::mixture_log_density;
use crate::kernels::squared_distances;
use crate::mixture::MixtureParameters;
use crate::rows::WeightedRows;

/// Rows among which dense spots are sought, at most; and the number of neighbours that make one.
const ROWS: usize = 2_000;
const NEIGHBOURS: usize = 15;
/// As many spots as cells at a time, or so many.
const FEWEST: usize = 3;
/// A spot has so many times the rows that the mixture says. Where it is right fewer than one of a thousand has.
const DENSER: f64 = 3.0;

/// The nearest neighbours of rows, which are the same whatever mixture they are held against.
pub(super) struct Spots {
    rows: WeightedRows,
    neighbours: Vec<Neighbours>,
}

struct Neighbours {
    /// The row itself and others, [`NEIGHBOURS`] unless distances are equal.
    nearest: Vec<usize>,
    /// Squared radius of the ball of these, up to the next one; zero where they are all equal.
    square: f64,
    /// Of those in the ball but the row in its middle.
    weight: f64,
}

impl Spots {
    /// Of some of the rows of `data`; of none where they are too few.
    pub(super) fn of(data: &WeightedRows) -> Self {
        let rows = data.thinned(ROWS);
        let (n, mut squares) = (rows.weights.len(), Vec::new());
        let mut neighbours = |i: usize| {
            squared_distances(&rows.rows, rows.rows.row(i).iter().copied(), &mut squares);
            let (nearest, square) = nearest(NEIGHBOURS, &squares);
            let weight = nearest.iter().map(|&j| rows.weights[j]).sum::<f64>() - rows.weights[i];
            Neighbours { nearest, square, weight }
        };
        let neighbours = if n > NEIGHBOURS { (0..n).map(&mut neighbours).collect() } else { Vec::new() };
        Self { rows, neighbours }
    }

    /// `cells` and new ones at spots that are several times as dense as `mixture` says, the densest first, as many as
    /// there are cells at most.
    ///
    /// A cluster much narrower than the cell in which it lies is found on no coarse state of a path, whose cells are all
    /// of one width.
    pub(super) fn beside(&self, cells: &MixtureParameters, mixture: &MixtureParameters) -> MixtureParameters {
        let rows = &self.rows.rows;
        let dim = rows.ncols();
        let half = dim as f64 / 2.0;
        let log_ball = half * std::f64::consts::PI.ln() - libm::lgamma(half + 1.0);
        let total: f64 = self.rows.weights.iter().sum();
        let density: Vec<f64> = mixture_log_density(&self.rows, mixture).into_iter().map(f64::exp).collect();
        let log_excess = |of: &Neighbours| {
            // What is said is that of all of them: where it falls off steeply, most are denser than the one in the middle.
            let said = of.nearest.iter().map(|&j| density[j]).sum::<f64>() / of.nearest.len() as f64;
            (of.weight / total).ln() - log_ball - half * of.square.ln() - said.ln()
        };
        let excess = self.neighbours.iter().map(log_excess).enumerate();
        let mut spots: Vec<(usize, f64)> =
            excess.filter(|(i, excess)| self.neighbours[*i].square > 0.0 && *excess > DENSER.ln()).collect();
        spots.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut taken: Vec<usize> = Vec::new();
        let mut found = cells.clone();
        for (i, _) in spots {
            let Neighbours { square, weight, .. } = self.neighbours[i];
            let apart = |&other: &usize| {
                let radius = square.max(self.neighbours[other].square);
                (rows.row(i) - rows.row(other)).norm_squared() > 4.0 * radius
            };
            if taken.len() < cells.masses.len().max(FEWEST) && taken.iter().all(apart) {
                taken.push(i);
                let covariance = DMatrix::from_diagonal_element(dim, dim, square / (dim as f64 + 2.0));
                found = found.with_cell(weight / total, &rows.row(i).transpose(), covariance);
            }
        }
        found.masses /= found.masses.sum();
        found
    }
}

/// Where the `count` least of more values are, but those that equal the next one; and this.
fn nearest(count: usize, values: &[f64]) -> (Vec<usize>, f64) {
    let mut least = vec![(f64::INFINITY, 0); count + 1];
    for (index, &value) in values.iter().enumerate() {
        if value < least[count].0 {
            let place = least.partition_point(|other| other.0 <= value);
            least[place..].rotate_right(1);
            least[place] = (value, index);
        }
    }
    let next = least[count].0;
    (least.into_iter().filter(|(value, _)| *value < next).map(|(_, index)| index).collect(), next)
}

#[cfg(test)]
mod tests {
    use nalgebra::DVector;

    use super::*;

    /// 900 rows of a standard normal law, as even as can be, and forty more at one spot of it.
    #[test]
    fn a_dense_spot_gets_a_cell_of_its_own_and_a_gaussian_none() {
        let even = |i: usize, axis: usize| ((i + 1) as f64 * [0.754_877_666, 0.569_840_291][axis]).fract();
        let with = |spot: usize| {
            let rows = DMatrix::from_fn(900 + spot, 2, |i, axis| match i {
                0..900 => {
                    let (radius, angle) =
                        ((-2.0 * even(i, 0).ln()).sqrt(), std::f64::consts::TAU * even(i, 1));
                    radius * [angle.cos(), angle.sin()][axis]
                }
                _ => 0.8 + 0.02 * even(i, axis),
            });
            let n = rows.nrows();
            let data = WeightedRows { rows, weights: vec![1.0; n] };
            let mixture = MixtureParameters {
                masses: DVector::from_element(1, 1.0),
                means: DMatrix::zeros(1, 2),
                covariances: vec![DMatrix::identity(2, 2)],
            };
            Spots::of(&data).beside(&mixture, &mixture)
        };
        assert_eq!(with(0).masses.len(), 1);
        let found = with(40);
        assert!(found.masses.len() >= 2);
        let of_spot = |j: usize| (found.means.row(j) - DMatrix::from_element(1, 2, 0.81)).amax() < 0.04;
        assert!((1..found.masses.len()).all(of_spot));
    }

    #[test]
    fn few_rows_have_no_spots() {
        let data = WeightedRows {
            rows: DMatrix::from_fn(NEIGHBOURS, 1, |i, _| i as f64),
            weights: vec![1.0; NEIGHBOURS],
        };
        let one = MixtureParameters {
            masses: DVector::from_element(1, 1.0),
            means: DMatrix::zeros(1, 1),
            covariances: vec![DMatrix::from_element(1, 1, 1e9)],
        };
        assert_eq!(Spots::of(&data).beside(&one, &one).masses.len(), 1);
    }
}
