use nalgebra::DVector;
use serde::{Deserialize, Serialize};

use super::check::{FINITE, require, within};
use super::matrix::SavedMatrix;
use crate::error::Result;
use crate::passes::{MOST_ROWS, Sums};
use crate::rows::{Moments, SUBSAMPLE, SampledRow};

/// Sums of weights.
const COUNT: std::ops::RangeInclusive<f64> = 0.0..=f64::MAX;

/// What a pass sums over rows. Whether it is what a certain pass sums, that pass checks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum SavedSums {
    Moments {
        rows: u64,
        weight: f64,
        /// Length d.
        mean: Vec<f64>,
        /// d × d.
        scatter: SavedMatrix,
        sample: SavedSample,
    },
    Matrices(Vec<SavedMatrix>),
}

/// Some of the rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedSample {
    indices: Vec<u64>,
    weights: Vec<f64>,
    /// d × n.
    values: SavedMatrix,
}

impl From<&Sums> for SavedSums {
    fn from(sums: &Sums) -> Self {
        match sums {
            Sums::Moments(moments) => Self::Moments {
                rows: moments.rows,
                weight: moments.weight,
                mean: moments.mean.as_slice().to_vec(),
                scatter: (&moments.scatter).into(),
                sample: SavedSample::of(&moments.sample, moments.mean.len()),
            },
            Sums::Matrices(matrices) => Self::Matrices(matrices.iter().map(SavedMatrix::from).collect()),
        }
    }
}

impl SavedSums {
    /// The sums of a fit with this seed.
    pub(super) fn load(self, seed: u64) -> Result<Sums> {
        Ok(match self {
            Self::Moments { rows, weight, mean, scatter, sample } => {
                let dim = mean.len();
                require(dim > 0, "moments have no columns")?;
                within("mean of the rows", &mean, FINITE)?;
                within("weight of the rows", &[weight], COUNT)?;
                let sample = sample.load(seed, dim)?;
                require(
                    rows >= sample.len() as u64 && rows <= MOST_ROWS,
                    format_args!("{} rows are sampled from {rows}", sample.len()),
                )?;
                let scatter = scatter.load("scatter of the rows", dim, dim, FINITE)?;
                Sums::Moments(Moments { rows, weight, mean: DVector::from_vec(mean), scatter, sample })
            }
            Self::Matrices(matrices) => {
                let load = |saved: SavedMatrix| {
                    let matrix = saved.load_any("sums")?;
                    within("sums", matrix.as_slice(), FINITE)?;
                    Ok(matrix)
                };
                Sums::Matrices(matrices.into_iter().map(load).collect::<Result<_>>()?)
            }
        })
    }
}

impl SavedSample {
    fn of(sample: &[SampledRow], dim: usize) -> Self {
        let values: Vec<f64> = sample.iter().flat_map(|row| row.values.iter().copied()).collect();
        Self {
            indices: sample.iter().map(|row| row.index).collect(),
            weights: sample.iter().map(|row| row.weight).collect(),
            values: SavedMatrix { rows: dim, columns: sample.len(), values },
        }
    }

    fn load(self, seed: u64, dim: usize) -> Result<Vec<SampledRow>> {
        let n = self.indices.len();
        require(n <= SUBSAMPLE, format_args!("a sample of {n} rows is larger than {SUBSAMPLE}"))?;
        require(self.weights.len() == n, "the sample needs a weight for each of its rows")?;
        require(self.indices.iter().all(|&index| index < MOST_ROWS), "an index of a row is too large")?;
        within("weights of the sample", &self.weights, f64::MIN_POSITIVE..=f64::MAX)?;
        let values = self.values.load("sample", dim, n, FINITE)?;
        let rows = self.indices.iter().zip(&self.weights).zip(values.column_iter());
        let mut sample: Vec<SampledRow> = rows
            .map(|((&index, &weight), values)| {
                SampledRow::new(seed, index, weight, values.iter().copied().collect())
            })
            .collect();
        SampledRow::sort(&mut sample);
        require(
            sample.windows(2).all(|pair| pair[0].index != pair[1].index),
            "a row is in the sample twice",
        )?;
        Ok(sample)
    }
}
