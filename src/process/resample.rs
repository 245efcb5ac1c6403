//! Noise levels between those of a list.

use super::level::{NoiseLevel, NoiseLevels};
use crate::error::Result;

/// The quietest level whose bandwidth τ is positive, if any: where a flow in log τ can end.
pub(crate) fn quietest_with_bandwidth(levels: &NoiseLevels, component_std: f64) -> Option<NoiseLevel> {
    levels.iter().rev().copied().find(|level| level.bandwidth(component_std) > 0.0)
}

/// `steps` steps geometric in the bandwidth τ, from the noisiest level of `levels` to the quietest
/// one of positive bandwidth: `steps` + 1 levels, or the noisiest alone when these two are the same.
///
/// Signals in between follow the curve of the list: 1/a² is linear in s²/a² on the variance
/// exploding and on the variance preserving curve alike, so interpolation leaves neither.
pub(crate) fn geometric_steps(
    levels: &NoiseLevels,
    component_std: f64,
    steps: usize,
) -> Result<Vec<NoiseLevel>> {
    let noisiest = levels.noisiest();
    let quietest = quietest_with_bandwidth(levels, component_std).unwrap_or(noisiest);
    if quietest == noisiest || steps == 0 {
        return Ok(vec![noisiest]);
    }
    let (from, to) = (noisiest.bandwidth(component_std), quietest.bandwidth(component_std));
    let inner = (1..steps).map(|step| {
        let bandwidth = from * (to / from).powf(step as f64 / steps as f64);
        // τ² − σ₀² as a product, which loses no digits near σ₀.
        let squared_ratio = (bandwidth - component_std) * (bandwidth + component_std);
        between(levels, squared_ratio)
    });
    let mut result = vec![noisiest];
    for level in inner {
        result.push(level?);
    }
    result.push(quietest);
    Ok(result)
}

/// The level of noise-to-signal ratio √`squared_ratio`, within the range of `levels`.
fn between(levels: &NoiseLevels, squared_ratio: f64) -> Result<NoiseLevel> {
    let squared = |level: NoiseLevel| level.noise_to_signal().powi(2);
    let next = levels.partition_point(|level| squared(*level) > squared_ratio);
    let (Some(&above), Some(&below)) = (levels.get(next.wrapping_sub(1)), levels.get(next)) else {
        return Ok(if next == 0 { levels.noisiest() } else { levels.quietest() });
    };
    let share = (squared_ratio - squared(below)) / (squared(above) - squared(below));
    let inverse = |level: NoiseLevel| level.signal().powi(-2);
    let signal = (inverse(below) + share * (inverse(above) - inverse(below))).sqrt().recip();
    NoiseLevel::new(signal, signal * squared_ratio.sqrt())
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn steps_are_geometric_in_bandwidth_and_keep_both_ends() {
        let levels = NoiseLevels::variance_exploding([8.0, 1.0, 0.5, 0.0]).unwrap();
        let path = geometric_steps(&levels, 0.5, 6).unwrap();
        assert_eq!((path.len(), path[0], path[6]), (7, levels.noisiest(), NoiseLevel::CLEAN));
        let ratio = path[1].bandwidth(0.5) / path[0].bandwidth(0.5);
        for pair in path.windows(2) {
            assert_relative_eq!(pair[1].bandwidth(0.5) / pair[0].bandwidth(0.5), ratio, epsilon = 1e-12);
            assert_eq!(pair[1].signal(), 1.0);
        }
        // Without a component width the path cannot reach bandwidth 0.
        assert_eq!(geometric_steps(&levels, 0.0, 6).unwrap()[6], levels[2]);
    }

    #[test]
    fn the_variance_preserving_curve_is_kept() {
        let data_std = 3.0f64;
        let level =
            |alpha_bar: f64| NoiseLevel::new(alpha_bar.sqrt(), data_std * (1.0 - alpha_bar).sqrt()).unwrap();
        let levels = NoiseLevels::new([0.001, 0.3, 0.999].map(level)).unwrap();
        for found in geometric_steps(&levels, 0.2, 20).unwrap() {
            let total = found.signal().powi(2) + (found.noise() / data_std).powi(2);
            assert_relative_eq!(total, 1.0, epsilon = 1e-12);
        }
    }
}
