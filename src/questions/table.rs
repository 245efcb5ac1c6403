//! Questions about many rows at once.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};

use super::mixture::Mixture;
use super::observation::check_named_once;
use super::pattern::{Answers, Pattern, Seen};
use crate::coordinates::Units;
use crate::error::{Error, Result};
use crate::parallel::map_blocks;
use crate::rows::{Rows, stream};
use crate::score::ScoreModel;
use crate::shapes::check_size;

/// Rows of one pattern that a thread takes at once, for which the cells are prepared again.
const ROWS: usize = 4096;
/// Of these so many go through the cells together.
const BLOCK: usize = 128;
/// Purpose of the streams of random numbers, one a row, with which empty cells are drawn.
const IMPUTING: u64 = 41;

/// What a law says about some columns of each row of a table, given the others.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Predictions {
    /// Means: n × t for t columns.
    pub mean: DMatrix<f64>,
    /// Standard deviations: n × t.
    pub std: DMatrix<f64>,
    /// For every probability asked for the quantiles of each column by itself: n × t.
    pub quantiles: Vec<DMatrix<f64>>,
    /// Natural logarithm of the density of the row's own values of these columns, together, given the others; NaN where
    /// one of them is empty. Columns that the others determine count as a probability: 0 for the value determined, −∞
    /// for others.
    pub log_density: DVector<f64>,
    /// Where the law has no closed form: how many equally weighted draws what is said of a row is worth; length n.
    pub effective: Option<DVector<f64>>,
}

/// Rows of a table that have the same columns.
pub(super) struct Group {
    /// Positions of the columns that are there.
    pub(super) seen: Vec<usize>,
    pub(super) rows: Vec<usize>,
}

/// A table in memory: n × d, row after row, and which cells are empty.
pub(super) struct Cells {
    values: Vec<f64>,
    dim: usize,
}

impl Cells {
    /// # Errors
    /// [`Error::ShapeMismatch`] for another number of columns than `dim`, [`Error::NotFinite`] for an infinite value,
    /// and for NaN unless it stands for an empty cell.
    pub(super) fn read(rows: &Rows<'_>, dim: usize) -> Result<Self> {
        check_size("columns of the rows", dim, rows.dim())?;
        let (mut values, mut weights) = (Vec::new(), Vec::new());
        rows.append_to(&mut values, &mut weights);
        let wrong = |value: &f64| !(value.is_finite() || value.is_nan() && rows.has_empty_cells());
        match values.iter().position(wrong) {
            Some(at) => Err(Error::NotFinite { row: at / dim, column: at % dim, value: values[at] }),
            None => Ok(Self { values, dim }),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    pub(super) fn matrix(&self) -> DMatrix<f64> {
        DMatrix::from_row_slice(self.len(), self.dim, &self.values)
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.dim..(row + 1) * self.dim]
    }

    /// The values of `rows` in the columns at `positions`.
    pub(super) fn select(&self, rows: &[usize], positions: &[usize]) -> DMatrix<f64> {
        DMatrix::from_fn(rows.len(), positions.len(), |i, j| self.row(rows[i])[positions[j]])
    }

    /// Rows in pieces, those together of which the same columns other than `without` are there.
    pub(super) fn groups(&self, without: &[usize]) -> Vec<Group> {
        let mut by_pattern: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
        let mut pattern = vec![false; self.dim];
        for row in 0..self.len() {
            for (seen, value) in pattern.iter_mut().zip(self.row(row)) {
                *seen = !value.is_nan();
            }
            for &column in without {
                pattern[column] = false;
            }
            match by_pattern.get_mut(&pattern) {
                Some(rows) => rows.push(row),
                None => {
                    by_pattern.insert(pattern.clone(), vec![row]);
                }
            }
        }
        let pieces = |(pattern, rows): (Vec<bool>, Vec<usize>)| {
            let seen: Vec<usize> = (0..self.dim).filter(|&column| pattern[column]).collect();
            let pieces: Vec<Group> =
                rows.chunks(ROWS).map(|rows| Group { seen: seen.clone(), rows: rows.to_vec() }).collect();
            pieces
        };
        by_pattern.into_iter().flat_map(pieces).collect()
    }
}

impl Mixture {
    /// The cells prepared for exact values of the columns at `seen` and questions about those at `asked`.
    pub(super) fn pattern(&self, seen: &[usize], asked: &[usize]) -> Result<Pattern> {
        let seen = Seen { exact: seen.to_vec(), noisy: Vec::new(), noise: DMatrix::zeros(0, 0) };
        Pattern::new(&self.units, &self.law, &self.cells, &seen, asked)
    }

    /// Mean, standard deviation and quantiles of some columns, each by itself, for every row of a table given its
    /// other columns; and the density of the row's own values there.
    ///
    /// `rows` (n × d) have all columns of this law, in its order; their values in `columns` do nothing but be judged.
    /// In rows [`with_empty_cells`](Rows::with_empty_cells) NaN stands for what was not seen, among the others too.
    ///
    /// # Errors
    /// [`Error::NoColumnNamed`], [`Error::ColumnTwice`], [`Error::NoSuchColumn`], [`Error::ShapeMismatch`];
    /// [`Error::NotFinite`] for a value; [`Error::InvalidSetting`] for a probability outside 0 to 1;
    /// [`Error::OffHull`] for values that the learned rows cannot have together.
    pub fn predict<'a>(
        &self,
        rows: impl Into<Rows<'a>>,
        columns: &[usize],
        quantiles: &[f64],
    ) -> Result<Predictions> {
        check_named_once(columns)?;
        let targets = self.positions(columns)?;
        if let Some(&value) = quantiles.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            let requirement = "from 0 to 1";
            return Err(Error::InvalidSetting { name: "probability of a quantile", value, requirement });
        }
        let cells = Cells::read(&rows.into(), self.dim())?;
        let (n, t) = (cells.len(), targets.len());
        let groups = cells.groups(&targets);
        let parts = map_blocks(groups.len(), 1, |range| {
            self.predict_group(&cells, &groups[range.start], &targets, quantiles)
        })?;
        let mut all = Predictions {
            mean: DMatrix::zeros(n, t),
            std: DMatrix::zeros(n, t),
            quantiles: vec![DMatrix::zeros(n, t); quantiles.len()],
            log_density: DVector::zeros(n),
            effective: None,
        };
        for (group, part) in groups.iter().zip(parts) {
            for (i, &row) in group.rows.iter().enumerate() {
                all.mean.row_mut(row).copy_from(&part.mean.row(i));
                all.std.row_mut(row).copy_from(&part.std.row(i));
                for (all, part) in all.quantiles.iter_mut().zip(&part.quantiles) {
                    all.row_mut(row).copy_from(&part.row(i));
                }
                all.log_density[row] = part.log_density[i];
            }
        }
        Ok(all)
    }

    fn predict_group(
        &self,
        cells: &Cells,
        group: &Group,
        targets: &[usize],
        quantiles: &[f64],
    ) -> Result<Predictions> {
        let (n, t) = (group.rows.len(), targets.len());
        let pattern = self.pattern(&group.seen, targets)?;
        let mut part = Predictions {
            mean: DMatrix::zeros(n, t),
            std: DMatrix::zeros(n, t),
            quantiles: vec![DMatrix::zeros(n, t); quantiles.len()],
            log_density: DVector::from_element(n, f64::NAN),
            effective: None,
        };
        // Several columns together: what they add to the density of the others.
        let with_targets = [&group.seen[..], targets].concat();
        let together = if t > 1 { Some(self.pattern(&with_targets, &[])?) } else { None };
        for (block, rows) in group.rows.chunks(BLOCK).enumerate() {
            let answers = pattern.answers(cells.select(rows, &group.seen).as_view(), |row| rows[row])?;
            for (i, &row) in rows.iter().enumerate() {
                let at = block * BLOCK + i;
                for (index, &target) in targets.iter().enumerate() {
                    let law = pattern.column(&answers, i, index);
                    let (mean, std) = law.mean_and_std();
                    part.mean[(at, index)] = mean;
                    part.std[(at, index)] = if pattern.determines(index) { 0.0 } else { std };
                    for (out, &p) in part.quantiles.iter_mut().zip(quantiles) {
                        out[(at, index)] = law.quantile(p)?;
                    }
                    let value = cells.row(row)[target];
                    if t == 1 && !value.is_nan() {
                        part.log_density[at] = if pattern.determines(index) {
                            self.log_probability(value, mean, target)
                        } else {
                            law.log_density(value)
                        };
                    }
                }
                let whole = targets.iter().all(|&target| !cells.row(row)[target].is_nan());
                if let Some(together) = &together
                    && whole
                {
                    let values = cells.select(&[row], &with_targets);
                    part.log_density[at] = match together.answers(values.as_view(), |_| row) {
                        Ok(joint) => joint.log_density[0] - answers.log_density[i],
                        Err(Error::OffHull { .. }) => f64::NEG_INFINITY,
                        Err(other) => return Err(other),
                    };
                }
            }
        }
        Ok(part)
    }

    /// ln of the probability that a column at `position` which can only be `determined` is `value`.
    fn log_probability(&self, value: f64, determined: f64, position: usize) -> f64 {
        let (shift, scale) = (self.units.shift()[position], self.units.scale()[position]);
        let allowed = Units::allowed_distance(((determined - shift) / scale).abs());
        if ((value - determined) / scale).abs() <= allowed { 0.0 } else { f64::NEG_INFINITY }
    }

    /// `draws` completed tables: the empty cells of each row are drawn from the law given the others, the same stream of
    /// random numbers for a row whatever rows stand beside it. n × d each.
    ///
    /// `rows` have all columns of this law and are [`with_empty_cells`](Rows::with_empty_cells).
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    ///
    /// # Examples
    /// ```
    /// use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
    /// use gmix_diffusion::reference::{Law, Sphere};
    /// use gmix_diffusion::{DiffusionLearner, Rows};
    ///
    /// let mut rng = StdRng::seed_from_u64(1);
    /// let rows = Sphere::circle(3.0, 2, 0.3)?.draw(1_000, &mut rng);
    /// let law = DiffusionLearner::fast().fit(&rows, &mut rng)?.mixture()?;
    /// let incomplete = [[0.1, f64::NAN], [f64::NAN, f64::NAN], [1.0, -2.8]];
    /// let tables = law.impute(Rows::from(&incomplete[..]).with_empty_cells(), 5, &mut rng)?;
    /// assert_eq!(tables.len(), 5);
    /// assert!(tables.iter().all(|table| table.iter().all(|value| value.is_finite())));
    /// assert_eq!(tables[4].row(2), tables[0].row(2));
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn impute<'a, R: Rng + ?Sized>(
        &self,
        rows: impl Into<Rows<'a>>,
        draws: usize,
        rng: &mut R,
    ) -> Result<Vec<DMatrix<f64>>> {
        let seed = rng.random::<u64>();
        self.complete(&rows.into(), draws, |pattern, answers, i, row, filled| {
            let mut own = stream(seed, IMPUTING, row as u64);
            for values in filled {
                *values = pattern.draw(answers, i, &mut own);
            }
        })
    }

    /// The table with the mean of the law given the others in every empty cell: n × d.
    ///
    /// A mean has less spread than what it stands for: for anything but a best guess take [`impute`](Self::impute).
    ///
    /// # Errors
    /// As [`impute`](Self::impute).
    pub fn impute_means<'a>(&self, rows: impl Into<Rows<'a>>) -> Result<DMatrix<f64>> {
        let tables = self.complete(&rows.into(), 1, |pattern, answers, i, _, filled| {
            for values in filled {
                *values = pattern.mean(answers, i);
            }
        })?;
        tables.into_iter().next().ok_or(Error::NoRows)
    }

    /// Fills the empty cells of `rows`, `tables` times; `fill` writes those of one row for each.
    fn complete(
        &self,
        rows: &Rows<'_>,
        tables: usize,
        fill: impl Fn(&Pattern, &Answers, usize, usize, &mut [DVector<f64>]) + Sync + Send,
    ) -> Result<Vec<DMatrix<f64>>> {
        let cells = Cells::read(rows, self.dim())?;
        let groups = cells.groups(&[]);
        let empty: Vec<Vec<usize>> = groups
            .iter()
            .map(|group| (0..self.dim()).filter(|c| !group.seen.contains(c)).collect())
            .collect();
        let filled = map_blocks(groups.len(), 1, |range| {
            let (group, empty) = (&groups[range.start], &empty[range.start]);
            if empty.is_empty() {
                return Ok(Vec::new());
            }
            let pattern = self.pattern(&group.seen, empty)?;
            let mut filled = vec![DVector::zeros(0); group.rows.len() * tables];
            for (block, rows) in group.rows.chunks(BLOCK).enumerate() {
                let answers = pattern.answers(cells.select(rows, &group.seen).as_view(), |row| rows[row])?;
                for (i, &row) in rows.iter().enumerate() {
                    let at = (block * BLOCK + i) * tables;
                    fill(&pattern, &answers, i, row, &mut filled[at..at + tables]);
                }
            }
            Ok(filled)
        })?;
        let mut all = vec![cells.matrix(); tables];
        for ((group, empty), filled) in groups.iter().zip(&empty).zip(filled) {
            for (at, values) in filled.iter().enumerate() {
                let (row, table) = (group.rows[at / tables], at % tables);
                for (&column, &value) in empty.iter().zip(values.iter()) {
                    all[table][(row, column)] = value;
                }
            }
        }
        Ok(all)
    }
}
