//! The paper's parameter choices and complexity bounds as functions.
//!
//! The source is Gatmiry, Kelner, Lee, "Learning Mixtures of Gaussians Using Diffusion Models"
//! (arXiv 2404.18869, COLT 2025). X ~ Q₀ * N(0, σ₀² I) in R^d, with Q₀ on a union of k balls of
//! radius R₀, each of mass at least α_min, all within radius R of the origin. For an error ε in total
//! variation and a probability of failure δ the paper proves that time and samples of
//!
//! > (d ln(1/δ))^O((ln 1/ε)³ + (R₀/σ₀)⁶ (ln 1/ε)⁴)
//!
//! suffice: quasi-polynomial, where methods for general mixing laws were exponential.
//!
//! # What these numbers are
//! The bounds are asymptotic: every O(·) hides a constant that the theorems do not give. **Each
//! function here sets that constant to 1 and says so**, so that the values show how a bound *grows*,
//! and not how many rows a fit needs. They are far above practice: for ε = 0.1,
//! δ = 0.05 and balls of two σ₀ in the plane the bound on the rows has more than a thousand digits,
//! where fits with 10⁴ rows do well. Large quantities are
//! therefore returned as natural logarithms. Which formula is the paper's, which belongs to the
//! convergence theorem it builds on, and which is our own short derivation stands with each function.
//!
//! # Examples
//! ```
//! use gmix_diffusion::theory::Problem;
//!
//! let problem = Problem {
//!     accuracy: 0.1,
//!     failure_probability: 0.05,
//!     dim: 10,
//!     n_balls: 5,
//!     radius: 5.0,
//!     ball_radius: 0.0,
//!     component_std: 1.0,
//!     lightest_ball: 0.1,
//! };
//! // Centres that are points: the cubic term alone, (ln 10)³.
//! assert!((problem.exponent()? - 10f64.ln().powi(3)).abs() < 1e-12);
//! assert!(problem.ln_sample_size()? > 0.0);
//! # Ok::<(), gmix_diffusion::Error>(())
//! ```

use crate::error::{Error, Result};

/// Logarithms that are summed one by one.
const SUMMED: usize = 1_000;

/// What the paper assumes of the law and what is asked of the learner.
///
/// Lengths are in one unit, that of the data; the results do not depend on which.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Problem {
    /// ε, the error in total variation: in (0, 1).
    pub accuracy: f64,
    /// δ, the probability that the learner fails: in (0, 1).
    pub failure_probability: f64,
    /// d, the dimension of the data: at least 1.
    pub dim: usize,
    /// k, the number of balls that cover the support of the mixing law Q₀: at least 1.
    pub n_balls: usize,
    /// R, the radius around the origin that holds all the balls: at least R₀.
    pub radius: f64,
    /// R₀, the radius of each ball; 0 for a finite mixture of Gaussians.
    pub ball_radius: f64,
    /// σ₀, the standard deviation of the Gaussian blur: positive.
    pub component_std: f64,
    /// α_min, the smallest mass of a ball: in (0, 1/k].
    pub lightest_ball: f64,
}

impl Problem {
    /// The exponent (ln 1/ε)³ + (R₀/σ₀)⁶ (ln 1/ε)⁴ of the bound on time and samples.
    ///
    /// The paper's, with the constant of its O(·) set to 1.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] when a field is out of its range.
    ///
    /// # Examples
    /// ```
    /// # use gmix_diffusion::theory::Problem;
    /// let ring = Problem {
    ///     accuracy: (-1f64).exp(),
    ///     failure_probability: 0.05,
    ///     dim: 2,
    ///     n_balls: 8,
    ///     radius: 3.0,
    ///     ball_radius: 1.2,
    ///     component_std: 0.6,
    ///     lightest_ball: 0.125,
    /// };
    /// assert!((ring.exponent()? - (1.0 + 2f64.powi(6))).abs() < 1e-9);
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn exponent(&self) -> Result<f64> {
        self.check()?;
        let digits = self.ln_inverse_accuracy();
        Ok(digits.powi(3) + (self.ball_radius / self.component_std).powi(6) * digits.powi(4))
    }

    /// ln of the number of samples that suffices: exponent · ln(d ln(1/δ)).
    ///
    /// The paper's, with the constant of the exponent's O(·) set to 1. The base d ln(1/δ) is taken as
    /// at least e, below which the asymptotic bound says nothing. k, R and α_min enter the paper's
    /// bound through its assumptions and not through this form of it.
    ///
    /// # Errors
    /// As [`Problem::exponent`].
    ///
    /// # Examples
    /// ```
    /// # use gmix_diffusion::theory::Problem;
    /// # let problem = Problem {
    /// #     accuracy: 0.1, failure_probability: 0.05, dim: 10, n_balls: 5,
    /// #     radius: 5.0, ball_radius: 0.0, component_std: 1.0, lightest_ball: 0.1,
    /// # };
    /// let wider = Problem { dim: 100, ..problem };
    /// // Polynomial in d at fixed ε and δ.
    /// let growth = wider.ln_sample_size()? - problem.ln_sample_size()?;
    /// assert!((growth - problem.exponent()? * 10f64.ln()).abs() < 1e-9);
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn ln_sample_size(&self) -> Result<f64> {
        let base = self.dim as f64 * -self.failure_probability.ln();
        Ok(self.exponent()? * base.ln().max(1.0))
    }

    /// ln of the number of elementary operations that suffices: the bound is the same as for samples,
    /// [`Problem::ln_sample_size`], up to the constant in the exponent.
    ///
    /// # Errors
    /// As [`Problem::exponent`].
    pub fn ln_time(&self) -> Result<f64> {
        self.ln_sample_size()
    }

    /// The degree of the polynomials within a cell, rounded up: (ln 1/ε)³ + (R₀/σ₀)⁶ (ln 1/ε)⁴.
    ///
    /// Our reading of the paper's bound, constant 1: a polynomial of degree D in d variables has about
    /// d^D coefficients, so that samples of d^O(D) are what its least squares needs, and the exponent
    /// of the bound is the degree. The paper speaks of a degree poly-logarithmic in 1/ε. The library's
    /// own choice is by held-out loss and stays below ten.
    ///
    /// # Errors
    /// As [`Problem::exponent`].
    pub fn polynomial_degree(&self) -> Result<f64> {
        Ok(self.exponent()?.ceil())
    }

    /// ln of the number of coefficients of one cell and one coordinate at degree D, ln C(d + D, D).
    ///
    /// Exact: the number of monomials of total degree at most D in d variables. A sum of logarithms, or where both are
    /// above a thousand the difference of three ln Γ.
    ///
    /// # Errors
    /// As [`Problem::exponent`].
    pub fn ln_coefficients(&self, degree: usize) -> Result<f64> {
        self.check()?;
        let (few, many) = (self.dim.min(degree), self.dim.max(degree) as f64);
        if few <= SUMMED {
            return Ok((1..=few).map(|i| (many / i as f64).ln_1p()).sum());
        }
        let ln_factorial = |n: f64| libm::lgamma(n + 1.0);
        Ok(ln_factorial(few as f64 + many) - ln_factorial(few as f64) - ln_factorial(many))
    }

    /// How far from the centre of its cell the centre of a row may lie at bandwidth τ:
    /// R₀ + τ √(2 ln(1/(α_min ε))).
    ///
    /// Our derivation of the scale at which cells separate, constants as they come out: given Y/a = y,
    /// a ball of mass α_min at distance r has its posterior odds reduced by e^{−r²/2τ²}, which is below
    /// α_min ε once r exceeds τ √(2 ln(1/(α_min ε))); within its ball a centre moves by R₀ more. The
    /// paper's warm starts rest on the same concentration of the posterior, with constants of its own.
    ///
    /// # Errors
    /// As [`Problem::exponent`], and when `bandwidth` is not positive and finite.
    ///
    /// # Examples
    /// ```
    /// # use gmix_diffusion::theory::Problem;
    /// # let problem = Problem {
    /// #     accuracy: 0.1, failure_probability: 0.05, dim: 10, n_balls: 5,
    /// #     radius: 5.0, ball_radius: 0.5, component_std: 1.0, lightest_ball: 0.1,
    /// # };
    /// // Falls with the noise, towards what one ball spans.
    /// assert!(problem.cell_radius(4.0)? > problem.cell_radius(1.0)?);
    /// assert!((problem.cell_radius(1e-9)? - 0.5).abs() < 1e-6);
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn cell_radius(&self, bandwidth: f64) -> Result<f64> {
        self.check()?;
        require("bandwidth", bandwidth, bandwidth > 0.0 && bandwidth.is_finite(), "finite and positive")?;
        let odds = -(self.lightest_ball.ln() + self.accuracy.ln());
        Ok(self.ball_radius + bandwidth * (2.0 * odds).sqrt())
    }

    /// T, the time of the Ornstein-Uhlenbeck process after which it has forgotten the law to within ε:
    /// ln(√(d + R²/σ₀²)/ε), and at least 1.
    ///
    /// The start of a reverse diffusion costs e^{−2T} (d + second moment) in Kullback-Leibler
    /// divergence up to a constant, which is here 1, and has to stay below ε². Known convergence
    /// theory, on which the paper builds (Benton, De Bortoli, Doucet, Deligiannidis, arXiv
    /// 2308.03686); lengths are in units of σ₀.
    ///
    /// # Errors
    /// As [`Problem::exponent`].
    pub fn diffusion_time(&self) -> Result<f64> {
        self.check()?;
        let second_moment = self.dim as f64 + (self.radius / self.component_std).powi(2);
        Ok((0.5 * second_moment.ln() + self.ln_inverse_accuracy()).max(1.0))
    }

    /// The number of noise levels: d L²/ε², with L = T + ½ ln(1 + (R/σ₀)²) and T =
    /// [`Problem::diffusion_time`].
    ///
    /// Benton et al. (arXiv 2308.03686) prove that Õ(d ln²(1/η)/ε²) steps give a divergence of ε²
    /// from the law blurred by a Gaussian of variance η; here η is σ₀² against R², the constant is 1
    /// and the logarithm of the Õ is T. With N levels the largest step is κ = L/N. Measured, about 100
    /// levels suffice where this gives thousands.
    ///
    /// # Errors
    /// As [`Problem::exponent`].
    ///
    /// # Examples
    /// ```
    /// # use gmix_diffusion::theory::Problem;
    /// # let problem = Problem {
    /// #     accuracy: 0.1, failure_probability: 0.05, dim: 10, n_balls: 5,
    /// #     radius: 5.0, ball_radius: 0.0, component_std: 1.0, lightest_ball: 0.1,
    /// # };
    /// // The schedule of the theorem.
    /// let schedule = gmix_diffusion::OrnsteinUhlenbeck::new()
    ///     .with_time(problem.diffusion_time()?)
    ///     .with_step(problem.largest_step()?);
    /// # Ok::<(), gmix_diffusion::Error>(())
    /// ```
    pub fn n_levels(&self) -> Result<f64> {
        let span = self.log_span()?;
        Ok((self.dim as f64 * (span / self.accuracy).powi(2)).ceil())
    }

    /// κ, the largest step of the schedule [`OrnsteinUhlenbeck`](crate::OrnsteinUhlenbeck): L/N with
    /// N = [`Problem::n_levels`], which is ε²/(d L); constant 1.
    ///
    /// # Errors
    /// As [`Problem::exponent`].
    pub fn largest_step(&self) -> Result<f64> {
        Ok(self.log_span()? / self.n_levels()?)
    }

    /// L: the constant steps cover T, the shrinking ones the logarithm of the early stop.
    fn log_span(&self) -> Result<f64> {
        let early_stop = 0.5 * (self.radius / self.component_std).powi(2).ln_1p();
        Ok(self.diffusion_time()? + early_stop)
    }

    fn ln_inverse_accuracy(&self) -> f64 {
        -self.accuracy.ln()
    }

    /// Are all fields in their ranges?
    fn check(&self) -> Result<()> {
        let within_unit = |x: f64| x > 0.0 && x < 1.0;
        let length = |x: f64| x >= 0.0 && x.is_finite();
        let k = self.n_balls as f64;
        require("accuracy", self.accuracy, within_unit(self.accuracy), "between 0 and 1")?;
        let delta = self.failure_probability;
        require("failure_probability", delta, within_unit(delta), "between 0 and 1")?;
        require("dim", self.dim as f64, self.dim >= 1, "at least 1")?;
        require("n_balls", k, self.n_balls >= 1, "at least 1")?;
        let (radius, ball_radius) = (self.radius, self.ball_radius);
        require("ball_radius", ball_radius, length(ball_radius), "finite and not negative")?;
        let holds_balls = length(radius) && radius >= ball_radius;
        require("radius", radius, holds_balls, "finite and at least the ball radius")?;
        let std = self.component_std;
        require("component_std", std, std > 0.0 && std.is_finite(), "finite and positive")?;
        let mass = self.lightest_ball;
        // A rounding's slack, so that 1/k computed by the caller is accepted.
        require("lightest_ball", mass, mass > 0.0 && mass * k <= 1.0 + 1e-12, "above 0, at most 1/n_balls")
    }
}

/// An error that names the field unless it is `valid`.
fn require(name: &'static str, value: f64, valid: bool, requirement: &'static str) -> Result<()> {
    if valid { Ok(()) } else { Err(Error::InvalidSetting { name, value, requirement }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBLEM: Problem = Problem {
        accuracy: 0.1,
        failure_probability: 0.05,
        dim: 10,
        n_balls: 5,
        radius: 5.0,
        ball_radius: 1.0,
        component_std: 0.5,
        lightest_ball: 0.2,
    };

    #[test]
    fn bounds_do_not_depend_on_the_unit_of_length() {
        let scaled = Problem { radius: 5e3, ball_radius: 1e3, component_std: 5e2, ..PROBLEM };
        let values = |p: &Problem| {
            [
                p.exponent().unwrap(),
                p.ln_sample_size().unwrap(),
                p.diffusion_time().unwrap(),
                p.n_levels().unwrap(),
                p.cell_radius(2.0 * p.component_std).unwrap() / p.component_std,
            ]
        };
        for (a, b) in values(&PROBLEM).into_iter().zip(values(&scaled)) {
            assert!((a - b).abs() <= 1e-12 * a.abs());
        }
    }

    #[test]
    fn harder_problems_need_more() {
        let harder = [
            Problem { accuracy: 0.05, ..PROBLEM },
            Problem { ball_radius: 2.0, ..PROBLEM },
            Problem { component_std: 0.4, ..PROBLEM },
        ];
        for problem in harder {
            assert!(problem.ln_sample_size().unwrap() > PROBLEM.ln_sample_size().unwrap());
            assert!(problem.polynomial_degree().unwrap() > PROBLEM.polynomial_degree().unwrap());
        }
        assert!(Problem { dim: 20, ..PROBLEM }.n_levels().unwrap() > PROBLEM.n_levels().unwrap());
    }

    #[test]
    fn huge_bounds_stay_finite_in_log_space() {
        let huge = Problem { accuracy: 1e-300, ball_radius: 1e3, radius: 1e4, dim: 1_000_000, ..PROBLEM };
        assert!(huge.ln_sample_size().unwrap().is_finite());
        assert!(huge.ln_coefficients(40).unwrap().is_finite());
    }

    #[test]
    fn coefficients_are_counted_exactly() {
        let coefficients = |dim, degree| Problem { dim, ..PROBLEM }.ln_coefficients(degree).unwrap().exp();
        for (dim, degree, expected) in
            [(1, 4, 5.0), (2, 3, 10.0), (10, 3, 286.0), (3, 0, 1.0), (3, 10, 286.0)]
        {
            assert!((coefficients(dim, degree) - expected).abs() < 1e-9);
        }
        // C(2n, n) is 4ⁿ/√(πn) to a relative 1/(8n).
        for n in [1_000_usize, 1_001, 1_000_000_000_000] {
            let found = Problem { dim: n, ..PROBLEM }.ln_coefficients(n).unwrap();
            let expected = n as f64 * 4.0_f64.ln() - 0.5 * (std::f64::consts::PI * n as f64).ln();
            assert!((found / expected - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn fields_out_of_range_are_named() {
        let wrong = [
            ("accuracy", Problem { accuracy: 0.0, ..PROBLEM }),
            ("failure_probability", Problem { failure_probability: f64::NAN, ..PROBLEM }),
            ("dim", Problem { dim: 0, ..PROBLEM }),
            ("n_balls", Problem { n_balls: 0, ..PROBLEM }),
            ("radius", Problem { radius: 0.5, ..PROBLEM }),
            ("component_std", Problem { component_std: 0.0, ..PROBLEM }),
            ("lightest_ball", Problem { lightest_ball: 0.3, ..PROBLEM }),
        ];
        for (field, problem) in wrong {
            match problem.exponent() {
                Err(Error::InvalidSetting { name, .. }) => assert_eq!(name, field),
                other => panic!("{other:?}"),
            }
        }
    }
}
