use gmix_diffusion::nalgebra::DMatrixViewMut;
use gmix_diffusion::rand::Rng;
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use gmix_diffusion::{NoiseLevels, Result, Sampler, ScoreModel};

/// DDIM with a share η of fresh noise in each step, between the probability flow at η = 0 and DDPM at
/// η = 1 (Song, Meng, Ermon 2021, arXiv 2010.02502, equation 12), for the rows u = y/a:
///
/// u′ = Û + √(τ′² − ν²)/τ (u − Û) + ν z, ν = η τ′ √(1 − τ′²/τ²), τ² = σ₀² + s²/a²,
///
/// with the centre denoiser Û = u + τ² a ∇log p(a u).
#[derive(Debug)]
pub(crate) struct Ddim {
    /// η, from 0 to 1.
    pub(crate) fresh_noise: f64,
}

impl Sampler for Ddim {
    fn sample_into(
        &self,
        model: &dyn ScoreModel,
        levels: &NoiseLevels,
        rng: &mut dyn Rng,
        mut rows: DMatrixViewMut<'_, f64>,
    ) -> Result<()> {
        model.start_sample_into(levels.noisiest(), rng, rows.as_view_mut())?;
        rows /= levels.noisiest().signal();
        for step in levels.windows(2) {
            let (tau, next) =
                (step[0].bandwidth(model.component_std()), step[1].bandwidth(model.component_std()));
            let fresh = self.fresh_noise * next * (1.0 - (next / tau).powi(2)).sqrt();
            let kept = (next.powi(2) - fresh.powi(2)).sqrt() / tau;
            let signal = step[0].signal();
            let score = model.score(step[0], &(&rows * signal))?;
            for (u, score) in rows.iter_mut().zip(score.iter()) {
                let centre = *u + tau * tau * signal * score;
                let z: f64 = StandardNormal.sample(rng);
                *u = centre + kept * (*u - centre) + fresh * z;
            }
        }
        Ok(())
    }
}
