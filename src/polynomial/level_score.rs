use std::sync::Arc;

use nalgebra::{DMatrix, DVector};

use super::hermite::HermiteBasis;
use super::level_basis::LevelBasis;
use crate::error::Result;
use crate::kernels::responsibilities_in_place;

/// For every axis and feature, its derivative as a multiple of a lower feature.
type Lowered = Arc<Vec<Vec<Option<(usize, f64)>>>>;

/// The centre denoiser of one noise level: Û(y) = Σ_j r_j(y) Σ_α θ_jα h_α(u_j), where θ is a
/// correction of the cells' own denoisers or stands alone.
///
/// Local coordinates are clipped to |u| ≤ √m + 2.5, so that polynomials are never evaluated far
/// outside what their cell saw: Û stays bounded, and far away the score points home.
#[derive(Debug, Clone)]
pub(crate) struct LevelScore {
    basis: LevelBasis,
    /// Features × m, without the cells' own denoisers.
    correction: Arc<DMatrix<f64>>,
    /// Whether the cells' own denoisers are part of Û.
    own: bool,
    /// For every local axis, the derivative of every feature as a multiple of a lower one.
    lowered: Lowered,
    cells: Vec<CellPolynomial>,
    clip: f64,
}

#[derive(Debug, Clone)]
struct CellPolynomial {
    /// Coefficients of f in its first m columns and of its divergence in y in the last: p × (m + 1).
    coefficients: DMatrix<f64>,
    /// Coefficients of ∂f/∂u along each local axis: m matrices with m columns, of the features of a lower degree.
    derivatives: Vec<DMatrix<f64>>,
}

/// Û at a block of points, with its divergence.
#[derive(Debug)]
pub(crate) struct CentreDenoised {
    /// n × m.
    pub(crate) centre: DMatrix<f64>,
    /// Length n.
    pub(crate) divergence: DVector<f64>,
}

impl LevelScore {
    /// `correction`: features × m, on top of the cells' own denoisers if `own`. Degrees that all cells
    /// leave at zero are not evaluated.
    pub(crate) fn new(basis: &LevelBasis, correction: &DMatrix<f64>, own: bool) -> Self {
        let (cells, dim) = basis.partition().centres().shape();
        let used = (0..correction.nrows()).rev().find(|&i| correction.row(i).iter().any(|&c| c != 0.0));
        let degree = used.map_or(0, |feature| basis.hermite().order(feature / cells));
        let basis = LevelBasis::new(basis.partition().clone(), basis.bandwidth(), degree);
        let correction = Arc::new(correction.rows(0, basis.len()).into_owned());
        let lowered = Arc::new((0..dim).map(|axis| basis.hermite().derivatives(axis)).collect());
        Self::assemble(basis, correction, own, lowered)
    }

    fn assemble(basis: LevelBasis, correction: Arc<DMatrix<f64>>, own: bool, lowered: Lowered) -> Self {
        let (cells, dim) = basis.partition().centres().shape();
        let mut coefficients = if own { basis.own_denoiser() } else { DMatrix::zeros(basis.len(), dim) };
        coefficients += correction.as_ref();
        let polynomials = (0..cells)
            .map(|cell| {
                let theta = DMatrix::from_fn(basis.hermite().len(), dim, |alpha, axis| {
                    coefficients[(alpha * cells + cell, axis)]
                });
                CellPolynomial::new(&basis, cell, &theta, &lowered)
            })
            .collect();
        Self { basis, correction, own, lowered, cells: polynomials, clip: (dim as f64).sqrt() + 2.5 }
    }

    /// The same correction at another bandwidth: cells, their own denoisers and local coordinates
    /// follow it.
    pub(crate) fn at_bandwidth(&self, bandwidth: f64) -> Self {
        let basis = self.basis.at_bandwidth(bandwidth);
        Self::assemble(basis, self.correction.clone(), self.own, self.lowered.clone())
    }

    /// Features × m, without the cells' own denoisers.
    #[cfg(feature = "serde")]
    pub(crate) fn correction(&self) -> &DMatrix<f64> {
        &self.correction
    }

    /// Whether the cells' own denoisers are part of Û.
    #[cfg(feature = "serde")]
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    pub(crate) fn basis(&self) -> &LevelBasis {
        &self.basis
    }

    /// Û at the rows of `points` (n × m).
    pub(crate) fn centre(&self, points: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        let responsibilities = self.responsibilities(points)?;
        let mut centre = DMatrix::zeros(points.nrows(), points.ncols());
        for cell in 0..self.cells.len() {
            let r = responsibilities.column(cell);
            if r.iter().all(|&r| r == 0.0) {
                continue;
            }
            let values = self.evaluate(cell, points).values;
            for axis in 0..points.ncols() {
                centre.column_mut(axis).zip_zip_apply(&values.column(axis), &r, |c, f, r| *c += r * f);
            }
        }
        Ok(centre)
    }

    /// Û and its divergence at the rows of `points` (n × m):
    /// div Û = Σ r_j (∇ℓ_j·(f_j − Û) + div f_j).
    pub(crate) fn centre_and_divergence(&self, points: &DMatrix<f64>) -> Result<CentreDenoised> {
        let (n, dim) = points.shape();
        let responsibilities = self.responsibilities(points)?;
        let mut centre = DMatrix::zeros(n, dim);
        let mut divergence = DVector::zeros(n);
        let mut fields = Vec::with_capacity(self.cells.len());
        for (cell, polynomial) in self.cells.iter().enumerate() {
            let r = responsibilities.column(cell);
            if r.iter().all(|&r| r == 0.0) {
                continue;
            }
            let evaluated = self.evaluate(cell, points);
            for axis in 0..dim {
                let values = evaluated.values.column(axis);
                centre.column_mut(axis).zip_zip_apply(&values, &r, |c, f, r| *c += r * f);
            }
            let own = polynomial.divergence(&self.basis, cell, &evaluated, self.clip);
            divergence.zip_zip_apply(&own, &r, |d, own, r| *d += r * own);
            fields.push((cell, evaluated.values));
        }
        let mut gradient = DMatrix::zeros(n, dim);
        for (cell, values) in &fields {
            self.basis.partition().log_weight_gradient_into(
                self.basis.bandwidth(),
                *cell,
                points.as_view(),
                gradient.as_view_mut(),
            )?;
            let r = responsibilities.column(*cell);
            for axis in 0..dim {
                for i in 0..n {
                    divergence[i] += r[i] * gradient[(i, axis)] * (values[(i, axis)] - centre[(i, axis)]);
                }
            }
        }
        Ok(CentreDenoised { centre, divergence })
    }

    fn responsibilities(&self, points: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        let mut r = DMatrix::zeros(points.nrows(), self.cells.len());
        self.basis.partition().log_weights_into(self.basis.bandwidth(), points.as_view(), r.as_view_mut())?;
        responsibilities_in_place(&mut r);
        Ok(r)
    }

    fn evaluate(&self, cell: usize, points: &DMatrix<f64>) -> Evaluated {
        let n = points.nrows();
        let mut coordinates = self.basis.local_coordinates(cell, points);
        let lengths: Vec<f64> = coordinates.row_iter().map(|u| u.norm()).collect();
        for (i, &length) in lengths.iter().enumerate() {
            if length > self.clip {
                coordinates.row_mut(i).scale_mut(self.clip / length);
            }
        }
        let hermite = self.basis.hermite();
        let mut features = DMatrix::zeros(n, hermite.len());
        hermite.features_into(n, coordinates.as_slice(), &mut Vec::new(), features.as_mut_slice());
        let values = &features * &self.cells[cell].coefficients;
        Evaluated { coordinates, lengths, features, values }
    }
}

/// One cell's polynomial at a block of points.
struct Evaluated {
    /// Clipped u, n × m.
    coordinates: DMatrix<f64>,
    /// |u| before clipping.
    lengths: Vec<f64>,
    /// n × p.
    features: DMatrix<f64>,
    /// f and its unclipped divergence, n × (m + 1).
    values: DMatrix<f64>,
}

impl CellPolynomial {
    fn new(
        basis: &LevelBasis,
        cell: usize,
        theta: &DMatrix<f64>,
        lowered: &[Vec<Option<(usize, f64)>>],
    ) -> Self {
        let dim = theta.ncols();
        let scaling = &basis.frames()[cell].scaling;
        let lower_features = HermiteBasis::count(dim, basis.hermite().degree().saturating_sub(1));
        let mut coefficients = theta.clone().insert_column(dim, 0.0);
        let mut derivatives = Vec::with_capacity(dim);
        for (local_axis, lowered) in lowered.iter().enumerate() {
            let mut derivative = DMatrix::zeros(lower_features, dim);
            for (alpha, lower) in lowered.iter().enumerate() {
                let Some((lower, factor)) = *lower else { continue };
                for axis in 0..dim {
                    derivative[(lower, axis)] += factor * theta[(alpha, axis)];
                    coefficients[(lower, dim)] += factor * theta[(alpha, axis)] * scaling[(local_axis, axis)];
                }
            }
            derivatives.push(derivative);
        }
        Self { coefficients, derivatives }
    }

    /// ∇·f in y. Where u was clipped to κu, κ = clip/|u|, the chain rule adds κ(I − ûûᵀ).
    fn divergence(&self, basis: &LevelBasis, cell: usize, at: &Evaluated, clip: f64) -> DVector<f64> {
        let (n, dim) = at.coordinates.shape();
        let scaling = &basis.frames()[cell].scaling;
        let mut divergence: DVector<f64> = at.values.column(dim).into_owned();
        for i in (0..n).filter(|&i| at.lengths[i] > clip) {
            let direction = at.coordinates.row(i).transpose() / clip;
            let pulled = scaling.tr_mul(&direction);
            let mut radial = 0.0;
            for (local_axis, derivative) in self.derivatives.iter().enumerate() {
                for axis in 0..dim {
                    let slope: f64 =
                        (0..derivative.nrows()).map(|a| at.features[(i, a)] * derivative[(a, axis)]).sum();
                    radial += direction[local_axis] * slope * pulled[axis];
                }
            }
            divergence[i] = clip / at.lengths[i] * (divergence[i] - radial);
        }
        divergence
    }
}
