//! Public types can be shared between threads, cloned and printed.

use std::fmt::Debug;

use gmix_diffusion::metrics::{Estimate, ScoreError};
use gmix_diffusion::reference::{Ball, Curve, Law, MixtureOfLaws, Segment, Sphere};
use gmix_diffusion::theory::Problem;
use gmix_diffusion::*;

fn shared<T: Send + Sync + ?Sized>() {}
fn value<T: Send + Sync + Clone + Debug>() {}
fn comparable<T: Send + Sync + Clone + Debug + PartialEq>() {}

#[test]
fn levels_and_schedules_are_comparable_values() {
    comparable::<NoiseLevel>();
    comparable::<NoiseLevels>();
    comparable::<DataScale>();
    comparable::<Geometric>();
    comparable::<VarianceExploding>();
    comparable::<LinearBeta>();
    comparable::<CosineBeta>();
    comparable::<Karras>();
    comparable::<OrnsteinUhlenbeck>();
}

#[test]
fn parts_are_comparable_values() {
    comparable::<PolynomialRegression>();
    comparable::<RegressionTarget>();
    comparable::<VoronoiPartitioner>();
    comparable::<VoronoiCells>();
    comparable::<LocalFrame>();
    comparable::<Ddpm>();
    comparable::<ProbabilityFlow>();
    comparable::<ExactSampler>();
    comparable::<PredictorCorrector>();
    value::<SingleCell>();
    value::<GaussianCells>();
    value::<CentreEstimates<'_>>();
    comparable::<GaussianPartitioner>();
    comparable::<MixtureParameters>();
    comparable::<CrossFit>();
    comparable::<CrossFittedMixture>();
    comparable::<TriedCells>();
    comparable::<IsotropicRest>();
    value::<FoldedSample>();
}

#[test]
fn score_models_are_values() {
    value::<GaussianMixture>();
    value::<GaussianLaw>();
    value::<PiecewisePolynomialScore>();
    value::<NumericalDivergence<GaussianMixture>>();
}

#[test]
fn a_fit_and_all_it_hands_out_are_values() {
    value::<DiffusionLearner>();
    value::<Fit>();
    value::<Pass>();
    value::<Rows<'_>>();
    value::<DiffusionModel>();
    comparable::<Statistics>();
    comparable::<FitReport>();
    comparable::<LevelReport>();
    comparable::<Work>();
    comparable::<FitWarning>();
    comparable::<Units>();
}

#[test]
fn laws_and_figures_are_values() {
    value::<Sphere>();
    value::<Ball>();
    value::<Segment>();
    value::<Curve>();
    shared::<MixtureOfLaws>();
    comparable::<Estimate>();
    value::<ScoreError>();
    value::<Problem>();
}

#[test]
fn errors_cross_threads_and_stay_small() {
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    error::<Error>();
    assert!(size_of::<Error>() <= 64, "{} bytes", size_of::<Error>());
}

#[test]
fn parts_can_be_boxed_and_shared() {
    shared::<dyn NoiseSchedule>();
    shared::<dyn Partition>();
    shared::<dyn MixtureEstimator>();
    shared::<dyn Partitioner>();
    shared::<dyn Sampler>();
    shared::<dyn ScoreModel>();
    shared::<dyn DifferentiableScore>();
    shared::<dyn LogDensity>();
    shared::<dyn Law>();
    shared::<Box<dyn ScoreModel>>();
}
