//! Covariances of cells of few rows, mixed with what cells have in common.

use nalgebra::{Cholesky, DMatrix, DVector, DVectorView};

use super::regularised::{left_out, regularised};

/// Strengths of the target that are tried, in rows of each of d + 2 parameters: the least, the step between them, and how
/// many. And none, and nothing but the target.
const WEAKEST: f64 = 0.125;
const STRENGTH_STEP: f64 = 2.0;
const STRENGTHS: i32 = 16;
/// One row alone leaves none.
const FEWEST_LEFT: f64 = 2.0;
/// Around a mean n rows vary in n − 1 directions; those of a cell, shared with others, may in one less.
const DIRECTIONS_FEWER: f64 = 2.0;
/// A smaller share of a cell's largest variance is none.
const LEAST_VARIANCE: f64 = 1e-10;

/// What the covariances of cells are mixed with, one for each of the cells of few rows.
struct Target {
    covariances: Vec<DMatrix<f64>>,
    /// The cells' own covariances in the coordinates in which these are the identity.
    relative: Vec<Relative>,
    /// Numbers that all rows tell for all cells.
    common_parameters: f64,
    /// Numbers that a cell's rows tell for it alone.
    own_parameters: Vec<f64>,
}

/// Eigenvalues of a covariance in the coordinates in which a target is the identity, and ½ log det of the target.
struct Relative {
    spectrum: DVector<f64>,
    log_volume: f64,
}

/// What all cells have in common: a covariance, and how many numbers it is made of.
pub(super) struct Common {
    pub(super) covariance: DMatrix<f64>,
    pub(super) parameters: f64,
}

/// Mixes the covariances of the cells `few`, each with a target that takes less than they have parameters: what all cells
/// have in common; that in a size of their own; variances of their own, correlated as in all cells; or spheres. The
/// target, and how strong it is against a cell's own rows, are those under which rows left out, one after the other, are
/// likeliest (Hoffbeck, Landgrebe 1996), less one nat for each number that is made of these rows.
///
/// Returns what each cell was mixed with, where it was.
///
/// Few rows tell a size, or d variances, where they do not tell d (d + 1)/2 covariances (Banfield, Raftery 1993).
pub(super) fn shrink_to_target(
    covariances: &mut [DMatrix<f64>],
    common: Common,
    information: &DVector<f64>,
    few: &[usize],
    floor: f64,
) -> Vec<Option<Mixed>> {
    let dim = covariances[0].nrows();
    let own: Vec<&DMatrix<f64>> = few.iter().map(|&cell| &covariances[cell]).collect();
    let rows: Vec<f64> = few.iter().map(|&cell| information[cell]).collect();
    let same = Target::of_all(&own, &common.covariance, common.parameters);
    let spheres = Target::of_all(&own, &DMatrix::identity(dim, dim), 0.0);
    let votes = spheres.as_ref().map_or_else(|| vec![true; few.len()], |spheres| spheres.votes(&rows));
    // A number made of all rows is as much a cell's as its share of them.
    let shares: Vec<f64> = rows.iter().map(|rows| rows / information.sum()).collect();
    let targets = [
        same.as_ref().and_then(|same| same.in_own_sizes(floor)),
        same,
        own_variances(covariances, information, few, floor),
        spheres.and_then(|spheres| spheres.in_own_sizes(floor)),
    ];
    let mut best: Option<(f64, f64, Target)> = None;
    for target in targets.into_iter().flatten() {
        let Some((strength, likelihood)) = target.best_strength(&rows, &shares, &votes) else { continue };
        if best.as_ref().is_none_or(|(_, before, _)| likelihood > *before) {
            best = Some((strength, likelihood, target));
        }
    }
    let mut mixed: Vec<Option<Mixed>> = covariances.iter().map(|_| None).collect();
    let Some((strength, _, target)) = best else { return mixed };
    for (position, (&cell, covariance)) in few.iter().zip(target.covariances).enumerate() {
        let share = share(strength, rows[position]);
        covariances[cell] = &covariances[cell] * (1.0 - share) + &covariance * share;
        let parameters = target.own_parameters[position] + target.common_parameters * shares[position];
        let free = (parameters / (dim * (dim + 1) / 2) as f64).min(1.0);
        mixed[cell] = Some(Mixed { target: covariance, share, free });
    }
    mixed
}

/// What a cell's covariance was mixed with.
pub(super) struct Mixed {
    target: DMatrix<f64>,
    share: f64,
    /// Numbers that the target is made of, as a share of those of a covariance.
    free: f64,
}

impl Mixed {
    /// By what factor more rows a variance would be of that varies by chance as much as `variance` does, that of the mixed
    /// covariance along `axis`: the target's part of it varies as far as it is made of the same rows.
    pub(super) fn worth(&self, axis: DVectorView<'_, f64>, variance: f64) -> f64 {
        let part = self.share * axis.dot(&(&self.target * axis)) / variance;
        let own = (1.0 - part.clamp(0.0, 1.0)).powi(2);
        1.0 / (own + (1.0 - own) * self.free)
    }
}

/// The target's share in a covariance of so many rows.
fn share(strength: f64, rows: f64) -> f64 {
    if strength.is_infinite() { 1.0 } else { strength / (strength + rows) }
}

impl Target {
    /// One covariance for all cells, these being their `own`; `None` where it is singular.
    fn of_all(own: &[&DMatrix<f64>], covariance: &DMatrix<f64>, parameters: f64) -> Option<Self> {
        let standard = Standard::of(covariance)?;
        Some(Self {
            covariances: vec![covariance.clone(); own.len()],
            relative: own.iter().map(|own| standard.relative(own)).collect::<Option<_>>()?,
            common_parameters: parameters,
            own_parameters: vec![0.0; own.len()],
        })
    }

    /// The same shapes, each as large as the cell's own covariance.
    fn in_own_sizes(&self, floor: f64) -> Option<Self> {
        let sizes: Vec<f64> =
            self.relative.iter().map(|relative| relative.spectrum.mean().max(floor)).collect();
        let sized = |(relative, size): (&Relative, &f64)| {
            let log_volume = relative.log_volume + 0.5 * relative.spectrum.len() as f64 * size.ln();
            Relative { spectrum: &relative.spectrum / *size, log_volume }
        };
        sizes.iter().all(|size| size.is_finite()).then(|| Self {
            covariances: self.covariances.iter().zip(&sizes).map(|(shape, size)| shape * *size).collect(),
            relative: self.relative.iter().zip(&sizes).map(sized).collect(),
            common_parameters: self.common_parameters,
            own_parameters: vec![1.0; sizes.len()],
        })
    }

    /// Which cells are asked, this being the identity for all: those that vary in as many directions as their rows may, or
    /// all where none does. A cell that is flat has rows of unbounded likelihood, and would decide for all.
    fn votes(&self, rows: &[f64]) -> Vec<bool> {
        let is_full = |(relative, rows): (&Relative, &f64)| {
            let least = LEAST_VARIANCE * relative.spectrum.max();
            let varying = relative.spectrum.iter().filter(|value| **value > least).count() as f64;
            varying >= (rows - DIRECTIONS_FEWER).floor().min(relative.spectrum.len() as f64)
        };
        let full: Vec<bool> = self.relative.iter().zip(rows).map(is_full).collect();
        if full.contains(&true) { full } else { vec![true; rows.len()] }
    }

    /// The strength under which rows left out are likeliest, of those cells of so many `rows` that have `votes`, and their
    /// log-likelihood up to a constant; `shares` are theirs of all rows.
    fn best_strength(&self, rows: &[f64], shares: &[f64], votes: &[bool]) -> Option<(f64, f64)> {
        let dim = self.covariances[0].nrows() as f64;
        let likelihood = |strength: f64| -> f64 {
            let of = |cell: usize| {
                let (relative, rows) = (&self.relative[cell], rows[cell]);
                let share = share(strength, rows);
                let count = rows.max(FEWEST_LEFT);
                let left_out = left_out(relative.spectrum.as_slice(), share, count, count);
                let parameters = self.own_parameters[cell] + self.common_parameters * shares[cell];
                rows * (left_out - relative.log_volume) - share * parameters
            };
            (0..rows.len()).filter(|&cell| votes[cell]).map(of).sum()
        };
        let strengths = (0..STRENGTHS).map(|step| WEAKEST * (dim + 2.0) * STRENGTH_STEP.powi(step));
        let said = std::iter::once(0.0).chain(strengths).chain([f64::INFINITY]);
        let said = said.map(|strength| (strength, likelihood(strength)));
        said.filter(|(_, likelihood)| likelihood.is_finite()).max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// Coordinates in which a target is the identity: z = W x, W the inverse of its Cholesky factor.
struct Standard {
    whitening: DMatrix<f64>,
    /// ½ log det of the target.
    log_volume: f64,
}

impl Standard {
    /// `None` where the target is singular.
    fn of(target: &DMatrix<f64>) -> Option<Self> {
        let factor = Cholesky::new(target.clone())?;
        let mut whitening = DMatrix::identity(target.nrows(), target.ncols());
        factor.l_dirty().solve_lower_triangular_mut(&mut whitening);
        let log_volume = factor.l_dirty().diagonal().iter().map(|v| v.ln()).sum();
        Some(Self { whitening, log_volume })
    }

    /// `None` where overflow has left no numbers.
    fn relative(&self, covariance: &DMatrix<f64>) -> Option<Relative> {
        let relative = &self.whitening * covariance * self.whitening.transpose();
        let spectrum = relative.symmetric_eigenvalues();
        let is_finite = spectrum.iter().all(|value| value.is_finite());
        is_finite.then_some(Relative { spectrum, log_volume: self.log_volume })
    }
}

/// Every cell's own variances, as far from those of all cells as sampling noise does not explain, with the correlations
/// that all cells have on the mean.
fn own_variances(
    covariances: &[DMatrix<f64>],
    information: &DVector<f64>,
    few: &[usize],
    floor: f64,
) -> Option<Target> {
    let (cells, dim) = (covariances.len(), covariances[0].nrows());
    let shares = information / information.sum();
    let logs = DMatrix::from_fn(cells, dim, |cell, axis| covariances[cell][(axis, axis)].max(floor).ln());
    let mean = logs.tr_mul(&shares);
    let mut differences = logs.clone();
    differences.row_iter_mut().for_each(|mut row| row -= mean.transpose());
    let sizes = differences.column_mean();
    differences.column_iter_mut().for_each(|mut column| column -= &sizes);
    let spread: f64 = (0..cells).map(|cell| shares[cell] * differences.row(cell).norm_squared()).sum();
    let noise = |cell: usize| noise_of_log_variance(information[cell]);
    let chance: f64 = (0..cells).map(|cell| shares[cell] * (1.0 - shares[cell]) * noise(cell)).sum();
    let chance = (dim as f64 - 1.0) * chance;
    let freedom = (dim as f64 - 1.0) * (1.0 - shares.norm_squared());
    let variance = if freedom > 0.0 { (spread - chance).max(0.0) / freedom } else { 0.0 };

    let mut correlations = DMatrix::zeros(dim, dim);
    let (mut stds, mut own_parameters) = (Vec::new(), Vec::new());
    for (cell, covariance) in covariances.iter().enumerate() {
        let keep = variance / (variance + noise(cell));
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
    if let Some(simpler) = regularised(&correlations, information.sum(), information.mean()) {
        common_parameters *= 1.0 - simpler.share;
        correlations = simpler.covariance;
    }
    // What is not kept of a cell's own variances is of all cells.
    common_parameters += dim as f64 - own_parameters.iter().sum::<f64>() / cells as f64;
    let standard = Standard::of(&correlations)?;
    let scaled = |matrix: &DMatrix<f64>, factors: &DVector<f64>| {
        DMatrix::from_fn(dim, dim, |i, j| factors[i] * factors[j] * matrix[(i, j)])
    };
    let relative = |&cell: &usize| {
        let Relative { spectrum, log_volume } =
            standard.relative(&scaled(&covariances[cell], &stds[cell].map(f64::recip)))?;
        let log_volume = log_volume + stds[cell].iter().map(|std| std.ln()).sum::<f64>();
        Some(Relative { spectrum, log_volume })
    };
    Some(Target {
        covariances: few.iter().map(|&cell| scaled(&correlations, &stds[cell])).collect(),
        relative: few.iter().map(relative).collect::<Option<_>>()?,
        common_parameters,
        own_parameters: few.iter().map(|&cell| own_parameters[cell]).collect(),
    })
}

/// The variance of the logarithm of a variance of so many rows around their mean: ψ′((n − 1)/2), to the second order.
fn noise_of_log_variance(rows: f64) -> f64 {
    let freedom = (rows - 1.0).max(1.0);
    2.0 / freedom + 2.0 / (freedom * freedom)
}
