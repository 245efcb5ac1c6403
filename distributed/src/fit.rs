use gmix_diffusion::{Fit, Pass, Result, RowSource};

use crate::ranks::Ranks;

/// Runs all passes of `fit` that are left. Every rank of the job has to call this, also those without rows.
///
/// The first rank brings the fit, which may have absorbed passes before, and gets it back complete; what other
/// ranks bring is not looked at, and they get `None`. It absorbs within
/// [`Ranks::solve`]. `rows` are those of this rank, of which the first has index
/// `first_row` among all rows: [`Ranks::rows_of_rank`] has ranges that leave no rows to be sent. `absorbed` is
/// called on the first rank after each pass, for a fit that is to be saved.
///
/// # Errors
/// Those of [`Pass::accumulate_source`], [`Pass::merge`], [`Fit::absorb`] and `absorbed`. A rank that fails has to
/// end the whole job, as [`Ranks::run`] does: the others wait for it.
pub fn fit_on_ranks<S: RowSource + ?Sized>(
    ranks: &Ranks,
    fit: Option<Fit>,
    rows: &S,
    first_row: u64,
    mut absorbed: impl FnMut(&Fit) -> Result<()>,
) -> Result<Option<Fit>> {
    let mut fit = fit.filter(|_| ranks.is_first());
    loop {
        let next: Option<Pass> = ranks.broadcast(fit.as_ref().and_then(Fit::next_pass))?;
        let Some(pass) = next else { return Ok(fit) };
        let sums = pass.accumulate_source(rows, first_row)?;
        if let (Some(total), Some(fit)) = (ranks.merge_on_first(&pass, sums)?, &mut fit) {
            ranks.solve(|| fit.absorb(total).map(drop))??;
            absorbed(fit)?;
        }
    }
}
