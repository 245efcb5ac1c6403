//! Work on blocks of rows, on several threads where the `rayon` feature allows, with the same result.

use std::ops::Range;
use std::sync::Mutex;

use crate::error::Result;

/// Applies `work` to consecutive blocks of at most `block` of the rows 0..n, and returns the results
/// in order. With an error, that of the first failing block.
pub(crate) fn map_blocks<T: Send>(
    n: usize,
    block: usize,
    work: impl Fn(Range<usize>) -> Result<T> + Sync + Send,
) -> Result<Vec<T>> {
    map(n.div_ceil(block), |index| work(index * block..n.min((index + 1) * block))).into_iter().collect()
}

/// Applies `work` to every item and returns the results in order.
pub(crate) fn map_each_mut<T: Send, R: Send>(
    items: &mut [T],
    work: impl Fn(&mut T) -> R + Sync + Send,
) -> Vec<R> {
    let items: Vec<Mutex<&mut T>> = items.iter_mut().map(Mutex::new).collect();
    let results = map(items.len(), |index| items[index].lock().ok().map(|mut item| work(*item)));
    results.into_iter().flatten().collect()
}

fn map<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let slots: Vec<Mutex<Option<R>>> = (0..count).map(|_| Mutex::new(None)).collect();
    for_each(count, &|index| {
        let result = work(index);
        if let Ok(mut slot) = slots[index].lock() {
            *slot = Some(result);
        }
    });
    slots.into_iter().filter_map(|slot| slot.into_inner().ok().flatten()).collect()
}

/// The one place where threads share work: generic over nothing, or their machinery is compiled for every caller.
fn for_each(count: usize, work: &(dyn Fn(usize) + Sync)) {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        (0..count).into_par_iter().for_each(work);
    }
    #[cfg(not(feature = "rayon"))]
    (0..count).for_each(work);
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
