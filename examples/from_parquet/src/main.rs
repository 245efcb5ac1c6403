//! Learns the law of a Parquet file that need not fit in memory. Prints the report of the fit and a hash of the
//! model.
//!
//! ```text
//! cargo run --release -- rows.parquet
//! ```

use std::env;
use std::error::Error;
use std::path::Path;

use gmix_diffusion::DiffusionLearner;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};

#[path = "../../support/fingerprint.rs"]
mod fingerprint;
mod parquet_file;

use parquet_file::ParquetFile;

fn main() -> Result<(), Box<dyn Error>> {
    let Some(path) = env::args_os().nth(1) else { return Err("a Parquet file is needed".into()) };
    let file = ParquetFile::open(Path::new(&path))?;
    let model = DiffusionLearner::new().fit_source(&file, &mut StdRng::seed_from_u64(1))?;
    println!("{}", model.report());
    println!("model {:016x}", fingerprint::model_hash(&model)?);
    Ok(())
}
