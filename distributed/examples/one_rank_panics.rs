//! A source of rows that panics on the last rank, to see what becomes of the others.

use std::process::ExitCode;

use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::{DiffusionLearner, Result, RowSource, Rows};
use gmix_diffusion_mpi::{Ranks, fit_on_ranks};

struct Unreliable {
    panics: bool,
}

impl RowSource for Unreliable {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        assert!(!self.panics, "the detector has melted");
        visit(Rows::from(&[[1.0], [2.0]][..]))
    }
}

fn main() -> ExitCode {
    Ranks::run(|ranks| {
        let rows = Unreliable { panics: ranks.rank() + 1 == ranks.size() };
        let fit = Some(DiffusionLearner::new().begin(&mut StdRng::seed_from_u64(1))?);
        fit_on_ranks(ranks, fit, &rows, 2 * ranks.rank() as u64, |_| Ok(()))?;
        Ok(())
    })
}
