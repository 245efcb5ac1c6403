use super::HermiteBasis;
use crate::error::Result;
use crate::format::require;

/// Features of a level at most: their Gram matrix has the square of it.
const MOST_FEATURES: usize = 1 << 12;
const MOST_DEGREE: usize = 64;

/// Are the features of so many cells not too many to compute with?
pub(crate) fn check_features(cells: usize, dim: usize, degree: usize) -> Result<()> {
    require!(degree <= MOST_DEGREE, "degree {degree} is above {MOST_DEGREE}")?;
    let features = HermiteBasis::count(dim, degree).saturating_mul(cells);
    require!(features <= MOST_FEATURES, "{features} features are more than {MOST_FEATURES}")
}
