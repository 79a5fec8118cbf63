//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::Builder;

/// What temporary files are called: hidden from searches, and told from entries by both ends.
const PREFIX: &str = ".sketch-";
const SUFFIX: &str = ".tmp";

/// What becomes of a file that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Keep,
    Replace,
}

/// Writes a file whole: to a temporary one beside it, to the disk, and then under its name in one step.
///
/// With [`Existing::Keep`], the error is of kind [`io::ErrorKind::AlreadyExists`] when another was there first.
pub(super) fn whole(path: &Path, bytes: &[u8], existing: Existing) -> io::Result<()> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    // A store may be shared: what the user's mask allows, not the private mode of temporary files.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.tempfile_in(folder(path))?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    match existing {
        Existing::Keep => temporary.persist_noclobber(path),
        Existing::Replace => temporary.persist(path),
    }
    .map(drop::<File>)
    .map_err(|e| e.error)
}

/// Whether a file name is one that [`whole`] uses while it writes.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Reads a small file, never more than `limit` bytes of it.
pub(super) fn read_small(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    use io::Read;

    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {limit} bytes"))),
        false => Ok(bytes),
    }
}
