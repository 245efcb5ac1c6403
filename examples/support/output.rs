//! Output files that are there whole or not at all, and what goes to the terminal.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes to standard output. A reader who has seen enough and left, as `head` does, is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Writes a line to standard error, if anybody listens.
pub(crate) fn warn(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes a file beside `path` and renames it to `path` once it is complete, so that no reader ever
/// sees half of it. On an error nothing is left behind and what stood at `path` stays.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    write_together(&[(path, content)]).map_err(|(_, cause)| cause)
}

/// Writes all of these files, each as [`write_whole`] does, or none.
///
/// An error says at which path. What stood at any of the paths before stays then.
pub(crate) fn write_together<'a>(files: &[(&'a Path, &[u8])]) -> Result<(), (&'a Path, io::Error)> {
    let mut replacements = Vec::new();
    for &(path, content) in files {
        replacements.push(Replacement::prepare(path, content).map_err(|cause| (path, cause))?);
    }
    for replacement in &mut replacements {
        replacement.put().map_err(|cause| (replacement.path, cause))?;
    }
    replacements.into_iter().for_each(Replacement::keep);
    Ok(())
}

/// Whether a file can be created beside `path`, as a write would. For paths that do not fit, a better
/// moment to hear of it than the end of a long computation.
pub(crate) fn check_writable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "this is a directory"));
    }
    // A device or a pipe would be replaced by a file, not written to.
    if path.try_exists()? && !path.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a regular file"));
    }
    Replacement::prepare(path, &[]).map(drop)
}

/// A new file on its way to `path`; dropped before it is kept, all is as it was.
struct Replacement<'a> {
    path: &'a Path,
    /// Where the new file is until it is put to the path.
    new: Option<PathBuf>,
    /// Where the file is that stood at the path.
    old: Option<PathBuf>,
    kept: bool,
}

impl<'a> Replacement<'a> {
    fn prepare(path: &'a Path, content: &[u8]) -> io::Result<Self> {
        let new = beside(path, "new")?;
        let mut file = File::create_new(&new)?;
        let replacement = Self { path, new: Some(new), old: None, kept: false };
        file.write_all(content)?;
        file.sync_all()?;
        Ok(replacement)
    }

    fn put(&mut self) -> io::Result<()> {
        if self.path.is_file() {
            let old = beside(self.path, "old")?;
            fs::rename(self.path, &old)?;
            self.old = Some(old);
        }
        if let Some(new) = &self.new {
            fs::rename(new, self.path)?;
            self.new = None;
        }
        Ok(())
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Replacement<'_> {
    /// The first error is the one to report, whether or not cleaning up works.
    fn drop(&mut self) {
        let _ = match (&self.new, &self.old) {
            (_, Some(old)) if self.kept => fs::remove_file(old),
            (None, None) if self.kept => Ok(()),
            // A rename replaces the new file in one step, if it is there.
            (None, Some(old)) => fs::rename(old, self.path),
            (None, None) => fs::remove_file(self.path),
            (Some(new), None) => fs::remove_file(new),
            (Some(new), Some(old)) => fs::remove_file(new).and(fs::rename(old, self.path)),
        };
    }
}

/// `<path>.<process id>.<what>`: in the same directory, since a rename cannot cross file systems.
pub(crate) fn beside(path: &Path, what: &str) -> io::Result<PathBuf> {
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "this is not the name of a file");
    if path.as_os_str().as_encoded_bytes().last().is_some_and(|&end| std::path::is_separator(end.into())) {
        return Err(no_name());
    }
    let mut name = OsString::from(path.file_name().ok_or_else(no_name)?);
    name.push(format!(".{}.{what}", std::process::id()));
    Ok(path.with_file_name(name))
}
