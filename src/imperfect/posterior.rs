//! What cells say about rows of which something was seen.

use std::f64::consts::TAU;

use nalgebra::{Cholesky, DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::seen::{Piece, SeenRows};
use crate::error::{Error, Result};
use crate::mixture::MixtureParameters;
use crate::parallel::map_blocks;
use crate::rows::stream;

/// Pieces that a thread takes at once; their rows' sums are added in order.
const PIECES: usize = 32;
/// Responsibilities below this count as none.
const NEGLIGIBLE: f64 = 1e-12;
/// Of a cell at least this share counts as seen.
const LEAST_SEEN: f64 = 0.05;

/// Σ over rows of w r (1, b − m, (b − m)(b − m)ᵀ + B) for every cell, with b = E\[x | w, cell\], B = Cov\[x | w, cell\] and
/// the cell's mean m; and the log-likelihood of what was seen.
#[derive(Debug, Clone)]
pub(crate) struct SeenSums {
    pub(crate) log_likelihood: f64,
    pub(super) masses: DVector<f64>,
    /// d × k.
    pub(super) first: DMatrix<f64>,
    pub(super) second: Vec<DMatrix<f64>>,
    /// Σ w r B alone: what was not seen.
    unseen: Vec<DMatrix<f64>>,
    /// Σ w r², length k.
    information: DVector<f64>,
}

impl SeenSums {
    fn new(cells: usize, dim: usize) -> Self {
        Self {
            log_likelihood: 0.0,
            masses: DVector::zeros(cells),
            first: DMatrix::zeros(dim, cells),
            second: vec![DMatrix::zeros(dim, dim); cells],
            unseen: vec![DMatrix::zeros(dim, dim); cells],
            information: DVector::zeros(cells),
        }
    }

    /// Σ w r (1, x, xxᵀ) of cells along `axes` (d × m), k × (1 + m + m(m+1)/2) with the pairs of axes a ≤ b, expected where x
    /// was not seen; and Σ w r², less where less was seen. `law` is that of the sums.
    pub(crate) fn along(&self, axes: &DMatrix<f64>, law: &MixtureParameters) -> (DMatrix<f64>, DVector<f64>) {
        let (cells, dim) = (self.masses.len(), axes.ncols());
        let mut moments = DMatrix::zeros(cells, 1 + dim + dim * (dim + 1) / 2);
        let mut information = self.information.clone();
        for cell in 0..cells {
            let (mass, mean) = (self.masses[cell], axes.transpose() * law.means.row(cell).transpose());
            let offset = axes.transpose() * self.first.column(cell);
            let first = &offset + &mean * mass;
            let mut second = axes.transpose() * &self.second[cell] * axes;
            second.ger(1.0, &offset, &mean, 1.0);
            second.ger(1.0, &mean, &offset, 1.0);
            second.ger(mass, &mean, &mean, 1.0);
            moments[(cell, 0)] = mass;
            for a in 0..dim {
                moments[(cell, 1 + a)] = first[a];
            }
            let pairs = (0..dim).flat_map(|a| (a..dim).map(move |b| (a, b)));
            for (feature, (a, b)) in pairs.enumerate() {
                moments[(cell, 1 + dim + feature)] = second[(a, b)];
            }
            // Of a variance, of which this share is seen, rows say so much less.
            let whole = axes.transpose() * &law.covariances[cell] * axes;
            let unseen = axes.transpose() * &self.unseen[cell] * axes;
            let share = match Cholesky::new(whole) {
                Some(factor) if mass > 0.0 => 1.0 - factor.solve(&unseen).trace() / (mass * dim as f64),
                _ => 1.0,
            };
            information[cell] *= share.clamp(LEAST_SEEN, 1.0).powi(2);
        }
        (moments, information)
    }

    fn add(&mut self, other: &Self) {
        self.log_likelihood += other.log_likelihood;
        self.masses += &other.masses;
        self.first += &other.first;
        let others = other.second.iter().chain(&other.unseen);
        for (own, other) in self.second.iter_mut().chain(&mut self.unseen).zip(others) {
            *own += other;
        }
        self.information += &other.information;
    }
}

/// The cells' Gaussians of what was seen of the rows of one piece.
struct Sight<'a> {
    law: &'a MixtureParameters,
    piece: &'a Piece,
    /// L of LLᵀ = S_oo + N, a cell each.
    factors: Vec<DMatrix<f64>>,
    /// z = L⁻¹(w − m_o), r × rows, a cell each.
    standards: Vec<DMatrix<f64>>,
    /// Responsibilities, k × rows.
    responsibilities: DMatrix<f64>,
    log_density: Vec<f64>,
}

/// E\[x | w\] = m + Gz and Cov\[x | w\] = S − GGᵀ.
struct Gain {
    gain: DMatrix<f64>,
    covariance: DMatrix<f64>,
}

impl<'a> Sight<'a> {
    fn new(rows: &SeenRows, piece: &'a Piece, law: &'a MixtureParameters) -> Result<Self> {
        let (k, r, n) = (law.masses.len(), piece.columns.len(), piece.rows.len());
        let mut logs = DMatrix::zeros(k, n);
        let (mut factors, mut standards) = (Vec::with_capacity(k), Vec::with_capacity(k));
        let seen = DMatrix::from_fn(r, n, |i, row| rows.scaled(piece.rows[row], piece.columns[i]));
        for cell in 0..k {
            let covariance = &law.covariances[cell];
            let mut factor = DMatrix::from_fn(r, r, |i, j| {
                covariance[(piece.columns[i], piece.columns[j])] + if i == j { piece.noise[i] } else { 0.0 }
            });
            if !factorise(&mut factor) {
                return Err(Error::NotPositiveDefinite { what: "covariance of component", index: cell });
            }
            let mut standard = seen.clone();
            for (i, &column) in piece.columns.iter().enumerate() {
                standard.row_mut(i).add_scalar_mut(-law.means[(cell, column)]);
            }
            forward(&factor, &mut standard);
            let peak = law.masses[cell].ln()
                - 0.5 * r as f64 * TAU.ln()
                - factor.diagonal().iter().map(|pivot| pivot.ln()).sum::<f64>();
            for (row, z) in standard.column_iter().enumerate() {
                logs[(cell, row)] = (peak - 0.5 * z.norm_squared()).max(-f64::MAX);
            }
            factors.push(factor);
            standards.push(standard);
        }
        let mut log_density = Vec::with_capacity(n);
        for mut column in logs.column_iter_mut() {
            let largest = column.max();
            column.apply(|log| *log = (*log - largest).exp());
            let total = column.sum();
            column /= total;
            log_density.push(largest + total.ln());
        }
        Ok(Self { law, piece, factors, standards, responsibilities: logs, log_density })
    }

    fn gain(&self, cell: usize) -> Gain {
        let (covariance, columns) = (&self.law.covariances[cell], &self.piece.columns);
        // Gᵀ = L⁻¹ S_o.
        let mut turned =
            DMatrix::from_fn(columns.len(), covariance.nrows(), |i, j| covariance[(columns[i], j)]);
        forward(&self.factors[cell], &mut turned);
        let gain = turned.transpose();
        let covariance = covariance - &gain * &turned;
        Gain { gain, covariance }
    }

    fn add_to(&self, weights: &[f64], sums: &mut SeenSums) {
        for (row, &index) in self.piece.rows.iter().enumerate() {
            sums.log_likelihood += weights[index] * self.log_density[row];
        }
        for cell in 0..self.factors.len() {
            let shares: Vec<(usize, f64, f64)> = (self.piece.rows.iter().enumerate())
                .map(|(row, &index)| (row, index, self.responsibilities[(cell, row)]))
                .filter(|&(_, index, share)| share > NEGLIGIBLE && weights[index] > 0.0)
                .map(|(row, index, share)| (row, weights[index], share))
                .collect();
            if shares.is_empty() {
                continue;
            }
            let Gain { gain, covariance } = self.gain(cell);
            let mut total = 0.0;
            let mut offset = DVector::zeros(gain.nrows());
            for (row, weight, responsibility) in shares {
                let share = weight * responsibility;
                sums.information[cell] += share * responsibility;
                offset.gemv(1.0, &gain, &self.standards[cell].column(row), 0.0);
                total += share;
                sums.first.column_mut(cell).axpy(share, &offset, 1.0);
                sums.second[cell].ger(share, &offset, &offset, 1.0);
            }
            sums.masses[cell] += total;
            let unseen = covariance * total;
            sums.second[cell] += &unseen;
            sums.unseen[cell] += unseen;
        }
    }
}

impl SeenRows {
    /// The sums of an E-step for `law`, in scaled units.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`].
    pub(crate) fn sums(&self, law: &MixtureParameters) -> Result<SeenSums> {
        let parts = map_blocks(self.pieces.len(), PIECES, |range| {
            let mut sums = SeenSums::new(law.masses.len(), self.dim());
            for piece in &self.pieces[range] {
                Sight::new(self, piece, law)?.add_to(&self.weights, &mut sums);
            }
            Ok(sums)
        })?;
        let mut all = SeenSums::new(law.masses.len(), self.dim());
        parts.iter().for_each(|part| all.add(part));
        Ok(all)
    }

    /// A whole row x ~ p(x | w) of `law`, in scaled units, for every row, in the data's units: n × d. Every row has a
    /// stream of random numbers of its own under `seed` and `purpose`; exact values stay what they are.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`].
    pub(crate) fn drawn(&self, law: &MixtureParameters, seed: u64, purpose: u64) -> Result<DMatrix<f64>> {
        let parts = map_blocks(self.pieces.len(), PIECES, |range| {
            let mut drawn = Vec::new();
            for piece in &self.pieces[range] {
                let sight = Sight::new(self, piece, law)?;
                let mut gains: Vec<Option<(DMatrix<f64>, DMatrix<f64>)>> = vec![None; law.masses.len()];
                for (at, &row) in piece.rows.iter().enumerate() {
                    let mut rng = stream(seed, purpose, row as u64);
                    let shares = sight.responsibilities.column(at);
                    let cell = pick(shares.iter().copied(), &mut rng);
                    let (gain, root) = gains[cell].get_or_insert_with(|| {
                        let Gain { gain, covariance } = sight.gain(cell);
                        (gain, square_root(covariance))
                    });
                    let noise = DVector::from_fn(self.dim(), |_, _| StandardNormal.sample(&mut rng));
                    let mut x = law.means.row(cell).transpose();
                    x.gemv(1.0, gain, &sight.standards[cell].column(at), 1.0);
                    x.gemv(1.0, root, &noise, 1.0);
                    drawn.push((row, x));
                }
            }
            Ok(drawn)
        })?;
        let mut table = self.values.clone();
        for (row, x) in parts.into_iter().flatten() {
            for column in (0..self.dim()).filter(|&column| !self.is_exact(row, column)) {
                table[(row, column)] = self.shift[column] + self.scale[column] * x[column];
            }
        }
        Ok(table)
    }
}

fn pick(shares: impl Iterator<Item = f64>, rng: &mut impl Rng) -> usize {
    let (mut left, mut last) = (rng.random::<f64>(), 0);
    for (cell, share) in shares.enumerate() {
        if share > 0.0 {
            last = cell;
            if left < share {
                break;
            }
            left -= share;
        }
    }
    last
}

/// A with AAᵀ the nearest positive semidefinite matrix.
fn square_root(covariance: DMatrix<f64>) -> DMatrix<f64> {
    let eigen = ((&covariance + covariance.transpose()) * 0.5).symmetric_eigen();
    let mut root = eigen.eigenvectors;
    for (mut column, value) in root.column_iter_mut().zip(eigen.eigenvalues.iter()) {
        column *= value.max(0.0).sqrt();
    }
    root
}

/// The lower Cholesky factor in place of a symmetric matrix; false where it is not positive definite.
fn factorise(matrix: &mut DMatrix<f64>) -> bool {
    let n = matrix.nrows();
    for j in 0..n {
        for i in j..n {
            let mut value = matrix[(i, j)];
            for l in 0..j {
                value -= matrix[(i, l)] * matrix[(j, l)];
            }
            if i > j {
                matrix[(i, j)] = value / matrix[(j, j)];
            } else if value > 0.0 && value.is_finite() {
                matrix[(j, j)] = value.sqrt();
            } else {
                return false;
            }
        }
    }
    true
}

/// L⁻¹ times the columns of `right`, in place.
fn forward(factor: &DMatrix<f64>, right: &mut DMatrix<f64>) {
    for mut column in right.column_iter_mut() {
        for i in 0..factor.nrows() {
            let mut value = column[i];
            for l in 0..i {
                value -= factor[(i, l)] * column[l];
            }
            column[i] = value / factor[(i, i)];
        }
    }
}
