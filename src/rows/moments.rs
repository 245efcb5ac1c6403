use std::collections::HashMap;

use nalgebra::{DMatrix, DVector};

use super::streams::hash;
use super::weighted::WeightedRows;

/// Rows kept in memory for finding cells, at most.
const SUBSAMPLE: usize = 10_000;
/// Purpose of the hash that draws the subsample.
const SUBSAMPLE_STREAM: u64 = 1;

/// Count, mean and scatter of rows, and a subsample of them, in the data's own units.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(remote = "Self", deny_unknown_fields)
)]
pub(crate) struct Moments {
    /// Number of rows of positive weight.
    pub(crate) rows: u64,
    /// Σ w.
    pub(crate) weight: f64,
    /// Length d.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::plain"))]
    pub(crate) mean: DVector<f64>,
    /// Σ w (x − mean)(x − mean)ᵀ, d × d.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::plain"))]
    pub(crate) scatter: DMatrix<f64>,
    /// The rows of lowest hash, by rising hash: a uniform sample that does not depend on the order
    /// in which chunks are merged.
    pub(crate) sample: Vec<SampledRow>,
}

#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct SampledRow {
    /// Follows from the seed of the fit and the index; not saved.
    #[cfg_attr(feature = "serde", serde(skip))]
    hash: u64,
    pub(crate) index: u64,
    pub(crate) weight: f64,
    pub(crate) values: Vec<f64>,
}

impl SampledRow {
    fn new(seed: u64, index: u64, weight: f64, values: Vec<f64>) -> Self {
        Self { hash: hash(seed, SUBSAMPLE_STREAM, index), index, weight, values }
    }

    /// By rising hash.
    fn sort(rows: &mut [Self]) {
        rows.sort_by_key(|row| row.hash);
    }
}

impl Moments {
    /// Moments of the rows of one chunk, the first of which has index `first_row` in the data.
    pub(crate) fn of_block(seed: u64, first_row: u64, block: &WeightedRows) -> Self {
        let (n, dim) = block.rows.shape();
        let weight: f64 = block.weights.iter().sum();
        let weights = DVector::from_column_slice(&block.weights);
        // Counted from the first row, so that equal values have exactly their own mean and no scatter.
        let mean = DVector::from_iterator(
            dim,
            block.rows.column_iter().map(|column| {
                let first = column[0];
                let offsets = column.iter().zip(weights.iter()).map(|(x, w)| w * (x - first));
                if weight > 0.0 { first + offsets.sum::<f64>() / weight } else { first }
            }),
        );
        let centred = DMatrix::from_fn(n, dim, |i, j| block.rows[(i, j)] - mean[j]);
        let weighted = DMatrix::from_fn(dim, n, |j, i| centred[(i, j)] * block.weights[i]);
        let mut sample: Vec<SampledRow> = (0..n)
            .filter(|&i| block.weights[i] > 0.0)
            .map(|i| {
                let values = block.rows.row(i).iter().copied().collect();
                SampledRow::new(seed, first_row + i as u64, block.weights[i], values)
            })
            .collect();
        SampledRow::sort(&mut sample);
        Self { rows: sample.len() as u64, weight, mean, scatter: weighted * centred, sample }
    }

    /// Takes in the moments of other rows (Chan, Golub, LeVeque 1979), and keeps the subsample bounded.
    pub(crate) fn add(&mut self, other: Self) {
        let weight = self.weight + other.weight;
        if weight > 0.0 {
            let shift = &other.mean - &self.mean;
            self.scatter += other.scatter;
            self.scatter.ger(self.weight * (other.weight / weight), &shift, &shift, 1.0);
            self.mean.axpy(other.weight / weight, &shift, 1.0);
        }
        self.weight = weight;
        self.rows += other.rows;
        self.sample.extend(other.sample);
        SampledRow::sort(&mut self.sample);
        self.sample.truncate(SUBSAMPLE);
    }

    /// What of the subsample's rows repeats.
    pub(crate) fn repeats(&self) -> Repeats {
        let mut copies: HashMap<Vec<u64>, usize> = HashMap::new();
        for row in &self.sample {
            *copies.entry(row.values.iter().map(|value| value.to_bits()).collect()).or_default() += 1;
        }
        let repeated = || copies.values().filter(|&&count| count > 1);
        Repeats {
            share: repeated().sum::<usize>() as f64 / self.sample.len().max(1) as f64,
            repeated: repeated().count(),
            distinct: copies.len(),
        }
    }
}

#[cfg(feature = "serde")]
mod saved {
    use std::ops::RangeInclusive;

    use super::{Moments, SUBSAMPLE, SUBSAMPLE_STREAM, SampledRow, hash};
    use crate::error::Result;
    use crate::format::{Check, FINITE, checked, matrix_within, require, within};
    use crate::rows::MOST_ROWS;

    const WEIGHT: RangeInclusive<f64> = 0.0..=f64::MAX;

    checked!(Moments, Moments);

    impl Check for Moments {
        fn check_saved(&self) -> Result<()> {
            let dim = self.mean.len();
            require!(dim > 0, "moments have no columns")?;
            within("mean of the rows", self.mean.as_slice(), FINITE)?;
            within("weight of the rows", &[self.weight], WEIGHT)?;
            matrix_within("scatter of the rows", &self.scatter, (dim, dim), FINITE)?;
            require!(self.rows <= MOST_ROWS, "{} rows are too many", self.rows)?;
            require!(
                self.sample.len() as u64 == self.rows.min(SUBSAMPLE as u64),
                "{} rows are sampled from {}",
                self.sample.len(),
                self.rows
            )?;
            self.sample.iter().try_for_each(|row| {
                require!(row.index < MOST_ROWS, "an index of a row is too large")?;
                require!(row.values.len() == dim, "a sampled row needs {dim} values")?;
                within("weight of a sampled row", &[row.weight], f64::MIN_POSITIVE..=f64::MAX)?;
                within("sampled row", &row.values, FINITE)
            })
        }
    }

    impl Moments {
        /// Moments that were read, in a fit with this seed.
        pub(crate) fn in_fit(mut self, seed: u64) -> Result<Self> {
            for row in &mut self.sample {
                row.hash = hash(seed, SUBSAMPLE_STREAM, row.index);
            }
            SampledRow::sort(&mut self.sample);
            let mut pairs = self.sample.windows(2);
            require!(pairs.all(|pair| pair[0].index != pair[1].index), "a row is in the sample twice")?;
            Ok(self)
        }
    }
}

/// How much of a sample of rows repeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repeats {
    /// The share of rows that repeat another one.
    pub(crate) share: f64,
    /// How many different rows are repeated, of how many.
    pub(crate) repeated: usize,
    pub(crate) distinct: usize,
}
