use nalgebra::DVector;
use serde::{Deserialize, Serialize};

use super::check::{FINITE, require, within};
use super::matrix::SavedMatrix;
use crate::error::Result;
use crate::passes::{MOST_ROWS, Sums};
use crate::polynomial::{HermiteMoments, NormalEquations};
use crate::rows::{Moments, SUBSAMPLE, SampledRow};
use crate::search::{CellSums, Likelihoods, feature_count};

/// Sums of weights, of squares and of rows.
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
    /// One a fold.
    Smoothing(Vec<Vec<f64>>),
    /// One a candidate and fold.
    Cells(Vec<Vec<SavedCellSums>>),
    Likelihoods {
        rows: f64,
        weight: f64,
        sums: Vec<f64>,
        products: SavedMatrix,
    },
    /// One a candidate and fold.
    Regression(Vec<Vec<SavedEquations>>),
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

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedCellSums {
    dim: usize,
    moments: SavedMatrix,
    information: Vec<f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedEquations {
    gram: SavedMatrix,
    moment: SavedMatrix,
    weight: f64,
    known_loss: f64,
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
            Sums::Smoothing(folds) => {
                Self::Smoothing(folds.iter().map(|fold| fold.0.as_slice().to_vec()).collect())
            }
            Sums::Cells(candidates) => Self::Cells(nested(candidates)),
            Sums::Likelihoods(judged) => Self::Likelihoods {
                rows: judged.rows,
                weight: judged.weight,
                sums: judged.sums.as_slice().to_vec(),
                products: (&judged.products).into(),
            },
            Sums::Regression(candidates) => Self::Regression(nested(candidates)),
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
            Self::Smoothing(folds) => {
                let load = |fold: Vec<f64>| {
                    within("Hermite moments", &fold, FINITE)?;
                    Ok(HermiteMoments(DVector::from_vec(fold)))
                };
                Sums::Smoothing(folds.into_iter().map(load).collect::<Result<_>>()?)
            }
            Self::Cells(candidates) => Sums::Cells(load_nested(candidates, SavedCellSums::load)?),
            Self::Likelihoods { rows, weight, sums, products } => {
                within("rows and weight of likelihoods", &[rows, weight], COUNT)?;
                within("likelihoods", &sums, FINITE)?;
                let products = products.load("products of likelihoods", sums.len(), sums.len(), FINITE)?;
                Sums::Likelihoods(Likelihoods { rows, weight, sums: DVector::from_vec(sums), products })
            }
            Self::Regression(candidates) => Sums::Regression(load_nested(candidates, SavedEquations::load)?),
        })
    }
}

fn nested<'a, T, S: From<&'a T>>(candidates: &'a [Vec<T>]) -> Vec<Vec<S>> {
    candidates.iter().map(|folds| folds.iter().map(S::from).collect()).collect()
}

fn load_nested<S, T>(candidates: Vec<Vec<S>>, load: impl Fn(S) -> Result<T>) -> Result<Vec<Vec<T>>> {
    candidates.into_iter().map(|folds| folds.into_iter().map(&load).collect()).collect()
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

impl From<&CellSums> for SavedCellSums {
    fn from(sums: &CellSums) -> Self {
        Self {
            dim: sums.dim,
            moments: (&sums.moments).into(),
            information: sums.information.as_slice().to_vec(),
        }
    }
}

impl SavedCellSums {
    fn load(self) -> Result<CellSums> {
        let Self { dim, moments, information } = self;
        let cells = information.len();
        // A product of lengths that are not sizes of anything read could overflow.
        require(dim < moments.columns, "sums of cells do not fit their dimension")?;
        let moments = moments.load("sums of cells", cells, feature_count(dim), FINITE)?;
        within("information of cells", &information, COUNT)?;
        Ok(CellSums { moments, information: DVector::from_vec(information), dim })
    }
}

impl From<&NormalEquations> for SavedEquations {
    fn from(equations: &NormalEquations) -> Self {
        let NormalEquations { gram, moment, weight, known_loss } = equations;
        Self { gram: gram.into(), moment: moment.into(), weight: *weight, known_loss: *known_loss }
    }
}

impl SavedEquations {
    fn load(self) -> Result<NormalEquations> {
        let Self { gram, moment, weight, known_loss } = self;
        within("weight of normal equations", &[weight], COUNT)?;
        within("known loss of normal equations", &[known_loss], FINITE)?;
        let (features, outputs) = (moment.rows, moment.columns);
        Ok(NormalEquations {
            gram: gram.load("Gram matrix", features, features, FINITE)?,
            moment: moment.load("right-hand side of normal equations", features, outputs, FINITE)?,
            weight,
            known_loss,
        })
    }
}
