//! What the shipped samplers share: the steps they take, where they start, how a state advances.

use nalgebra::{DMatrix, SymmetricEigen};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::error::{Error, Result};
use crate::process::{NoiseLevel, NoiseLevels, geometric_steps, quietest_with_bandwidth};
use crate::score::{ScoreModel, centres_into};

/// The longest step in log τ by default. With exact scores of a Gaussian whose standard deviation is
/// 10³ σ₀ the variance of the draws was 5 % too large at .28, 1 % at .14.
const LONGEST_STEP: f64 = 0.15;

/// A saved sampler of more steps would not end.
#[cfg(feature = "serde")]
type MostSteps = crate::format::AtMost<1_000_000>;

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
    fn count(self, levels: &NoiseLevels, component_std: f64) -> Option<usize> {
        match self {
            Self::AsGiven => None,
            Self::Geometric(n) => Some(n),
            Self::AtLeast(n) => {
                let log = |level: NoiseLevel| level.bandwidth(component_std).ln();
                let quietest = quietest_with_bandwidth(levels, component_std)?;
                let length = log(levels.noisiest()) - log(quietest);
                Some(n.max((length / LONGEST_STEP).ceil() as usize))
            }
        }
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
        let to_zero = denoise_last || levels.quietest().bandwidth(component_std) == 0.0;
        let visited = match steps.count(levels, component_std) {
            Some(0) => {
                let requirement = "at least 1";
                return Err(Error::InvalidSetting {
                    name: "number of sampling steps",
                    value: 0.0,
                    requirement,
                });
            }
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

    /// Rows of the Gaussian that stands for Y/a at the noisiest level: `n` × d.
    pub(super) fn start(&self, n: usize, rng: &mut dyn Rng) -> Result<DMatrix<f64>> {
        let law = self.model.start(self.noisiest)?;
        let SymmetricEigen { eigenvalues, mut eigenvectors } = SymmetricEigen::new(law.covariance);
        for (mut column, value) in eigenvectors.column_iter_mut().zip(eigenvalues.iter()) {
            column *= value.max(0.0).sqrt() / self.noisiest.signal();
        }
        let noise: DMatrix<f64> = DMatrix::from_fn(n, law.mean.len(), |_, _| StandardNormal.sample(rng));
        let mut rows = noise * eigenvectors.transpose();
        for (mut column, mean) in rows.column_iter_mut().zip(law.mean.iter()) {
            column.add_scalar_mut(mean / self.noisiest.signal());
        }
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

/// The centres Û at the current step and at the one before it, for linear extrapolation in log τ.
pub(super) struct Centres {
    pub(super) current: DMatrix<f64>,
    previous: DMatrix<f64>,
    /// Length in log τ of the step from `previous` to `current`; none at the first,
    /// and after one of length 0.
    distance: Option<f64>,
}

impl Centres {
    pub(super) fn new(n: usize, dim: usize) -> Self {
        Self { current: DMatrix::zeros(n, dim), previous: DMatrix::zeros(n, dim), distance: None }
    }

    /// Makes room for the next centres, a step of `length` further. A step that is lost in rounding,
    /// where σ₀ is far above the noise, leaves nothing to extrapolate from.
    pub(super) fn advance(&mut self, length: f64) {
        std::mem::swap(&mut self.current, &mut self.previous);
        self.distance = (length > 0.0).then_some(length);
    }

    /// u ← decay · u + (1 − decay) · Û + slope · dÛ/dlog τ, the last term from the step before.
    pub(super) fn pull(&self, state: &mut DMatrix<f64>, decay: f64, slope: f64) {
        let lead = self.distance.map_or(0.0, |distance| slope / distance);
        let centres = self.current.as_slice().iter().zip(self.previous.as_slice());
        for (u, (now, before)) in state.as_mut_slice().iter_mut().zip(centres) {
            *u = decay * *u + (1.0 - decay) * now + lead * (now - before);
        }
    }
}

/// u ← u + std · z.
pub(super) fn add_noise(state: &mut DMatrix<f64>, std: f64, rng: &mut dyn Rng) {
    for u in state.as_mut_slice() {
        let z: f64 = StandardNormal.sample(rng);
        *u += std * z;
    }
}
