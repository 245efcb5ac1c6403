//! What the checkers of scores and samplers share.

use nalgebra::DMatrix;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::error::{Error, Result};
use crate::process::{NoiseLevel, NoiseLevels};

/// Passes when |found − expected| ≤ tolerance; NaN does not.
pub(super) fn require_close(
    property: &'static str,
    row: usize,
    expected: f64,
    found: f64,
    tolerance: f64,
) -> Result<()> {
    let close = (found - expected).abs() <= tolerance;
    if close { Ok(()) } else { Err(Error::CheckFailed { property, row, expected, found, tolerance }) }
}

/// Passes when found ≥ least; NaN does not.
pub(super) fn require_at_least(property: &'static str, row: usize, least: f64, found: f64) -> Result<()> {
    if found >= least {
        Ok(())
    } else {
        Err(Error::CheckFailed { property, row, expected: least, found, tolerance: 0.0 })
    }
}

pub(super) fn require_equal(property: &'static str, row: usize, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected as f64, found as f64);
    Err(Error::CheckFailed { property, row, expected, found, tolerance: 0.0 })
}

pub(super) fn require_finite(property: &'static str, values: &DMatrix<f64>) -> Result<()> {
    for column in values.column_iter() {
        for (row, &found) in column.iter().enumerate() {
            if !found.is_finite() {
                return Err(Error::CheckFailed { property, row, expected: 0.0, found, tolerance: f64::MAX });
            }
        }
    }
    Ok(())
}

/// The levels at which samplers and densities ask for a score: those of positive bandwidth.
pub(super) fn asked(levels: &NoiseLevels, component_std: f64) -> impl Iterator<Item = NoiseLevel> {
    levels.iter().copied().filter(move |level| level.bandwidth(component_std) > 0.0)
}

/// The rows of X `points` noised to `level`, always by the same noise.
pub(super) fn noised(level: NoiseLevel, points: &DMatrix<f64>) -> DMatrix<f64> {
    let mut stream = Xoshiro256PlusPlus::seed_from_u64(1);
    points.map(|x| {
        let z: f64 = StandardNormal.sample(&mut stream);
        level.signal() * x + level.noise() * z
    })
}
