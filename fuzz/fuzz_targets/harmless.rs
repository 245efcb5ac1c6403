use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::{DiffusionModel, ScoreModel};

/// What loads answers with finite numbers or errors. A large model would only take long.
pub fn assert_harmless(model: &DiffusionModel) {
    let dim = model.dim();
    if dim > 20 || model.score_model().levels().len() > 50 || model.centres().nrows() > 50 {
        return;
    }
    let (shift, scale) = (model.units().shift(), model.units().scale());
    let points = DMatrix::from_fn(3, dim, |i, j| shift[j] + scale[j] * (i as f64 - 1.0));
    if let Ok(densities) = model.log_density(&points) {
        // Off the affine hull of the rows there is no density.
        let none = model.units().hull_axes().is_some();
        assert!(densities.iter().all(|l| l.is_finite() || (none && *l == f64::NEG_INFINITY)), "{densities}");
    }
    let working = model.units().to_working(&points).expect("points of the right dimension");
    for level in model.score_model().levels().iter() {
        if let Ok(score) = model.score_model().score(*level, &working) {
            assert!(score.iter().all(|x| x.is_finite()), "{score}");
        }
    }
    if let Ok(responsibilities) = model.responsibilities(&points) {
        assert!(responsibilities.iter().all(|r| r.is_finite()), "{responsibilities}");
    }
    // A sampler's own grid may be long.
    let quick = model.clone().with_sampler(gmix_diffusion::Ddpm::new().with_steps(5));
    if let Ok(rows) = quick.and_then(|quick| quick.sample(3, &mut StdRng::seed_from_u64(1))) {
        assert!(rows.iter().all(|x| x.is_finite()), "{rows}");
    }
}
