//! The number of cells is the number of components, whatever the draw: no local optima.
//!
//! `DRAWS=100 cargo test --release --test it -- right_number_of_cells::` for more draws than the usual ten.

use gmix_diffusion::DiffusionLearner;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};

/// In how many of the draws the number of cells is not `components`; of a hundred two at most may be, of
/// ten one.
fn assert_counted(law: &dyn Law, components: usize) {
    let draws: u64 = std::env::var("DRAWS").map_or(10, |draws| draws.parse().expect("DRAWS is a number"));
    let wrong = (0..draws).filter(|&seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let rows = law.draw(10_000, &mut rng);
        let model = DiffusionLearner::new().fit(&rows, &mut rng).unwrap();
        model.centres().nrows() != components
    });
    let wrong: Vec<u64> = wrong.collect();
    println!("not {components} cells: {wrong:?} of {draws} draws");
    assert!(wrong.len() as u64 <= (draws / 50).max(1), "{wrong:?}");
}

#[test]
fn of_two_gaussians_on_the_line() {
    assert_counted(&targets::gmm1d_k2(), 2);
}

#[test]
fn of_three_gaussians_in_the_plane() {
    assert_counted(&targets::gmm2d_k3(), 3);
}

#[test]
fn of_five_gaussians_in_ten_dimensions() {
    assert_counted(&targets::gmm10d_k5(), 5);
}

#[test]
fn of_three_gaussians_of_any_covariance() {
    assert_counted(&targets::gmm5d_k3_gencov(), 3);
}

#[test]
fn of_three_stretched_clusters_that_cross() {
    assert_counted(&targets::stretched2d_k3(), 3);
}
