//! Directories that tests write into.
#![allow(dead_code, reason = "each test uses its own part of this module")]

use std::fs;
use std::path::{Path, PathBuf};

/// An empty directory of a test's own.
pub(crate) fn empty_directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Sorted names of what is in a directory.
pub(crate) fn files_in(directory: &Path) -> Vec<String> {
    let name = |entry: Result<fs::DirEntry, _>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(name).collect();
    names.sort();
    names
}
