use neural_phylogeny::bytes::replace_file;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Checks before the work that a file can be written after it.
pub(crate) fn check(file: &Path) -> Result<(), Box<dyn Error>> {
    if file.is_dir() {
        return Err(format!("output {} is a folder, expected a file", file.display()).into());
    }
    let folder = folder(file);
    if !folder.is_dir() {
        return Err(format!("output folder {} does not exist", folder.display()).into());
    }
    Ok(())
}

fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("."),
    }
}

/// Writes to a file, whole or not at all, or to standard output.
///
/// A link is followed and stays a link. `/dev/null` and pipes cannot be replaced by a file, so that they are written to
/// directly.
pub(crate) fn write<E: Into<Box<dyn Error>>>(
    file: Option<&Path>,
    content: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), Box<dyn Error>> {
    let Some(file) = file else {
        return flushed(io::stdout().lock(), content);
    };
    let failed = |e: io::Error| format!("cannot write {}: {e}", file.display());
    if fs::metadata(file).is_ok_and(|m| !m.is_file()) {
        return flushed(File::options().write(true).open(file).map_err(failed)?, content);
    }
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    match replace_file(&target, |writer| content(writer).map_err(|e| Failure::Content(e.into()))) {
        Ok(()) => Ok(()),
        Err(Failure::Content(error)) => Err(error),
        Err(Failure::File(error)) => Err(failed(error).into()),
    }
}

/// The part that failed: the file, or making its content.
enum Failure {
    File(io::Error),
    Content(Box<dyn Error>),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

fn flushed<E: Into<Box<dyn Error>>>(
    writer: impl Write,
    content: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), Box<dyn Error>> {
    let mut writer = BufWriter::new(writer);
    content(&mut writer).map_err(Into::into)?;
    Ok(writer.flush()?)
}
