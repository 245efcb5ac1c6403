//! Worker processes give the bits of one process, and one that fails ends the job with its message.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gmix_diffusion::DiffusionLearner;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::reference::{Law, targets};

use crate::support::fingerprint;

/// Starts the example, which cargo builds along with the tests unless it is told to build this one alone.
fn run(file: &Path, workers: usize) -> Output {
    let mut program = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    let program = program.join("examples").join(format!("process_pool{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(program);
    command.arg("--binary").arg(file).args(["--columns", "2", "--workers", &workers.to_string()]);
    command.output().unwrap()
}

fn write(name: &str, values: impl Iterator<Item = f64>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, values.flat_map(f64::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    path
}

#[test]
fn workers_give_the_bits_of_one_process() {
    let rows = targets::gmm2d_k3().draw(11_000, &mut StdRng::seed_from_u64(1));
    let file = write("process_pool.f64", rows.transpose().iter().copied());
    let model = DiffusionLearner::new().fit(&rows, &mut StdRng::seed_from_u64(1)).unwrap();
    let expected = format!("model {:016x}:", fingerprint::model_hash(&model).unwrap());
    // With more workers than chunks some have no rows.
    for workers in [1, 2, 3, 7] {
        let output = run(&file, workers);
        let found = String::from_utf8(output.stdout).unwrap();
        assert!(found.starts_with(&expected), "{workers} workers: {found}, not {expected}");
    }
}

#[test]
fn a_bad_row_ends_the_job_with_one_message() {
    let values = (0..20_000).map(|i| if i == 15_001 { f64::NAN } else { f64::from(i % 17) });
    let output = run(&write("process_pool_bad.f64", values), 2);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(message.contains("worker 1: row 7500, column 1: NaN is not a finite number"), "{message}");
}
