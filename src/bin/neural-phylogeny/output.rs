use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::Builder;

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
    let failed = |e: &dyn Error| format!("cannot write {}: {e}", file.display());
    if fs::metadata(file).is_ok_and(|m| !m.is_file()) {
        return flushed(File::options().write(true).open(file).map_err(|e| failed(&e))?, content);
    }
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut builder = Builder::new();
    builder.prefix(".neural-phylogeny-").suffix(".tmp");
    // Temporary files are private by default; a result has the permissions of any new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // The temporary file is in the folder of the target: only within one file system can it take its place in one step.
    let mut temporary = builder.tempfile_in(folder(&target)).map_err(|e| failed(&e))?;
    let mut writer = BufWriter::new(temporary.as_file_mut());
    content(&mut writer).map_err(Into::into)?;
    writer.flush().map_err(|e| failed(&e))?;
    drop(writer);
    // Without this a crash could leave the new name on an empty file.
    temporary.as_file().sync_all().map_err(|e| failed(&e))?;
    temporary.persist(&target).map_err(|e| failed(&e))?;
    Ok(())
}

fn flushed<E: Into<Box<dyn Error>>>(
    writer: impl Write,
    content: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), Box<dyn Error>> {
    let mut writer = BufWriter::new(writer);
    content(&mut writer).map_err(Into::into)?;
    Ok(writer.flush()?)
}
