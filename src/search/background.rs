//! The broad cell behind all others, to which rows belong that no cell explains.

use nalgebra::{DMatrix, DVector};

use super::covariance::{regularised, span};
use crate::kernels::{Gaussian, Gaussians};
use crate::mixture::MixtureParameters;
use crate::rows::WeightedRows;

/// A background of fewer rows has none of its own: it begins with half a row, and has one where there is a stray.
const FEWEST_STRAYS: f64 = 0.75;

/// Directions in which nothing varies have this share of the mean variance.
const SMALLEST_SHARE: f64 = 1e-12;

/// A Gaussian as wide as the farthest row is out, of the mass of half a row at least.
///
/// With it a candidate says of a stray row that it is one, and loses log n nats on it instead of as many as it lies
/// widths away: no row's likelihood is unbounded, so that a few of them decide nothing (a defensive mixture,
/// Hesterberg 1995; the noise term of Banfield, Raftery 1993). While cells are sought it is the last one of every
/// mixture.
#[derive(Debug, Clone)]
pub(super) struct Background {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
    /// Share of half a row.
    pub(super) least_mass: f64,
}

impl Background {
    /// Of all rows of `data`: their mean and covariance, as much wider as the farthest of them lies out.
    pub(super) fn of(data: &WeightedRows) -> Self {
        let dim = data.rows.ncols();
        let total: f64 = data.weights.iter().sum();
        let (mean, mut covariance) = data.mean_and_covariance();
        let mean_variance = (covariance.trace() / dim as f64).max(f64::MIN_POSITIVE);
        // Few rows are likelier under their own covariance than under any law of theirs, and would all be strays.
        if !span(total, dim) {
            covariance = DMatrix::from_diagonal_element(dim, dim, mean_variance);
        } else if let Some(simpler) = regularised(&covariance, total, total) {
            covariance = simpler.covariance;
        }
        for axis in 0..dim {
            covariance[(axis, axis)] += SMALLEST_SHARE * mean_variance;
        }
        let farthest = match covariance.clone().cholesky() {
            Some(factor) => {
                let mut standard = data.around(&mean).transpose();
                factor.l_dirty().solve_lower_triangular_mut(&mut standard);
                standard.column_iter().map(|z| z.norm_squared()).fold(0.0, f64::max)
            }
            None => 0.0,
        };
        covariance *= (farthest / dim as f64).max(1.0);
        Self { mean, covariance, least_mass: (0.5 / total).min(0.5) }
    }

    /// ε N(m, S), ε its least mass; `None` where overflow has left no covariance.
    fn gaussian(&self) -> Option<Gaussian> {
        let factor = self.covariance.clone().cholesky()?;
        Some(Gaussian::factored(self.least_mass.ln(), self.mean.as_slice().to_vec(), factor.l_dirty()))
    }

    /// log ε N(x; m, S) at the rows x of `points` (n × m).
    pub(super) fn log_density(&self, points: &DMatrix<f64>) -> Vec<f64> {
        let Some(gaussian) = self.gaussian() else { return vec![f64::NEG_INFINITY; points.nrows()] };
        let mut log_joint = DMatrix::zeros(points.nrows(), 1);
        Gaussians::new(points.ncols(), vec![gaussian])
            .log_joint_into(points.as_view(), log_joint.as_view_mut());
        log_joint.as_slice().to_vec()
    }

    /// As wide in every direction as this is in all together.
    pub(super) fn spherical(&self) -> Self {
        let dim = self.mean.len();
        let covariance = DMatrix::from_diagonal_element(dim, dim, self.covariance.trace());
        Self { covariance, ..self.clone() }
    }

    /// `mixture` with this as its last cell, of the least mass.
    pub(super) fn behind(&self, mixture: &MixtureParameters) -> MixtureParameters {
        let own = MixtureParameters { masses: &mixture.masses * (1.0 - self.least_mass), ..mixture.clone() };
        self.with_mass(own, self.least_mass)
    }

    /// `cells`, whose masses sum to 1 − `mass`, before this with that mass. Its shape stays, whatever rows belong to it:
    /// one that followed them would take a cluster for its own.
    pub(super) fn with_mass(&self, cells: MixtureParameters, mass: f64) -> MixtureParameters {
        cells.with_cell(mass, &self.mean, self.covariance.clone())
    }
}

/// The cells of `mixture` before its background, and this.
pub(super) fn without_background(mixture: &MixtureParameters) -> (MixtureParameters, MixtureParameters) {
    let cells = mixture.masses.len() - 1;
    let part = |first: usize, count: usize| MixtureParameters {
        masses: mixture.masses.rows(first, count).into_owned(),
        means: mixture.means.rows(first, count).into_owned(),
        covariances: mixture.covariances[first..first + count].to_vec(),
    };
    (part(0, cells), part(cells, 1))
}

/// `cells` before that background again.
pub(super) fn before_background(
    cells: MixtureParameters,
    background: &MixtureParameters,
) -> MixtureParameters {
    let mean = background.means.row(0).transpose();
    cells.with_cell(background.masses[0], &mean, background.covariances[0].clone())
}

/// The law that `mixture` stands for: its background is a cell where it has found rows, and is left out otherwise.
pub(super) fn law(mixture: &MixtureParameters, total: f64) -> MixtureParameters {
    if mixture.masses[mixture.masses.len() - 1] * total >= FEWEST_STRAYS {
        return mixture.clone();
    }
    let (mut cells, _) = without_background(mixture);
    cells.masses /= cells.masses.sum();
    cells
}
