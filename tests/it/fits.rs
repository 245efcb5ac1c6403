//! Fits that must neither panic nor hang, and what every model has to answer.
#![allow(dead_code, reason = "each test uses its own part of this module")]

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use cpu_time::ThreadTime;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use gmix_diffusion::{DiffusionLearner, DiffusionModel, LevelReport, Result, Work};
use rayon::ThreadPoolBuilder;

/// Longer than this, in time of a processor, is a hang.
const PATIENCE: Duration = Duration::from_secs(10);
/// As long as this even a busy machine does not take for it.
const UNTIL_GIVEN_UP: Duration = Duration::from_secs(600);

/// Runs `work` on one thread, whose time is then all that it takes from the processor.
pub(crate) fn on_one_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(work)
}

/// Runs `work` on a thread of its own, so that a hang fails the test instead of stopping it.
pub(crate) fn within_patience<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = channel();
    let timed = || {
        let start = ThreadTime::now();
        (work(), start.elapsed())
    };
    thread::spawn(move || send.send(on_one_thread(timed)));
    match receive.recv_timeout(UNTIL_GIVEN_UP) {
        Ok((result, time)) => {
            assert!(time < PATIENCE, "{what}: took {time:?}");
            result
        }
        Err(RecvTimeoutError::Timeout) => panic!("{what}: no answer within {UNTIL_GIVEN_UP:?}"),
        Err(RecvTimeoutError::Disconnected) => panic!("{what}: panicked"),
    }
}

pub(crate) fn normals(n: usize, dim: usize) -> DMatrix<f64> {
    let mut rng = StdRng::seed_from_u64(1);
    DMatrix::from_fn(n, dim, |_, _| StandardNormal.sample(&mut rng))
}

/// The default learner, or one with a given component std.
pub(crate) fn learner(component_std: Option<f64>) -> DiffusionLearner {
    component_std.into_iter().fold(DiffusionLearner::new(), |learner, std| learner.with_component_std(std))
}

pub(crate) fn fit(what: &str, learner: DiffusionLearner, rows: DMatrix<f64>) -> Result<DiffusionModel> {
    within_patience(what, move || learner.fit(&rows, &mut StdRng::seed_from_u64(2)))
}

/// Fits and then asks for everything a model can tell, which has to be finite.
pub(crate) fn assert_works(what: &str, learner: DiffusionLearner, rows: DMatrix<f64>) -> DiffusionModel {
    let model = fit(what, learner, rows.clone()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let asked = model.clone();
    let (drawn, density, share) = within_patience(what, move || {
        let few = rows.rows(0, rows.nrows().min(50)).into_owned();
        (
            asked.sample(100, &mut StdRng::seed_from_u64(3)).unwrap(),
            asked.log_density(&few).unwrap(),
            asked.responsibilities(&few).unwrap(),
        )
    });
    assert!(drawn.iter().all(|x| x.is_finite()), "{what}: a draw is not finite");
    assert!(density.iter().all(|l| l.is_finite()), "{what}: a log-density is not finite");
    assert!(share.iter().all(|r| (0.0..=1.0 + 1e-9).contains(r)), "{what}: not a share");
    let levels = &model.report().levels;
    assert_eq!(levels.len(), model.score_model().levels().len(), "{what}");
    let computed =
        |level: &LevelReport| level.held_out_loss.map_or(level.work == Work::default(), f64::is_finite);
    assert!(levels.iter().all(computed), "{what}: a loss is not finite");
    model
}
