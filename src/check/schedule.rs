use crate::error::{Error, Result};
use crate::process::{DataScale, NoiseLevels, NoiseSchedule};

/// Ratios of two calls that should agree may differ by this much, relatively: rounding, no more.
const TOLERANCE: f64 = 1e-9;

/// Where σ₀ is not known, the last level may have at most this many `data_std` of noise.
const LARGEST_QUIETEST: f64 = 0.1;

/// Checks a noise schedule on data of one scale.
///
/// That levels are valid and fall is sure by construction of [`NoiseLevels`]. What is checked:
///
/// 1. Two calls give the same levels.
/// 2. The first level is noisy: s/a ≥ `data_std`, without which Y is far from Gaussian.
/// 3. The last level is quiet: s/a ≤ σ₀, or 0.1 `data_std` where σ₀ is not known.
/// 4. Changed units change the levels in step. For scales 2, ½ and 1000 times as large, s/a of the
///    first and of the last level is either unchanged (a fixed choice) or multiplied alike; where
///    both are multiplied, so is every level between. This finds a schedule that takes a variance
///    for a standard deviation. A scale for which the schedule returns an error is not held against it.
///
/// A fixed list of levels passes when it suits `scale`.
///
/// # Errors
/// The schedule's own error at `scale`; [`Error::CheckFailed`] with the property that does not hold
/// and, as the row, the index of the level.
///
/// # Examples
/// ```
/// use gmix_diffusion::check::check_schedule;
/// use gmix_diffusion::{DataScale, Geometric, NoiseLevels};
///
/// let scale = DataScale { component_std: 0.2, data_std: 1.5 };
/// check_schedule(&Geometric::new(), scale)?;
/// check_schedule(&NoiseLevels::variance_exploding([5.0, 1.0, 0.1])?, scale)?;
/// assert!(check_schedule(&NoiseLevels::variance_exploding([1.0, 0.1])?, scale).is_err());
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn check_schedule(schedule: &dyn NoiseSchedule, scale: DataScale) -> Result<()> {
    let levels = schedule.levels(scale)?;
    same_levels("two calls of levels() agree in s/a", &schedule.levels(scale)?, &levels, 1.0, 0.0)?;
    noisy_and_quiet_enough(&levels, scale)?;
    for factor in [2.0, 0.5, 1000.0] {
        let scaled =
            DataScale { component_std: factor * scale.component_std, data_std: factor * scale.data_std };
        if let Ok(found) = schedule.levels(scaled) {
            follows_units(&found, &levels, factor)?;
        }
    }
    Ok(())
}

fn noisy_and_quiet_enough(levels: &NoiseLevels, scale: DataScale) -> Result<()> {
    let noisiest = levels.noisiest().noise_to_signal();
    if noisiest < scale.data_std * (1.0 - TOLERANCE) {
        return failed("s/a of the first level is at least data_std", 0, scale.data_std, noisiest, 0.0);
    }
    let quietest = levels.quietest().noise_to_signal();
    let allowed =
        if scale.component_std > 0.0 { scale.component_std } else { LARGEST_QUIETEST * scale.data_std };
    if quietest > allowed * (1.0 + TOLERANCE) {
        let property = "s/a of the last level is at most the component std (0.1 data_std if unknown)";
        return failed(property, levels.len() - 1, allowed, quietest, 0.0);
    }
    Ok(())
}

/// Do the levels of data `factor` times as large follow, with each end multiplied or unchanged?
fn follows_units(found: &NoiseLevels, levels: &NoiseLevels, factor: f64) -> Result<()> {
    let ends = [
        (0, found.noisiest().noise_to_signal(), levels.noisiest().noise_to_signal()),
        (levels.len() - 1, found.quietest().noise_to_signal(), levels.quietest().noise_to_signal()),
    ];
    for (index, ratio, before) in ends {
        if !close(ratio, before, TOLERANCE) && !close(ratio, factor * before, TOLERANCE) {
            let property = "s/a of the first and last level is fixed or follows the scale of the data";
            return failed(property, index, factor * before, ratio, TOLERANCE * factor * before);
        }
    }
    if ends.iter().all(|&(_, ratio, before)| close(ratio, factor * before, TOLERANCE)) {
        same_levels("s/a of every level follows the scale of the data", found, levels, factor, TOLERANCE)?;
    }
    Ok(())
}

/// Is `found` the list `levels` with every s/a multiplied by `factor`?
fn same_levels(
    property: &'static str,
    found: &NoiseLevels,
    levels: &NoiseLevels,
    factor: f64,
    tolerance: f64,
) -> Result<()> {
    if found.len() != levels.len() {
        return failed(
            "the number of levels does not change",
            0,
            levels.len() as f64,
            found.len() as f64,
            0.0,
        );
    }
    for (index, (found, level)) in found.iter().zip(levels.iter()).enumerate() {
        let (found, expected) = (found.noise_to_signal(), factor * level.noise_to_signal());
        if !close(found, expected, tolerance) {
            return failed(property, index, expected, found, tolerance * expected);
        }
    }
    Ok(())
}

fn close(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance * expected.abs()
}

fn failed(property: &'static str, row: usize, expected: f64, found: f64, tolerance: f64) -> Result<()> {
    Err(Error::CheckFailed { property, row, expected, found, tolerance })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::process::{CosineBeta, Geometric, Karras, LinearBeta, OrnsteinUhlenbeck, VarianceExploding};

    const SCALE: DataScale = DataScale { component_std: 0.2, data_std: 3.0 };

    fn property(schedule: &dyn NoiseSchedule) -> &'static str {
        match check_schedule(schedule, SCALE) {
            Err(Error::CheckFailed { property, .. }) => property,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_shipped_schedule_passes() {
        let schedules: [&dyn NoiseSchedule; 7] = [
            &Geometric::new(),
            &Geometric::new().with_noisiest(10.0),
            &VarianceExploding::new(),
            &LinearBeta::new(),
            &CosineBeta::new(),
            &Karras::new(),
            &OrnsteinUhlenbeck::new(),
        ];
        for schedule in schedules {
            check_schedule(schedule, SCALE).unwrap();
            check_schedule(schedule, DataScale { component_std: 0.0, data_std: 3.0 }).unwrap();
        }
    }

    #[test]
    fn lists_that_do_not_suit_the_scale_fail() {
        let quiet_start = NoiseLevels::variance_exploding([2.0, 0.1]).unwrap();
        assert!(property(&quiet_start).contains("first level"));
        let noisy_end = NoiseLevels::variance_exploding([5.0, 0.3]).unwrap();
        assert!(property(&noisy_end).contains("last level"));
    }

    #[derive(Debug)]
    struct Variance;
    impl NoiseSchedule for Variance {
        fn levels(&self, scale: DataScale) -> Result<NoiseLevels> {
            NoiseLevels::variance_exploding([scale.data_std.powi(2), 1.0, 0.0])
        }
    }

    #[derive(Debug)]
    struct Changing(AtomicU32);
    impl NoiseSchedule for Changing {
        fn levels(&self, _scale: DataScale) -> Result<NoiseLevels> {
            NoiseLevels::variance_exploding([5.0 + f64::from(self.0.fetch_add(1, Ordering::Relaxed)), 0.0])
        }
    }

    #[test]
    fn wrong_units_and_changing_levels_are_found() {
        assert!(property(&Variance).contains("scale of the data"));
        assert!(property(&Changing(AtomicU32::new(0))).contains("two calls"));
    }
}
