//! Cells in few directions: all there is of eight rows stays in registers and the innermost cache.

use std::ops::Neg;

use super::{Factors, Outputs, Rows, bounded};
use crate::kernels::{Cell, LANES, Lanes, load_rows, softmax};

#[inline(always)]
pub(super) fn evaluate<const M: usize>(
    cells: &[Cell<M>],
    factors: &Factors,
    rows: &Rows<'_>,
    outputs: &mut Outputs<'_>,
) {
    let mut responsibilities = vec![Lanes::ZERO; cells.len()];
    for start in (0..rows.points.nrows()).step_by(LANES) {
        let x = load_rows(&rows.points, start);
        for (j, (cell, log_joint)) in cells.iter().zip(&mut responsibilities).enumerate() {
            let z = cell.coordinates(&x);
            *log_joint = cell.log_joint(&z);
            factors.add_log(j, &z, log_joint);
        }
        factors.add_pulls(rows, start, &mut responsibilities);
        let log_density = softmax(&mut responsibilities);
        if let Some(out) = outputs.log_density.as_deref_mut() {
            log_density.store(out, start);
        }
        if outputs.score.is_none() && outputs.divergence.is_none() {
            continue;
        }
        let mean = mean_gradient(cells, factors, &x, &responsibilities);
        if let Some(score) = &mut outputs.score {
            for (axis, mean) in mean.iter().enumerate() {
                mean.store(score.column_mut(axis).as_mut_slice(), start);
            }
        }
        factors.store_pulls(&responsibilities, M, start, outputs);
        if let Some(out) = outputs.divergence.as_deref_mut() {
            divergence(cells, factors, &x, &responsibilities, &mean.map(Lanes::neg)).store(out, start);
        }
    }
}

/// Σ rⱼ gⱼ.
#[inline(always)]
fn mean_gradient<const M: usize>(
    cells: &[Cell<M>],
    factors: &Factors,
    x: &[Lanes; M],
    responsibilities: &[Lanes],
) -> [Lanes; M] {
    let mut mean = [Lanes::ZERO; M];
    for (j, (cell, &r)) in cells.iter().zip(responsibilities).enumerate() {
        let mut h = cell.coordinates(x);
        factors.gradient(j, &mut h);
        cell.add_along_axes(&h, r, &mut mean);
    }
    mean
}

#[inline(always)]
fn divergence<const M: usize>(
    cells: &[Cell<M>],
    factors: &Factors,
    x: &[Lanes; M],
    responsibilities: &[Lanes],
    minus_mean: &[Lanes; M],
) -> Lanes {
    let mut divergence = factors.pull_spread(responsibilities);
    for (j, (cell, &r)) in cells.iter().zip(responsibilities).enumerate() {
        let mut z = cell.coordinates(x);
        let trace = factors.trace(j, &z, cell.precisions());
        factors.gradient(j, &mut z);
        let mut deviation = *minus_mean;
        cell.add_along_axes(&z, Lanes::splat(1.0), &mut deviation);
        let squared_deviation = deviation.iter().fold(Lanes::ZERO, |sum, &d| sum + d * d);
        divergence += r * (bounded(squared_deviation) + trace);
    }
    divergence
}
