//! Learns the eruptions of the Old Faithful geyser, draws as many new ones, and shows both beside the
//! learned density in `quickstart.svg`.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

use gmix_diffusion::rand::{RngExt, SeedableRng, rngs::StdRng};
use gmix_diffusion::{DiffusionLearner, FitObserver, FitReport, LevelReport, NoiseLevels};
use indicatif::{ProgressBar, ProgressStyle};

mod support;
use support::output::print;
use support::plot::plot_fit;
use support::table::Table;

fn main() -> Result<(), Box<dyn Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/old_faithful.csv");
    let mut eruptions = Table::read(&data)?;
    let mut rng = StdRng::seed_from_u64(1);
    // Waits were noted in whole minutes: each was somewhere within the minute.
    eruptions.rows.column_mut(1).apply(|wait| *wait += rng.random::<f64>() - 0.5);

    let model = DiffusionLearner::new().fit_observed(&eruptions.rows, &mut rng, &mut Progress::new()?)?;
    print(&model.report().to_string())?;

    let new_rows = model.sample(eruptions.rows.nrows(), &mut rng)?;
    let picture = Path::new("quickstart.svg");
    let names = ["eruption, minutes", "wait for the next, minutes"].map(String::from);
    plot_fit(picture, &names, &eruptions.rows, &new_rows, Some(&|_, points| model.log_density(points)))?;
    print(&format!("data, new rows and learned density: {}\n", picture.display()))?;
    Ok(())
}

/// A progress bar over the noise levels; it shows nothing where standard error is not a terminal.
struct Progress(ProgressBar);

impl Progress {
    fn new() -> Result<Self, Box<dyn Error>> {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} noise levels  {msg}")?;
        Ok(Self(ProgressBar::no_length().with_style(style)))
    }
}

impl FitObserver for Progress {
    fn started(&mut self, levels: &NoiseLevels) {
        self.0.set_length(levels.len() as u64);
    }

    fn level_done(&mut self, level: &LevelReport) -> ControlFlow<()> {
        self.0.set_message(format!("bandwidth {:.3}, {} cells", level.bandwidth, level.n_cells));
        self.0.set_position(level.index as u64 + 1);
        ControlFlow::Continue(())
    }

    fn finished(&mut self, _: &FitReport) {
        self.0.finish_and_clear();
    }
}
