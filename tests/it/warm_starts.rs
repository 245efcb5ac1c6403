//! Every cluster of a mixture gets a cell near its true centre, for every seed.

use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{GaussianMixture, Law, targets};
use gmix_diffusion::{DiffusionLearner, VoronoiPartitioner};

/// A centre this near, in component standard deviations, has found its cluster.
const NEAR: f64 = 0.5;

/// The distance, in component standard deviations, from the true centre that is worst served to its
/// nearest centre of a cell.
fn farthest_centre(law: &GaussianMixture, learner: &DiffusionLearner, n: usize, seed: u64) -> f64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let model = learner.fit(&law.draw(n, &mut rng), &mut rng).unwrap();
    let nearest = |centre: &DMatrix<f64>| {
        model.centres().row_iter().map(|found| (found - centre).norm()).fold(f64::INFINITY, f64::min)
    };
    law.means().row_iter().map(|row| nearest(&DMatrix::from_rows(&[row]))).fold(0.0, f64::max)
}

fn assert_all_found(law: &GaussianMixture, learner: &DiffusionLearner, n: usize, seeds: u64) {
    // Both laws have a component standard deviation of 1.
    let distances: Vec<f64> = (0..seeds).map(|seed| farthest_centre(law, learner, n, seed)).collect();
    let found = distances.iter().filter(|distance| **distance < NEAR).count();
    println!("{found} of {seeds}, worst {:.3}", distances.iter().fold(0.0f64, |a, b| a.max(*b)));
    assert_eq!(found as u64, seeds, "{distances:.2?}");
}

/// The default: one coarse-to-fine search for all levels.
fn default() -> DiffusionLearner {
    DiffusionLearner::new().with_component_std(1.0)
}

/// Cells handed down from level to level.
fn level_by_level() -> DiffusionLearner {
    default().with_partitioner(VoronoiPartitioner::soft())
}

// Fewer rows and seeds than the promise, for speed; the whole of it is `all_of_twenty_seeds`.

#[test]
fn in_the_plane_by_default() {
    assert_all_found(&targets::gmm2d_k3(), &default(), 2000, 20);
}

#[test]
fn in_ten_dimensions_by_default() {
    assert_all_found(&targets::gmm10d_k5(), &default(), 2000, 10);
}

#[test]
fn in_the_plane_level_by_level() {
    assert_all_found(&targets::gmm2d_k3(), &level_by_level(), 2000, 5);
}

#[test]
fn in_ten_dimensions_level_by_level() {
    assert_all_found(&targets::gmm10d_k5(), &level_by_level(), 1500, 2);
}

/// Seven minutes with optimisation: `cargo test --release --test it warm_starts -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn all_of_twenty_seeds() {
    for law in [targets::gmm2d_k3(), targets::gmm10d_k5()] {
        for learner in [default(), level_by_level()] {
            assert_all_found(&law, &learner, 10_000, 20);
        }
    }
}
