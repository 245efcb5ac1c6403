//! The log-density as a landscape: its tops, and the passes between them.

use nalgebra::{DMatrix, DVector};

use super::passage::{Passage, Point, climb, lift, low_point};
use super::tree::Groups;
use crate::error::{Error, Result};
use crate::mixture::{MixtureLaw, MixtureParameters, PreparedLaw, RadialShape, WholeCell};
use crate::parallel::map_blocks;
use crate::process::NoiseLevel;

/// Points of a straight line looked at first, between any two tops.
const COARSE: usize = 9;
/// Passes that are looked for with care: so many of the highest at each top, beside those that join all tops.
const NEIGHBOURS: usize = 6;
/// How often a path is bent, each time in both halves.
const BENDS: usize = 3;
/// Tops nearer than this, in standard deviations of a cell, are one.
const SAME: f64 = 1e-2;
/// Valleys less deep than this, in nats, are not worth a bend, nor is what a bend gains less.
const SHALLOW: f64 = 0.02;

/// The tops of a law, and which cells lie below each.
pub(super) struct Landscape<'a> {
    pub(super) law: PreparedLaw<'a>,
    pub(super) tops: Vec<Point>,
    /// The top above each cell.
    pub(super) of_cell: Vec<usize>,
    /// The cells as Gaussians.
    gaussians: MixtureLaw,
    /// Inverse covariances of the cells: q × q.
    precisions: Vec<DMatrix<f64>>,
}

/// The way between two tops.
pub(super) struct Edge {
    pub(super) ends: [usize; 2],
    pub(super) passage: Passage,
}

impl<'a> Landscape<'a> {
    pub(super) fn new(mixture: &'a MixtureLaw) -> Result<Self> {
        let law = mixture.prepare(NoiseLevel::CLEAN)?;
        let cells = mixture.whole_cells();
        let reached = map_blocks(cells.len(), 1, |range| {
            let cell = &cells[range.start];
            climb(&law, &cell.centre(), &cell.covariance())
        })?;
        let precision = |(index, covariance): (usize, DMatrix<f64>)| {
            let singular = Error::NotPositiveDefinite { what: "covariance of component", index };
            Ok(covariance.cholesky().ok_or(singular)?.inverse())
        };
        let covariances = cells.iter().map(|cell| cell.covariance()).enumerate();
        let precisions: Vec<DMatrix<f64>> = covariances.map(precision).collect::<Result<_>>()?;
        let mut tops: Vec<Point> = Vec::new();
        let mut of_cell = Vec::with_capacity(reached.len());
        for (top, precision) in reached.into_iter().zip(&precisions) {
            let near = |known: &Point| {
                let off = &known.location - &top.location;
                off.dot(&(precision * &off)) < SAME * SAME
            };
            let known = tops.iter().position(near);
            of_cell.push(known.unwrap_or(tops.len()));
            if known.is_none() {
                tops.push(top);
            }
        }
        let means: Vec<_> = cells.iter().map(|cell| cell.centre().transpose()).collect();
        let gaussians = MixtureParameters {
            masses: mixture.masses().clone(),
            means: DMatrix::from_rows(&means),
            covariances: cells.iter().map(WholeCell::covariance).collect(),
        };
        let gaussians = MixtureLaw::new(&gaussians, RadialShape::GAUSSIAN, None)?;
        Ok(Self { law, tops, of_cell, gaussians, precisions })
    }

    /// The inverse covariance of cells near each of `points`, as they are responsible for it: q × q.
    pub(super) fn precisions_at(&self, points: &[&DVector<f64>]) -> Result<Vec<DMatrix<f64>>> {
        let rows: Vec<_> = points.iter().map(|point| point.transpose()).collect();
        let responsibilities =
            self.gaussians.responsibilities(NoiseLevel::CLEAN, &DMatrix::from_rows(&rows))?;
        let mean = |row: usize| {
            let mut mean = self.precisions[0].clone() * responsibilities[(row, 0)];
            for (cell, precision) in self.precisions.iter().enumerate().skip(1) {
                mean += precision * responsibilities[(row, cell)];
            }
            mean
        };
        Ok((0..points.len()).map(mean).collect())
    }

    /// Passes between tops, highest first; they join all tops.
    pub(super) fn edges(&self) -> Result<Vec<Edge>> {
        let count = self.tops.len();
        let pairs: Vec<[usize; 2]> = (0..count).flat_map(|b| (0..b).map(move |a| [a, b])).collect();
        let coarse = map_blocks(pairs.len(), 16, |range| {
            pairs[range].iter().map(|&[a, b]| self.straight(a, b, COARSE)).collect::<Result<Vec<_>>>()
        })?;
        let mut order: Vec<(f64, [usize; 2])> =
            coarse.into_iter().flatten().zip(&pairs).map(|(low, pair)| (low.low.height, *pair)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut degree, mut joined) = (vec![0; count], Groups::new(count));
        let mut chosen = Vec::new();
        for &(_, [a, b]) in &order {
            let joins = joined.join(a, b);
            if joins || degree[a] < NEIGHBOURS || degree[b] < NEIGHBOURS {
                degree[a] += 1;
                degree[b] += 1;
                chosen.push([a, b]);
            }
        }
        let near = self.precisions_at(&self.tops.iter().map(|top| &top.location).collect::<Vec<_>>())?;
        let mut edges = map_blocks(chosen.len(), 1, |range| {
            let ends = chosen[range.start];
            let precision = (&near[ends[0]] + &near[ends[1]]) * 0.5;
            Ok(Edge { ends, passage: self.passage(ends, precision)? })
        })?;
        edges.sort_by(|a, b| b.passage.low.height.total_cmp(&a.passage.low.height));
        Ok(edges)
    }

    fn straight(&self, a: usize, b: usize, points: usize) -> Result<Passage> {
        low_point(&self.law, [&self.tops[a], &self.tops[b]], points)
    }

    /// The highest pass that bending the straight line finds.
    fn passage(&self, ends: [usize; 2], precision: DMatrix<f64>) -> Result<Passage> {
        let singular = Error::NotPositiveDefinite { what: "covariance of component", index: 0 };
        let metric = precision.cholesky().ok_or(singular)?.inverse();
        self.bent(ends.map(|end| &self.tops[end]), &metric, BENDS)
    }

    /// A path through the highest point beside the lowest of the line, across it, and so on in both halves.
    fn bent(&self, [a, b]: [&Point; 2], metric: &DMatrix<f64>, bends: usize) -> Result<Passage> {
        let straight = low_point(&self.law, [a, b], 3 * COARSE)?;
        let height = straight.low.height;
        if bends == 0 || height >= a.height.min(b.height) - SHALLOW {
            return Ok(straight);
        }
        let lifted = lift(&self.law, &straight, metric)?;
        if lifted.height <= height + SHALLOW {
            return Ok(straight);
        }
        let first = self.bent([a, &lifted], metric, bends - 1)?;
        let second = self.bent([&lifted, b], metric, bends - 1)?;
        let way = if first.low.height < second.low.height { first } else { second };
        Ok(if way.low.height > height { way } else { straight })
    }
}
