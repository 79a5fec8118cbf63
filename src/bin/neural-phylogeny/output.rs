use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::Builder;

/// Finds out before the work whether a file can be written after it.
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
pub(crate) fn write(
    file: Option<&Path>,
    content: impl FnOnce(&mut dyn Write) -> Result<(), neural_phylogeny::Error>,
) -> Result<(), Box<dyn Error>> {
    let Some(file) = file else {
        let mut writer = BufWriter::new(io::stdout().lock());
        content(&mut writer)?;
        return Ok(writer.flush()?);
    };
    let failed = |e: &dyn Error| format!("cannot write {}: {e}", file.display());
    let mut builder = Builder::new();
    builder.prefix(".neural-phylogeny-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.tempfile_in(folder(file)).map_err(|e| failed(&e))?;
    let mut writer = BufWriter::new(temporary.as_file_mut());
    content(&mut writer)?;
    writer.flush().map_err(|e| failed(&e))?;
    drop(writer);
    temporary.as_file().sync_all().map_err(|e| failed(&e))?;
    temporary.persist(file).map_err(|e| failed(&e))?;
    Ok(())
}
