//! The score traits through references and smart pointers. Provided methods are forwarded too, so
//! that an override does not vanish behind a `Box`.

use std::sync::Arc;

use nalgebra::{DMatrixView, DMatrixViewMut};
use rand::Rng;

use super::gaussian_law::GaussianLaw;
use super::model::{DifferentiableScore, LogDensity, ScoreModel};
use crate::error::Result;
use crate::process::NoiseLevel;

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: ScoreModel + ?Sized> ScoreModel for $pointer {
            fn dim(&self) -> usize {
                (**self).dim()
            }
            fn score_into(&self, level: NoiseLevel, points: DMatrixView<'_, f64>, score: DMatrixViewMut<'_, f64>) -> Result<()> {
                (**self).score_into(level, points, score)
            }
            fn denoise_into(&self, level: NoiseLevel, points: DMatrixView<'_, f64>, denoised: DMatrixViewMut<'_, f64>) -> Result<()> {
                (**self).denoise_into(level, points, denoised)
            }
            fn component_std(&self) -> f64 {
                (**self).component_std()
            }
            fn start(&self, level: NoiseLevel) -> Result<GaussianLaw> {
                (**self).start(level)
            }
            fn exact_sample_into(&self, rng: &mut dyn Rng, rows: DMatrixViewMut<'_, f64>) -> Result<()> {
                (**self).exact_sample_into(rng, rows)
            }
        }

        impl<T: DifferentiableScore + ?Sized> DifferentiableScore for $pointer {
            fn score_and_divergence_into(&self, level: NoiseLevel, points: DMatrixView<'_, f64>, score: DMatrixViewMut<'_, f64>, divergence: &mut [f64]) -> Result<()> {
                (**self).score_and_divergence_into(level, points, score, divergence)
            }
        }

        impl<T: LogDensity + ?Sized> LogDensity for $pointer {
            fn log_density_into(&self, level: NoiseLevel, points: DMatrixView<'_, f64>, log_density: &mut [f64]) -> Result<()> {
                (**self).log_density_into(level, points, log_density)
            }
        }
    )*};
}

forward!(&T, Box<T>, Arc<T>);
