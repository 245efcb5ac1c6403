use nalgebra::{DMatrix, DMatrixViewMut};
use rand::Rng;

use super::ddpm::{DEFAULT_STEPS, ancestral_step};
use super::path::{Centres, Path, Steps, add_noise};
use super::traits::Sampler;
use crate::error::{Error, Result};
use crate::process::NoiseLevels;
use crate::score::ScoreModel;
use crate::shapes::check_room;

const DEFAULT_CORRECTIONS: usize = 1;
const DEFAULT_STEP_SIZE: f64 = 0.1;

/// A saved sampler of more corrections a step would not end.
#[cfg(feature = "serde")]
type MostCorrections = crate::format::AtMost<1_000>;

/// Ancestral steps, each but the last followed by Langevin steps at the level it has reached.
///
/// A corrector step of size ε moves u by the Langevin equation du = τ² a ∇log p dt + τ √2 dW for a
/// time ε, with the centre held fixed,
///
/// u ← Û + e^{−ε} (u − Û) + τ √(1 − e^{−2ε}) z,
///
/// so that for a Gaussian component of standard deviation τ any ε leaves the law unchanged; the plain
/// Euler step would inflate its variance by a factor 1/(1 − ε/2). Where the centre moves with u, holding it
/// loses variance, of second order in ε, and the loss adds up from step to step. So the next evaluation, which
/// is made anyway, mends the step by the midpoint rule: u ← u + δ/(2 − δ) (Û_now − Û_held), δ = 1 − e^{−ε}. The
/// predictor takes the motion of Û from what its own steps did to it; what correctors do is noise to that. (With the
/// centre held, and their moves extrapolated, the variance of draws came out 1 to 5 % wrong; it is within .1 % for
/// a Gaussian of up to three component widths, as that of [`Ddpm`](crate::Ddpm).)
///
/// Correctors forget what the predictor got wrong, at the price of one evaluation each (Song et al. 2021,
/// arXiv 2011.13456, algorithm 4; their signal-to-noise ratio r is √(ε/2) here, with r = .16 at ε = .05).
///
/// The default is 30 predictor steps, geometric in τ and more where they would be longer than .15 in
/// log τ, with one corrector step of ε = 0.1 after each but the last: 59 evaluations.
///
/// # Examples
/// ```
/// use gmix_diffusion::nalgebra::DMatrix;
/// use gmix_diffusion::rand::{SeedableRng, rngs::SmallRng};
/// use gmix_diffusion::{GaussianMixture, NoiseLevels, PredictorCorrector, Sampler};
///
/// let model = GaussianMixture::kernel(&DMatrix::from_row_slice(1, 1, &[3.0]), 0.5)?;
/// let levels = NoiseLevels::variance_exploding([10.0, 0.0])?;
/// let sampler = PredictorCorrector::new().with_steps(10).with_corrections(2);
/// let rows = sampler.sample(&model, &levels, 1_000, &mut SmallRng::seed_from_u64(1))?;
/// assert!((rows.mean() - 3.0).abs() < 0.1);
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct PredictorCorrector {
    pub(crate) steps: Steps,
    #[cfg_attr(feature = "serde", serde(with = "MostCorrections"))]
    pub(crate) corrections: usize,
    #[cfg_attr(feature = "serde", serde(with = "crate::format::finite"))]
    pub(crate) step_size: f64,
}

impl PredictorCorrector {
    /// 30 predictor steps, or as many as keep them below .15 in log τ, with one corrector step of size 0.1 after each
    /// but the last.
    pub fn new() -> Self {
        Self {
            steps: Steps::AtLeast(DEFAULT_STEPS),
            corrections: DEFAULT_CORRECTIONS,
            step_size: DEFAULT_STEP_SIZE,
        }
    }

    /// Takes `steps` predictor steps, geometric in τ between the ends of the levels; default 30 or more.
    ///
    /// Zero is an error where the sampler is put in, and when sampling.
    pub fn with_steps(self, steps: usize) -> Self {
        Self { steps: Steps::Geometric(steps), ..self }
    }

    /// Visits the levels as given, for models that know no others.
    pub fn with_given_levels(self) -> Self {
        Self { steps: Steps::AsGiven, ..self }
    }

    /// Corrector steps after each predictor step but the last; default 1, 0 is [`Ddpm`](crate::Ddpm).
    pub fn with_corrections(self, corrections: usize) -> Self {
        Self { corrections, ..self }
    }

    /// Langevin time ε of a corrector step in units of τ²; default 0.1.
    ///
    /// Anything but a positive finite number is an error where the sampler is put in, and when sampling.
    pub fn with_step_size(self, step_size: f64) -> Self {
        Self { step_size, ..self }
    }

    fn check_step_size(&self) -> Result<()> {
        if self.step_size > 0.0 && self.step_size.is_finite() {
            return Ok(());
        }
        let (name, requirement) = ("corrector step size", "positive and finite");
        Err(Error::InvalidSetting { name, value: self.step_size, requirement })
    }
}

impl Default for PredictorCorrector {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler for PredictorCorrector {
    fn sample_into(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        rng: &mut dyn Rng,
        mut rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        check_room(model.dim(), &rows)?;
        self.check_step_size()?;
        let path = Path::new(model, levels, model.component_std(), self.steps, false)?;
        let decay = (-self.step_size).exp();
        // δ/(2 − δ) for δ = 1 − e^{−ε}.
        let midpoint = (1.0 - decay) / (1.0 + decay);
        let mut state = path.start(rows.nrows(), rng)?;
        let mut centres = Centres::new(rows.nrows(), rows.ncols());
        // The centres of the corrector step before, if there was one at this level.
        let mut held: Option<DMatrix<f64>> = None;
        let mut now = DMatrix::zeros(rows.nrows(), rows.ncols());
        for (index, step) in path.steps.iter().enumerate() {
            path.centres_into(step.level, &state, &mut centres.current)?;
            centres.correct(&mut state);
            follow(&mut state, held.take(), &centres.current, midpoint);
            ancestral_step(step, &mut centres, true, &mut state, rng);
            let Some(level) = step.next.filter(|_| index + 1 < path.steps.len()) else { break };
            for correction in 0..self.corrections {
                path.centres_into(level, &state, &mut now)?;
                if correction == 0 {
                    centres.arrive(&mut state, &now);
                }
                follow(&mut state, held.take(), &now, midpoint);
                state.zip_apply(&now, |u, centre| *u = decay * *u + (1.0 - decay) * centre);
                add_noise(&mut state, step.to * (1.0 - decay * decay).sqrt(), rng);
                held = Some(now.clone());
            }
        }
        rows.copy_from(&state);
        Ok(())
    }

    fn check(&self, model: &dyn ScoreModel, levels: &NoiseLevels) -> Result<()> {
        self.check_step_size()?;
        self.steps.check(model, levels, model.component_std())
    }
}

/// What a corrector step with its centre `held` lacks of the midpoint rule, once the centre is known that it has
/// led to.
fn follow(state: &mut DMatrix<f64>, held: Option<DMatrix<f64>>, centre: &DMatrix<f64>, share: f64) {
    if let Some(held) = held {
        state.zip_zip_apply(centre, &held, |u, now, before| *u += share * (now - before));
    }
}
