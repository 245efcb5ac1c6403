//! How unusual rows are, and which of their columns makes them so.

#[cfg(test)]
mod tests;

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};

use super::mixture::Mixture;
use super::pattern::Pattern;
use super::table::{Cells, Group};
use crate::error::{Error, Result};
use crate::parallel::map_blocks;
use crate::rows::{Rows, stream};
use crate::score::ScoreModel;

/// Draws of the law by which a probability is judged: standard errors are at most .005.
const DRAWS: usize = 10_000;
/// Purpose of the stream of random numbers of these draws.
const OWN_DRAWS: u64 = 42;
/// Rows that go through the cells together.
const BLOCK: usize = 128;

/// How unusual the rows of a table are.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Surprise {
    /// Natural logarithm of the density of what there is of each row: length n. −∞ off the affine hull.
    pub log_density: DVector<f64>,
    /// The probability of a log-density as low or lower under the law itself, in the columns that are there: length n.
    pub p_value: DVector<f64>,
    /// Standard errors of these, which come from draws.
    pub p_value_error: DVector<f64>,
    /// −log p of each value given the others of its row, n × d; NaN in empty cells. The largest names the odd column.
    pub columns: DMatrix<f64>,
}

/// A level of the log-density, from draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DensityLevel {
    /// The level.
    pub log_density: f64,
    /// Its standard error.
    pub std_error: f64,
}

impl Mixture {
    /// How unusual each row of a table is under this law, and which columns make it so.
    ///
    /// `rows` (n × d) have all columns of this law; in those [`with_empty_cells`](Rows::with_empty_cells) NaN stands for
    /// what was not seen, and the rest of the row is judged by its marginal law. A row without a value has log-density 0
    /// and probability 1. Probabilities are those among 10,000 draws of the law.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::NotFinite`].
    pub fn surprise<'a, R: Rng + ?Sized>(&self, rows: impl Into<Rows<'a>>, rng: &mut R) -> Result<Surprise> {
        let cells = Cells::read(&rows.into(), self.dim())?;
        let n = cells.len();
        let own = self.sample(DRAWS, &mut stream(rng.random(), OWN_DRAWS, 0))?;
        let groups = cells.groups(&[]);
        let parts =
            map_blocks(groups.len(), 1, |range| self.surprise_of(&cells, &groups[range.start], &own))?;
        let mut all = Surprise {
            log_density: DVector::zeros(n),
            p_value: DVector::from_element(n, 1.0),
            p_value_error: DVector::zeros(n),
            columns: DMatrix::from_element(n, self.dim(), f64::NAN),
        };
        for (group, (log_density, p_value, columns)) in groups.iter().zip(parts) {
            for (i, &row) in group.rows.iter().enumerate() {
                let p = p_value[i];
                all.log_density[row] = log_density[i];
                all.p_value[row] = p;
                all.p_value_error[row] = (p * (1.0 - p) / DRAWS as f64).sqrt();
                for (index, &column) in group.seen.iter().enumerate() {
                    all.columns[(row, column)] = columns[(i, index)];
                }
            }
        }
        Ok(all)
    }

    fn surprise_of(
        &self,
        cells: &Cells,
        group: &Group,
        own: &DMatrix<f64>,
    ) -> Result<(Vec<f64>, Vec<f64>, DMatrix<f64>)> {
        let n = group.rows.len();
        if group.seen.is_empty() {
            return Ok((vec![0.0; n], vec![1.0; n], DMatrix::zeros(n, 0)));
        }
        let values = cells.select(&group.rows, &group.seen);
        let whole = self.pattern(&group.seen, &[])?;
        let log_density = log_densities(&whole, &values)?;
        let mut reference = log_densities(&whole, &own.select_columns(&group.seen))?;
        reference.sort_by(f64::total_cmp);
        let p_value = |value: &f64| {
            let below = reference.partition_point(|own| own <= value);
            (below as f64 + 1.0) / (DRAWS as f64 + 1.0)
        };
        let p_values = log_density.iter().map(p_value).collect();
        let mut columns = DMatrix::zeros(n, group.seen.len());
        for left_out in 0..group.seen.len() {
            let others: Vec<usize> = (0..group.seen.len()).filter(|&index| index != left_out).collect();
            let positions: Vec<usize> = others.iter().map(|&index| group.seen[index]).collect();
            let without = log_densities(&self.pattern(&positions, &[])?, &values.select_columns(&others))?;
            for row in 0..n {
                columns[(row, left_out)] = match (without[row], log_density[row]) {
                    // Off the hull whatever the value.
                    (f64::NEG_INFINITY, _) => f64::INFINITY,
                    (without, with) => without - with,
                };
            }
        }
        Ok((log_density, p_values, columns))
    }

    /// The level of the log-density above which the law has probability `mass`, the edge of the highest density set of
    /// that mass; from `draws` draws of the law. A row below the level of mass 1 − α is a false alarm with
    /// probability α.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] unless `mass` is between 0 and 1 and there are at least 10 draws.
    pub fn highest_density_level<R: Rng + ?Sized>(
        &self,
        mass: f64,
        draws: usize,
        rng: &mut R,
    ) -> Result<DensityLevel> {
        if !(mass > 0.0 && mass < 1.0) {
            let requirement = "between 0 and 1";
            return Err(Error::InvalidSetting {
                name: "mass of a highest density set",
                value: mass,
                requirement,
            });
        }
        if draws < 10 {
            let requirement = "at least 10";
            return Err(Error::InvalidSetting { name: "number of draws", value: draws as f64, requirement });
        }
        let rows = self.sample(draws, rng)?;
        let mut values: Vec<f64> = self.log_density(&rows)?.iter().copied().collect();
        values.sort_by(f64::total_cmp);
        let (n, p) = (draws as f64, 1.0 - mass);
        let at = |rank: f64| values[(rank.round().max(0.0) as usize).min(draws - 1)];
        // The rank of a quantile has the standard deviation √(n p (1 − p)).
        let spread = (n * p * (1.0 - p)).sqrt();
        let middle = n * p - 0.5;
        Ok(DensityLevel {
            log_density: at(middle),
            std_error: 0.5 * (at(middle + spread) - at(middle - spread)),
        })
    }
}

/// Those of all rows of `values`; −∞ off the hull.
pub(super) fn log_densities(pattern: &Pattern, values: &DMatrix<f64>) -> Result<Vec<f64>> {
    let mut all = Vec::with_capacity(values.nrows());
    for start in (0..values.nrows()).step_by(BLOCK) {
        let block = values.rows(start, BLOCK.min(values.nrows() - start));
        match pattern.answers(block, |row| row) {
            Ok(answers) => all.extend(answers.log_density),
            Err(Error::OffHull { .. }) => {
                for row in 0..block.nrows() {
                    all.push(match pattern.answers(block.rows(row, 1), |row| row) {
                        Ok(answers) => answers.log_density[0],
                        Err(Error::OffHull { .. }) => f64::NEG_INFINITY,
                        Err(other) => return Err(other),
                    });
                }
            }
            Err(other) => return Err(other),
        }
    }
    Ok(all)
}
