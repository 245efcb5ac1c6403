//! What is added to Gaussian cells has to earn its place: on laws that are Gaussian mixtures, shapes are added as
//! rarely as their test promises.

use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{DiffusionLearner, FitReport};

fn reports(law: &dyn Law, rows: usize, seeds: std::ops::Range<u64>) -> Vec<FitReport> {
    let fit = |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let rows = law.draw(rows, &mut rng);
        DiffusionLearner::new().fit(&rows, &mut rng).unwrap().report().clone()
    };
    seeds.map(fit).collect()
}

/// In one Gaussian fit of a hundred at most. Of 80 fits more than 4 with a shape would have probability .001.
#[test]
fn gaussian_mixtures_get_no_shapes() {
    let (one, two) = (targets::gmm1d_k2(), targets::gmm2d_k3());
    let laws: [(&dyn Law, u64); 2] = [(&one, 100), (&two, 200)];
    let fits: Vec<FitReport> =
        laws.iter().flat_map(|&(law, first)| reports(law, 500, first..first + 40)).collect();
    let shaped = fits.iter().filter(|report| report.radial_shape.is_some()).count();
    assert!(shaped <= 4, "{shaped} of {} fits have a radial shape", fits.len());
}

/// Blurred balls are told from Gaussians.
#[test]
fn blurred_balls_get_a_shape() {
    let law = targets::balls5d();
    for report in reports(&law, 10_000, 1..3) {
        assert!(report.radial_shape.is_some());
    }
}
