//! From the posterior of a centre to score, divergence and density of the blurred law.

use nalgebra::{DMatrix, DMatrixView, DVector};
use rand::Rng;

use crate::error::{Error, Result};
use crate::process::NoiseLevel;
use crate::score::GaussianLaw;

/// What is known of U ~ Q₀ once U + N(0, τ² I) is seen at a point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posterior {
    /// ln of the density of U + N(0, τ² I) at the point.
    pub(super) log_density: f64,
    /// Trace of the posterior covariance of U.
    pub(super) variance: f64,
}

/// A law of centres Q₀ in R^d, and the blur σ₀ that makes rows of them.
pub(super) trait Centres {
    fn dim(&self) -> usize;

    fn component_std(&self) -> f64;

    /// The posterior of U at `point`, seen through a blur of `bandwidth` τ > 0; its mean goes into `mean`.
    fn posterior_into(&self, bandwidth: f64, point: &[f64], mean: &mut [f64]) -> Posterior;

    /// Mean and covariance of U.
    fn moments(&self) -> GaussianLaw;

    /// One draw of U.
    fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> DVector<f64>;
}

/// A row of Y, seen as U + N(0, τ² I) = Y/a.
pub(super) struct Row<'a> {
    pub(super) index: usize,
    /// y/a
    pub(super) point: &'a [f64],
    /// E[U | y]
    pub(super) mean: &'a [f64],
    pub(super) posterior: Posterior,
}

/// Calls `visit` on the posterior of every row of `points` (n × d).
pub(super) fn for_each_row<C: Centres>(
    law: &C,
    level: NoiseLevel,
    points: DMatrixView<'_, f64>,
    mut visit: impl FnMut(Row<'_>),
) {
    let bandwidth = level.bandwidth(law.component_std());
    let (mut point, mut mean) = (vec![0.0; law.dim()], vec![0.0; law.dim()]);
    for index in 0..points.nrows() {
        for (value, y) in point.iter_mut().zip(points.row(index).iter()) {
            *value = y / level.signal();
        }
        let posterior = law.posterior_into(bandwidth, &point, &mut mean);
        visit(Row { index, point: &point, mean: &mean, posterior });
    }
}

/// Mean and covariance of Y = aX + sZ.
pub(super) fn start<C: Centres>(law: &C, level: NoiseLevel) -> GaussianLaw {
    let moments = law.moments();
    let (signal, bandwidth) = (level.signal(), level.bandwidth(law.component_std()));
    let blur = DMatrix::from_diagonal_element(law.dim(), law.dim(), bandwidth * bandwidth);
    GaussianLaw { mean: moments.mean * signal, covariance: (moments.covariance + blur) * (signal * signal) }
}

/// ln of the normaliser (2πτ²)^{−d/2}.
pub(super) fn log_gaussian_normaliser(dim: usize, bandwidth: f64) -> f64 {
    -(dim as f64) * (0.5 * (2.0 * std::f64::consts::PI).ln() + bandwidth.ln())
}

/// A setting of a law that has to be a finite positive number.
pub(super) fn positive(name: &'static str, value: f64) -> Result<f64> {
    if value > 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::InvalidSetting { name, value, requirement: "finite and positive" })
    }
}

/// A point in R^d with d ≥ 1 and finite coordinates.
pub(super) fn finite_point(point: &DVector<f64>) -> Result<()> {
    if point.is_empty() {
        return Err(Error::NoColumns);
    }
    match point.iter().position(|value| !value.is_finite()) {
        Some(column) => Err(Error::NotFinite { row: 0, column, value: point[column] }),
        None => Ok(()),
    }
}

/// Implements the score traits and the generator for a type that knows its [`Centres`].
macro_rules! blurred_law {
    ($law:ty) => {
        impl crate::score::ScoreModel for $law {
            fn dim(&self) -> usize {
                $crate::reference::blurred::Centres::dim(self)
            }

            fn score_into(
                &self,
                level: $crate::NoiseLevel,
                points: nalgebra::DMatrixView<'_, f64>,
                score: nalgebra::DMatrixViewMut<'_, f64>,
            ) -> $crate::Result<()> {
                let mut unused = vec![0.0; points.nrows()];
                $crate::DifferentiableScore::score_and_divergence_into(
                    self,
                    level,
                    points,
                    score,
                    &mut unused,
                )
            }

            /// σ₀.
            fn component_std(&self) -> f64 {
                self.component_std
            }

            /// The exact mean and covariance of Y.
            fn start(&self, level: $crate::NoiseLevel) -> $crate::Result<$crate::GaussianLaw> {
                Ok($crate::reference::blurred::start(self, level))
            }

            fn exact_sample_into(
                &self,
                rng: &mut dyn rand::Rng,
                rows: nalgebra::DMatrixViewMut<'_, f64>,
            ) -> $crate::Result<()> {
                $crate::shapes::check_room($crate::ScoreModel::dim(self), &rows)?;
                $crate::score::draw_rows_into(self, rng, rows);
                Ok(())
            }
        }

        impl crate::score::DifferentiableScore for $law {
            fn score_and_divergence_into(
                &self,
                level: $crate::NoiseLevel,
                points: nalgebra::DMatrixView<'_, f64>,
                mut score: nalgebra::DMatrixViewMut<'_, f64>,
                divergence: &mut [f64],
            ) -> $crate::Result<()> {
                let dim = $crate::ScoreModel::dim(self);
                $crate::shapes::check_room_for_rows(dim, &points, &score)?;
                $crate::shapes::check_room_for_values(dim, &points, divergence)?;
                let (signal, variance) = (level.signal(), level.bandwidth(self.component_std).powi(2));
                $crate::reference::blurred::for_each_row(self, level, points, |row| {
                    for (column, (mean, point)) in row.mean.iter().zip(row.point).enumerate() {
                        score[(row.index, column)] = (mean - point) / (variance * signal);
                    }
                    divergence[row.index] =
                        (row.posterior.variance / variance - dim as f64) / (variance * signal * signal);
                });
                Ok(())
            }

            /// The law's own.
            fn start_log_density_into(
                &self,
                level: $crate::NoiseLevel,
                points: nalgebra::DMatrixView<'_, f64>,
                log_density: &mut [f64],
            ) -> $crate::Result<()> {
                $crate::LogDensity::log_density_into(self, level, points, log_density)
            }
        }

        impl crate::score::LogDensity for $law {
            fn log_density_into(
                &self,
                level: $crate::NoiseLevel,
                points: nalgebra::DMatrixView<'_, f64>,
                log_density: &mut [f64],
            ) -> $crate::Result<()> {
                let dim = $crate::ScoreModel::dim(self);
                $crate::shapes::check_room_for_values(dim, &points, log_density)?;
                let jacobian = dim as f64 * level.signal().ln();
                $crate::reference::blurred::for_each_row(self, level, points, |row| {
                    log_density[row.index] = row.posterior.log_density - jacobian;
                });
                Ok(())
            }
        }

        impl rand_distr::Distribution<nalgebra::DVector<f64>> for $law {
            fn sample<R: rand::Rng + ?Sized>(&self, rng: &mut R) -> nalgebra::DVector<f64> {
                let mut row = $crate::reference::blurred::Centres::draw(self, rng);
                for value in row.iter_mut() {
                    let z: f64 = rand_distr::StandardNormal.sample(rng);
                    *value += self.component_std * z;
                }
                row
            }
        }
    };
}

pub(super) use blurred_law;
