//! What a fit says of itself is true: losses, the path of cells, warnings, work.

use gmix_diffusion::check::check_divergence;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{
    DiffusionLearner, DiffusionModel, FitWarning, GaussianPartitioner, NoiseLevels, SingleCell,
};

use crate::fits::{learner, normals};

fn fit(learner: &DiffusionLearner, rows: &DMatrix<f64>) -> DiffusionModel {
    learner.fit(rows, &mut StdRng::seed_from_u64(2)).unwrap()
}

/// Of N(0, 1) = N(0, λ) + N(0, σ₀²) a level of bandwidth τ leaves τ²/(λ + τ²) of the centres' variance unknown.
#[test]
fn the_losses_of_a_gaussian_are_those_of_its_posterior() {
    let model = fit(&learner(Some(0.5)).with_partitioner(SingleCell), &normals(4000, 1));
    for level in &model.report().levels {
        let square = level.level.noise().powi(2) + 0.25;
        let expected = square / (0.75 + square);
        let (own, held_out) = (level.mixture_loss.unwrap(), level.held_out_loss.unwrap());
        // What is averaged over rows is a square, as is the variance by which it is divided.
        let std_error = 2.0 * (2.0 / 4000f64).sqrt() / 0.75;
        assert!((own - expected).abs() < 4.5 * std_error, "{own} {expected} ± {std_error}");
        if level.degree.is_none() {
            assert_eq!(held_out, own);
        }
    }
}

#[test]
fn one_number_of_cells_is_chosen_however_many_rows_there_are() {
    for n in [3000, 12_000] {
        let rows = targets::gmm2d_k3().draw(n, &mut StdRng::seed_from_u64(1));
        let model = fit(&DiffusionLearner::new(), &rows);
        let path = &model.report().cell_path;
        let chosen: Vec<f64> = path.iter().filter(|tried| tried.chosen).map(|tried| tried.cells).collect();
        assert_eq!(chosen, [3.0], "{n}");
        // The best is behind itself by nothing, and what another is behind is known to 1/√n of a likelihood's spread.
        let best = path.iter().map(|tried| tried.log_likelihood).fold(f64::NEG_INFINITY, f64::max);
        for tried in path {
            assert!(
                tried.log_likelihood > best - 3.0 && tried.std_error < 3.0 / (n as f64).sqrt(),
                "{tried:?}"
            );
        }
        // Unit Gaussians in the plane that hardly overlap: Σ w log w − (1 + log 2π).
        let masses: f64 = [0.5, 0.3, 0.2].iter().map(|w: &f64| w * w.ln()).sum();
        let expected = masses - 1.0 - std::f64::consts::TAU.ln();
        let found = path.iter().rfind(|tried| tried.chosen).unwrap().log_likelihood;
        assert!((found - expected).abs() < 0.1, "{n}: {found} {expected}");
    }
}

#[test]
fn levels_too_far_apart_are_a_warning_and_the_default_ones_are_none() {
    let rows = normals(600, 1);
    let single = learner(Some(0.1)).with_partitioner(SingleCell);
    let coarse = |learner: &DiffusionLearner| {
        let model = fit(learner, &rows);
        model.report().warnings.iter().any(|warning| matches!(warning, FitWarning::CoarseSchedule { .. }))
    };
    assert!(!coarse(&single));
    // E[X | Y = y] is y/2 at the first level and nearly y at the second: √2/2 bandwidths apart, on average.
    let two = NoiseLevels::variance_exploding([1.0, 0.05]).unwrap();
    assert!(coarse(&single.with_schedule(two)));
}

/// As many rows of every law, some of ten columns: σ₀ itself or half of it is no reason to warn; 1.4 times as much is
/// where the rows show the blur, and twice as much for all laws.
#[test]
fn a_component_std_larger_than_the_blur_is_a_warning() {
    for (name, law) in targets::all() {
        let shows_the_blur = ["gmm2d_k3", "gmm10d_k5", "ring2d", "sphere10d", "balls5d"].contains(&name);
        for (factor, expected) in [(0.5, false), (1.0, false), (1.4, true), (2.0, true)] {
            if factor == 1.4 && !shows_the_blur {
                continue;
            }
            for seed in 1..=3 {
                let rows = law.draw(2000, &mut StdRng::seed_from_u64(seed));
                let learner = DiffusionLearner::fast().with_component_std(factor * law.component_std());
                let model = fit(&learner, &rows);
                let too_large =
                    |warning: &FitWarning| matches!(warning, FitWarning::ComponentStdTooLarge { .. });
                let warned = model.report().warnings.iter().filter(|warning| too_large(warning)).count();
                assert_eq!(warned, usize::from(expected), "{name}, {factor}, seed {seed}");
            }
        }
    }
}

#[test]
fn presets_are_the_parts_that_their_documentation_names() {
    let rows = targets::gmm2d_k3().draw(600, &mut StdRng::seed_from_u64(1));
    let density = |learner: DiffusionLearner| fit(&learner, &rows).log_density(&rows).unwrap();
    let with = |estimator| density(DiffusionLearner::new().with_mixture(estimator));
    let fast = density(DiffusionLearner::fast());
    assert_eq!(fast, with(GaussianPartitioner::default().with_paths(1)));
    assert_ne!(fast, density(DiffusionLearner::new()));
    let thorough = density(DiffusionLearner::thorough());
    assert_eq!(thorough, with(GaussianPartitioner::default().with_average_within(1.0)));
}

/// In working units of 1000 a divergence is a million times that in the data's.
#[test]
fn divergences_are_in_the_units_of_the_data() {
    for (scale, std) in [(1e3, 500.0), (1e-2, 0.005)] {
        let rows = normals(300, 2) * scale;
        let model = fit(&learner(Some(std)), &rows);
        let levels = NoiseLevels::variance_exploding([2.0 * scale, 0.3 * scale]).unwrap();
        check_divergence(&model, &levels, &rows.rows(0, 20).into_owned()).unwrap();
    }
}
