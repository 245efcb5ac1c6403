//! Learn an unknown continuous distribution by diffusion with piecewise polynomial scores.
//!
//! Rows of numbers go in; out comes a law that draws new rows and knows its log-density and its score.
//! The method is that of Gatmiry, Kelner and Lee (2024) for laws X ~ Q₀ * N(0, σ₀² I), an arbitrary
//! mixing law Q₀ with a Gaussian blur: at each of a series of noise levels the score of the noised rows
//! is regressed by polynomials in cells, and running the diffusion backwards draws from the law.
//! There is no network and no gradient descent: a fit is a number of passes over the rows and some
//! linear systems.
//!
//! # A tour
//! Data are matrices whose **rows are samples**. A learner needs no tuning; everything random comes
//! from the generator that is passed in, so a seed fixes a fit, on any number of threads.
//!
//! ```
//! use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
//! use gmix_diffusion::reference::{Law, Sphere};
//! use gmix_diffusion::{DiffusionLearner, NoiseLevel, ScoreModel};
//!
//! // Data: points around a circle. Yours are a matrix, a view, or a slice; see `Rows`.
//! let mut rng = StdRng::seed_from_u64(1);
//! let rows = Sphere::circle(3.0, 2, 0.3)?.draw(600, &mut rng);
//!
//! // 1. Learn, and read what happened.
//! let model = DiffusionLearner::new().fit(&rows, &mut rng)?;
//! println!("{}", model.report());
//! for warning in &model.report().warnings {
//!     eprintln!("{warning}");
//! }
//!
//! // 2. Draw new rows.
//! let new_rows = model.sample(1_000, &mut rng)?;
//! assert_eq!(new_rows.shape(), (1_000, 2));
//!
//! // 3. Evaluate: the natural logarithm of the density, in the units of the data, and its gradient.
//! let log_density = model.log_density(&new_rows)?;
//! let score = model.score(NoiseLevel::CLEAN, &new_rows)?;
//! assert_eq!((log_density.len(), score.shape()), (1_000, (1_000, 2)));
//!
//! // 4. See which part of the law a row belongs to.
//! let cells = model.assign(&rows)?;
//! assert!(cells.iter().all(|&cell| cell < model.masses().len()));
//! # Ok::<(), gmix_diffusion::Error>(())
//! ```
//!
//! From here:
//!
//! | you want to | see |
//! |---|---|
//! | say what you know: the blur σ₀ of your rows, their weights | [`DiffusionLearner::with_component_std`], [`Rows`] |
//! | watch a fit, or stop it | [`FitObserver`] |
//! | fit rows that do not fit in memory | [`RowSource`], [`DiffusionLearner::fit_source`] |
//! | fit rows that lie on several machines, or go on after an interruption | [`Fit`], [`Pass`] |
//! | know whether to trust a fit | [`FitReport`], [`FitWarning`]; with a known truth [`metrics`] |
//! | ask about some columns given others: predictions, empty cells, odd rows | [`DiffusionModel::mixture`], [`Mixture`], [`Observation`] |
//! | swap a part for another or for your own | [below](#parts), [`check`] |
//! | sample a score that you have already, a network's or a physical model's | [`ScoreModel`], [`Sampler`], [`log_density`] |
//! | try a method on laws whose density and score are known | [`reference`] |
//! | see what the theory promises | [`theory`] |
//!
//! # Parts
//! A learner is a composition of four parts. A schedule lists noise levels; cells are those of a mixture,
//! estimated in one go for all levels, which is the law then, or proposed by a partitioner at each level, noisiest first,
//! out of what the level before has learned; a regression learns the score in these; a sampler runs the levels backwards.
//!
//! ```text
//! rows → noise levels → cells → regression → score → sampler → new rows
//!                         ↑                    │  ↘ probability flow → log-density
//!                         └──── next level ────┘
//! ```
//!
//! | part | trait | that ship |
//! |---|---|---|
//! | noise levels | [`NoiseSchedule`] | [`Geometric`], [`VarianceExploding`], [`Karras`], [`LinearBeta`], [`CosineBeta`], [`OrnsteinUhlenbeck`], a list of [`NoiseLevels`] |
//! | cells in one go | [`MixtureEstimator`] | [`GaussianPartitioner`] |
//! | cells level by level | [`Partitioner`], [`Partition`] | [`VoronoiPartitioner`], [`SingleCell`] |
//! | regression, level by level | | [`PolynomialRegression`] |
//! | sampler | [`Sampler`] | [`ExactOrDdpm`], [`Ddpm`], [`ProbabilityFlow`], [`PredictorCorrector`], [`ExactSampler`] |
//! | score | [`ScoreModel`] | [`PiecewisePolynomialScore`], [`GaussianMixture`], the laws of [`reference`] |
//!
//! Named algorithms are compositions:
//!
//! | algorithm | composition |
//! |---|---|
//! | default: cells with covariances, one mixture for all levels | [`DiffusionLearner::new`]: [`Geometric`], [`GaussianPartitioner`], [`ExactOrDdpm`] |
//! | polynomials in soft Voronoi cells, found level by level | the default `.with_partitioner(`[`VoronoiPartitioner::soft`]`())` |
//! | the paper's | [`DiffusionLearner::paper`]: [`VoronoiPartitioner::hard`], [`RegressionTarget::Denoising`], [`Ddpm::textbook`] |
//! | one polynomial a level | `.with_partitioner(`[`SingleCell`]`)` |
//! | DDPM (Ho, Jain, Abbeel 2020) | [`LinearBeta`] with [`Ddpm::textbook`], for any [`ScoreModel`] |
//! | probability flow, DDIM (Song et al. 2021) | [`ProbabilityFlow`], for any [`ScoreModel`] |
//! | draws of a closed form, without a diffusion | [`ExactSampler`], for any [`ScoreModel`] that has it |
//! | density of a diffusion model (Song et al. 2021) | [`log_density`], for any [`DifferentiableScore`] |
//! | empirical score, kernel density | [`GaussianMixture::kernel`] with any [`Sampler`] |
//!
//! # Who can do what
//! Capabilities are traits: [`ScoreModel`] has score and denoiser, [`DifferentiableScore`] adds the
//! divergence, [`LogDensity`] a log-density at every noise level, `Distribution` draws.
//!
//! | type | score, denoiser | divergence | log-density | draws |
//! |---|---|---|---|---|
//! | [`GaussianMixture`] | closed form | closed form | closed form | exact |
//! | [`Mixture`] | closed form | closed form | closed form | exact |
//! | [`Sphere`], [`Segment`], [`Ball`], [`Curve`], [`MixtureOfLaws`] of [`reference`] | closed form or quadrature | likewise | likewise | exact |
//! | [`PiecewisePolynomialScore`] | learned, within the fitted levels | closed form; none at the faces of hard cells | [`log_density`] | any [`Sampler`]; exact where a mixture is the law |
//! | [`DiffusionModel`] | in the units of the data: clean rows always, noised ones where all columns share a scale | where all columns share a scale | [`DiffusionModel::log_density`], of X | its [`Sampler`] |
//! | [`NumericalDivergence`] of a model M | M's | central differences | [`log_density`] | any [`Sampler`] |
//! | a [`ScoreModel`] of your own | yours; the denoiser follows | wrap it in [`NumericalDivergence`] | [`log_density`], once wrapped | any [`Sampler`] |
//!
//! # Units
//! What goes in and comes out is in the units of the data. A fit works in units of its own, which undo
//! the means and the units of the columns ([`Units`]); [`DiffusionModel::score_model`] and
//! [`DiffusionModel::units`] show this inside. Noise is isotropic there.
//!
//! # Sources
//! Formulae stand where they are computed. They come from
//!
//! - Gatmiry, Kelner, Lee, "Learning Mixtures of Gaussians Using Diffusion Models",
//!   [arXiv 2404.18869](https://arxiv.org/abs/2404.18869): the method, with its guarantees in [`theory`];
//! - Ho, Jain, Abbeel, "Denoising Diffusion Probabilistic Models",
//!   [arXiv 2006.11239](https://arxiv.org/abs/2006.11239): [`LinearBeta`], [`Ddpm::textbook`];
//! - Song et al., "Score-Based Generative Modeling through Stochastic Differential Equations",
//!   [arXiv 2011.13456](https://arxiv.org/abs/2011.13456): the probability flow and its density,
//!   [`PredictorCorrector`];
//! - Nichol, Dhariwal, [arXiv 2102.09672](https://arxiv.org/abs/2102.09672): [`CosineBeta`];
//!   Karras et al., [arXiv 2206.00364](https://arxiv.org/abs/2206.00364): [`Karras`];
//! - Lu et al., "DPM-Solver++", [arXiv 2211.01095](https://arxiv.org/abs/2211.01095): second-order steps;
//! - Benton, De Bortoli, Doucet, Deligiannidis, [arXiv 2308.03686](https://arxiv.org/abs/2308.03686):
//!   [`OrnsteinUhlenbeck`] and the number of levels.
//!
//! Soft cells, the correction for the noise that the rows already carry, and cells with covariances
//! are additions to the paper's algorithm; [`DiffusionLearner::paper`] is without them.
//!
//! # Features
//! | feature | default | gives |
//! |---|---|---|
//! | `rayon` | yes | several threads; no result depends on it |
//! | `serde` | no | saved and loaded models; fits, passes and sums as bytes; reports, levels, cells, schedules and samplers too |
//!
//! [`reference`]: mod@reference
//! [`Sphere`]: reference::Sphere
//! [`Segment`]: reference::Segment
//! [`Ball`]: reference::Ball
//! [`Curve`]: reference::Curve
//! [`MixtureOfLaws`]: reference::MixtureOfLaws

#![cfg_attr(docsrs, feature(doc_cfg))]
// Bad input must not panic; what indices and arithmetic could do is left to tests and fuzzing.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cells;
mod clusters;
mod columns;
mod coordinates;
mod density;
mod error;
#[cfg(feature = "serde")]
mod format;
mod imperfect;
mod kernels;
mod learner;
mod levels;
mod linalg;
mod mixture;
mod parallel;
mod passes;
mod polynomial;
mod process;
mod questions;
mod report;
mod rows;
mod sampler;
#[cfg(feature = "serde")]
mod saved;
mod score;
mod search;
mod shapes;
mod tables;

pub mod check;
pub mod metrics;
pub mod reference;
pub mod theory;

pub use cells::{
    CentreEstimates, GaussianCells, LocalFrame, Partition, Partitioner, SingleCell, VoronoiCells,
    VoronoiPartitioner,
};
pub use clusters::{Clusters, Merge};
pub use columns::{Column, Columns, Support, Table, TableColumn, Warp};
pub use coordinates::Units;
pub use density::{log_density, log_density_with_control};
pub use error::{Error, Result};
pub use learner::{DiffusionLearner, DiffusionModel, Fit, FitObserver, LawDistance};
pub use mixture::{
    ColumnLaw, CrossFit, CrossFittedMixture, GaussianMixture, MixtureEstimator, MixtureParameters, TriedCells,
};
pub use passes::{Pass, RowSource, Statistics};
pub use polynomial::{PiecewisePolynomialScore, PolynomialRegression, RegressionTarget};
pub use process::{
    CosineBeta, DataScale, Geometric, Karras, LinearBeta, NoiseLevel, NoiseLevels, NoiseSchedule,
    OrnsteinUhlenbeck, VarianceExploding,
};
pub use questions::{
    DensityLevel, Evaluator, Mixture, Mode, Observation, Predictions, Surprise, WeightedDraws,
};
pub use report::{FitReport, FitWarning, LevelReport, Work};
pub use rows::{FoldedSample, IsotropicRest, RowValue, Rows};
pub use sampler::{Ddpm, ExactOrDdpm, ExactSampler, PredictorCorrector, ProbabilityFlow, Sampler};
pub use score::{DifferentiableScore, GaussianLaw, LogDensity, NumericalDivergence, ScoreModel};
pub use search::GaussianPartitioner;
pub use tables::{Choice, TableModel, TableReport};

pub use nalgebra;
pub use rand;
pub use rand_distr;

/// The code of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The code of the guide, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
struct Guide;
