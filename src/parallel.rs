//! Work on blocks of rows, on several threads where the `rayon` feature allows, with the same result.

use std::ops::Range;

use crate::error::Result;

/// Applies `work` to consecutive blocks of at most `block` of the rows 0..n, and returns the results
/// in order. With an error, that of the first failing block.
pub(crate) fn map_blocks<T: Send>(
    n: usize,
    block: usize,
    work: impl Fn(Range<usize>) -> Result<T> + Sync + Send,
) -> Result<Vec<T>> {
    let block_rows = |index: usize| index * block..n.min((index + 1) * block);
    let blocks = 0..n.div_ceil(block);
    #[cfg(feature = "rayon")]
    let results: Vec<Result<T>> = {
        use rayon::prelude::*;
        blocks.into_par_iter().map(|index| work(block_rows(index))).collect()
    };
    #[cfg(not(feature = "rayon"))]
    let results: Vec<Result<T>> = blocks.map(|index| work(block_rows(index))).collect();
    results.into_iter().collect()
}

/// Applies `work` to every item and returns the results in order.
pub(crate) fn map_each_mut<T: Send, R: Send>(
    items: &mut [T],
    work: impl Fn(&mut T) -> R + Sync + Send,
) -> Vec<R> {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        items.par_iter_mut().map(work).collect()
    }
    #[cfg(not(feature = "rayon"))]
    items.iter_mut().map(work).collect()
}

/// Threads that share the work.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "rayon")]
    {
        rayon::current_num_threads()
    }
    #[cfg(not(feature = "rayon"))]
    1
}
