//! Points, rows and room for answers of another shape are errors at every door, never a panic.

use gmix_diffusion::check::{check_divergence, check_log_density, check_score_model};
use gmix_diffusion::metrics::{energy_distance, score_error, sliced_wasserstein, total_variation};
use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Ball, Curve, MixtureOfLaws, Segment, Sphere};
use gmix_diffusion::{
    CentreEstimates, Ddpm, DifferentiableScore, DiffusionLearner, DiffusionModel, Error, ExactSampler,
    FoldedSample, GaussianCells, GaussianMixture, LogDensity, NoiseLevel, NoiseLevels, NumericalDivergence,
    Partition, Partitioner, PredictorCorrector, ProbabilityFlow, Result, Rows, Sampler, ScoreModel,
    VoronoiCells, VoronoiPartitioner, log_density, log_density_with_control,
};

use crate::fits::{learner, normals};

const LEVEL: NoiseLevel = NoiseLevel::CLEAN;

fn rng() -> StdRng {
    StdRng::seed_from_u64(3)
}

#[track_caller]
fn assert_mismatch<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::ShapeMismatch { .. })), "{result:?}");
}

/// Shapes of points and of the room for scores that do not go together in two dimensions.
fn wrong_pairs() -> [(DMatrix<f64>, DMatrix<f64>); 4] {
    [((4, 3), (4, 3)), ((4, 1), (4, 2)), ((4, 2), (4, 3)), ((4, 2), (5, 2))]
        .map(|(points, room)| (normals(points.0, points.1), DMatrix::zeros(room.0, room.1)))
}

#[track_caller]
fn assert_score_is_guarded(model: &dyn ScoreModel) {
    for (points, mut room) in wrong_pairs() {
        assert_mismatch(model.score_into(LEVEL, points.as_view(), room.as_view_mut()));
        assert_mismatch(model.denoise_into(LEVEL, points.as_view(), room.as_view_mut()));
    }
    assert_mismatch(model.score(LEVEL, &normals(4, 3)));
    assert_mismatch(model.denoise(LEVEL, &normals(4, 3)));
    let mut room = DMatrix::zeros(4, 3);
    let drawn = model.exact_sample_into(&mut rng(), room.as_view_mut());
    assert!(matches!(drawn, Err(Error::ShapeMismatch { .. } | Error::NoExactDraws)), "{drawn:?}");
}

#[track_caller]
fn assert_divergence_is_guarded(model: &dyn DifferentiableScore) {
    assert_score_is_guarded(model);
    for (points, mut room) in wrong_pairs() {
        let mut values = vec![0.0; points.nrows()];
        assert_mismatch(model.score_and_divergence_into(
            LEVEL,
            points.as_view(),
            room.as_view_mut(),
            &mut values,
        ));
    }
    let (points, mut room) = (normals(4, 2), DMatrix::zeros(4, 2));
    for length in [0, 3, 5] {
        let mut values = vec![0.0; length];
        assert_mismatch(model.score_and_divergence_into(
            LEVEL,
            points.as_view(),
            room.as_view_mut(),
            &mut values,
        ));
    }
    let levels = NoiseLevels::variance_exploding([3.0, 0.0]).unwrap();
    assert_mismatch(log_density(model, &levels, &normals(4, 3)));
    assert_mismatch(check_divergence(model, &levels, &normals(4, 3)));
}

#[track_caller]
fn assert_density_is_guarded(law: &dyn LogDensity) {
    assert_divergence_is_guarded(law);
    for (n, dim, length) in [(4, 3, 4), (4, 1, 4), (4, 2, 3), (4, 2, 5)] {
        let mut values = vec![0.0; length];
        assert_mismatch(law.log_density_into(LEVEL, normals(n, dim).as_view(), &mut values));
    }
    assert_mismatch(law.log_density(LEVEL, &normals(4, 3)));
}

fn model(learner: DiffusionLearner) -> DiffusionModel {
    learner.fit(&normals(100, 2), &mut rng()).unwrap()
}

#[test]
fn learned_scores_and_models_guard_their_doors() {
    for model in [model(learner(Some(0.5))), model(DiffusionLearner::paper().with_component_std(0.5))] {
        assert_divergence_is_guarded(&model);
        assert_divergence_is_guarded(model.score_model());
        assert_mismatch(model.log_density(&normals(4, 3)));
        assert_mismatch(model.responsibilities(&normals(4, 1)));
        assert_mismatch(model.assign(&normals(4, 1)));
    }
}

#[test]
fn closed_forms_guard_their_doors() {
    let spherical = GaussianMixture::kernel(&normals(5, 2), 1.0).unwrap();
    let masses = DVector::from_element(2, 0.5);
    let covariances = vec![DMatrix::identity(2, 2); 2];
    let general = GaussianMixture::new(masses, normals(2, 2), covariances).unwrap();
    assert_density_is_guarded(&spherical);
    assert_density_is_guarded(&general);
    assert_mismatch(spherical.responsibilities(LEVEL, &normals(4, 3)));
    assert_mismatch(general.responsibilities(LEVEL, &normals(4, 3)));
    assert_divergence_is_guarded(&NumericalDivergence(spherical));
    let sphere = || Sphere::circle(3.0, 2, 0.2).unwrap();
    assert_density_is_guarded(&sphere());
    assert_density_is_guarded(&Ball::new(DVector::zeros(2), 0.5, 0.1).unwrap());
    assert_density_is_guarded(&Segment::new(DVector::zeros(2), DVector::repeat(2, 1.0), 0.1).unwrap());
    assert_density_is_guarded(&Curve::new(|t| DVector::from_vec(vec![t, t * t]), 0.1).unwrap());
    assert_density_is_guarded(&MixtureOfLaws::new(vec![(1.0, Box::new(sphere()))]).unwrap());
}

#[test]
fn laws_of_other_dimensions_do_not_mix() {
    let sphere = |dim| Sphere::circle(3.0, dim, 0.2).unwrap();
    assert_mismatch(MixtureOfLaws::new(vec![(1.0, Box::new(sphere(2))), (1.0, Box::new(sphere(3)))]));
    assert_mismatch(Segment::new(DVector::zeros(2), DVector::repeat(3, 1.0), 0.1));
    let (flat, deep) = (normals(5, 2), normals(5, 3));
    assert_mismatch(energy_distance(&flat, &deep));
    assert_mismatch(sliced_wasserstein(&flat, &deep, 5, &mut rng()));
    assert_mismatch(total_variation(&[0.0; 3], &[0.0; 2]));
    let levels = NoiseLevels::variance_exploding([3.0, 0.5]).unwrap();
    let [in_two, in_three] = [&flat, &deep].map(|rows| GaussianMixture::kernel(rows, 1.0).unwrap());
    assert_mismatch(score_error(&in_two, &in_three, &levels, &flat, &mut rng()).map(|error| error.by_level));
    assert_mismatch(log_density_with_control(&in_two, &in_three, &levels, &flat));
    assert_mismatch(log_density_with_control(&in_three, &in_two, &levels, &flat));
    assert_mismatch(check_score_model(&in_two, &levels, &deep));
    assert_mismatch(check_log_density(&in_two, &levels, &deep));
}

#[test]
fn samplers_fill_rows_of_the_model_s_dimension_only() {
    let mixture = GaussianMixture::kernel(&normals(5, 2), 1.0).unwrap();
    let levels = NoiseLevels::variance_exploding([3.0, 0.0]).unwrap();
    let samplers: [Box<dyn Sampler>; 4] = [
        Box::new(Ddpm::new()),
        Box::new(ProbabilityFlow::new()),
        Box::new(PredictorCorrector::new()),
        Box::new(ExactSampler),
    ];
    for sampler in samplers {
        for dim in [0, 1, 3] {
            let mut rows = DMatrix::zeros(4, dim);
            assert_mismatch(sampler.sample_into(&mixture, &levels, &mut rng(), rows.as_view_mut()));
        }
    }
}

#[test]
fn units_take_rows_of_their_own_dimension_only() {
    let plain = model(learner(Some(0.5)));
    let units = plain.units();
    assert_eq!(units.to_data(&units.to_working(&normals(4, 2)).unwrap()).unwrap().shape(), (4, 2));
    for dim in [0, 1, 3] {
        assert_mismatch(units.to_working(&normals(4, dim)));
        assert_mismatch(units.to_data(&normals(4, dim)));
    }
    let on_a_line = normals(100, 2).insert_column(1, 7.0);
    let flat = learner(None).fit(&on_a_line, &mut rng()).unwrap();
    assert_mismatch(flat.units().to_working(&normals(4, 2)));
    assert_mismatch(flat.units().to_data(&normals(4, 3)));
}

#[test]
fn cells_take_points_of_their_own_dimension_only() {
    let masses = DVector::from_element(2, 0.5);
    let covariances = vec![DMatrix::identity(2, 2); 2];
    let cells: [Box<dyn Partition>; 3] = [
        Box::new(VoronoiCells::hard(normals(2, 2)).unwrap()),
        Box::new(VoronoiCells::soft(normals(2, 2), masses.clone()).unwrap()),
        Box::new(GaussianCells::new(masses, normals(2, 2), covariances).unwrap()),
    ];
    for cells in &cells {
        assert_mismatch(cells.responsibilities(1.0, &normals(4, 3)));
        for (points, room) in [((4, 1), (4, 2)), ((4, 2), (4, 3)), ((4, 2), (3, 2))] {
            let (points, mut room) = (normals(points.0, points.1), DMatrix::zeros(room.0, room.1));
            assert_mismatch(cells.log_weights_into(1.0, points.as_view(), room.as_view_mut()));
            assert_mismatch(cells.log_weight_gradient_into(1.0, 0, points.as_view(), room.as_view_mut()));
        }
    }
}

#[test]
fn partitioners_take_estimates_of_one_shape_only() {
    let elsewhere: std::sync::Arc<dyn Partition> =
        std::sync::Arc::new(VoronoiCells::hard(normals(3, 3)).unwrap());
    let rows = normals(50, 2);
    for partitioner in [VoronoiPartitioner::soft(), VoronoiPartitioner::hard()] {
        for (n, dim, weights) in [(50, 3, 50), (49, 2, 50), (50, 2, 49)] {
            let (estimates, weights) = (normals(n, dim), vec![1.0; weights]);
            let seen = CentreEstimates::new(LEVEL, 1.0, rows.as_view(), estimates.as_view(), &weights);
            assert_mismatch(partitioner.candidates(&seen, &mut rng()));
        }
        let weights = [1.0; 50];
        let seen = CentreEstimates::new(LEVEL, 1.0, rows.as_view(), rows.as_view(), &weights);
        assert_mismatch(partitioner.candidates(&seen.with_previous(&elsewhere), &mut rng()));
    }
    assert_mismatch(FoldedSample::new(rows.clone(), vec![1.0; 49], vec![0; 50], 2));
    assert_mismatch(FoldedSample::new(rows, vec![1.0; 50], vec![0; 49], 2));
}

#[test]
fn values_that_are_no_whole_rows_are_an_error() {
    assert_mismatch(Rows::from_row_slice(&[1.0; 7], 2));
    assert_mismatch(Rows::from(&normals(4, 2)).with_weights(&[1.0; 3]));
    let two = DVector::from_element(2, 0.5);
    assert_mismatch(GaussianMixture::new(two.clone(), normals(3, 2), vec![DMatrix::identity(2, 2); 3]));
    assert_mismatch(GaussianMixture::new(two.clone(), normals(2, 2), vec![DMatrix::identity(2, 2); 3]));
    assert_mismatch(GaussianMixture::new(two.clone(), normals(2, 2), vec![DMatrix::identity(3, 3); 2]));
    assert_mismatch(GaussianMixture::spherical(two, normals(3, 2), 1.0));
}
