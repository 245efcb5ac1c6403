//! Any number of ranks gives the bits of one process, and a rank that fails ends the job with its message.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{DiffusionLearner, DiffusionModel};

#[path = "../../tests/it/directories.rs"]
mod directories;
#[path = "../../examples/support/fingerprint.rs"]
mod fingerprint;
use directories::{empty_directory, files_in};

/// A rank that fails has to end the job within this time.
const AT_ONCE: Duration = Duration::from_secs(5);

fn mpirun(ranks: usize, program: &str) -> Command {
    let mut command = Command::new("mpirun");
    // More ranks than processors, and as whoever runs the tests.
    command.args(["--oversubscribe", "--bind-to", "none"]);
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        command.arg("--allow-run-as-root");
    }
    command.args(["-n", &ranks.to_string(), program]).env("RAYON_NUM_THREADS", "1").stdin(Stdio::null());
    command
}

/// A fit of the rows of two columns in a file of `directory`.
fn fit(ranks: usize, directory: &Path) -> Command {
    let mut command = mpirun(ranks, env!("CARGO_BIN_EXE_gmix-diffusion-mpi"));
    command.current_dir(directory).args(["--binary", "rows.f64", "--columns", "2"]);
    command
}

fn write_rows(directory: &Path, values: impl Iterator<Item = f64>) {
    let bytes: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
    fs::write(directory.join("rows.f64"), bytes).unwrap();
}

/// Writes the rows, and fits them in this process.
fn expected_model(directory: &Path, n: usize) -> DiffusionModel {
    let rows = targets::gmm2d_k3().draw(n, &mut StdRng::seed_from_u64(1));
    write_rows(directory, rows.transpose().iter().copied());
    DiffusionLearner::new().fit(&rows, &mut StdRng::seed_from_u64(1)).unwrap()
}

fn printed_hash(model: &DiffusionModel) -> String {
    format!("model {:016x}:", fingerprint::model_hash(model).unwrap())
}

fn assert_prints(output: &Output, expected: &str) {
    let found = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && found.starts_with(expected), "{found}, not {expected}; {errors}");
}

/// What the job says when it ends by itself, which must be soon, but for the remarks that `mpirun` adds.
fn message_of_failure(job: &mut Command) -> String {
    let start = Instant::now();
    let output = job.env("OMPI_MCA_orte_execute_quiet", "1").output().unwrap();
    assert!(!output.status.success() && start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn ranks_give_the_bits_of_one_process() {
    let directory = empty_directory("ranks/bits");
    let model = expected_model(&directory, 11_000);
    let expected = printed_hash(&model);
    // Six chunks: some of seven ranks have no rows.
    for ranks in [1, 2, 3, 4, 5, 7] {
        let output = fit(ranks, &directory).args(["--model", "model"]).output().unwrap();
        assert_prints(&output, &expected);
        assert_eq!(fs::read(directory.join("model")).unwrap(), postcard::to_stdvec(&model).unwrap());
    }
    let two_threads = fit(2, &directory).env("RAYON_NUM_THREADS", "2").output().unwrap();
    assert_prints(&two_threads, &expected);
    assert_eq!(files_in(&directory), ["model", "rows.f64"]);
}

/// The processes that `mpirun` has started.
fn ranks_of(job: &Child) -> Vec<u32> {
    let path = format!("/proc/{0}/task/{0}/children", job.id());
    let children = fs::read_to_string(path).unwrap_or_default();
    children.split_whitespace().filter_map(|process| process.parse().ok()).collect()
}

/// Waits until the job has saved something new, and kills its last rank. Whether the job was still there.
fn kill_after_a_pass(job: &mut Child, saved: &Path) -> bool {
    let before = fs::read(saved).ok();
    while fs::read(saved).ok() == before {
        if job.try_wait().unwrap().is_some() {
            return false;
        }
        sleep(Duration::from_millis(2));
    }
    let last = ranks_of(job).last().map(u32::to_string);
    last.is_some_and(|process| Command::new("kill").args(["-9", &process]).status().unwrap().success())
}

#[test]
fn a_job_that_is_killed_after_every_pass_goes_on_to_the_same_bits() {
    let directory = empty_directory("ranks/killed");
    let expected = printed_hash(&expected_model(&directory, 40_000));
    let mut killed = 0;
    loop {
        let mut job = fit(2 + killed % 2, &directory)
            .args(["--model", "model", "--checkpoint", "fit"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let was_there = kill_after_a_pass(&mut job, &directory.join("fit"));
        let killed_at = Instant::now();
        let output = job.wait_with_output().unwrap();
        if output.status.success() {
            assert_prints(&output, &expected);
            break;
        }
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(was_there && message.contains("exited on signal 9"), "{message}");
        assert!(killed_at.elapsed() < AT_ONCE, "{:?}", killed_at.elapsed());
        // No half of a file; the last rank may be killed when the model is there already.
        let found = files_in(&directory);
        assert!(found == ["fit", "rows.f64"] || found == ["fit", "model", "rows.f64"], "{found:?}");
        killed += 1;
    }
    assert!(killed > 3, "{killed}");
    assert_eq!(files_in(&directory), ["fit", "model", "rows.f64"]);
}

#[test]
fn a_bad_row_ends_the_job_with_its_index_and_leaves_nothing_behind() {
    let directory = empty_directory("ranks/bad");
    write_rows(&directory, (0..20_000).map(|i| if i == 15_001 { f64::NAN } else { f64::from(i % 17) }));
    let message = message_of_failure(fit(3, &directory).args(["--model", "model", "--checkpoint", "fit"]));
    assert_eq!(message, "rank 2: row 7500, column 1: NaN is not a finite number\n");
    assert_eq!(files_in(&directory), ["rows.f64"]);
}

#[test]
fn a_panic_on_one_rank_ends_the_job() {
    let program = Path::new(env!("CARGO_BIN_EXE_gmix-diffusion-mpi"));
    let program = program.parent().unwrap().join("examples").join("one_rank_panics");
    let message = message_of_failure(&mut mpirun(3, program.to_str().unwrap()));
    assert!(message.contains("the detector has melted") && message.contains("rank 2: panicked"), "{message}");
}

#[test]
fn what_is_wrong_for_all_ranks_is_said_once() {
    let directory = empty_directory("ranks/arguments");
    write_rows(&directory, (0..5).map(f64::from));
    fs::write(directory.join("fit"), "something else").unwrap();
    let odd = message_of_failure(&mut fit(3, &directory));
    assert_eq!(odd, "rank 0: rows.f64: 40 bytes are no whole rows of 2 numbers\n");
    write_rows(&directory, (0..6).map(f64::from));
    let damaged = message_of_failure(fit(3, &directory).args(["--checkpoint", "fit"]));
    assert!(damaged.starts_with("rank 0: fit: ") && damaged.lines().count() == 1, "{damaged}");
    let unwritable = message_of_failure(fit(3, &directory).args(["--model", "missing/model"]));
    assert!(
        unwritable.starts_with("rank 0: missing/model: ") && unwritable.lines().count() == 1,
        "{unwritable}"
    );
}
