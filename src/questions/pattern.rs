//! What is computed once for all rows of which the same columns were seen.

use nalgebra::{Cholesky, DMatrix, DMatrixView, DVector};
use rand::Rng;

use crate::coordinates::Units;
use crate::error::{Error, Result};
use crate::mixture::{
    ColumnCell, ColumnLaw, MixtureLaw, Sighting, Tilt, WholeCell, draw_part, draw_standard,
};

/// Singular values of directions of the hull below this are rounding.
const FLAT: f64 = 1e-7;
/// Likewise, in working units, of what is left of a column that others determine.
const DETERMINED: f64 = 1e-9;

/// Positions of columns in a law: those of which something was seen, and those that are asked about.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Without error.
    pub(crate) exact: Vec<usize>,
    /// With an error, and its covariance in the data's units.
    pub(crate) noisy: Vec<usize>,
    pub(crate) noise: DMatrix<f64>,
}

/// Where exact values say less than their number, since the rows do not vary in every direction: x = Us.
#[derive(Debug, Clone)]
struct Reduction {
    /// U, orthonormal columns.
    directions: DMatrix<f64>,
}

/// Cells that have been prepared for what is seen and what is asked; values are in the data's units.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    seen: Vec<usize>,
    exact: usize,
    /// Shift and scale of the columns seen.
    seen_units: Vec<(f64, f64)>,
    reduction: Option<Reduction>,
    /// ln of the volume of a unit of what is seen.
    log_volume: f64,
    asked_units: Vec<(f64, f64)>,
    log_masses: Vec<f64>,
    cells: Vec<PatternCell>,
}

#[derive(Debug, Clone)]
struct PatternCell {
    sighting: Sighting,
    /// Of the columns asked about: x = base + gain ζ + spread z', in the data's units.
    base: DVector<f64>,
    gain: DMatrix<f64>,
    spread: DMatrix<f64>,
    /// Lengths of the rows of `spread`.
    stds: Vec<f64>,
}

/// What a pattern says about some rows.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    /// Of what was seen, in the data's units.
    pub(crate) log_density: Vec<f64>,
    /// A column a row: k × n.
    pub(crate) masses: DMatrix<f64>,
    /// ζ of each cell, a column a row.
    standards: Vec<DMatrix<f64>>,
}

/// The rows `positions` of ∂x/∂w in scaled coordinates.
pub(crate) fn directions(units: &Units, positions: &[usize]) -> DMatrix<f64> {
    match units.hull_axes() {
        Some(axes) => axes.select_rows(positions),
        None => DMatrix::from_fn(positions.len(), units.dim(), |i, j| f64::from(u8::from(positions[i] == j))),
    }
}

fn units_of(units: &Units, positions: &[usize]) -> Vec<(f64, f64)> {
    positions.iter().map(|&column| (units.shift()[column], units.scale()[column])).collect()
}

impl Pattern {
    /// Prepares `cells`, those of `law`, for `seen` and the columns `asked`.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] where a cell does not vary in what is seen.
    pub(crate) fn new(
        units: &Units,
        law: &MixtureLaw,
        cells: &[WholeCell],
        seen: &Seen,
        asked: &[usize],
    ) -> Result<Self> {
        let exact_units = units_of(units, &seen.exact);
        let (mut map, mut reduction) = (directions(units, &seen.exact), None);
        let mut log_volume: f64 = exact_units.iter().map(|(_, scale)| scale.ln()).sum();
        if units.hull_axes().is_some() && !seen.exact.is_empty() {
            let turned = map.clone().svd(true, false);
            let kept: Vec<usize> =
                (0..turned.singular_values.len()).filter(|&i| turned.singular_values[i] > FLAT).collect();
            if kept.len() < seen.exact.len()
                && let Some(u) = turned.u
            {
                let directions = u.select_columns(&kept);
                map = directions.transpose() * map;
                let mut scaled = directions.clone();
                for (mut row, (_, scale)) in scaled.row_iter_mut().zip(&exact_units) {
                    row *= *scale;
                }
                log_volume = scaled.qr().unpack_r().diagonal().iter().map(|r| r.abs().ln()).sum();
                reduction = Some(Reduction { directions });
            }
        }
        let (informative, noisy) = (map.nrows(), seen.noisy.len());
        let noisy_units = units_of(units, &seen.noisy);
        let rows: Vec<_> = map.row_iter().map(|row| row.into_owned()).collect();
        let noisy_map = directions(units, &seen.noisy);
        let rows: Vec<_> = rows.into_iter().chain(noisy_map.row_iter().map(|row| row.into_owned())).collect();
        let map =
            if rows.is_empty() { DMatrix::zeros(0, units.working_dim()) } else { DMatrix::from_rows(&rows) };
        let mut noise = DMatrix::zeros(informative + noisy, noisy);
        if noisy > 0 {
            let scaled = DMatrix::from_fn(noisy, noisy, |i, j| {
                seen.noise[(i, j)] / (noisy_units[i].1 * noisy_units[j].1)
            });
            let factor = Cholesky::new(scaled)
                .ok_or(Error::NotPositiveDefinite { what: "covariance of observation", index: 0 })?;
            noise.view_mut((informative, 0), (noisy, noisy)).copy_from(&factor.l());
            log_volume += noisy_units.iter().map(|(_, scale)| scale.ln()).sum::<f64>();
        }
        let asked_units = units_of(units, asked);
        let ask = directions(units, asked);
        let flat = if units.hull_axes().is_some() { DETERMINED } else { 0.0 };
        let prepare = |(index, cell): (usize, &WholeCell)| {
            let sighting = cell.seen_through(&map, &noise, index)?;
            let (mut base, mut gain) = (&ask * &cell.mean, &ask * &sighting.gain);
            let mut spread = &ask * &sighting.spread;
            let mut stds = Vec::with_capacity(asked.len());
            for (i, &(shift, scale)) in asked_units.iter().enumerate() {
                if spread.row(i).norm() <= flat {
                    spread.row_mut(i).fill(0.0);
                }
                base[i] = shift + scale * base[i];
                gain.row_mut(i).scale_mut(scale);
                spread.row_mut(i).scale_mut(scale);
                stds.push(spread.row(i).norm());
            }
            Ok(PatternCell { sighting, base, gain, spread, stds })
        };
        let prepared = cells.iter().enumerate().map(prepare).collect::<Result<_>>()?;
        Ok(Self {
            seen: seen.exact.iter().chain(&seen.noisy).copied().collect(),
            exact: seen.exact.len(),
            seen_units: exact_units.into_iter().chain(noisy_units).collect(),
            reduction,
            log_volume,
            asked_units,
            log_masses: law.masses().iter().map(|mass| mass.ln()).collect(),
            cells: prepared,
        })
    }

    /// Positions of what is seen, in the order of the values that [`answers`](Self::answers) takes.
    pub(crate) fn seen(&self) -> &[usize] {
        &self.seen
    }

    /// The values seen as the cells know them, n × r; `number` names a row in an error.
    fn working(&self, values: DMatrixView<'_, f64>, number: impl Fn(usize) -> usize) -> Result<DMatrix<f64>> {
        let mut scaled = values.into_owned();
        for (mut column, (shift, scale)) in scaled.column_iter_mut().zip(&self.seen_units) {
            column.apply(|value| *value = (*value - shift) / scale);
        }
        let Some(Reduction { directions }) = &self.reduction else { return Ok(scaled) };
        let exact = scaled.columns(0, self.exact);
        let reduced = exact * directions;
        let beyond = exact - &reduced * directions.transpose();
        for row in 0..beyond.nrows() {
            let position = if reduced.ncols() > 0 { reduced.row(row).amax() } else { 0.0 };
            let (distance, allowed) = (beyond.row(row).amax(), Units::allowed_distance(position));
            // What overflows is not near.
            if distance.is_nan() || distance > allowed {
                return Err(Error::OffHull { row: number(row), distance, allowed });
            }
        }
        let noisy = scaled.columns(self.exact, scaled.ncols() - self.exact);
        let (few, many) = (reduced.ncols(), noisy.ncols());
        let mut all = DMatrix::zeros(scaled.nrows(), few + many);
        all.columns_mut(0, few).copy_from(&reduced);
        all.columns_mut(few, many).copy_from(&noisy);
        Ok(all)
    }

    /// What follows from `values` (n × number of columns seen); `number` names a row in an error.
    ///
    /// # Errors
    /// [`Error::OffHull`].
    pub(crate) fn answers(
        &self,
        values: DMatrixView<'_, f64>,
        number: impl Fn(usize) -> usize,
    ) -> Result<Answers> {
        let (n, k) = (values.nrows(), self.cells.len());
        let working = self.working(values, number)?.transpose();
        let standards: Vec<DMatrix<f64>> =
            self.cells.iter().map(|cell| cell.sighting.standard(&working)).collect();
        let mut masses = DMatrix::zeros(k, n);
        for (j, (cell, standard)) in self.cells.iter().zip(&standards).enumerate() {
            for (row, z) in standard.column_iter().enumerate() {
                let log = self.log_masses[j] + cell.sighting.log_density(z);
                masses[(j, row)] = log.max(-f64::MAX);
            }
        }
        let mut log_density = Vec::with_capacity(n);
        for mut column in masses.column_iter_mut() {
            let largest = column.max();
            column.apply(|log| *log = (*log - largest).exp());
            let total = column.sum();
            column /= total;
            log_density.push(largest + total.ln() - self.log_volume);
        }
        Ok(Answers { log_density, masses, standards })
    }

    /// What is left of each cell in the columns asked about, for one row.
    pub(crate) fn left(&self, answers: &Answers, row: usize) -> (DVector<f64>, Vec<WholeCell>) {
        let cell = |(cell, standard): (&PatternCell, &DMatrix<f64>)| {
            let z = standard.column(row);
            WholeCell {
                mean: &cell.base + &cell.gain * z,
                factor: cell.spread.clone(),
                tilt: cell.sighting.tilt_given(z),
            }
        };
        let cells = self.cells.iter().zip(&answers.standards).map(cell).collect();
        (answers.masses.column(row).into_owned(), cells)
    }

    /// Whether column `asked` (by its place among those asked about) has one value given what was seen.
    pub(crate) fn determines(&self, asked: usize) -> bool {
        self.cells.iter().all(|cell| cell.stds[asked] == 0.0)
    }

    /// Shift and scale of the columns asked about.
    pub(crate) fn asked_units(&self) -> &[(f64, f64)] {
        &self.asked_units
    }

    /// The law of column `asked` (by its place among those asked about) for one row.
    pub(crate) fn column(&self, answers: &Answers, row: usize, asked: usize) -> ColumnLaw {
        let part = |(j, (cell, standard)): (usize, (&PatternCell, &DMatrix<f64>))| {
            let z = standard.column(row);
            let (mass, std) = (answers.masses[(j, row)], cell.stds[asked]);
            let mean = cell.base[asked]
                + cell.gain.row(asked).iter().zip(z.iter()).map(|(gain, z)| gain * z).sum::<f64>();
            let tilt = if std > 0.0 { cell.sighting.tilt_given(z) } else { None };
            let along = |tilt: &Tilt| tilt.along(&(cell.spread.row(asked).transpose() / std));
            ColumnCell::new(mass, mean, std, tilt.as_ref().map(along))
        };
        ColumnLaw::new(self.cells.iter().zip(&answers.standards).enumerate().map(part).collect())
    }

    /// The mean of what is asked about, for one row.
    pub(crate) fn mean(&self, answers: &Answers, row: usize) -> DVector<f64> {
        let mut mean = DVector::zeros(self.asked_units.len());
        for (j, (cell, standard)) in self.cells.iter().zip(&answers.standards).enumerate() {
            let (z, mass) = (standard.column(row), answers.masses[(j, row)]);
            if mass == 0.0 {
                continue;
            }
            mean.axpy(mass, &cell.base, 1.0);
            mean.gemv(mass, &cell.gain, &z, 1.0);
            if let Some(tilt) = cell.sighting.tilt_given(z) {
                mean.gemv(mass, &cell.spread, &tilt.mean(), 1.0);
            }
        }
        mean
    }

    /// A draw of what is asked about, for one row.
    pub(crate) fn draw(&self, answers: &Answers, row: usize, rng: &mut dyn Rng) -> DVector<f64> {
        let j = draw_part(answers.masses.column(row).into_owned().as_slice(), rng);
        let (cell, z) = (&self.cells[j], answers.standards[j].column(row));
        let tilt = cell.sighting.tilt_given(z);
        let standard = draw_standard(tilt.as_ref(), cell.spread.ncols(), rng);
        let mut drawn = &cell.base + &cell.gain * z;
        drawn.gemv(1.0, &cell.spread, &standard, 1.0);
        drawn
    }
}
