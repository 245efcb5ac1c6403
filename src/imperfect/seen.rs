use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector};

use crate::error::{Error, Result};
use crate::mixture::MixtureParameters;
use crate::rows::Rows;

/// Rows of one piece, at most.
const PIECE: usize = 256;
/// A scale that is so small beside a column's values that it is rounding, relatively.
const CONSTANT: f64 = 1e-12;

/// Rows of which the same cells were seen with the same errors.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Columns seen.
    pub(super) columns: Vec<usize>,
    /// Variances of their errors in scaled units, as many.
    pub(super) noise: Vec<f64>,
    /// Their rows.
    pub(super) rows: Vec<usize>,
}

/// Rows of which something was seen, some of it through noise: w = Rx + e.
#[derive(Debug, Clone)]
pub(crate) struct SeenRows {
    /// In the data's units, NaN where nothing was seen: n × d.
    pub(crate) values: DMatrix<f64>,
    /// Standard deviations of errors in the data's units, 0 where a value is exact: n × d.
    stds: DMatrix<f64>,
    pub(crate) weights: Vec<f64>,
    /// Rows of which no cell was seen; they are not among the others.
    pub(crate) nothing_seen: u64,
    /// Scaled units, in which columns have spreads of order one: x = shift + scale · u.
    pub(super) shift: DVector<f64>,
    pub(super) scale: DVector<f64>,
    pub(super) pieces: Vec<Piece>,
}

impl SeenRows {
    /// # Errors
    /// [`Error::NotFinite`] for an infinite value, and for NaN unless it stands for an empty cell;
    /// [`Error::InvalidErrorStd`]; [`Error::NoColumns`]; [`Error::NoRows`] where nothing was seen of any row;
    /// [`Error::NothingSeenOfColumn`]; [`Error::Overflow`].
    pub(crate) fn read(rows: &Rows<'_>) -> Result<Self> {
        let (n, dim) = (rows.n_rows(), rows.dim());
        if dim == 0 {
            return Err(Error::NoColumns);
        }
        let all = rows.block(0, n);
        let mut stds = rows.errors().unwrap_or_else(|| DMatrix::zeros(n, dim));
        let mut kept = Vec::new();
        for row in 0..n {
            let mut any = false;
            for column in 0..dim {
                let (value, std) = (all.rows[(row, column)], stds[(row, column)]);
                let empty = value.is_nan() && rows.has_empty_cells();
                if !(value.is_finite() || empty) {
                    return Err(Error::NotFinite { row, column, value });
                }
                if empty {
                    stds[(row, column)] = 0.0;
                } else if !(std >= 0.0 && (std * std).is_finite()) {
                    return Err(Error::InvalidErrorStd { row, column, std });
                }
                any |= !empty;
            }
            if any {
                kept.push(row);
            }
        }
        if kept.iter().all(|&row| all.weights[row] == 0.0) {
            return Err(Error::NoRows);
        }
        let mut seen = Self {
            values: all.rows.select_rows(&kept),
            stds: stds.select_rows(&kept),
            weights: kept.iter().map(|&row| all.weights[row]).collect(),
            nothing_seen: (n - kept.len()) as u64,
            shift: DVector::zeros(dim),
            scale: DVector::from_element(dim, 1.0),
            pieces: Vec::new(),
        };
        for column in 0..dim {
            (seen.shift[column], seen.scale[column]) = seen.location(column)?;
        }
        seen.pieces = seen.cut();
        Ok(seen)
    }

    /// Mean and standard deviation of the more exact half of the values of a column, errors included.
    fn location(&self, column: usize) -> Result<(f64, f64)> {
        let there = |row: &usize| !self.values[(*row, column)].is_nan() && self.weights[*row] > 0.0;
        let mut rows: Vec<usize> = (0..self.weights.len()).filter(there).collect();
        rows.sort_by(|&a, &b| self.stds[(a, column)].total_cmp(&self.stds[(b, column)]));
        let half = rows.len().div_ceil(2);
        let Some(&last) = rows[..half].last() else { return Err(Error::NothingSeenOfColumn { column }) };
        let limit = self.stds[(last, column)];
        rows.retain(|&row| self.stds[(row, column)] <= limit);
        let total: f64 = rows.iter().map(|&row| self.weights[row]).sum();
        let mean_of = |of: &dyn Fn(usize) -> f64| {
            rows.iter().map(|&row| self.weights[row] / total * of(row)).sum::<f64>()
        };
        let mean = mean_of(&|row| self.values[(row, column)]);
        let std = mean_of(&|row| (self.values[(row, column)] - mean).powi(2)).sqrt();
        if !(mean.is_finite() && std.is_finite()) {
            return Err(Error::Overflow { column });
        }
        let least = CONSTANT * mean.abs();
        Ok((mean, if std > least { std } else { least.max(f64::MIN_POSITIVE.sqrt()) }))
    }

    /// Rows of the same pattern together, in an order that depends on nothing but the rows.
    fn cut(&self) -> Vec<Piece> {
        let mut by_noise: BTreeMap<Vec<u64>, Vec<usize>> = BTreeMap::new();
        for row in 0..self.weights.len() {
            // Not seen is seen with an infinite error.
            let noise = |column: usize| {
                let std = self.stds[(row, column)] / self.scale[column];
                if self.values[(row, column)].is_nan() { f64::INFINITY } else { (std * std).min(1e300) }
            };
            by_noise.entry((0..self.dim()).map(|c| noise(c).to_bits()).collect()).or_default().push(row);
        }
        let pieces = by_noise.into_iter().flat_map(|(noise, rows)| {
            let noise: Vec<f64> = noise.into_iter().map(f64::from_bits).collect();
            let columns: Vec<usize> = (0..noise.len()).filter(|&c| noise[c] < f64::INFINITY).collect();
            let noise: Vec<f64> = columns.iter().map(|&c| noise[c]).collect();
            let piece = |rows: &[usize]| Piece {
                columns: columns.clone(),
                noise: noise.clone(),
                rows: rows.to_vec(),
            };
            rows.chunks(PIECE).map(piece).collect::<Vec<_>>()
        });
        pieces.collect()
    }

    pub(crate) fn dim(&self) -> usize {
        self.values.ncols()
    }

    /// Σ w.
    pub(crate) fn weight(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// The rows all cells of which were seen, and exactly.
    pub(crate) fn whole_and_exact(&self) -> Vec<usize> {
        let whole = |row: &usize| (0..self.dim()).all(|column| self.is_exact(*row, column));
        (0..self.weights.len()).filter(|row| self.weights[*row] > 0.0).filter(whole).collect()
    }

    /// The same rows, whose scaled units are those of x = shift + scale · u.
    pub(crate) fn in_units(&self, shift: &DVector<f64>, scale: &DVector<f64>) -> Self {
        let mut other = self.clone();
        (other.shift, other.scale) = (shift.clone(), scale.clone());
        other.pieces = other.cut();
        other
    }

    /// A value in scaled units.
    pub(super) fn scaled(&self, row: usize, column: usize) -> f64 {
        (self.values[(row, column)] - self.shift[column]) / self.scale[column]
    }

    /// Whether the value of a cell is known exactly.
    pub(super) fn is_exact(&self, row: usize, column: usize) -> bool {
        !self.values[(row, column)].is_nan() && self.stds[(row, column)] == 0.0
    }

    /// A mixture in the data's units in scaled ones.
    pub(crate) fn to_scaled(&self, law: &MixtureParameters) -> MixtureParameters {
        moved(law, &self.shift, &self.scale)
    }

    /// The largest ratio, over columns, of the median standard deviation of the errors of its values to the smallest
    /// standard deviation of a cell of `law`, which is in scaled units.
    pub(crate) fn noise_to_smallest_cell(&self, law: &MixtureParameters) -> f64 {
        let ratio = |column: usize| {
            let there = |row: &usize| !self.values[(*row, column)].is_nan();
            let mut stds: Vec<f64> =
                (0..self.weights.len()).filter(there).map(|row| self.stds[(row, column)]).collect();
            stds.sort_by(f64::total_cmp);
            let median = stds.get(stds.len() / 2).copied().unwrap_or(0.0) / self.scale[column];
            let variances = law.covariances.iter().map(|covariance| covariance[(column, column)]);
            median / variances.fold(f64::INFINITY, f64::min).sqrt()
        };
        (0..self.dim()).map(ratio).filter(|ratio| ratio.is_finite()).fold(0.0, f64::max)
    }
}

/// The law of u for x = shift + scale · u.
fn moved(law: &MixtureParameters, shift: &DVector<f64>, scale: &DVector<f64>) -> MixtureParameters {
    let MixtureParameters { masses, means, covariances } = law;
    let dim = shift.len();
    let scaled = |covariance: &DMatrix<f64>| {
        DMatrix::from_fn(dim, dim, |i, j| covariance[(i, j)] / scale[i] / scale[j])
    };
    MixtureParameters {
        masses: masses.clone(),
        means: DMatrix::from_fn(means.nrows(), dim, |cell, i| (means[(cell, i)] - shift[i]) / scale[i]),
        covariances: covariances.iter().map(scaled).collect(),
    }
}
