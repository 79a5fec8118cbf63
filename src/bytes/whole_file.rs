//! Files that appear complete or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// What happens to a file that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

/// The name of the temporary file, in the same folder, while the content is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temporary {
    /// A new unique name between `prefix` and `suffix`, for several writers at once.
    Unique { prefix: &'static str, suffix: &'static str },
    /// The name of the file followed by `suffix`, for one writer. The next run overwrites what a stopped run left behind.
    Named { suffix: &'static str },
}

/// Writes a complete file. The content goes to a temporary file in the same folder, is synced to the disk, and then gets its
/// name in one step.
///
/// # Errors
///
/// Errors of the operating system and of `fill`. No temporary file is left behind. With [`Existing::Keep`], the error is
/// [`io::ErrorKind::AlreadyExists`] when the file was already there.
pub(crate) fn write_whole<E: From<io::Error>>(
    path: &Path,
    temporary: Temporary,
    existing: Existing,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), E>,
) -> Result<(), E> {
    let mut file = create(path, temporary)?;
    let mut writer = BufWriter::with_capacity(1 << 20, file.as_file_mut());
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    match existing {
        Existing::Keep => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    }
    .map_err(|e| e.error)?;
    // Syncing the folder makes the new name safe too. Some file systems refuse it; the content is safe all the same.
    #[cfg(unix)]
    let _ = File::open(folder(path)).and_then(|f| f.sync_all());
    Ok(())
}

/// Writes a file whole or not at all, in place of what is there.
///
/// `fill` writes to a temporary file beside it, which takes its name in one step once all of it is on the disk. A link is replaced;
/// give its target where it is to stay.
///
/// # Errors
///
/// Those of the operating system and of `fill`. Nothing is left behind then, and what was there stays.
///
/// ```
/// use neural_phylogeny::bytes::replace_file;
/// use std::io;
/// # fn main() -> io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("result.json");
/// replace_file(&path, |writer| writer.write_all(b"{}"))?;
/// let failed = replace_file(&path, |writer| writer.write_all(b"{").and(Err(io::Error::other("stopped"))));
/// assert!(failed.is_err() && std::fs::read(&path)? == b"{}");
/// # Ok(())
/// # }
/// ```
pub fn replace_file<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let temporary = Temporary::Unique { prefix: ".neural-phylogeny-", suffix: ".tmp" };
    write_whole(path, temporary, Existing::Replace, |writer| fill(writer))
}

/// Checks that a temporary file can be created beside a path.
pub(crate) fn try_beside(path: &Path, temporary: Temporary) -> io::Result<()> {
    create(path, temporary)?.close()
}

fn create(path: &Path, temporary: Temporary) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    // Temporary files are private by default. These get the mode that the user's mask allows: whoever may read the folder may
    // read the file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    match temporary {
        Temporary::Unique { prefix, suffix } => {
            builder.prefix(prefix).suffix(suffix);
            builder.tempfile_in(folder(path))
        }
        Temporary::Named { suffix } => {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(suffix);
            // A run that was killed may have left this file. It is removed and not written through, because it may be a link.
            match fs::remove_file(folder(path).join(&name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            builder.prefix(&name).rand_bytes(0);
            builder.tempfile_in(folder(path))
        }
    }
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: Temporary = Temporary::Named { suffix: ".partial" };
    const UNIQUE: Temporary = Temporary::Unique { prefix: ".a-", suffix: ".tmp" };

    fn write(path: &Path, temporary: Temporary, existing: Existing, bytes: &[u8]) -> io::Result<()> {
        write_whole(path, temporary, existing, |file| file.write_all(bytes))
    }

    #[test]
    fn a_file_appears_whole_and_failures_leave_what_was_there() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        for temporary in [NAMED, UNIQUE] {
            write(&path, temporary, Existing::Replace, b"first")?;
            let refused = write(&path, temporary, Existing::Keep, b"second").unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            let failing = |file: &mut BufWriter<&mut File>| {
                file.write_all(b"half")?;
                Err(io::Error::other("no more"))
            };
            assert!(write_whole(&path, temporary, Existing::Replace, failing).is_err());
            try_beside(&path, temporary)?;
            assert_eq!((fs::read(&path)?.as_slice(), fs::read_dir(folder.path())?.count()), (&b"first"[..], 1));
        }
        Ok(())
    }

    #[test]
    fn leftovers_of_a_writer_are_written_over() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        fs::write(folder.path().join("file.partial"), b"left by a run that was killed")?;
        write(&path, NAMED, Existing::Replace, b"new")?;
        assert_eq!((fs::read(&path)?.as_slice(), fs::read_dir(folder.path())?.count()), (&b"new"[..], 1));
        Ok(())
    }
}
