//! Output files that are there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a file beside `path` and renames it to `path` once it is complete, so that no reader ever
/// sees half of it. On an error the file beside is removed and what stood at `path` stays.
pub(crate) fn write_whole(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let beside = path_beside(path)?;
    let mut file = BufWriter::new(File::create_new(&beside)?);
    let written = content(&mut file)
        .and_then(|()| file.flush())
        .and_then(|()| file.get_ref().sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to report, whether or not this works.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// `<path>.<process id>.tmp`: in the same directory, since a rename cannot cross file systems.
fn path_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
    let mut beside = OsString::from(name);
    beside.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(beside))
}
