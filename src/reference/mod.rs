//! Laws whose density and score are known at every noise level, with a generator: the truth that a
//! learned model is judged against.
//!
//! Each is a centre law blurred by a Gaussian, X ~ Q₀ * N(0, σ₀² I), the class of the paper. They
//! implement [`LogDensity`](crate::LogDensity) and `Distribution<DVector<f64>>`, and with these two
//! [`Law`], which can be boxed.
//!
//! | law | centres | how it is evaluated |
//! |---|---|---|
//! | [`GaussianMixture`] | points (and full covariances) | closed form |
//! | [`Sphere`] | uniform on a circle or sphere | closed form in Bessel functions |
//! | [`Segment`] | uniform on a line segment | one-dimensional quadrature |
//! | [`Ball`] | uniform in a ball | quadrature over the radius |
//! | [`Curve`] | at a uniform parameter of any curve | quadrature over the parameter |
//! | [`MixtureOfLaws`] | those of its parts | exact, given the parts |
//!
//! Everything is computed in log space; quadratures are accurate to about 1e-13 and follow the
//! integrand to wherever a far point moves it, and the score of a point 10⁸ σ₀ away is finite and
//! points home. [`targets`] are the benchmark laws by name.
//!
//! # Examples
//! ```
//! use gmix_diffusion::rand::SeedableRng;
//! use gmix_diffusion::reference::{Law, Sphere};
//! use gmix_diffusion::{LogDensity, NoiseLevel, ScoreModel};
//! use rand_xoshiro::Xoshiro256PlusPlus;
//!
//! let ring = Sphere::circle(3.0, 2, 0.3)?;
//! let rows = ring.draw(100, &mut Xoshiro256PlusPlus::seed_from_u64(1));
//! let log_density = ring.log_density(NoiseLevel::CLEAN, &rows)?;
//! let score = ring.score(NoiseLevel::variance_exploding(0.5)?, &rows)?;
//! assert_eq!((log_density.len(), score.shape()), (100, (100, 2)));
//! # Ok::<(), gmix_diffusion::Error>(())
//! ```

mod ball;
mod bessel;
mod blurred;
mod curve;
mod law;
mod mixture;
mod quadrature;
mod segment;
mod sphere;
#[cfg_attr(not(test), expect(clippy::expect_used, reason = "laws of constants, each built by a test"))]
pub mod targets;

pub use ball::Ball;
pub use curve::Curve;
pub use law::Law;
pub use mixture::MixtureOfLaws;
pub use segment::Segment;
pub use sphere::Sphere;

pub use crate::mixture::GaussianMixture;

#[cfg(test)]
mod tests;
