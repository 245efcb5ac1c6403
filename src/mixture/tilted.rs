//! Cells that are Gaussians times a tilt of their own, whatever it is.

use nalgebra::{DMatrix, DMatrixView, DVector};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::column_law::{ColumnCell, ColumnLaw};
use super::evaluation::Outputs;
use super::radius::RadiusLaw;
use super::tilt::Tilt;
use super::whole_cell::{Sighting, WholeCell};
use crate::error::Result;
use crate::kernels::{FARTHEST, responsibilities_in_place};
use crate::process::NoiseLevel;
use crate::score::standard_normals;

/// Cells in all coordinates; their tilts have diagonal roots.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TiltedCells {
    pub(super) cells: Vec<WholeCell>,
}

impl TiltedCells {
    pub(super) fn new(cells: Vec<WholeCell>) -> Self {
        let diagonal = |mut cell: WholeCell| {
            if let Some(tilt) = &cell.tilt
                && let Some(turn) = tilt.diagonalising()
            {
                cell.factor = &cell.factor * &turn;
                cell.tilt = Some(tilt.substituted(&DVector::zeros(turn.nrows()), &turn));
            }
            cell
        };
        Self { cells: cells.into_iter().map(diagonal).collect() }
    }

    /// The cells of Y.
    fn at_level(&self, level: NoiseLevel) -> Result<Vec<Sighting>> {
        let dim = self.cells.first().map_or(0, |cell| cell.mean.len());
        let signal = DMatrix::from_diagonal_element(dim, dim, level.signal());
        let noise = match level.noise() {
            0.0 => DMatrix::zeros(dim, 0),
            noise => DMatrix::from_diagonal_element(dim, dim, noise),
        };
        let cells = self.cells.iter().enumerate();
        cells.map(|(index, cell)| cell.seen_through(&signal, &noise, index)).collect()
    }

    /// log wⱼ pⱼ(y) at the rows of `points`: n × k.
    pub(super) fn log_joint(
        &self,
        level: NoiseLevel,
        masses: &DVector<f64>,
        points: &DMatrixView<'_, f64>,
    ) -> Result<DMatrix<f64>> {
        let noised = self.at_level(level)?;
        let mut log_joint = DMatrix::zeros(points.nrows(), noised.len());
        for (j, cell) in noised.iter().enumerate() {
            let log_mass = masses[j].ln();
            for (row, point) in points.row_iter().enumerate() {
                let standard = standard(cell, &bounded(point.transpose()));
                log_joint[(row, j)] = (log_mass + cell.log_density(standard.as_view())).max(-f64::MAX);
            }
        }
        Ok(log_joint)
    }

    /// Score, divergence and log-density of Y at `points` (n × d).
    pub(super) fn evaluate(
        &self,
        level: NoiseLevel,
        masses: &DVector<f64>,
        points: &DMatrixView<'_, f64>,
        mut outputs: Outputs<'_>,
    ) -> Result<()> {
        let noised = self.at_level(level)?;
        let mut responsibilities = self.log_joint(level, masses, points)?;
        if let Some(log_density) = &mut outputs.log_density {
            for (value, row) in log_density.iter_mut().zip(responsibilities.row_iter()) {
                let largest = row.max();
                *value = largest + row.iter().map(|log| (log - largest).exp()).sum::<f64>().ln();
            }
        }
        if outputs.score.is_none() && outputs.divergence.is_none() {
            return Ok(());
        }
        responsibilities_in_place(&mut responsibilities);
        let curvatures: Vec<Curvature> = noised.iter().map(Curvature::new).collect();
        for (row, point) in points.row_iter().enumerate() {
            let point = bounded(point.transpose());
            let parts: Vec<(DVector<f64>, f64)> = noised
                .iter()
                .zip(&curvatures)
                .map(|(cell, curvature)| derivatives(cell, curvature, &point))
                .collect();
            let weighed = || parts.iter().zip(responsibilities.row(row).iter().copied().collect::<Vec<_>>());
            let mut mean = DVector::zeros(point.len());
            for ((gradient, _), r) in weighed() {
                mean.axpy(r, gradient, 1.0);
            }
            if let Some(divergence) = &mut outputs.divergence {
                let of_cell = |((gradient, trace), r): (&(DVector<f64>, f64), f64)| {
                    if r == 0.0 { 0.0 } else { r * ((gradient - &mean).norm_squared().min(f64::MAX) + trace) }
                };
                divergence[row] = weighed().map(of_cell).sum();
            }
            if let Some(score) = &mut outputs.score {
                score.row_mut(row).tr_copy_from(&mean);
            }
        }
        Ok(())
    }

    /// One draw of cell `cell`.
    pub(super) fn draw(&self, cell: usize, rng: &mut dyn Rng) -> DVector<f64> {
        let WholeCell { mean, factor, tilt } = &self.cells[cell];
        mean + factor * draw_standard(tilt.as_ref(), factor.ncols(), rng)
    }
}

/// What traces of Hessians need of a noised cell.
struct Curvature {
    /// |Λ⁻¹|².
    precision: f64,
    /// tr Λ⁻ᵀPΛ⁻¹ of root and rest.
    tilt: Option<(f64, f64)>,
}

impl Curvature {
    fn new(cell: &Sighting) -> Self {
        let inner = &cell.whitening * cell.whitening.transpose();
        let tilt =
            cell.seen_tilt().map(|(tilt, _)| (inner.dot(&tilt.root.matrix), inner.dot(&tilt.rest.matrix)));
        Self { precision: cell.whitening.norm_squared(), tilt }
    }
}

fn bounded(point: DVector<f64>) -> DVector<f64> {
    point.map(|value| value.clamp(-FARTHEST, FARTHEST))
}

fn standard(cell: &Sighting, point: &DVector<f64>) -> DVector<f64> {
    &cell.whitening * (point - &cell.centre)
}

/// Gradient of the log-density of a noised cell, and the trace of its Hessian.
fn derivatives(cell: &Sighting, curvature: &Curvature, point: &DVector<f64>) -> (DVector<f64>, f64) {
    let standard = standard(cell, point);
    let back = cell.whitening.transpose();
    let (mut gradient, mut trace) = (-&standard, -curvature.precision);
    if let (Some((tilt, _)), Some((of_root, of_rest))) = (cell.seen_tilt(), curvature.tilt) {
        let at = tilt.at(&standard);
        let relative = at.gradient / at.value;
        let hessian =
            2.0 * (&back * at.root_gradient).norm_squared() + 4.0 * at.root * of_root + 2.0 * of_rest;
        trace += hessian / at.value - (&back * &relative).norm_squared();
        gradient += relative;
    }
    (back * gradient, trace)
}

/// One draw of z ~ N(0, I) bent by `tilt`, whose root is diagonal: coordinate by coordinate, each given those before
/// and averaged over those behind.
pub(crate) fn draw_standard(tilt: Option<&Tilt>, dim: usize, rng: &mut dyn Rng) -> DVector<f64> {
    let Some(tilt) = tilt else {
        return DVector::from_fn(dim, |_, _| StandardNormal.sample(rng));
    };
    if let Some((beta, share)) = tilt.radial_form()
        && let Ok(radius) = RadiusLaw::with_share(beta, share, dim)
    {
        let mut standard = standard_normals(1, dim, rng);
        radius.redraw_lengths(&mut standard, rng);
        return standard.row(0).transpose();
    }
    let (root, rest) = (&tilt.root, &tilt.rest);
    let (diagonal, linear) = (root.matrix.diagonal(), &root.linear);
    // Of the coordinates behind: mean and variance of q, mean of p.
    let mut mean: f64 = root.constant + diagonal.sum();
    let mut variance: f64 = linear.norm_squared() + 2.0 * diagonal.norm_squared();
    let mut rest_mean = rest.constant + rest.matrix.trace();
    let mut rest_linear = rest.linear.clone();
    let mut z = DVector::zeros(dim);
    for i in 0..dim {
        let (b, p, p2) = (linear[i], diagonal[i], rest.matrix[(i, i)]);
        mean -= p;
        variance = (variance - b * b - 2.0 * p * p).max(0.0);
        rest_mean -= p2;
        let polynomial = [
            mean * mean + variance + rest_mean,
            2.0 * mean * b + rest_linear[i],
            b * b + 2.0 * mean * p + p2,
            2.0 * b * p,
            p * p,
        ];
        let value = draw_bent(polynomial, rng);
        z[i] = value;
        mean += value * (b + p * value);
        rest_mean += value * (rest_linear[i] + p2 * value);
        for behind in i + 1..dim {
            rest_linear[behind] += 2.0 * rest.matrix[(behind, i)] * value;
        }
    }
    z
}

/// A draw of density proportional to φ(t) Σ fₖ tᵏ.
fn draw_bent(polynomial: [f64; 5], rng: &mut dyn Rng) -> f64 {
    if polynomial[1..].iter().all(|&f| f == 0.0) {
        return StandardNormal.sample(rng);
    }
    ColumnLaw::new(vec![ColumnCell::new(1.0, 0.0, 1.0, Some(polynomial))]).sample(rng)
}

/// Which of the parts with these `weights` a draw belongs to.
pub(crate) fn draw_part(weights: &[f64], rng: &mut dyn Rng) -> usize {
    let total: f64 = weights.iter().sum();
    let mut left = rng.random::<f64>() * total;
    let last = weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
    for (part, &weight) in weights[..last].iter().enumerate() {
        if left < weight {
            return part;
        }
        left -= weight;
    }
    last
}
