//! The rule that finds the columns' working units: columns vary alike within cells.
//!
//! A search for cells knows one scale for all columns, so a column in other units than the rest would
//! hide its clusters or shatter them. Everything here but the last step, [`powers_of_ten`], follows a
//! column that is multiplied by any factor.

use nalgebra::{DMatrix, DVector};

use super::columns::Columns;
use super::spectrum::show_no_bottom;
use super::tuning::TUNING;
use super::units::Units;
use super::within_cells::{effective_rows, std_within_cells};
use crate::error::Result;
use crate::mixture::MixtureEstimator;
use crate::search::likelihood_left_out;

/// The data's units in one working unit, a column each, from the columns and `nearest`, units of the powers
/// of ten nearest to their standard deviations.
///
/// Working units make the standard deviations within cells equal. Where powers of ten can do that up to
/// sampling noise they are used, so that columns that are equal stay so exactly. Those of `nearest`
/// remain for columns that do not vary, and where the cells of a mixture tell nothing.
pub(super) fn column_scales(
    columns: &Columns<'_>,
    nearest: &Units,
    estimator: &dyn MixtureEstimator,
) -> Result<DVector<f64>> {
    let std = &columns.std;
    let mut scales = nearest.scale().clone();
    if std.iter().filter(|std| **std > 0.0).count() < 2 {
        return Ok(scales);
    }
    let whole = std.zip_map(&scales, |std, scale| if std > 0.0 { std } else { scale });
    if show_no_bottom(columns.moments.rows, std.len()) {
        return Ok(scales_of_few(columns, scales, whole));
    }
    let standardised = Units { scale: whole.clone(), ..nearest.clone() };
    let sample = columns.subsample(&standardised);
    let given = scales.component_div(&whole);
    let Some(within) = std_within_cells(&sample, &given, estimator)? else { return Ok(scales) };
    let within = std.component_mul(&within);
    let powers = powers_of_ten(&within);
    let groups = groups_of_equals(&within.component_div(&powers), effective_rows(&sample.weights));
    let alone = groups.len() == 1;
    for group in groups {
        let common = if alone { 1.0 } else { group.mean_log().exp() };
        for j in group.columns {
            scales[j] = powers[j] * common;
        }
    }
    Ok(scales)
}

/// Of rows too few to show what varies within cells: the columns' own standard deviations `whole`, or the
/// powers of ten `nearest`, in which one Gaussian, mixed with a sphere, says most of rows left out.
fn scales_of_few(columns: &Columns<'_>, nearest: DVector<f64>, whole: DVector<f64>) -> DVector<f64> {
    let moments = columns.moments;
    let said = |scales: &DVector<f64>| {
        let covariance = DMatrix::from_fn(scales.len(), scales.len(), |i, j| {
            moments.scatter[(i, j)] / moments.weight / (scales[i] * scales[j])
        });
        let volume: f64 = scales.iter().map(|scale| scale.ln()).sum();
        likelihood_left_out(&covariance, moments.rows as f64) - volume
    };
    // Standard deviations have seen the rows that are left out: a nat each (Akaike 1974), and powers of ten hardly.
    let optimism = (whole.len() as f64 - 1.0) / moments.rows as f64;
    if said(&whole) - optimism > said(&nearest) { whole } else { nearest }
}

/// Columns whose standard deviations within cells are the same up to sampling noise.
#[derive(Debug, Clone, Default)]
struct Group {
    columns: Vec<usize>,
    /// Sum of the logarithms of their standard deviations, and of the squares of these.
    sum: f64,
    squares: f64,
}

impl Group {
    fn mean_log(&self) -> f64 {
        self.sum / self.columns.len() as f64
    }

    /// Σ (log r − mean)².
    fn spread(&self) -> f64 {
        (self.squares - self.sum * self.mean_log()).max(0.0)
    }

    fn with(&self, other: &Self) -> Self {
        let columns = self.columns.iter().chain(&other.columns).copied().collect();
        Self { columns, sum: self.sum + other.sum, squares: self.squares + other.squares }
    }
}

/// The columns of positive `std` in groups of equals, by rising standard deviation: neighbours are joined,
/// nearest first, as long as a likelihood-ratio test takes the columns of both for equal.
fn groups_of_equals(std: &DVector<f64>, rows: f64) -> Vec<Group> {
    let alone =
        |(j, std): (usize, &f64)| Group { columns: vec![j], sum: std.ln(), squares: std.ln().powi(2) };
    let mut groups: Vec<Group> = std.iter().enumerate().filter(|(_, std)| **std > 0.0).map(alone).collect();
    groups.sort_by(|a, b| a.sum.total_cmp(&b.sum));
    loop {
        let joined = groups.windows(2).map(|pair| pair[0].with(&pair[1])).enumerate();
        let gain =
            |(i, joined): &(usize, Group)| joined.spread() - groups[*i].spread() - groups[*i + 1].spread();
        let Some((i, joined)) = joined.min_by(|a, b| gain(a).total_cmp(&gain(b))) else { return groups };
        let freedom = joined.columns.len() as f64 - 1.0;
        if 2.0 * rows * joined.spread()
            > TUNING.columns_lenience * (freedom + TUNING.columns_chance * (2.0 * freedom).sqrt())
        {
            return groups;
        }
        groups[i] = joined;
        groups.remove(i + 1);
    }
}

/// Powers of ten that bring `std` as close together as powers of ten can; 1 where a column does not vary.
///
/// What remains of equal columns is equal, wherever between two powers of ten they lie: the border
/// between powers is in the widest gap between columns.
fn powers_of_ten(std: &DVector<f64>) -> DVector<f64> {
    let mut fractions: Vec<f64> =
        std.iter().filter(|std| **std > 0.0).map(|std| std.log10().rem_euclid(1.0)).collect();
    fractions.sort_by(f64::total_cmp);
    let n = fractions.len();
    // Arcs that hold all fractions on the circle of length 1: from each one around to the one below it.
    let arcs = (0..n).map(|i| (fractions[i], if i > 0 { fractions[i - 1] + 1.0 } else { fractions[n - 1] }));
    let shortest = arcs.min_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)));
    let Some((start, end)) = shortest else { return std.map(|_| 1.0) };
    let middle = (start + end) / 2.0;
    let middle = middle - middle.round();
    std.map(|std| if std > 0.0 { 10f64.powf((std.log10() - middle).round()) } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_between_powers_of_ten_is_between_no_equal_columns() {
        // 10^0.49, 10^0.51: nearest to different powers of ten.
        let std = DVector::from_vec(vec![3.09, 3.24, 3.15e5, 3.2e-2, 0.0]);
        let powers = powers_of_ten(&std);
        assert_eq!(powers[0], powers[1]);
        assert!((powers[2] / powers[0] - 1e5).abs() < 1e-5 && (powers[3] / powers[0] - 1e-2).abs() < 1e-12);
        assert_eq!(powers[4], 1.0);
        assert_eq!(powers_of_ten(&DVector::from_vec(vec![2.0, 0.98, 98.0])).as_slice(), [1.0, 1.0, 100.0]);
    }

    #[test]
    fn columns_group_where_sampling_noise_explains_their_difference() {
        // At 10,000 rows a standard deviation is known to 0.7 %.
        let std = DVector::from_vec(vec![1.0, 2.0, 1.01, 0.0, 0.995, 2.02]);
        let columns = |rows: f64| -> Vec<Vec<usize>> {
            groups_of_equals(&std, rows).into_iter().map(|group| group.columns).collect()
        };
        assert_eq!(columns(1e4), [vec![4, 0, 2], vec![1, 5]]);
        assert_eq!(columns(1e7).len(), 5);
        assert_eq!(columns(2.0).len(), 1);
    }

    /// What remains lies within as short an arc of the circle of fractions as holds them all.
    #[test]
    fn powers_of_ten_bring_columns_as_near_to_each_other_as_they_can() {
        for (std, arc) in [
            (vec![2.0, 5.0, 30.0], 0.39794),
            (vec![9.0, 0.11, 1.3], 0.15970),
            (vec![3.0, 3.5e4, 0.04], 0.12494),
            (vec![1.6, 2.0], 0.09691),
            (vec![0.7, 0.07, 700.0], 0.0),
        ] {
            let std = DVector::from_vec(std);
            let left = std.component_div(&powers_of_ten(&std)).map(f64::log10);
            assert!((left.max() - left.min() - arc).abs() < 1e-4, "{left}");
            assert!(left.amax() < 0.75, "{left}");
        }
    }
}
