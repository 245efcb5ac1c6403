use nalgebra::DMatrix;

use super::tuning::TUNING;
use super::within_cells::effective_rows;
use crate::cells::Partition;
use crate::error::Result;
use crate::kernels::responsibilities_in_place;
use crate::rows::{FoldedSample, WeightedRows};
use crate::search::{Annealing, least_judging};

/// Held-out log-likelihood of mixtures Σ wⱼ N(cⱼ, τ² I) by falling τ.
///
/// The mixtures are annealed on the rows outside the last fold of a sample and judged on that fold. Equal rows share
/// a fold, so that no row is judged by its own copies.
pub(crate) struct BlurPath {
    /// log τ and log-likelihood.
    states: Vec<(f64, f64)>,
    best: usize,
    rows_per_weight: f64,
}

impl BlurPath {
    pub(crate) fn new(sample: &FoldedSample) -> Result<Self> {
        let last = sample.n_folds - 1;
        let (training, held_out) = (sample.training(last), sample.judging(last));
        let rows_per_weight = effective_rows(&held_out.weights) / held_out.weights.iter().sum::<f64>();
        let mut annealing = Annealing::new(&training)?;
        let mut states: Vec<(f64, f64)> = Vec::new();
        let mut best = 0;
        while states.len() < best + TUNING.blur_patience + 1 {
            let cells = annealing.cells()?;
            let likelihood = log_likelihood(&cells, annealing.bandwidth(), &held_out)?;
            states.push((annealing.bandwidth().ln(), likelihood));
            if likelihood > states[best].1 {
                best = states.len() - 1;
            }
            // Where values repeat, the likelihood would rise for ever.
            if cells.centres().nrows() > TUNING.blur_cells || annealing.is_cold() {
                break;
            }
            annealing.cool()?;
        }
        Ok(Self { states, best, rows_per_weight })
    }

    /// The τ of highest likelihood, interpolated by a parabola in log τ: σ₀ when the user gives none.
    ///
    /// Exact for well-sampled spherical components; on curves and sheets a little too large, since few
    /// cells of slightly larger width fit as well.
    pub(crate) fn component_std(&self) -> f64 {
        vertex(&self.states, self.best).exp()
    }

    /// By how many nats the best state is ahead of those about `std`.
    pub(crate) fn lead_over(&self, std: f64) -> f64 {
        let distance = |state: &&(f64, f64)| (state.0 - std.ln()).abs();
        let nearest = self.states.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest.map_or(0.0, |nearest| (self.states[self.best].1 - nearest.1) * self.rows_per_weight)
    }
}

/// Σ w log Σ_j wⱼ N(x; cⱼ, τ² I), up to a constant, outliers apart.
fn log_likelihood(cells: &dyn Partition, bandwidth: f64, data: &WeightedRows) -> Result<f64> {
    let WeightedRows { rows, weights } = data;
    let mut log_weights = DMatrix::zeros(rows.nrows(), cells.centres().nrows());
    cells.log_weights_into(bandwidth, rows.as_view(), log_weights.as_view_mut())?;
    let (variance, dim) = (bandwidth * bandwidth, rows.ncols() as f64);
    let least = least_judging(rows.ncols());
    let log_sums = responsibilities_in_place(&mut log_weights);
    let total = rows.row_iter().zip(&log_sums).zip(weights).map(|((row, log_sum), weight)| {
        weight * (log_sum - 0.5 * row.norm_squared() / variance - dim * bandwidth.ln()).max(least)
    });
    Ok(total.sum())
}

/// Where the parabola through the best point of `path` and its neighbours is highest.
fn vertex(path: &[(f64, f64)], best: usize) -> f64 {
    let Some(neighbours) = best.checked_sub(1).and_then(|first| path.get(first..first + 3)) else {
        return path[best].0;
    };
    let [(x0, y0), (x1, y1), (x2, y2)] = [neighbours[0], neighbours[1], neighbours[2]];
    let (left, right) = ((y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1));
    let curvature = (right - left) / (x2 - x0);
    if curvature < 0.0 { 0.5 * (x0 + x1) - 0.5 * left / curvature } else { x1 }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Distribution, StandardNormal};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    /// y = 3 − 2(x − 0.4)², at points that are not equally far apart.
    #[test]
    fn a_parabola_is_highest_at_its_vertex() {
        let path = [2.0, 1.1, 0.5, -0.3, -1.0].map(|x: f64| (x, 3.0 - 2.0 * (x - 0.4).powi(2)));
        for best in [1, 2, 3] {
            assert!((vertex(&path, best) - 0.4).abs() < 1e-12);
        }
        // At an end, and where three points are on a line, there is none.
        assert_eq!((vertex(&path, 0), vertex(&path, 4)), (2.0, -1.0));
        assert_eq!(vertex(&[(2.0, 1.0), (1.0, 2.0), (0.0, 3.0)], 1), 1.0);
    }

    #[test]
    fn a_lead_is_in_rows_and_over_the_nearest_state() {
        let states = vec![(2f64.ln(), -50.0), (1f64.ln(), -30.0), (0.5f64.ln(), -36.0)];
        let path = BlurPath { states, best: 1, rows_per_weight: 0.5 };
        for (std, lead) in [(9.0, 10.0), (1.5, 10.0), (1.1, 0.0), (0.6, 3.0), (0.1, 3.0)] {
            assert_eq!(path.lead_over(std), lead, "{std}");
        }
    }

    #[test]
    fn the_likelihood_is_that_of_the_mixture_up_to_a_constant() {
        let centres = DMatrix::from_row_slice(2, 2, &[0.0, 1.0, 3.0, -1.0]);
        let masses = nalgebra::DVector::from_vec(vec![0.3, 0.7]);
        let cells = crate::cells::VoronoiCells::soft(centres.clone(), masses.clone()).unwrap();
        let rows = DMatrix::from_row_slice(3, 2, &[0.2, 0.9, 2.0, 0.0, 3.5, -1.5]);
        let data = WeightedRows { rows: rows.clone(), weights: vec![1.0, 2.0, 0.5] };
        let textbook = |std: f64| -> f64 {
            let density = |row: usize| -> f64 {
                let term = |j: usize| {
                    masses[j] * (-(rows.row(row) - centres.row(j)).norm_squared() / (2.0 * std * std)).exp()
                };
                (term(0) + term(1)) / (std * std)
            };
            (0..3).map(|row| data.weights[row] * density(row).ln()).sum()
        };
        for std in [0.5, 1.0, 2.0] {
            let found = log_likelihood(&cells, std, &data).unwrap();
            assert!((found - textbook(std)).abs() < 1e-9, "{std}: {found} {}", textbook(std));
        }
    }

    /// Four clusters of a standard deviation σ₀: 500 rows of two columns each know it to 1.6 %.
    #[test]
    fn the_width_of_spherical_clusters_is_found() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for std in [0.2, 0.7] {
            let rows = DMatrix::from_fn(2000, 2, |i, axis| {
                let z: f64 = StandardNormal.sample(&mut rng);
                [[0.0, 0.0], [9.0, 1.0], [-2.0, 8.0], [8.0, 9.0]][i % 4][axis] + std * z
            });
            let folds = (0..2000).map(|_| rng.random_range(0..5)).collect();
            let sample = FoldedSample::new(rows, vec![1.0; 2000], folds, 5).unwrap();
            let found = BlurPath::new(&sample).unwrap().component_std();
            assert!((found / std - 1.0).abs() < 0.05, "{found}");
        }
    }
}
