use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector};

use super::evidence::{Window, std_error, valley};
use super::landscape::{Edge, Landscape};
use super::passage::Point;
use super::sharing::Shared;
use super::tree::{Groups, Merge, joined};
use crate::coordinates::Units;
use crate::density::check_points;
use crate::error::{Error, Result};
use crate::parallel::map_blocks;
use crate::questions::{Mixture, Mode};
use crate::rows::{Rows, stream};

/// Probability with which rows of a law without valleys may show one somewhere, by their number alone.
const FALSE_ALARM: f64 = 0.01;
/// The part of a valley's depth by which a top beside it must be higher than the pass.
const MOST: f64 = 0.7;
/// Draws of a cluster by which the edge of its highest density set is found, and the purpose of their stream.
const DRAWS: usize = 10_000;
const OWN_DRAWS: u64 = 61;

/// Groups of cells without a valley between them that rows show.
///
/// Every cell of a law lies below a mode of its density. Two modes are of one cluster unless the rows show a valley
/// between them: around the highest pass that leads from one to the other there are fewer rows than around either. How
/// many fewer are needed depends on how many there are, so that nothing has to be set. The groups join in a tree, of
/// which [`merges`](Self::merges) are the joints; [`exactly`](Self::exactly) and [`deeper_than`](Self::deeper_than) cut it
/// elsewhere.
///
/// Clusters have numbers from 0, the largest first.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
/// use gmix_diffusion::reference::{Law, Sphere};
/// use gmix_diffusion::DiffusionLearner;
///
/// let mut rng = StdRng::seed_from_u64(1);
/// // A ring around a ring: many cells, two clusters.
/// let (inner, outer) = (Sphere::circle(1.0, 2, 0.15)?.draw(500, &mut rng), Sphere::circle(3.0, 2, 0.15)?.draw(700, &mut rng));
/// let rows = DMatrix::from_fn(1_200, 2, |i, j| if i < 500 { inner[(i, j)] } else { outer[(i - 500, j)] });
/// let clusters = DiffusionLearner::fast().fit(&rows, &mut rng)?.clusters(&rows)?;
/// assert_eq!(clusters.len(), 2);
/// let labels = clusters.labels(&rows)?;
/// assert!((0..1_200).filter(|&i| labels[i] == usize::from(i < 500)).count() > 1_150);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    pub(super) law: Mixture,
    /// The top above each cell.
    pub(super) tops: Vec<Mode>,
    pub(super) top_of_cell: Vec<usize>,
    pub(super) merges: Vec<Merge>,
    /// Cells whose groups join one after the other where the number of clusters is known.
    pub(super) joints: Vec<[usize; 2]>,
    pub(super) of_cell: Vec<usize>,
    parts: Vec<Mixture>,
    masses: DVector<f64>,
    modes: Vec<Mode>,
}

impl Mixture {
    /// The clusters of this law that `rows` (n × d) show: those from which the law was learned, or others of it.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::NotFinite`], [`Error::NoRows`], [`Error::OffHull`]; [`Error::NotPositiveDefinite`] for a cell
    /// without a density.
    pub fn clusters<'a>(&self, rows: impl Into<Rows<'a>>) -> Result<Clusters> {
        let rows = rows.into();
        if rows.n_rows() == 0 {
            return Err(Error::NoRows);
        }
        let block = rows.block(0, rows.n_rows());
        check_points(self.columns().len(), &block.rows)?;
        let shared = Shared::new(self, &block.rows, &block.weights)?;
        let working = self.units().noised_to_working(1.0, block.rows);
        let landscape = Landscape::new(self.working_law())?;
        let judge = Judge {
            landscape: &landscape,
            rows: &working,
            weights: &block.weights,
            overlaps: shared.overlaps(),
        };
        let merges = judge.merges(self.units().log_volume())?;
        let tops: Vec<Mode> = landscape.tops.iter().map(|top| mode(self.units(), top)).collect();
        let enough = (2.0 * tops.len() as f64 / FALSE_ALARM).ln();
        let top_of_cell = landscape.of_cell.clone();
        let whole = Clusters::of_tree(self.clone(), (tops, top_of_cell), merges, shared.joints());
        Ok(whole.cut(|merge| merge.evidence < enough))
    }
}

/// `top` in the data's units.
fn mode(units: &Units, top: &Point) -> Mode {
    let row = DMatrix::from_row_slice(1, top.location.len(), top.location.as_slice());
    let location = units.noised_to_data(1.0, &row).row(0).transpose();
    Mode { location, log_density: top.height - units.log_volume() }
}

/// Who says whether rows show a valley.
struct Judge<'a> {
    landscape: &'a Landscape<'a>,
    /// In working coordinates: n × q.
    rows: &'a DMatrix<f64>,
    weights: &'a [f64],
    overlaps: DMatrix<f64>,
}

impl Judge<'_> {
    /// All joints of the tree: cells below one top, then tops, the highest pass first.
    fn merges(&self, log_volume: f64) -> Result<Vec<Merge>> {
        let Landscape { tops, of_cell, .. } = self.landscape;
        let mut merges = self.below_tops(log_volume);
        let mut groups = Groups::new(tops.len());
        let mut members: Vec<Vec<usize>> = (0..tops.len()).map(|top| vec![top]).collect();
        let mut joints = Vec::new();
        for edge in self.landscape.edges()? {
            let [a, b] = edge.ends.map(|end| groups.of(end));
            if a != b {
                groups.join(a, b);
                let sides = [std::mem::take(&mut members[a]), std::mem::take(&mut members[b])];
                members[a.min(b)] = sides.concat();
                joints.push((edge, sides));
            }
        }
        let judged = map_blocks(joints.len(), 1, |range| {
            let (edge, sides) = &joints[range.start];
            self.judge(edge, sides)
        })?;
        // A cell of each top, the one of largest mass.
        let cell_of = |top: usize| {
            let mut cells: Vec<usize> = (0..of_cell.len()).filter(|&cell| of_cell[cell] == top).collect();
            cells.sort_by(|a, b| self.overlaps[(*b, *b)].total_cmp(&self.overlaps[(*a, *a)]));
            cells[0]
        };
        for ((edge, _), (depth, std_error, evidence)) in joints.iter().zip(judged) {
            let cells = edge.ends.map(cell_of);
            let overlap = self.largest_overlap(edge.ends);
            let log_density = edge.passage.low.height - log_volume;
            merges.push(Merge { cells, log_density, depth, std_error, evidence, overlap });
        }
        Ok(merges)
    }

    /// The largest overlap of cells below two tops.
    fn largest_overlap(&self, [a, b]: [usize; 2]) -> f64 {
        let of_cell = &self.landscape.of_cell;
        let below = |top: usize| (0..of_cell.len()).filter(move |&cell| of_cell[cell] == top);
        below(a)
            .flat_map(|i| below(b).map(move |j| (i, j)))
            .map(|pair| self.overlaps[pair])
            .fold(0.0, f64::max)
    }

    /// Joints of cells that have a top in common: no valley, and those that share most first.
    fn below_tops(&self, log_volume: f64) -> Vec<Merge> {
        let Landscape { tops, of_cell, .. } = self.landscape;
        let mut by_top: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (cell, &top) in of_cell.iter().enumerate() {
            by_top.entry(top).or_default().push(cell);
        }
        let mut pairs: Vec<(f64, [usize; 2])> = Vec::new();
        for cells in by_top.values() {
            for (index, &b) in cells.iter().enumerate() {
                pairs.extend(cells[..index].iter().map(|&a| (self.overlaps[(a, b)], [a, b])));
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut groups = Groups::new(of_cell.len());
        pairs.retain(|(_, [a, b])| groups.join(*a, *b));
        let merge = |(overlap, cells): (f64, [usize; 2])| {
            let log_density = tops[of_cell[cells[0]]].height - log_volume;
            Merge { cells, log_density, depth: 0.0, std_error: 0.0, evidence: 0.0, overlap }
        };
        pairs.into_iter().map(merge).collect()
    }

    /// Depth of the valley at a pass between two groups of tops, its standard error and the evidence for it.
    fn judge(&self, edge: &Edge, sides: &[Vec<usize>; 2]) -> Result<(f64, f64, f64)> {
        let (tops, low) = (&self.landscape.tops, &edge.passage.low);
        let highest = |side: &Vec<usize>| side.iter().map(|&top| tops[top].height).fold(f64::MIN, f64::max);
        let heights = [highest(&sides[0]), highest(&sides[1])];
        let depth = heights[0].min(heights[1]) - low.height;
        if depth <= 0.0 {
            return Ok((0.0, 0.0, 0.0));
        }
        let near = |tops_of: [usize; 2]| -> Result<DMatrix<f64>> {
            let points = tops_of.map(|top| &tops[top].location);
            let precisions = self.landscape.precisions_at(&points)?;
            Ok((&precisions[0] + &precisions[1]) * 0.5)
        };
        let off = |precision: &DMatrix<f64>, top: usize| {
            let off = &tops[top].location - &low.location;
            off.dot(&(precision * &off))
        };
        let precision = near(edge.ends)?;
        // The nearest top of a side that is high enough: where ways are bent, windows fit nearby.
        let nearest = |side: &Vec<usize>| {
            let high = side.iter().filter(|top| tops[**top].height >= low.height + MOST * depth);
            high.copied()
                .min_by(|a, b| off(&precision, *a).total_cmp(&off(&precision, *b)))
                .unwrap_or(side[0])
        };
        let beside = [nearest(&sides[0]), nearest(&sides[1])];
        // Of cells at the tops, not at the pass: the broadest of all is responsible for what is between clusters. In the mean of
        // inverse covariances the narrower counts.
        let precision = near(beside)?;
        let distance = off(&precision, beside[0]).min(off(&precision, beside[1])).sqrt();
        let window = Window::new((self.rows, self.weights), &precision, &edge.passage.along, distance)?;
        let [pass, counts @ ..] =
            window.counts([&low.location, &tops[beside[0]].location, &tops[beside[1]].location]);
        let lower = counts[usize::from(heights[1] < heights[0])];
        Ok((depth, std_error(pass, lower), valley(pass, counts[0]).min(valley(pass, counts[1]))))
    }
}

impl Clusters {
    /// What is known of the cells of `law`, before they are in clusters.
    pub(super) fn of_tree(
        law: Mixture,
        (tops, top_of_cell): (Vec<Mode>, Vec<usize>),
        merges: Vec<Merge>,
        joints: Vec<[usize; 2]>,
    ) -> Self {
        Self {
            law,
            tops,
            top_of_cell,
            merges,
            joints,
            of_cell: Vec::new(),
            parts: Vec::new(),
            masses: DVector::zeros(0),
            modes: Vec::new(),
        }
    }

    /// The clusters when those joints are kept for which `keep` says so.
    fn cut(&self, keep: impl Fn(&Merge) -> bool) -> Self {
        self.joined(self.merges.iter().filter(|merge| keep(merge)).map(|merge| merge.cells))
    }

    /// The clusters when the groups of these pairs of cells join.
    pub(super) fn joined(&self, pairs: impl Iterator<Item = [usize; 2]>) -> Self {
        let groups = joined(self.top_of_cell.len(), pairs);
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (cell, &group) in groups.iter().enumerate() {
            members.entry(group).or_default().push(cell);
        }
        let mass = |cells: &Vec<usize>| cells.iter().map(|&cell| self.law.masses()[cell]).sum::<f64>();
        let mut members: Vec<(f64, Vec<usize>)> =
            members.into_values().map(|cells| (mass(&cells), cells)).collect();
        members.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut of_cell = vec![0; groups.len()];
        for (cluster, (_, cells)) in members.iter().enumerate() {
            for &cell in cells {
                of_cell[cell] = cluster;
            }
        }
        let highest = |(_, cells): &(f64, Vec<usize>)| {
            let tops = cells.iter().map(|&cell| &self.tops[self.top_of_cell[cell]]);
            tops.max_by(|a, b| a.log_density.total_cmp(&b.log_density)).cloned()
        };
        Self {
            modes: members.iter().filter_map(highest).collect(),
            parts: members.iter().map(|(_, cells)| self.law.part(cells)).collect(),
            masses: DVector::from_iterator(members.len(), members.iter().map(|(mass, _)| *mass)),
            of_cell,
            ..self.clone()
        }
    }

    /// `count` clusters that keep their rows to themselves, valleys or none.
    ///
    /// A row is a cluster's with a probability; dealt twice, it may go to two of them. Cells join, two groups at a time, so that
    /// the part of a cluster's rows that go to it again stays highest, summed over clusters. Clusters may be of any form, as
    /// those by valleys are, and populations that overlap without a valley come apart too.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for none or for more than there are cells.
    pub fn exactly(&self, count: usize) -> Result<Self> {
        let cells = self.top_of_cell.len();
        if count == 0 || count > cells {
            let requirement = "at least 1 and at most the number of cells";
            return Err(Error::InvalidSetting {
                name: "number of clusters",
                value: count as f64,
                requirement,
            });
        }
        Ok(self.joined(self.joints[..cells - count].iter().copied()))
    }

    /// The same tree cut at all valleys deeper than `depth` in nats, whatever the rows say: 0 makes every mode a cluster.
    pub fn deeper_than(&self, depth: f64) -> Self {
        self.cut(|merge| merge.depth <= depth)
    }

    /// Number of clusters.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// The cluster of each cell of the law.
    pub fn of_cells(&self) -> &[usize] {
        &self.of_cell
    }

    /// The masses of the clusters, which sum to 1.
    pub fn masses(&self) -> &DVector<f64> {
        &self.masses
    }

    /// The highest mode of each cluster.
    pub fn modes(&self) -> &[Mode] {
        &self.modes
    }

    /// Each cluster as a law of its own.
    pub fn laws(&self) -> &[Mixture] {
        &self.parts
    }

    /// The joints of the tree, one fewer than there are cells; those without a valley first, then from the highest pass
    /// down.
    pub fn merges(&self) -> &[Merge] {
        &self.merges
    }

    /// The probability of each cluster given a row: n × the number of clusters. In rows
    /// [`with_empty_cells`](Rows::with_empty_cells) by what was seen.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::NotFinite`], [`Error::OffHull`].
    pub fn probabilities<'a>(&self, rows: impl Into<Rows<'a>>) -> Result<DMatrix<f64>> {
        let of_cells = self.law.responsibilities(&rows.into())?;
        let mut all = DMatrix::zeros(of_cells.nrows(), self.len());
        for (cell, &cluster) in self.of_cell.iter().enumerate() {
            let mut column = all.column_mut(cluster);
            column += of_cells.column(cell);
        }
        // Shares of many cells may add up to one and a rounding error.
        all.apply(|share| *share = share.min(1.0));
        Ok(all)
    }

    /// The most probable cluster of each row.
    ///
    /// # Errors
    /// Those of [`probabilities`](Self::probabilities).
    pub fn labels<'a>(&self, rows: impl Into<Rows<'a>>) -> Result<Vec<usize>> {
        Ok(self.probabilities(rows)?.row_iter().map(|row| row.transpose().imax()).collect())
    }

    /// How well the clusters keep `rows` to themselves: the probability that a row of a cluster, dealt to clusters by its
    /// [`probabilities`](Self::probabilities), is dealt to the same once more, averaged over clusters. 1 where all rows are sure
    /// of theirs; of two laws of the same rows that of higher separation has so many clusters rather.
    ///
    /// # Errors
    /// Those of [`probabilities`](Self::probabilities).
    pub fn separation<'a>(&self, rows: impl Into<Rows<'a>>) -> Result<f64> {
        let rows = rows.into();
        let probabilities = self.probabilities(rows)?;
        let weights = rows.block(0, rows.n_rows()).weights;
        let (mut kept, mut sums) = (vec![0.0; self.len()], vec![0.0; self.len()]);
        for (row, weight) in probabilities.row_iter().zip(weights.iter()) {
            for (cluster, share) in row.iter().enumerate() {
                kept[cluster] += weight * share * share;
                sums[cluster] += weight * share;
            }
        }
        let part = |(kept, sum): (&f64, &f64)| kept / sum.max(f64::MIN_POSITIVE);
        Ok(kept.iter().zip(&sums).map(part).sum::<f64>() / self.len() as f64)
    }

    /// Which rows lie in no cluster's highest density set of probability `mass`, such as .99: length n.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::NotFinite`]; [`Error::InvalidSetting`] unless `mass` is between 0 and 1.
    pub fn outliers<'a>(&self, rows: impl Into<Rows<'a>>, mass: f64) -> Result<Vec<bool>> {
        let rows = rows.into();
        let mut outside = vec![true; rows.n_rows()];
        for (cluster, part) in self.parts.iter().enumerate() {
            let level = part.highest_density_level(mass, DRAWS, &mut stream(0, OWN_DRAWS, cluster as u64))?;
            for (outside, value) in outside.iter_mut().zip(part.log_density(rows)?.iter()) {
                *outside &= *value < level.log_density;
            }
        }
        Ok(outside)
    }
}
