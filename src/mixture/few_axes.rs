//! Cells in few directions: all there is of eight rows stays in registers and the innermost cache.

use fearless_simd::prelude::*;

use super::evaluation::{Outputs, Points};
use super::factors::{Factors, bounded};
use crate::kernels::{Cell, LANES, Lanes, Rows, load_rows, softmax};

#[inline(always)]
pub(super) fn evaluate<S: Simd, const M: usize>(
    simd: S,
    cells: &[Cell<M>],
    factors: &Factors,
    rows: &Points<'_>,
    outputs: &mut Outputs<'_>,
) {
    let mut responsibilities = vec![Lanes::splat(simd, 0.0); cells.len()];
    for start in (0..rows.points.nrows()).step_by(LANES) {
        let x = load_rows(simd, &rows.points, start);
        for (j, (cell, log_joint)) in cells.iter().zip(&mut responsibilities).enumerate() {
            let z = cell.coordinates(simd, &x);
            *log_joint = cell.log_joint(simd, &z);
            factors.add_log(simd, j, &z, log_joint);
        }
        factors.add_pulls(simd, rows, start, &mut responsibilities);
        let log_density = softmax(simd, &mut responsibilities);
        if let Some(out) = outputs.log_density.as_deref_mut() {
            log_density.store(out, start);
        }
        if outputs.score.is_none() && outputs.divergence.is_none() {
            continue;
        }
        let mean = mean_gradient(simd, cells, factors, &x, &responsibilities);
        if let Some(score) = &mut outputs.score {
            for (axis, mean) in mean.iter().enumerate() {
                mean.store(score.column_mut(axis).as_mut_slice(), start);
            }
        }
        factors.store_pulls(simd, &responsibilities, M, start, outputs);
        if let Some(out) = outputs.divergence.as_deref_mut() {
            divergence(simd, cells, factors, &x, &responsibilities, &mean).store(out, start);
        }
    }
}

/// Σ rⱼ gⱼ.
#[inline(always)]
fn mean_gradient<S: Simd, const M: usize>(
    simd: S,
    cells: &[Cell<M>],
    factors: &Factors,
    x: &[Lanes<S>; M],
    responsibilities: &[Lanes<S>],
) -> [Lanes<S>; M] {
    let mut mean = [Lanes::splat(simd, 0.0); M];
    for (j, (cell, &r)) in cells.iter().zip(responsibilities).enumerate() {
        let mut h = cell.coordinates(simd, x);
        factors.gradient(simd, j, &mut h);
        for (mean, &gradient) in mean.iter_mut().zip(&cell.along_axes(simd, &h)) {
            *mean += gradient * r;
        }
    }
    mean
}

#[inline(always)]
fn divergence<S: Simd, const M: usize>(
    simd: S,
    cells: &[Cell<M>],
    factors: &Factors,
    x: &[Lanes<S>; M],
    responsibilities: &[Lanes<S>],
    mean: &[Lanes<S>; M],
) -> Lanes<S> {
    let mut divergence = factors.pull_spread(simd, responsibilities);
    for (j, (cell, &r)) in cells.iter().zip(responsibilities).enumerate() {
        let mut z = cell.coordinates(simd, x);
        let trace = factors.trace(simd, j, &z, cell.precisions());
        factors.gradient(simd, j, &mut z);
        let mut squared_deviation = Lanes::splat(simd, 0.0);
        for (&gradient, &mean) in cell.along_axes(simd, &z).iter().zip(mean) {
            let deviation = gradient - mean;
            squared_deviation += deviation * deviation;
        }
        divergence += r * (bounded(squared_deviation) + trace);
    }
    divergence
}
