//! The lowest point of a way, and how to raise it.

use nalgebra::{DMatrix, DVector};

use crate::error::Result;
use crate::mixture::PreparedLaw;

/// Steps of golden section behind the points of a line, and of the ascents across it and to a top.
const SECTIONS: usize = 12;
const STEPS: usize = 40;
const CLIMB: usize = 400;
/// An ascent ends where a step gains less, in nats.
const GAIN: f64 = 1e-4;
const CLIMB_GAIN: f64 = 1e-9;
/// The smaller part of the golden section.
const GOLDEN: f64 = 0.381_966_011_250_105;

/// A point in working coordinates, and the log-density there.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) location: DVector<f64>,
    pub(super) height: f64,
}

/// The lowest point of a way between two tops.
pub(super) struct Passage {
    pub(super) low: Point,
    /// Where the way leads there.
    pub(super) along: DVector<f64>,
}

/// The lowest point of the straight line between `ends`, both of which count: of `points` between them, and from more
/// than ten of them by golden section beside the lowest.
pub(super) fn low_point(law: &PreparedLaw<'_>, [a, b]: [&Point; 2], points: usize) -> Result<Passage> {
    let along = &b.location - &a.location;
    let at = |t: f64| -> Result<Point> {
        let location = &a.location + &along * t;
        let height = law.log_density(location.as_slice(), None)?;
        Ok(Point { location, height })
    };
    let step = 1.0 / (points + 1) as f64;
    let (mut best, mut lowest) = if a.height <= b.height { (0.0, a.clone()) } else { (1.0, b.clone()) };
    for index in 1..=points {
        let t = index as f64 * step;
        let there = at(t)?;
        if there.height < lowest.height {
            (best, lowest) = (t, there);
        }
    }
    if points <= 10 || best == 0.0 || best == 1.0 {
        return Ok(Passage { low: lowest, along });
    }
    let (mut low, mut high) = (best - step, best + step);
    for _ in 0..SECTIONS {
        let (left, right) = (low + GOLDEN * (high - low), high - GOLDEN * (high - low));
        let (first, second) = (at(left)?, at(right)?);
        if first.height < second.height {
            high = right;
        } else {
            low = left;
        }
        for there in [first, second] {
            if there.height < lowest.height {
                lowest = there;
            }
        }
    }
    Ok(Passage { low: lowest, along })
}

/// Up from the low point within the plane across the way.
pub(super) fn lift(law: &PreparedLaw<'_>, passage: &Passage, metric: &DMatrix<f64>) -> Result<Point> {
    let along = passage.along.normalize();
    let across = |v: DVector<f64>| {
        let part = v.dot(&along);
        v - &along * part
    };
    let direction = |gradient: &DVector<f64>| across(metric * across(gradient.clone()));
    ascend(law, &passage.low.location, direction, (STEPS, GAIN))
}

/// Up from `start` to a top.
pub(super) fn climb(law: &PreparedLaw<'_>, start: &DVector<f64>, metric: &DMatrix<f64>) -> Result<Point> {
    ascend(law, start, |gradient| metric * gradient, (CLIMB, CLIMB_GAIN))
}

/// Steps along what `direction` makes of the gradient, longer while they rise: at most so many, until one gains less.
fn ascend(
    law: &PreparedLaw<'_>,
    start: &DVector<f64>,
    direction: impl Fn(&DVector<f64>) -> DVector<f64>,
    (steps, enough): (usize, f64),
) -> Result<Point> {
    let (mut location, mut rate) = (start.clone(), 1.0);
    let mut gradient = DVector::zeros(location.len());
    let mut height = law.log_density(location.as_slice(), Some(gradient.as_mut_slice()))?;
    let mut there = gradient.clone();
    for _ in 0..steps {
        let next = &location + direction(&gradient) * rate;
        let next_height = law.log_density(next.as_slice(), Some(there.as_mut_slice()))?;
        if next_height < height {
            rate *= 0.3;
            continue;
        }
        let gain = next_height - height;
        (location, height) = (next, next_height);
        std::mem::swap(&mut gradient, &mut there);
        rate *= 1.5;
        if gain < enough {
            break;
        }
    }
    Ok(Point { location, height })
}
