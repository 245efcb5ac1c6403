//! Processes that sum over their rows.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::ops::Range;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use gmix_diffusion::{Pass, Statistics};

use crate::messages::{receive, send};

/// Workers by their index. Dropped, it ends them all.
pub(crate) struct Pool(Vec<Worker>);

struct Worker {
    process: Child,
    /// `None` once the worker has been told to end.
    passes: Option<ChildStdin>,
    sums: ChildStdout,
}

impl Pool {
    /// Starts this program again for each range of rows, as a worker of one thread.
    pub(crate) fn start(arguments: &[OsString], ranges: &[Range<u64>]) -> Result<Self, Box<dyn Error>> {
        let mut pool = Self(Vec::new());
        for range in ranges {
            let mut process = Command::new(env::current_exe()?)
                .args(arguments)
                .args(["--worker", &range.start.to_string(), &range.end.to_string()])
                .env("RAYON_NUM_THREADS", "1")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let (passes, sums) = (process.stdin.take(), process.stdout.take());
            let sums = sums.ok_or("a worker has no output")?;
            pool.0.push(Worker { process, passes, sums });
        }
        Ok(pool)
    }

    /// The sums of `pass` over the rows of all workers.
    pub(crate) fn run(&mut self, pass: &Pass) -> Result<Statistics, Box<dyn Error>> {
        let failed = |index: usize, what: &dyn std::fmt::Display| format!("worker {index}: {what}");
        for (index, worker) in self.0.iter_mut().enumerate() {
            let pipe = worker.passes.as_mut().ok_or("a worker has ended")?;
            send(pass, pipe).map_err(|error| failed(index, &error))?;
        }
        let mut total = Statistics::default();
        for (index, worker) in self.0.iter_mut().enumerate() {
            let answer = receive(&mut worker.sums).map_err(|error| failed(index, &error))?;
            let sums: Result<Statistics, String> = answer.ok_or_else(|| failed(index, &"it has ended"))?;
            pass.merge(&mut total, sums.map_err(|what| failed(index, &what))?)?;
        }
        Ok(total)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            worker.passes = None;
            // One that is in the middle of a pass would end only after it.
            let _ = worker.process.kill();
            let _ = worker.process.wait();
        }
    }
}
