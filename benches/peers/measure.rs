//! What this process has taken: processor time of its threads and memory, as Linux tells them.

use std::collections::HashMap;
use std::fs;
use std::time::Instant;

/// Takes the time of a piece of work.
pub(crate) struct Stopwatch {
    wall: Instant,
    threads: HashMap<String, u64>,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), threads: nanoseconds_by_thread() }
    }

    /// Seconds on the wall.
    pub(crate) fn wall_seconds(&self) -> f64 {
        self.wall.elapsed().as_secs_f64()
    }

    /// Seconds that all threads together have spent on processors, whatever else runs on the machine; on
    /// the wall where the system does not tell.
    pub(crate) fn seconds(&self) -> f64 {
        self.by_thread().map_or_else(|| self.wall_seconds(), |threads| threads.values().sum())
    }

    /// Seconds of the main thread and the busiest other one: what the wall would show with a processor for
    /// each, as the main thread waits while others work.
    pub(crate) fn critical_seconds(&self) -> f64 {
        let Some(mut threads) = self.by_thread() else { return self.wall_seconds() };
        let main = threads.remove(&std::process::id().to_string()).unwrap_or(0.0);
        main + threads.into_values().fold(0.0, f64::max)
    }

    fn by_thread(&self) -> Option<HashMap<String, f64>> {
        let now = nanoseconds_by_thread();
        let since = |(thread, nanoseconds): (String, u64)| {
            let before = self.threads.get(&thread).copied().unwrap_or(0);
            (thread, (nanoseconds - before) as f64 * 1e-9)
        };
        (!now.is_empty()).then(|| now.into_iter().map(since).collect())
    }
}

fn nanoseconds_by_thread() -> HashMap<String, u64> {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return HashMap::new() };
    let of_thread = |thread: fs::DirEntry| {
        let statistics = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let nanoseconds = statistics.split_whitespace().next()?.parse().ok()?;
        Some((thread.file_name().into_string().ok()?, nanoseconds))
    };
    threads.flatten().filter_map(of_thread).collect()
}

/// Repeats a quick call until the clock's grain of a few milliseconds no longer matters: seconds a call,
/// and its result.
pub(crate) fn seconds_a_call<T, E>(mut call: impl FnMut() -> Result<T, E>) -> Result<(f64, T), E> {
    let watch = Stopwatch::start();
    let mut calls = 0;
    loop {
        let result = call()?;
        calls += 1;
        let elapsed = watch.seconds();
        if elapsed > 0.1 {
            return Ok((elapsed / f64::from(calls), result));
        }
    }
}

/// Bytes in memory now; `None` where the system does not tell.
pub(crate) fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// The most bytes in memory since the start or the last [`forget_peak`].
pub(crate) fn peak_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// From now on the peak is that of what follows.
pub(crate) fn forget_peak() {
    // Where that is not allowed, the peak stays that of the whole process.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn status_bytes(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
