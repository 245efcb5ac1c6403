//! What the model draws and what it says of the density are one law: both are at the same distance from
//! the truth.

use gmix_diffusion::metrics::total_variation;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::targets;
use gmix_diffusion::{DiffusionLearner, NoiseLevel};

/// With p the truth, q the model's density and q′ the law of its draws, E_p(1 − q/p)₊ is the total
/// variation distance of p and q, and E_q′(1 − p/q)₊ is the same number if q′ = q. Each mean has a
/// standard error below .0013 at 20,000 rows: .01 is more than five of their difference.
#[test]
fn both_are_at_one_distance_from_the_truth() {
    let laws = targets::all();
    for (name, seed) in [("gmm1d_k2", 1), ("gmm2d_k3", 2), ("ring2d", 3), ("balls5d", 4)] {
        let (_, law) = laws.iter().find(|(other, _)| *other == name).expect("a benchmark law");
        let mut rng = StdRng::seed_from_u64(seed);
        let model = DiffusionLearner::new().fit(&law.draw(3_000, &mut rng), &mut rng).unwrap();
        let rows = law.draw(20_000, &mut rng);
        let from_truth = total_variation(
            law.log_density(NoiseLevel::CLEAN, &rows).unwrap().as_slice(),
            model.log_density(&rows).unwrap().as_slice(),
        );
        let drawn = model.sample(20_000, &mut rng).unwrap();
        let from_model = total_variation(
            model.log_density(&drawn).unwrap().as_slice(),
            law.log_density(NoiseLevel::CLEAN, &drawn).unwrap().as_slice(),
        );
        let (from_truth, from_model) = (from_truth.unwrap().value, from_model.unwrap().value);
        println!("{name} {from_truth:.4} {from_model:.4}");
        assert!((from_truth - from_model).abs() < 0.01, "{name}: {from_truth:.4} and {from_model:.4}");
    }
}
