use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::{CrossFittedMixture, FoldedSample, MixtureEstimator, MixtureParameters, Result};

/// One Gaussian for every quadrant around the mean, with the moments of the rows there.
#[derive(Debug)]
pub(crate) struct Quadrants;

impl MixtureEstimator for Quadrants {
    fn mixture(&self, sample: &FoldedSample) -> Result<CrossFittedMixture> {
        let folds = (0..sample.n_folds).map(|fold| quadrants(sample, |own| own != fold)).collect();
        Ok(CrossFittedMixture::new(folds, quadrants(sample, |_| true)))
    }
}

/// The mixture of the rows in folds that take part.
fn quadrants(sample: &FoldedSample, takes_part: impl Fn(usize) -> bool) -> MixtureParameters {
    let (n, dim) = sample.rows.shape();
    // Which side of the mean, an axis each, as the digits of a binary number.
    let quadrant =
        |i: usize| (0..dim).filter(|&axis| sample.rows[(i, axis)] > 0.0).map(|axis| 1 << axis).sum();
    let mut masses = Vec::new();
    let mut means = Vec::new();
    let mut covariances = Vec::new();
    for cell in 0..1_usize << dim {
        let members: Vec<usize> =
            (0..n).filter(|&i| takes_part(sample.folds[i]) && cell == quadrant(i)).collect();
        let weights = DVector::from_iterator(members.len(), members.iter().map(|&i| sample.weights[i]));
        let mass = weights.sum();
        if members.len() <= dim || mass <= 0.0 {
            continue;
        }
        let rows = sample.rows.select_rows(&members);
        let mean = rows.tr_mul(&weights) / mass;
        let centred = DMatrix::from_fn(members.len(), dim, |i, axis| rows[(i, axis)] - mean[axis]);
        let weighted = DMatrix::from_fn(members.len(), dim, |i, axis| weights[i] * centred[(i, axis)]);
        let covariance = centred.tr_mul(&weighted) / mass;
        covariances.push((&covariance + covariance.transpose()) / 2.0);
        masses.push(mass);
        means.push(mean.transpose());
    }
    let masses = DVector::from_vec(masses);
    MixtureParameters { masses: &masses / masses.sum(), means: DMatrix::from_rows(&means), covariances }
}
