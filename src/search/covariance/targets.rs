//! Covariances of cells of few rows, mixed with what cells have in common.

use nalgebra::{Cholesky, DMatrix, DVector};

use super::regularised::{left_out, regularised};

/// Strengths of the target that are tried, in rows of each of d + 2 parameters: the least, the step between them, and how
/// many. And none, and nothing but the target.
const WEAKEST: f64 = 0.125;
const STRENGTH_STEP: f64 = 2.0;
const STRENGTHS: i32 = 16;

/// What the covariances of cells are mixed with.
struct Target {
    /// One a cell.
    covariances: Vec<DMatrix<f64>>,
    /// Numbers that all rows tell for all cells.
    common_parameters: f64,
    /// Numbers that a cell's rows tell for it alone, one a cell.
    own_parameters: Vec<f64>,
}

/// What all cells have in common: a covariance, and how many numbers it is made of.
pub(super) struct Common {
    pub(super) covariance: DMatrix<f64>,
    pub(super) parameters: f64,
}

/// Mixes the covariances of the cells `few`, each with a target that takes less than they have parameters: what all cells
/// have in common; that in a size of their own; variances of their own, correlated as in all cells; or spheres. The
/// target, and how strong it is against a cell's own rows, are those under which rows left out, one after the other, are
/// likeliest (Hoffbeck, Landgrebe 1996).
///
/// Returns of how many rows covariances are that vary by chance as much as the mixed ones.
///
/// Few rows tell a size, or d variances, where they do not tell d (d + 1)/2 covariances (Banfield, Raftery 1993).
pub(super) fn shrink_to_target(
    covariances: &mut [DMatrix<f64>],
    common: Common,
    information: &DVector<f64>,
    few: &[usize],
    floor: f64,
) -> DVector<f64> {
    let scaled = scaled_common(covariances, &common);
    let variances = own_variances(covariances, information, floor);
    let spheres = spheres(covariances, floor);
    let same = Target {
        covariances: vec![common.covariance; covariances.len()],
        common_parameters: common.parameters,
        own_parameters: vec![0.0; covariances.len()],
    };
    let mut best: Option<(f64, f64, Target)> = None;
    for target in [Some(same), scaled, variances, Some(spheres)].into_iter().flatten() {
        let Some((strength, likelihood)) = target.best_strength(covariances, information, few) else {
            continue;
        };
        if best.as_ref().is_none_or(|(_, before, _)| likelihood > *before) {
            best = Some((strength, likelihood, target));
        }
    }
    let mut rows = information.clone();
    let Some((strength, _, target)) = best else { return rows };
    let dim = covariances[0].nrows() as f64;
    for &cell in few {
        let share = share(strength, information[cell]);
        covariances[cell] = &covariances[cell] * (1.0 - share) + &target.covariances[cell] * share;
        let parameters = target.own_parameters[cell] + target.common_parameters / covariances.len() as f64;
        let free = parameters / (0.5 * dim * (dim + 1.0));
        rows[cell] /= (1.0 - share).powi(2) + share.powi(2) * free;
    }
    rows
}

/// The target's share in a covariance of so many rows.
fn share(strength: f64, rows: f64) -> f64 {
    if strength.is_infinite() { 1.0 } else { strength / (strength + rows) }
}

impl Target {
    /// The strength under which rows left out are likeliest, and their log-likelihood up to a constant; `None` where the
    /// target is singular.
    fn best_strength(
        &self,
        covariances: &[DMatrix<f64>],
        information: &DVector<f64>,
        few: &[usize],
    ) -> Option<(f64, f64)> {
        let dim = covariances[0].nrows() as f64;
        let spectra: Option<Vec<(DVector<f64>, f64)>> =
            few.iter().map(|&cell| relative_spectrum(&covariances[cell], &self.covariances[cell])).collect();
        let spectra = spectra?;
        let likelihood = |strength: f64| -> f64 {
            let mut mean_share = 0.0;
            let mut sum = 0.0;
            for (&cell, (spectrum, log_volume)) in few.iter().zip(&spectra) {
                let rows = information[cell];
                let share = share(strength, rows);
                sum += rows * (left_out(spectrum.as_slice(), share, rows.max(2.0)) - log_volume)
                    - share * self.own_parameters[cell];
                mean_share += share / few.len() as f64;
            }
            sum - mean_share * self.common_parameters
        };
        let strengths = (0..STRENGTHS).map(|step| WEAKEST * (dim + 2.0) * STRENGTH_STEP.powi(step));
        let said = std::iter::once(0.0).chain(strengths).chain([f64::INFINITY]);
        let said = said.map(|strength| (strength, likelihood(strength)));
        said.filter(|(_, likelihood)| likelihood.is_finite()).max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// Eigenvalues of a covariance in the coordinates in which the target is the identity, and ½ log det of the target;
/// `None` where the target is singular.
fn relative_spectrum(covariance: &DMatrix<f64>, target: &DMatrix<f64>) -> Option<(DVector<f64>, f64)> {
    let factor = Cholesky::new(target.clone())?;
    let lower = factor.l_dirty();
    let mut relative = covariance.clone();
    lower.solve_lower_triangular_mut(&mut relative);
    relative.transpose_mut();
    lower.solve_lower_triangular_mut(&mut relative);
    let log_volume = lower.diagonal().iter().map(|v| v.ln()).sum::<f64>();
    let values = relative.symmetric_eigenvalues();
    values.iter().all(|value| value.is_finite()).then_some((values, log_volume))
}

/// The common covariance as large as a cell's own.
fn scaled_common(covariances: &[DMatrix<f64>], common: &Common) -> Option<Target> {
    let factor = Cholesky::new(common.covariance.clone())?;
    let dim = common.covariance.nrows() as f64;
    let scaled = |own: &DMatrix<f64>| &common.covariance * (factor.solve(own).trace() / dim);
    Some(Target {
        covariances: covariances.iter().map(scaled).collect(),
        common_parameters: common.parameters,
        own_parameters: vec![1.0; covariances.len()],
    })
}

fn spheres(covariances: &[DMatrix<f64>], floor: f64) -> Target {
    let dim = covariances[0].nrows();
    let sphere =
        |own: &DMatrix<f64>| DMatrix::from_diagonal_element(dim, dim, (own.trace() / dim as f64).max(floor));
    Target {
        covariances: covariances.iter().map(sphere).collect(),
        common_parameters: 0.0,
        own_parameters: vec![1.0; covariances.len()],
    }
}

/// Every cell's own variances, as far from those of all cells as sampling noise does not explain, with the correlations
/// that all cells have on the mean.
fn own_variances(covariances: &[DMatrix<f64>], information: &DVector<f64>, floor: f64) -> Option<Target> {
    let (cells, dim) = (covariances.len(), covariances[0].nrows());
    let shares = information / information.sum();
    let logs = DMatrix::from_fn(cells, dim, |cell, axis| covariances[cell][(axis, axis)].max(floor).ln());
    let mean = logs.tr_mul(&shares);
    let mut differences = logs.clone();
    differences.row_iter_mut().for_each(|mut row| row -= mean.transpose());
    let sizes = differences.column_mean();
    differences.column_iter_mut().for_each(|mut column| column -= &sizes);
    // A log-variance of n rows has the variance 2/n.
    let spread: f64 = (0..cells).map(|cell| shares[cell] * differences.row(cell).norm_squared()).sum();
    let chance = 2.0 * (cells as f64 - 1.0) * (dim as f64 - 1.0) / information.sum();
    let freedom = (dim as f64 - 1.0) * (1.0 - shares.norm_squared());
    let variance = if freedom > 0.0 { (spread - chance).max(0.0) / freedom } else { 0.0 };

    let mut correlations = DMatrix::zeros(dim, dim);
    let (mut stds, mut own_parameters) = (Vec::new(), Vec::new());
    for (cell, covariance) in covariances.iter().enumerate() {
        let keep = variance / (variance + 2.0 / information[cell]);
        let log = |axis: usize| mean[axis] + sizes[cell] + keep * differences[(cell, axis)];
        let mut std = DVector::from_fn(dim, |axis, _| (0.5 * log(axis)).exp());
        let square = |axis: usize| covariance[(axis, axis)].max(floor) / (std[axis] * std[axis]);
        let size = (0..dim).map(square).sum::<f64>() / dim as f64;
        std *= size.sqrt();
        for i in 0..dim {
            for j in 0..dim {
                correlations[(i, j)] += shares[cell] * covariance[(i, j)] / (std[i] * std[j]);
            }
        }
        stds.push(std);
        own_parameters.push(1.0 + keep * (dim as f64 - 1.0));
    }
    let mut common_parameters = (dim * (dim - 1)) as f64 / 2.0;
    if let Some(simpler) = regularised(&correlations, information.sum()) {
        common_parameters *= 1.0 - simpler.share;
        correlations = simpler.covariance;
    }
    let covariance =
        |std: &DVector<f64>| DMatrix::from_fn(dim, dim, |i, j| std[i] * std[j] * correlations[(i, j)]);
    Some(Target { covariances: stds.iter().map(covariance).collect(), common_parameters, own_parameters })
}
