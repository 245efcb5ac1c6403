//! Fits of `gmix-diffusion` over the ranks of an MPI job.
//!
//! Each rank sums over a range of the rows. The sums are merged along a tree of ranks, the first rank solves, and
//! the next pass goes out along the same tree. Sums are added as in one process, so any number of ranks gives the
//! same bits on processors of one kind.
//!
//! ```no_run
//! use gmix_diffusion::nalgebra::DMatrix;
//! use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
//! use gmix_diffusion::DiffusionLearner;
//! use gmix_diffusion_mpi::{Ranks, fit_on_ranks};
//!
//! fn main() -> std::process::ExitCode {
//!     Ranks::run(|ranks| {
//!         let range = ranks.rows_of_rank(10_000);
//!         // What this rank alone has to read.
//!         let rows = DMatrix::from_fn((range.end - range.start) as usize, 1, |i, _| {
//!             ((range.start + i as u64) as f64).sin()
//!         });
//!         let learner = DiffusionLearner::new();
//!         let fit = ranks.is_first().then(|| learner.begin(&mut StdRng::seed_from_u64(1))).transpose()?;
//!         if let Some(fit) = fit_on_ranks(ranks, fit, &rows, range.start, |_| Ok(()))? {
//!             println!("{}", fit.finish()?.report());
//!         }
//!         Ok(())
//!     })
//! }
//! ```

mod fit;
mod ranks;

pub use fit::fit_on_ranks;
pub use ranks::Ranks;
