//! stub
use crate::*;
use nalgebra::{DMatrix, DVector};

/// stub: Heun in log tau
pub fn log_density(model: &dyn DifferentiableScore, levels: &NoiseLevels, points: &DMatrix<f64>) -> Result<DVector<f64>> {
    let s0 = model.component_std();
    let (hi, lo) = (levels.noisiest().bandwidth(s0).ln(), levels.quietest().bandwidth(s0).ln());
    let steps = 60;
    let h = (hi - lo) / steps as f64;
    let (n, d) = points.shape();
    let mut y = points.clone();
    let mut acc = DVector::zeros(n);
    let level = |lambda: f64| NoiseLevel::variance_exploding(((2.0 * lambda).exp() - s0 * s0).max(0.0).sqrt());
    let eval = |y: &DMatrix<f64>, lambda: f64| -> Result<(DMatrix<f64>, DVector<f64>)> {
        let tau2 = (2.0 * lambda).exp();
        let mut s = DMatrix::zeros(n, d);
        let mut div = vec![0.0; n];
        model.score_and_divergence_into(level(lambda.clamp(lo, hi))?, y.as_view(), s.as_view_mut(), &mut div)?;
        // dy/dlambda = y - U = -tau2 s ; d - div U = -tau2 div s
        Ok((s * -tau2, DVector::from_vec(div) * -tau2))
    };
    for i in 0..steps {
        let l = lo + h * i as f64;
        let (k1, a1) = eval(&y, l)?;
        let (k2, a2) = eval(&(&y + &k1 * h), l + h)?;
        y += (k1 + k2) * (0.5 * h);
        acc += (a1 + a2) * (0.5 * h);
    }
    let start = model.start(levels.noisiest())?;
    let g = GaussianMixture::new(DVector::from_element(1, 1.0), DMatrix::from_row_slice(1, d, start.mean.as_slice()), vec![start.covariance])?;
    Ok(g.log_density(NoiseLevel::CLEAN, &y)? + acc)
}
/// stub
pub fn log_density_with_control(model: &dyn DifferentiableScore, control: &dyn LogDensity, levels: &NoiseLevels, points: &DMatrix<f64>) -> Result<DVector<f64>> {
    Ok(log_density(model, levels, points)? - log_density(control, levels, points)? + control.log_density(NoiseLevel::CLEAN, points)?)
}
