//! What is asked of a law returns a law.

#[cfg(test)]
mod tests;

use nalgebra::{DMatrix, DVector};

use super::mixture::{Mixture, image};
use super::observation::{Observation, check_named_once};
use super::pattern::{Pattern, Seen, directions};
use crate::coordinates::Units;
use crate::error::{Error, Result};
use crate::mixture::{ColumnLaw, MixtureLaw, WholeCell};

/// Singular values of directions of the hull below this are rounding.
const FLAT: f64 = 1e-7;

impl Mixture {
    /// The law of some columns alone, in the order given.
    ///
    /// # Errors
    /// [`Error::NoColumnNamed`], [`Error::ColumnTwice`], [`Error::NoSuchColumn`]; [`Error::NoVariation`] for columns
    /// that have one value each.
    pub fn marginal(&self, columns: &[usize]) -> Result<Self> {
        check_named_once(columns)?;
        let positions = self.positions(columns)?;
        let select = |values: &DVector<f64>| {
            DVector::from_iterator(positions.len(), positions.iter().map(|&i| values[i]))
        };
        let (shift, scale) = (select(self.units.shift()), select(self.units.scale()));
        let (mut map, mut hull_axes) = (directions(&self.units, &positions), None);
        if self.units.hull_axes().is_some() {
            let turned = map.clone().svd(true, false);
            let kept: Vec<usize> =
                (0..turned.singular_values.len()).filter(|&i| turned.singular_values[i] > FLAT).collect();
            if kept.is_empty() {
                return Err(Error::NoVariation);
            }
            if kept.len() < positions.len()
                && let Some(u) = turned.u
            {
                let axes = u.select_columns(&kept);
                map = axes.transpose() * map;
                hull_axes = Some(axes);
            }
        }
        let law = image(self.masses(), &self.cells, &map, &DMatrix::zeros(map.nrows(), 0))?;
        Ok(self.of(columns.to_vec(), Units { shift, scale, hull_axes }, law))
    }

    /// The law of one column, with density, distribution function and quantiles.
    ///
    /// # Errors
    /// [`Error::NoSuchColumn`].
    pub fn column(&self, column: usize) -> Result<ColumnLaw> {
        let asked = self.positions(&[column])?;
        let nothing = Seen { exact: Vec::new(), noisy: Vec::new(), noise: DMatrix::zeros(0, 0) };
        let pattern = Pattern::new(&self.units, &self.law, &self.cells, &nothing, &asked)?;
        let answers = pattern.answers(DMatrix::zeros(1, 0).as_view(), |row| row)?;
        Ok(pattern.column(&answers, 0, 0))
    }

    /// The law of what is open once something was seen: of the columns that were not seen, or seen with an
    /// error.
    ///
    /// Conditioning twice is conditioning on both.
    ///
    /// # Errors
    /// [`Error::NoSuchColumn`]; [`Error::OffHull`] for exact values that the learned rows cannot have together;
    /// [`Error::NothingLeft`] where all other columns follow from what was seen.
    pub fn given(&self, observation: &Observation) -> Result<Self> {
        let seen = self.seen(observation)?;
        let asked: Vec<usize> =
            (0..self.columns().len()).filter(|column| !seen.exact.contains(column)).collect();
        if asked.is_empty() {
            return Err(Error::NothingLeft);
        }
        let pattern = Pattern::new(&self.units, &self.law, &self.cells, &seen, &asked)?;
        let answers = pattern.answers(
            values_of(observation, &self.positions(observation.columns())?, &pattern).as_view(),
            |row| row,
        )?;
        let (masses, mut cells) = pattern.left(&answers, 0);
        let (shift, scale): (Vec<f64>, Vec<f64>) = pattern.asked_units().iter().copied().unzip();
        let (shift, scale) = (DVector::from_vec(shift), DVector::from_vec(scale));
        for cell in &mut cells {
            cell.mean.zip_zip_apply(&shift, &scale, |value, shift, scale| *value = (*value - shift) / scale);
            for (mut row, scale) in cell.factor.row_iter_mut().zip(scale.iter()) {
                row /= *scale;
            }
        }
        let columns = asked.iter().map(|&position| self.columns()[position]).collect();
        let mut units = Units { shift, scale, hull_axes: None };
        if self.units.hull_axes().is_some() {
            self.onto_hull(&seen, &asked, &mut units, &mut cells)?;
        }
        Ok(self.of(columns, units, MixtureLaw::of_whole_cells(masses, cells)))
    }

    /// Cells in scaled coordinates of the columns `asked` in those of the hull that is left of them.
    fn onto_hull(
        &self,
        seen: &Seen,
        asked: &[usize],
        units: &mut Units,
        cells: &mut [WholeCell],
    ) -> Result<()> {
        // What the exact values leave open: directions of the hull without part in their columns.
        let fixed = directions(&self.units, &seen.exact);
        let dim = self.units.working_dim();
        let projector = match fixed.nrows() {
            0 => DMatrix::identity(dim, dim),
            _ => {
                let turned = fixed.svd(false, true);
                let mut projector = DMatrix::identity(dim, dim);
                if let Some(v) = turned.v_t {
                    for (row, value) in v.row_iter().zip(turned.singular_values.iter()) {
                        if *value > FLAT {
                            projector -= row.transpose() * row;
                        }
                    }
                }
                projector
            }
        };
        let open = directions(&self.units, asked) * projector;
        let turned = open.svd(true, false);
        let kept: Vec<usize> =
            (0..turned.singular_values.len()).filter(|&i| turned.singular_values[i] > 0.5).collect();
        let (false, Some(u)) = (kept.is_empty(), turned.u) else { return Err(Error::NothingLeft) };
        if kept.len() == asked.len() {
            return Ok(());
        }
        let axes = u.select_columns(&kept);
        // All cells lie on one plane: a point of it as the origin.
        let Some(origin) = cells.first().map(|cell| cell.mean.clone()) else {
            return Err(Error::NothingLeft);
        };
        units.shift += origin.component_mul(&units.scale);
        for cell in cells {
            cell.mean = axes.transpose() * (&cell.mean - &origin);
            cell.factor = axes.transpose() * &cell.factor;
        }
        units.hull_axes = Some(axes);
        Ok(())
    }

    /// Natural logarithm of the density of what was seen, errors included: of w = x + e in the data's units.
    ///
    /// # Errors
    /// As [`given`](Self::given), but that all columns may be seen; values off the hull have the density 0, −∞.
    pub fn log_density_of(&self, observation: &Observation) -> Result<f64> {
        let seen = self.seen(observation)?;
        let pattern = Pattern::new(&self.units, &self.law, &self.cells, &seen, &[])?;
        let values = values_of(observation, &self.positions(observation.columns())?, &pattern);
        match pattern.answers(values.as_view(), |row| row) {
            Ok(answers) => Ok(answers.log_density[0]),
            Err(Error::OffHull { .. }) => Ok(f64::NEG_INFINITY),
            Err(other) => Err(other),
        }
    }

    /// Positions of what was seen.
    fn seen(&self, observation: &Observation) -> Result<Seen> {
        let positions = self.positions(observation.columns())?;
        let covariance = observation.covariance();
        let (noisy, exact): (Vec<usize>, Vec<usize>) =
            (0..positions.len()).partition(|&i| covariance[(i, i)] > 0.0);
        Ok(Seen {
            exact: exact.iter().map(|&i| positions[i]).collect(),
            noise: covariance.select_rows(&noisy).select_columns(&noisy),
            noisy: noisy.iter().map(|&i| positions[i]).collect(),
        })
    }
}

/// The values of `observation`, of columns at `positions`, in the order of `pattern`: one row.
fn values_of(observation: &Observation, positions: &[usize], pattern: &Pattern) -> DMatrix<f64> {
    let value = |&position: &usize| {
        let index = positions.iter().position(|&own| own == position);
        index.map_or(f64::NAN, |index| observation.values()[index])
    };
    DMatrix::from_iterator(1, pattern.seen().len(), pattern.seen().iter().map(value))
}
