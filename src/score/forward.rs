//! The score traits of a type by those of what it holds. Provided methods are forwarded too, so that an
//! override does not vanish behind a `Box`.

use std::sync::Arc;

/// `forward!(Type, this => model)`, or with a parameter, for which every trait is required as it is forwarded:
/// `forward!(Pointer<T> where T, this => model)`.
macro_rules! forward {
    ($type:ty $(where $parameter:ident)?, $this:ident => $model:expr) => {
        impl $(<$parameter: $crate::score::ScoreModel + ?Sized>)? $crate::score::ScoreModel for $type {
            fn dim(&self) -> usize {
                let $this = self;
                $crate::score::ScoreModel::dim(&$model)
            }
            fn score_into(
                &self,
                level: $crate::process::NoiseLevel,
                points: ::nalgebra::DMatrixView<'_, f64>,
                score: ::nalgebra::DMatrixViewMut<'_, f64>,
            ) -> $crate::error::Result<()> {
                let $this = self;
                $crate::score::ScoreModel::score_into(&$model, level, points, score)
            }
            fn denoise_into(
                &self,
                level: $crate::process::NoiseLevel,
                points: ::nalgebra::DMatrixView<'_, f64>,
                denoised: ::nalgebra::DMatrixViewMut<'_, f64>,
            ) -> $crate::error::Result<()> {
                let $this = self;
                $crate::score::ScoreModel::denoise_into(&$model, level, points, denoised)
            }
            fn component_std(&self) -> f64 {
                let $this = self;
                $crate::score::ScoreModel::component_std(&$model)
            }
            fn start(&self, level: $crate::process::NoiseLevel) -> $crate::error::Result<$crate::score::GaussianLaw> {
                let $this = self;
                $crate::score::ScoreModel::start(&$model, level)
            }
            fn start_sample_into(
                &self,
                level: $crate::process::NoiseLevel,
                rng: &mut dyn ::rand::Rng,
                rows: ::nalgebra::DMatrixViewMut<'_, f64>,
            ) -> $crate::error::Result<()> {
                let $this = self;
                $crate::score::ScoreModel::start_sample_into(&$model, level, rng, rows)
            }
            fn exact_sample_into(
                &self,
                rng: &mut dyn ::rand::Rng,
                rows: ::nalgebra::DMatrixViewMut<'_, f64>,
            ) -> $crate::error::Result<()> {
                let $this = self;
                $crate::score::ScoreModel::exact_sample_into(&$model, rng, rows)
            }
        }

        impl $(<$parameter: $crate::score::DifferentiableScore + ?Sized>)? $crate::score::DifferentiableScore for $type {
            fn score_and_divergence_into(
                &self,
                level: $crate::process::NoiseLevel,
                points: ::nalgebra::DMatrixView<'_, f64>,
                score: ::nalgebra::DMatrixViewMut<'_, f64>,
                divergence: &mut [f64],
            ) -> $crate::error::Result<()> {
                let $this = self;
                $crate::score::DifferentiableScore::score_and_divergence_into(&$model, level, points, score, divergence)
            }
            fn start_log_density_into(
                &self,
                level: $crate::process::NoiseLevel,
                points: ::nalgebra::DMatrixView<'_, f64>,
                log_density: &mut [f64],
            ) -> $crate::error::Result<()> {
                let $this = self;
                $crate::score::DifferentiableScore::start_log_density_into(&$model, level, points, log_density)
            }
        }

        impl $(<$parameter: $crate::score::LogDensity + ?Sized>)? $crate::score::LogDensity for $type {
            fn log_density_into(
                &self,
                level: $crate::process::NoiseLevel,
                points: ::nalgebra::DMatrixView<'_, f64>,
                log_density: &mut [f64],
            ) -> $crate::error::Result<()> {
                let $this = self;
                $crate::score::LogDensity::log_density_into(&$model, level, points, log_density)
            }
        }
    };
}

pub(crate) use forward;

forward!(&T where T, pointer => **pointer);
forward!(Box<T> where T, pointer => **pointer);
forward!(Arc<T> where T, pointer => **pointer);
