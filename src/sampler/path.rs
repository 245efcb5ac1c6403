//! What the shipped samplers share: the steps they take, where they start, how a state advances.

use nalgebra::DMatrix;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::error::{Error, Result};
use crate::process::{NoiseLevel, NoiseLevels, geometric_steps, quietest_with_bandwidth};
use crate::score::{ScoreModel, centres_into};

/// The longest step in log τ by default. With exact scores of a Gaussian whose standard deviation is
/// 10³ σ₀ the variance of the draws was 5 % too large at .28, 1 % at .14.
const LONGEST_STEP: f64 = 0.15;

/// A sampler of more steps would not end.
const MOST_STEPS: usize = 1_000_000;
#[cfg(feature = "serde")]
type MostSteps = crate::format::AtMost<MOST_STEPS>;

/// Which levels a sampler visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub(crate) enum Steps {
    /// The list's own.
    AsGiven,
    /// So many, geometric in the bandwidth τ between the ends of the list.
    Geometric(#[cfg_attr(feature = "serde", serde(with = "MostSteps"))] usize),
    /// The same, but as many more as keep every step below [`LONGEST_STEP`].
    AtLeast(#[cfg_attr(feature = "serde", serde(with = "MostSteps"))] usize),
}

impl Steps {
    /// How many steps geometric in τ; `None` for the list's own.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for none, or more than would end.
    fn count(self, levels: &NoiseLevels, component_std: f64) -> Result<Option<usize>> {
        let n = match self {
            Self::AsGiven => return Ok(None),
            Self::Geometric(n) => n,
            Self::AtLeast(n) => {
                let log = |level: NoiseLevel| level.bandwidth(component_std).ln();
                let Some(quietest) = quietest_with_bandwidth(levels, component_std) else { return Ok(None) };
                let length = log(levels.noisiest()) - log(quietest);
                n.max((length / LONGEST_STEP).ceil() as usize)
            }
        };
        if (1..=MOST_STEPS).contains(&n) {
            return Ok(Some(n));
        }
        let (name, requirement) = ("number of sampling steps", "between 1 and a million");
        Err(Error::InvalidSetting { name, value: n as f64, requirement })
    }

    /// Whether the model knows the levels to be visited, and can start at the first: no rows are drawn.
    pub(super) fn check(
        self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        component_std: f64,
    ) -> Result<()> {
        if model.dim() == 0 {
            return Err(Error::NoColumns);
        }
        let mut rows = DMatrix::zeros(0, model.dim());
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
        model.start_sample_into(levels.noisiest(), &mut rng, rows.as_view_mut())?;
        let visited = match self.count(levels, component_std)? {
            None => levels.to_vec(),
            Some(_) => geometric_steps(levels, component_std, 1)?,
        };
        let known = visited.into_iter().filter(|level| level.bandwidth(component_std) > 0.0);
        let state = rows.clone();
        known.into_iter().try_for_each(|level| centres_into(model, component_std, level, &state, &mut rows))
    }
}

/// A fall of the bandwidth from `from` to `to`, with the score known at `level`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) level: NoiseLevel,
    pub(super) from: f64,
    pub(super) to: f64,
    /// The level of `to`; none when `to` is 0, where no score is.
    pub(super) next: Option<NoiseLevel>,
}

impl Step {
    /// How far log τ falls.
    pub(super) fn length(&self) -> f64 {
        (self.from / self.to).ln()
    }
}

/// A reverse diffusion of the rows u = y/a, from the noisiest level to the quietest.
pub(super) struct Path<'a> {
    model: &'a dyn ScoreModel,
    component_std: f64,
    noisiest: NoiseLevel,
    pub(super) steps: Vec<Step>,
}

impl<'a> Path<'a> {
    /// The path to the law of Y/a at the quietest level, with bandwidths over `component_std`. When
    /// the quietest bandwidth is 0, or with `denoise_last`, the last step falls to 0.
    pub(super) fn new(
        model: &'a dyn ScoreModel,
        levels: &NoiseLevels,
        component_std: f64,
        steps: Steps,
        denoise_last: bool,
    ) -> Result<Self> {
        if model.dim() == 0 {
            return Err(Error::NoColumns);
        }
        let to_zero = denoise_last || levels.quietest().bandwidth(component_std) == 0.0;
        let visited = match steps.count(levels, component_std)? {
            Some(n) => geometric_steps(levels, component_std, if to_zero { n - 1 } else { n })?,
            None => levels.to_vec(),
        };
        // Where the bandwidth is 0 there is no score: the step to it ends at the denoiser.
        let positive: Vec<NoiseLevel> =
            visited.into_iter().filter(|level| level.bandwidth(component_std) > 0.0).collect();
        let mut steps: Vec<Step> = positive
            .windows(2)
            .map(|pair| Step {
                level: pair[0],
                from: pair[0].bandwidth(component_std),
                to: pair[1].bandwidth(component_std),
                next: Some(pair[1]),
            })
            .collect();
        if let (true, Some(&last)) = (to_zero, positive.last()) {
            steps.push(Step { level: last, from: last.bandwidth(component_std), to: 0.0, next: None });
        }
        Ok(Self { model, component_std, noisiest: levels.noisiest(), steps })
    }

    /// Draws of Y/a at the noisiest level: `n` × d.
    pub(super) fn start(&self, n: usize, rng: &mut dyn Rng) -> Result<DMatrix<f64>> {
        let mut rows = DMatrix::zeros(n, self.model.dim());
        self.model.start_sample_into(self.noisiest, rng, rows.as_view_mut())?;
        rows /= self.noisiest.signal();
        Ok(rows)
    }

    /// Writes the centre denoiser at `level` of the rows `state` into `centres`, both n × d.
    pub(super) fn centres_into(
        &self,
        level: NoiseLevel,
        state: &DMatrix<f64>,
        centres: &mut DMatrix<f64>,
    ) -> Result<()> {
        centres_into(self.model, self.component_std, level, state, centres)
    }
}

/// The centres Û along a path: where it is, and at the step before.
///
/// Between two levels they move linearly in log τ. A step begins with how they moved along the one before, since where it
/// leads is not known yet; once it has arrived and the centres there are known, it is corrected by how they did move
/// (the explicit and the implicit form of order two in turn, one evaluation a step).
pub(super) struct Centres {
    pub(super) current: DMatrix<f64>,
    previous: DMatrix<f64>,
    /// The centres where the last step arrived, where rows have been moved from there since.
    arrived: Option<DMatrix<f64>>,
    /// Length in log τ of the step from `previous` to `current`; none at the first,
    /// and after one of length 0.
    distance: Option<f64>,
    /// What the last step has added for the motion of the centres.
    added: DMatrix<f64>,
    /// What it adds for each unit by which they moved; none where it knows of no motion, or has been corrected.
    share: Option<f64>,
}

impl Centres {
    pub(super) fn new(n: usize, dim: usize) -> Self {
        Self {
            current: DMatrix::zeros(n, dim),
            previous: DMatrix::zeros(n, dim),
            arrived: None,
            distance: None,
            added: DMatrix::zeros(n, dim),
            share: None,
        }
    }

    /// u ← decay · u + (1 − decay) · Û + slope · dÛ/dlog τ after a step of `length`, the last term from the step before;
    /// and makes room for the next centres. A step that is lost in rounding, where σ₀ is far above the noise, leaves
    /// nothing to extrapolate from.
    pub(super) fn pull(&mut self, state: &mut DMatrix<f64>, decay: f64, slope: f64, length: f64) {
        let lead = self.distance.map_or(0.0, |distance| slope / distance);
        let arrived = self.arrived.as_ref().unwrap_or(&self.current);
        let moved = arrived.as_slice().iter().zip(self.previous.as_slice());
        let added = self.added.as_mut_slice().iter_mut().zip(moved);
        for ((u, now), (added, (after, before))) in
            state.as_mut_slice().iter_mut().zip(self.current.as_slice()).zip(added)
        {
            *added = lead * (after - before);
            *u = decay * *u + (1.0 - decay) * now + *added;
        }
        std::mem::swap(&mut self.current, &mut self.previous);
        self.arrived = None;
        self.distance = (length > 0.0).then_some(length);
        self.share = self.distance.filter(|_| slope != 0.0).map(|length| slope / length);
    }

    /// Corrects the last step, the centres being known where it has arrived.
    pub(super) fn correct(&mut self, state: &mut DMatrix<f64>) {
        if let Some(share) = self.share.take() {
            correct(state, share, &self.current, &self.previous, &self.added);
        }
    }

    /// The same, the centres there being `centres`, before anything else moves the rows.
    pub(super) fn arrive(&mut self, state: &mut DMatrix<f64>, centres: &DMatrix<f64>) {
        if let Some(share) = self.share.take() {
            correct(state, share, centres, &self.previous, &self.added);
        }
        self.arrived = Some(centres.clone());
    }
}

/// u ← u + share · (now − before) − added.
fn correct(
    state: &mut DMatrix<f64>,
    share: f64,
    now: &DMatrix<f64>,
    before: &DMatrix<f64>,
    added: &DMatrix<f64>,
) {
    let moved = now.as_slice().iter().zip(before.as_slice()).zip(added.as_slice());
    for (u, ((now, before), added)) in state.as_mut_slice().iter_mut().zip(moved) {
        *u += share * (now - before) - added;
    }
}

/// u ← u + std · z.
pub(super) fn add_noise(state: &mut DMatrix<f64>, std: f64, rng: &mut dyn Rng) {
    for u in state.as_mut_slice() {
        let z: f64 = StandardNormal.sample(rng);
        *u += std * z;
    }
}
