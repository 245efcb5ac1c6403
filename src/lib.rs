//! Learn an unknown continuous distribution by diffusion with piecewise polynomial scores.

mod density;
mod error;
mod learner;
mod linalg;
mod parallel;
mod partition;
mod process;
mod regression;
mod sampler;
mod score;

pub mod check;
pub mod metrics;
pub mod reference;
pub mod theory;

pub use density::{log_density, log_density_with_control};
pub use error::{Error, Result};
pub use learner::{
    DiffusionLearner, DiffusionModel, Fit, FitObserver, FitReport, FitWarning, LevelReport, Pass, Rows,
    Statistics, Units, Work,
};
pub use partition::{
    CentreEstimates, CrossFittedMixture, FoldedSample, GaussianCells, GaussianPartitioner, IsotropicRest,
    LocalFrame, MixtureParameters, Partition, Partitioner, SingleCell, TriedCells, VoronoiCells,
    VoronoiPartitioner,
};
pub use process::{
    CosineBeta, DataScale, Geometric, Karras, LinearBeta, NoiseLevel, NoiseLevels, NoiseSchedule,
    OrnsteinUhlenbeck, VarianceExploding,
};
pub use regression::{PolynomialRegression, RegressionTarget};
pub use sampler::{Ddpm, PredictorCorrector, ProbabilityFlow, Sampler};
pub use score::{
    DifferentiableScore, GaussianLaw, GaussianMixture, LogDensity, NumericalDivergence,
    PiecewisePolynomialScore, ScoreModel,
};

pub use nalgebra;
pub use rand;
pub use rand_distr;
