use nalgebra::DMatrix;

use crate::error::Result;
use crate::kernels::responsibilities_in_place;
use crate::partition::{Annealing, FoldedSample, Partition, WeightedRows, least_judging};

/// States without a better held-out likelihood after which the search ends.
const PATIENCE: usize = 4;
/// More cells than this are not followed.
const MOST_CELLS: usize = 200;

/// σ₀ when the user gives none: the bandwidth τ at which a mixture Σ wⱼ N(cⱼ, τ² I), annealed on the rows
/// outside the last fold of `sample`, has the highest log-likelihood on that fold, interpolated by a
/// parabola in log τ. Equal rows share a fold, so that no row is judged by its own copies.
///
/// Exact for well-sampled spherical components; on curves and sheets a little too large, since few
/// cells of slightly larger width fit as well.
pub(super) fn estimate_component_std(sample: &FoldedSample) -> Result<f64> {
    let last = sample.n_folds - 1;
    let (training, held_out) = (sample.training(last), sample.judging(last));
    let mut annealing = Annealing::new(&training)?;
    let mut path: Vec<(f64, f64)> = Vec::new();
    let mut best = 0;
    while path.len() < best + PATIENCE + 1 {
        let cells = annealing.cells()?;
        let likelihood = log_likelihood(&cells, annealing.bandwidth(), &held_out)?;
        path.push((annealing.bandwidth().ln(), likelihood));
        if likelihood > path[best].1 {
            best = path.len() - 1;
        }
        // Where values repeat, the likelihood would rise for ever.
        if cells.centres().nrows() > MOST_CELLS || annealing.is_cold() {
            break;
        }
        annealing.cool()?;
    }
    Ok(vertex(&path, best).exp())
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
