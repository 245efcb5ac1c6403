use std::ops::ControlFlow;

use crate::process::NoiseLevels;
use crate::report::{FitReport, LevelReport};

/// Watches a fit, and may stop it.
///
/// All methods have defaults. A closure `FnMut(&LevelReport) -> ControlFlow<()>` is an observer.
///
/// # Examples
/// ```
/// use std::ops::ControlFlow;
/// use gmix_diffusion::{FitObserver, LevelReport};
///
/// let mut done = 0;
/// let mut observer = |level: &LevelReport| {
///     done = level.index + 1;
///     if done == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
/// };
/// let _: &mut dyn FitObserver = &mut observer;
/// ```
pub trait FitObserver {
    /// The noise levels are chosen, the first one is about to be learned.
    fn started(&mut self, levels: &NoiseLevels) {
        let _ = levels;
    }

    /// So many passes over all rows are done; `Break` stops the fit with
    /// [`Error::Stopped`](crate::Error::Stopped). The default composition learns all levels in its last pass,
    /// so this is where to stop it early.
    fn pass_done(&mut self, passes: usize) -> ControlFlow<()> {
        let _ = passes;
        ControlFlow::Continue(())
    }

    /// A level is done; `Break` stops the fit with [`Error::Stopped`](crate::Error::Stopped).
    fn level_done(&mut self, level: &LevelReport) -> ControlFlow<()> {
        let _ = level;
        ControlFlow::Continue(())
    }

    /// All levels are done.
    fn finished(&mut self, report: &FitReport) {
        let _ = report;
    }
}

impl<F: FnMut(&LevelReport) -> ControlFlow<()>> FitObserver for F {
    fn level_done(&mut self, level: &LevelReport) -> ControlFlow<()> {
        self(level)
    }
}
