//! The one rule that decides between candidates: on rows that they have not seen, compared row by row.

/// Fewer cells are preferred within this many paired standard errors of the best likelihood where cells may be
/// components to be counted: one standard error is the usual rule for the simplest model within reach (Breiman et
/// al. 1984), and the best of several candidates is ahead by half of one by chance.
const TOLERANCE: f64 = 1.5;
/// And where so many tile a law that is no finite mixture, and none is the right number.
const TILING_TOLERANCE: f64 = 0.5;
/// Up to so many cells are counted; more tile.
pub(super) const COUNTED: usize = 6;

/// Standard errors by which one candidate is clearly ahead of another.
pub(super) const CLEARLY: f64 = 2.0;

/// By how much one candidate is ahead of another in held-out log-likelihood, over all rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lead {
    pub(super) gain: f64,
    pub(super) std_error: f64,
}

impl Lead {
    /// Of candidates with these log-densities at rows with `weights`, a row of weight w being w rows.
    pub(super) fn of(ahead: &[f64], behind: &[f64], weights: &[f64]) -> Self {
        // Squares of weights of extreme scale have no place in a double.
        let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let (mut total, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for ((a, b), weight) in ahead.iter().zip(behind).zip(weights) {
            let (gain, weight) = (a - b, weight / largest);
            total += weight;
            sum += weight * gain;
            squares += weight * gain * gain;
        }
        let spread = (squares - sum * sum / total.max(f64::MIN_POSITIVE)).max(0.0);
        Self { gain: largest * sum, std_error: (largest * spread).sqrt() }
    }

    /// By more than `errors` standard errors?
    pub(super) fn exceeds(self, errors: f64) -> bool {
        self.gain > errors * self.std_error
    }
}

/// How many paired standard errors a candidate of so many cells may be behind the best and still be preferred.
pub(super) fn tolerance(cells: f64) -> f64 {
    if cells <= COUNTED as f64 { TOLERANCE } else { TILING_TOLERANCE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_weight_two_is_two_rows() {
        let (ahead, behind) = ([1.0, 2.0, 0.5], [0.5, 2.5, -1.0]);
        let weighted = Lead::of(&ahead, &behind, &[2.0, 1.0, 1.0]);
        let repeated = Lead::of(&[1.0, 1.0, 2.0, 0.5], &[0.5, 0.5, 2.5, -1.0], &[1.0; 4]);
        assert!((weighted.gain - repeated.gain).abs() < 1e-12);
        assert!((weighted.std_error - repeated.std_error).abs() < 1e-12);
        assert_eq!(weighted.gain, 2.0);
    }

    #[test]
    fn weights_of_extreme_scale_stay_finite() {
        let lead = Lead::of(&[1.0, 2.0], &[0.0, 0.0], &[1e300, 2e300]);
        assert!(lead.gain.is_finite() && lead.std_error.is_finite() && lead.exceeds(0.0));
    }
}
