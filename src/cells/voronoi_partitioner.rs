use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::cover::{WarmStarts, greedy_cover, lloyd_step, merge_closest, soft_lloyd_step};
use super::partition::Partition;
use super::partitioner::{CentreEstimates, Partitioner};
use super::voronoi::VoronoiCells;
use crate::error::{Error, Result};

/// Radii of the covers, in bandwidths of the level whose cells are wanted.
const COVER_RADII: [f64; 2] = [2.0, 1.3];
/// Lloyd steps after a cover, and after the cells of the level before.
const LLOYD_STEPS: usize = 2;
/// Share of the rows of the lightest cell. The paper's is half the mass of the lightest cluster: this is for clusters of
/// one in a hundred.
const LIGHTEST_CELL: f64 = 0.005;
/// More cells than this are not proposed: a level's Gram matrix grows with their square.
const MOST_CELLS: usize = 64;

/// Warm starts from greedy covers of the previous level's centre estimates (the paper's inductive
/// step), as soft or hard Voronoi cells.
///
/// Candidates at bandwidth τ: the cells of the level before, those with their closest pair merged,
/// and covers of the centre estimates at radius 2τ and 1.3τ without cells lighter than .5 %. Each is
/// proposed raw and, for soft cells, after two soft Lloyd steps (EM steps at fixed variance τ² on
/// rows noised to the level): they find discrete centres exactly, while on curves the spread of the
/// raw cover serves better.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::{CentreEstimates, NoiseLevel, Partitioner, VoronoiPartitioner};
///
/// let rows = DMatrix::from_column_slice(4, 1, &[-2.0, -1.9, 1.9, 2.0]);
/// let level = NoiseLevel::variance_exploding(0.4)?;
/// let estimates = CentreEstimates::new(level, 0.5, rows.as_view(), rows.as_view(), &[1.0; 4]);
/// let candidates = VoronoiPartitioner::hard().candidates(&estimates, &mut StdRng::seed_from_u64(1))?;
/// assert_eq!(candidates[0].centres().nrows(), 2);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct VoronoiPartitioner {
    pub(crate) soft: bool,
    pub(crate) lightest_cell: f64,
}

impl Default for VoronoiPartitioner {
    fn default() -> Self {
        Self::soft()
    }
}

impl VoronoiPartitioner {
    /// Soft Voronoi cells, the default.
    pub fn soft() -> Self {
        Self { soft: true, lightest_cell: LIGHTEST_CELL }
    }

    /// Hard Voronoi cells, the paper's.
    pub fn hard() -> Self {
        Self { soft: false, ..Self::soft() }
    }

    /// Drops cells with less than this share of the rows; 0.005 by default. The paper's choice is
    /// half the smallest component mass, α_min/2.
    pub fn with_lightest_cell(self, share: f64) -> Self {
        Self { lightest_cell: share, ..self }
    }

    /// The cells around `warm`.
    fn cells(&self, warm: &WarmStarts) -> Result<Arc<dyn Partition>> {
        let centres = warm.centres.clone();
        Ok(if self.soft {
            Arc::new(VoronoiCells::soft(centres, warm.masses.clone())?)
        } else {
            Arc::new(VoronoiCells::hard(centres)?)
        })
    }
}

impl Partitioner for VoronoiPartitioner {
    fn candidates(&self, seen: &CentreEstimates<'_>, rng: &mut dyn Rng) -> Result<Vec<Arc<dyn Partition>>> {
        if !(self.lightest_cell >= 0.0 && self.lightest_cell < 1.0) {
            return Err(Error::InvalidSetting {
                name: "lightest cell",
                value: self.lightest_cell,
                requirement: "at least 0 and below 1",
            });
        }
        seen.check()?;
        let raw = self.raw_warm_starts(seen);
        let mut candidates = Vec::new();
        if self.soft {
            let noised = noised_rows(seen, rng);
            for warm in raw {
                candidates.push(self.cells(&warm)?);
                let mut refined = warm;
                for _ in 0..LLOYD_STEPS {
                    refined = soft_lloyd_step(&noised, seen.weights, seen.bandwidth, refined)?;
                }
                candidates.push(self.cells(&refined)?);
            }
        } else {
            for warm in raw {
                candidates.push(self.cells(&warm)?);
            }
        }
        Ok(candidates)
    }
}

impl VoronoiPartitioner {
    /// The warm starts of the level before, the same with its closest pair merged, and covers of the
    /// estimates, each with more than one cell.
    fn raw_warm_starts(&self, seen: &CentreEstimates<'_>) -> Vec<WarmStarts> {
        let mut raw = Vec::new();
        if let Some(previous) = seen.previous.filter(|p| p.centres().nrows() > 1) {
            let current = previous_warm_starts(previous.as_ref(), seen);
            raw.extend(merge_closest(&current));
            raw.push(current);
        }
        for radius in COVER_RADII {
            let (points, weights) = (seen.estimates, seen.weights);
            let mut cover =
                greedy_cover(points, weights, radius * seen.bandwidth, self.lightest_cell, MOST_CELLS);
            for _ in 0..LLOYD_STEPS {
                cover = lloyd_step(points, weights, &cover.centres);
            }
            raw.push(cover);
        }
        raw.retain(|warm| warm.masses.len() > 1);
        raw.dedup();
        raw
    }
}

/// The previous level's warm starts; where its cells have no masses of their own, the shares of the
/// estimates nearest to each.
fn previous_warm_starts(previous: &dyn Partition, seen: &CentreEstimates<'_>) -> WarmStarts {
    let centres = previous.centres().clone();
    match previous.centre_mixture() {
        Some(mixture) => WarmStarts { centres, masses: mixture.masses },
        None => lloyd_step(seen.estimates, seen.weights, &centres),
    }
}

/// One noised copy of every row: y = x + (s/a) z.
fn noised_rows(seen: &CentreEstimates<'_>, rng: &mut dyn Rng) -> DMatrix<f64> {
    let noise = seen.level.noise_to_signal();
    let z: DVector<f64> = DVector::from_fn(seen.rows.len(), |_, _| StandardNormal.sample(rng));
    DMatrix::from_iterator(
        seen.rows.nrows(),
        seen.rows.ncols(),
        seen.rows.iter().zip(z.iter()).map(|(x, z)| x + noise * z),
    )
}
