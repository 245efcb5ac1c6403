//! A fit that its observer stops returns at once, says so, and leaves nothing behind.

use std::ops::ControlFlow;
use std::time::Duration;

use cpu_time::ThreadTime;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use gmix_diffusion::{
    DiffusionLearner, Error, FitObserver, FitReport, LevelReport, NoiseLevels, SingleCell, VoronoiPartitioner,
};

use crate::fits::on_one_thread;

/// Stops after so many passes or levels, and keeps the processor's time of that.
#[derive(Default)]
struct Stopper {
    after_passes: Option<usize>,
    after_levels: Option<usize>,
    stopped: Option<ThreadTime>,
    finished: bool,
    n_levels: usize,
}

impl Stopper {
    fn stop_if(&mut self, stop: bool) -> ControlFlow<()> {
        if stop {
            self.stopped = Some(ThreadTime::now());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl FitObserver for Stopper {
    fn started(&mut self, levels: &NoiseLevels) {
        self.n_levels = levels.len();
    }

    fn pass_done(&mut self, passes: usize) -> ControlFlow<()> {
        self.stop_if(self.after_passes == Some(passes))
    }

    fn level_done(&mut self, level: &LevelReport) -> ControlFlow<()> {
        self.stop_if(self.after_levels == Some(level.index + 1))
    }

    fn finished(&mut self, _: &FitReport) {
        self.finished = true;
    }
}

#[test]
fn a_stopped_fit_returns_at_once_and_says_so() {
    on_one_thread(stop_fits);
}

fn stop_fits() {
    let mut rng = StdRng::seed_from_u64(1);
    let rows = DMatrix::from_fn(600, 2, |i, _| {
        let z: f64 = StandardNormal.sample(&mut rng);
        z + if i % 2 == 0 { 6.0 } else { 0.0 }
    });
    for (learner, passes) in [
        // All levels in the second pass.
        (DiffusionLearner::new(), 1),
        (DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft()), 3),
        (DiffusionLearner::new().with_partitioner(SingleCell), 1),
        (DiffusionLearner::paper().with_component_std(1.0), 3),
    ] {
        let fit = |observer: &mut Stopper| {
            learner
                .fit_observed(&rows, &mut StdRng::seed_from_u64(2), observer)
                .map(|model| model.centres().clone())
        };
        let whole = fit(&mut Stopper::default()).unwrap();
        for mut observer in [
            Stopper { after_passes: Some(passes), ..Stopper::default() },
            Stopper { after_levels: Some(1), ..Stopper::default() },
        ] {
            let result = fit(&mut observer);
            let waited = observer.stopped.unwrap().elapsed();
            assert!(waited < Duration::from_millis(500), "{waited:?}");
            match result {
                Err(Error::Stopped { done, levels }) => {
                    assert!(done <= levels && levels == observer.n_levels, "{done} {levels}");
                    assert!(observer.after_levels.is_none_or(|after| after == done));
                }
                other => panic!("{other:?}"),
            }
            assert!(!observer.finished);
        }
        // Nothing is left behind: the next fit is what it was.
        assert_eq!(fit(&mut Stopper::default()).unwrap(), whole);
    }
}
