//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// What becomes of a file that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

/// What the file is called, beside its place, while it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temporary {
    /// Some name that nobody else has, between these ends: for several writers at once.
    Unique { prefix: &'static str, suffix: &'static str },
    /// The file's own name and this: for one writer, whose leftovers are then written over.
    Named { suffix: &'static str },
}

/// Writes a file whole: to a temporary one beside it, to the disk, and then under its name in one step.
///
/// # Errors
///
/// Those of the operating system and of `fill`, after which nothing is left behind. With [`Existing::Keep`] of kind
/// [`io::ErrorKind::AlreadyExists`] when another was there first.
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
    // Some file systems refuse; the content is safe all the same.
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

/// Whether a file can be made beside a path.
pub(crate) fn try_beside(path: &Path, temporary: Temporary) -> io::Result<()> {
    create(path, temporary)?.close()
}

fn create(path: &Path, temporary: Temporary) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    // What the user's mask allows, not the private mode of temporary files: whoever may read the folder may read the file.
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
            // Of a run killed while it wrote; removed, not written through, in case it is a link.
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
