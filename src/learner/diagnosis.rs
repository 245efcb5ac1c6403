//! Signs that a fit may be poor: what the warnings of a report are made from.

use nalgebra::DMatrix;
use rand_distr::{Distribution, StandardNormal};

use crate::coordinates::{ActiveRows, BlurPath, Geometry, Principal, Scaled, are_few, first_rows};
use crate::error::Result;
use crate::levels::Learned;
use crate::polynomial::{HermiteBasis, LevelScore};
use crate::report::FitWarning;
use crate::rows::{FoldedSample, stream};

/// A law wants this many rows.
const FEWEST_ROWS: u64 = 10;
/// A value farther out than this many standard deviations of its column is not a Gaussian's.
const FAR: f64 = 10.0;
/// A cell should have this many rows for each coefficient.
const ROWS_PER_COEFFICIENT: f64 = 5.0;
/// Rows farther than √m + 3 component stds from every centre are a larger share than this.
const UNCOVERED: f64 = 0.01;
/// The denoiser may move by this many bandwidths from one level to the next.
const LARGEST_CHANGE: f64 = 0.5;
/// Rows on which that is measured.
const MEASURED_ROWS: usize = 500;
/// Purpose of the stream that noises them.
const CHANGE_STREAM: u64 = 1 << 35;

/// A σ₀ that is this many times as large as the blur that fits rows best, and worse by so many nats, is too large.
const TOO_LARGE: f64 = 1.2;
const DECISIVE: f64 = 10.0;

/// What the columns and their coordinates say against a fit: directions that do not vary, a given σ₀ that is
/// too large, few rows, heavy tails and repeated rows.
pub(crate) fn of_coordinates(
    scaled: &Scaled<'_>,
    principal: &Principal,
    active: &ActiveRows,
) -> Result<Vec<FitWarning>> {
    let mut warnings = Vec::new();
    if let Some(relative_std) = scaled.degenerate_share() {
        warnings.push(FitWarning::DegenerateDirection { relative_std });
    }
    let too_large = scaled.std_above_rows();
    if let Some(component_std) = too_large {
        let smallest_std = scaled.smallest_std();
        warnings.push(FitWarning::ComponentStdTooLarge { component_std, smallest_std });
    }
    let columns = &scaled.columns;
    let (sample, dim) = (&principal.sample, principal.units.dim());
    let rows = sample.stands_for;
    if rows < FEWEST_ROWS || are_few(rows, dim) {
        warnings.push(FitWarning::FewRows { rows, dim });
    }
    let farthest = sample.rows.column_iter().map(|column| {
        let std = column.variance().sqrt();
        if std > 0.0 { column.add_scalar(-column.mean()).amax() / std } else { 0.0 }
    });
    let farthest = farthest.fold(0.0, f64::max);
    if farthest > FAR {
        warnings.push(FitWarning::HeavyTails { farthest });
    }
    if columns.repeat() {
        warnings.push(FitWarning::RepeatedRows { share: columns.repeats.share });
    }
    if let (Some(std), None, false) = (scaled.given_std, too_large, columns.repeat()) {
        warnings.extend(of_component_std(std, &active.sample)?);
    }
    Ok(warnings)
}

/// A given σ₀, in the units of `sample`, that is larger than what blurs its rows.
fn of_component_std(component_std: f64, sample: &FoldedSample) -> Result<Option<FitWarning>> {
    let path = BlurPath::new(&first_rows(sample))?;
    let smallest_std = path.component_std();
    let too_large = component_std > TOO_LARGE * smallest_std && path.lead_over(component_std) > DECISIVE;
    Ok(too_large.then_some(FitWarning::ComponentStdTooLarge { component_std, smallest_std }))
}

/// What went wrong from level to level, where these have cells of their own: the schedule, cells with few rows,
/// rows without a cell.
pub(crate) fn of_levels(learned: &Learned, seed: u64) -> Result<Vec<FitWarning>> {
    let Learned { geometry, levels, .. } = learned;
    let mut warnings = Vec::new();
    if learned.base.is_some() {
        return Ok(warnings);
    }
    let scores: Vec<&LevelScore> = learned.scores.iter().collect();
    let sample = &geometry.subsample().rows;
    let rows = sample.rows(0, MEASURED_ROWS.min(sample.nrows())).into_owned();
    for (level, pair) in scores.windows(2).enumerate() {
        let noise = levels[level].noise_to_signal();
        let mut rng = stream(seed, CHANGE_STREAM, level as u64);
        let noised = rows.map(|x| {
            let z: f64 = StandardNormal.sample(&mut rng);
            x + noise * z
        });
        let moved = pair[1].centre(&noised)? - pair[0].centre(&noised)?;
        let change = (moved.norm_squared() / rows.nrows() as f64).sqrt() / pair[0].basis().bandwidth();
        if change > LARGEST_CHANGE {
            warnings.push(FitWarning::CoarseSchedule { level, change });
        }
    }
    if let Some(last) = scores.last() {
        warnings.extend(few_rows(last, scores.len() - 1, geometry)?);
        warnings.extend(uncovered_rows(last, sample, geometry.component_std));
    }
    Ok(warnings)
}

/// Cells of a level that have few rows for their polynomials.
fn few_rows(score: &LevelScore, level: usize, geometry: &Geometry) -> Result<Vec<FitWarning>> {
    let basis = score.basis();
    let features = HermiteBasis::count(geometry.active_dim(), basis.hermite().degree());
    let sample = geometry.subsample();
    let mut responsibilities = basis.partition().responsibilities(basis.bandwidth(), &sample.rows)?;
    for (mut row, weight) in responsibilities.row_iter_mut().zip(&sample.weights) {
        row *= *weight;
    }
    let represented = geometry.weight / sample.weights.iter().sum::<f64>();
    let in_cell = |cell: usize| responsibilities.column(cell).sum() * represented;
    Ok((0..basis.cells())
        .map(|cell| (cell, in_cell(cell)))
        .filter(|(_, rows)| *rows < ROWS_PER_COEFFICIENT * features as f64)
        .map(|(cell, rows)| FitWarning::FewRowsInCell { level, cell, rows, features })
        .collect())
}

/// Rows far from the centres of all cells of the quietest level, where it has several.
fn uncovered_rows(score: &LevelScore, rows: &DMatrix<f64>, component_std: f64) -> Option<FitWarning> {
    let centres = score.basis().partition().centres();
    if centres.nrows() < 2 {
        return None;
    }
    let reach = component_std * ((rows.ncols() as f64).sqrt() + 3.0);
    let far = |row: &nalgebra::RowDVector<f64>| centres.row_iter().all(|c| (row - c).norm() > reach);
    let count = rows.row_iter().filter(|row| far(&row.into_owned())).count();
    let share = count as f64 / rows.nrows() as f64;
    (share > UNCOVERED).then_some(FitWarning::RowsFarFromCentres { share, expected: UNCOVERED })
}
