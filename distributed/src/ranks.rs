use std::error::Error as StdError;
use std::fmt::Display;
use std::ops::Range;
use std::panic;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use gmix_diffusion::{Error, Pass, Result, Statistics};
use mpi::environment::Universe;
use mpi::point_to_point::{Destination, Source};
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::{Rank, Threading};
use rayon::ThreadPoolBuilder;
use serde::{Serialize, de::DeserializeOwned};

/// Ranges of ranks begin at multiples of this many rows, the chunks in which the library sums, so that no rows
/// have to be sent.
const CHUNK: u64 = 2_048;
/// Bytes sent at a time. A message of MPI has fewer than 2³¹ elements, and sums may have more bytes than that.
const PIECE: usize = 1 << 18;
/// Ranks that wait look for a message this often. MPI itself would keep their processors busy, which the first
/// rank can use while it solves.
const PATIENCE: Duration = Duration::from_micros(200);

/// The processes of an MPI job, which all run the same program, and this one's place among them.
#[derive(Debug)]
pub struct Ranks {
    rank: usize,
    size: usize,
    /// Ranks on this machine, with this one.
    neighbours: usize,
}

impl Ranks {
    /// Runs `job` on this rank, between the start and the end of MPI.
    ///
    /// An error or a panic on one rank ends the whole job with its message: the other ranks would wait for ever.
    pub fn run(job: impl FnOnce(&Self) -> Result<(), Box<dyn StdError>>) -> ExitCode {
        // A panic of a thread that sums aborts the job from there, while no other thread is in a call of MPI.
        let Some((universe, _)) = mpi::initialize_with_threading(Threading::Serialized) else {
            eprintln!("MPI has been started before");
            return ExitCode::FAILURE;
        };
        let ranks = Self::of(&universe);
        let default_hook = panic::take_hook();
        let rank = ranks.rank;
        panic::set_hook(Box::new(move |info| {
            default_hook(info);
            abort(rank, &"panicked");
        }));
        match job(&ranks) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => abort(rank, &error),
        }
    }

    fn of(universe: &Universe) -> Self {
        let world = universe.world();
        let (rank, size) = (world.rank() as usize, world.size() as usize);
        let neighbours = world.split_shared(world.rank()).size() as usize;
        Self { rank, size, neighbours }
    }

    /// The index of this process, from 0 on.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of processes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Is this the rank that solves?
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// Which of all `n_rows` rows are this rank's: an equal share of whole chunks of 2,048, perhaps none.
    pub fn rows_of_rank(&self, n_rows: u64) -> Range<u64> {
        rows_of(self.rank, self.size, n_rows)
    }

    /// Runs `work` while all other ranks wait for this one, with its own threads and those of all ranks on its
    /// machine.
    ///
    /// # Errors
    /// [`Error::Custom`] where these threads cannot be had.
    pub fn solve<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let threads = self.neighbours * rayon::current_num_threads();
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().map_err(Error::custom)?;
        Ok(pool.install(work))
    }

    /// The first rank's `value` on every rank, all of which have to call this.
    ///
    /// # Errors
    /// [`Error::Custom`] where it is not read back from its bytes.
    pub fn broadcast<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<T> {
        let (received, bytes) = match parent(self.rank) {
            Some(parent) => {
                let bytes = receive(parent);
                (postcard::from_bytes(&bytes).map_err(Error::custom)?, bytes)
            }
            None => {
                let bytes = postcard::to_stdvec(&value).map_err(Error::custom)?;
                (value, bytes)
            }
        };
        for child in children(self.rank, self.size).rev() {
            send(child, &bytes);
        }
        Ok(received)
    }

    /// The sums of all ranks, on the first; `None` on others. All ranks have to call this.
    ///
    /// # Errors
    /// Those of [`Pass::merge`]; [`Error::Custom`] where sums are not read back from their bytes.
    pub fn merge_on_first(&self, pass: &Pass, sums: Statistics) -> Result<Option<Statistics>> {
        let mut sums = sums;
        for child in children(self.rank, self.size) {
            pass.merge(&mut sums, postcard::from_bytes(&receive(child)).map_err(Error::custom)?)?;
        }
        let Some(parent) = parent(self.rank) else { return Ok(Some(sums)) };
        send(parent, &postcard::to_stdvec(&sums).map_err(Error::custom)?);
        Ok(None)
    }
}

fn send(rank: usize, bytes: &[u8]) {
    let world = SimpleCommunicator::world();
    let process = world.process_at_rank(rank as Rank);
    process.send(&(bytes.len() as u64));
    for piece in bytes.chunks(PIECE) {
        process.send(piece);
    }
}

fn receive(rank: usize) -> Vec<u8> {
    let world = SimpleCommunicator::world();
    let process = world.process_at_rank(rank as Rank);
    let length = loop {
        match process.immediate_matched_probe() {
            Some((message, _)) => break message.matched_receive::<u64>().0,
            None => sleep(PATIENCE),
        }
    };
    let mut bytes = vec![0; length as usize];
    for piece in bytes.chunks_mut(PIECE) {
        process.receive_into(piece);
    }
    bytes
}

/// Ends the processes of all ranks.
fn abort(rank: usize, what: &dyn Display) -> ! {
    eprintln!("rank {rank}: {what}");
    SimpleCommunicator::world().abort(1)
}

/// The rank from which `rank` has its passes and to which it sends its sums: its number without the lowest bit.
fn parent(rank: usize) -> Option<usize> {
    (rank > 0).then(|| rank & (rank - 1))
}

/// The ranks whose [`parent`] is `rank`. Together with theirs they are a range of ranks, so that the sums of many
/// neighbours become one.
fn children(rank: usize, size: usize) -> impl DoubleEndedIterator<Item = usize> {
    let bits = if rank == 0 { usize::BITS - 1 } else { rank.trailing_zeros() };
    (0..bits).map(move |bit| rank + (1 << bit)).filter(move |&child| child < size)
}

fn rows_of(rank: usize, size: usize, n_rows: u64) -> Range<u64> {
    let chunks = u128::from(n_rows.div_ceil(CHUNK));
    let bound = |rank: usize| ((chunks * rank as u128 / size as u128) as u64 * CHUNK).min(n_rows);
    bound(rank)..bound(rank + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_but_the_first_is_the_child_of_its_parent_alone() {
        for size in 1..70 {
            let mut parents = vec![None; size];
            for rank in 0..size {
                for child in children(rank, size) {
                    assert_eq!(parents[child].replace(rank), None);
                }
            }
            for (rank, found) in parents.into_iter().enumerate() {
                assert_eq!(found, parent(rank));
            }
        }
    }

    #[test]
    fn ranges_of_ranks_cover_all_rows_once_in_whole_chunks() {
        for n_rows in [0, 1, 2_048, 2_049, 100_000] {
            for size in [1, 2, 3, 5, 64] {
                let mut end = 0;
                for rank in 0..size {
                    let range = rows_of(rank, size, n_rows);
                    assert!(range.start == end && (range.end.is_multiple_of(CHUNK) || range.end == n_rows));
                    end = range.end;
                }
                assert_eq!(end, n_rows);
            }
        }
    }
}
