//! Files that appear complete or not at all.

use super::step::{Step, Stepwise, before};
use super::temporary::{Temporary, create, folder, remove_leftovers};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// What happens to a file that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Replace,
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
    fill: impl FnOnce(&mut BufWriter<Stepwise<'_>>) -> Result<(), E>,
) -> Result<(), E> {
    let mut file = create(path, temporary)?;
    let mut writer = BufWriter::with_capacity(1 << 20, Stepwise { file: file.as_file_mut(), path });
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    before(Step::Sync, path)?;
    file.as_file().sync_all()?;
    before(Step::Rename, path)?;
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
/// give its target where it is to stay. Temporary files of writers that were killed are removed from its folder first.
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
    let temporary = Temporary::Between { prefix: ".neural-phylogeny-", suffix: ".tmp" };
    remove_leftovers(path, temporary);
    write_whole(path, temporary, Existing::Replace, |writer| fill(writer))
}

/// Checks that a temporary file can be created beside a path.
pub(crate) fn try_beside(path: &Path, temporary: Temporary) -> io::Result<()> {
    create(path, temporary)?.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::step::faults::{EIO, ENOSPC, Failing, Faults};
    use std::fs;

    const NAMED: Temporary = Temporary::Named { suffix: ".partial" };
    const UNIQUE: Temporary = Temporary::Between { prefix: ".a-", suffix: ".tmp" };

    fn write(path: &Path, temporary: Temporary, existing: Existing, bytes: &[u8]) -> io::Result<()> {
        write_whole(path, temporary, existing, |file| bytes.chunks(1 << 16).try_for_each(|piece| file.write_all(piece)))
    }

    #[test]
    fn a_file_appears_whole_and_failures_leave_what_was_there() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        for temporary in [NAMED, UNIQUE] {
            write(&path, temporary, Existing::Replace, b"first")?;
            let refused = write(&path, temporary, Existing::Keep, b"second").unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            let failing = |file: &mut BufWriter<Stepwise<'_>>| {
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
    fn each_step_may_fail_and_what_was_there_stays() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        // More than the buffer holds, so that there are several writes.
        let large = vec![7u8; 5 << 19];
        for (temporary, existing) in [(NAMED, Existing::Replace), (UNIQUE, Existing::Replace), (UNIQUE, Existing::Keep)]
        {
            let counted = {
                let faults = Faults::new(folder.path(), Failing::None, EIO);
                write(&path, temporary, Existing::Replace, &large)?;
                faults.steps()
            };
            assert!(counted >= 5, "{counted} steps");
            eprintln!("{counted} steps, {} faults", 4 * counted);
            for at in 0..counted {
                for error in [ENOSPC, EIO] {
                    for failing in [Failing::Once(at), Failing::From(at)] {
                        match existing {
                            Existing::Replace => fs::write(&path, b"before")?,
                            Existing::Keep => _ = fs::remove_file(&path),
                        }
                        let faults = Faults::new(folder.path(), failing, error);
                        let outcome = write(&path, temporary, existing, &large);
                        let (failed, found) = (faults.failed(), fs::read_dir(folder.path())?.count());
                        drop(faults);
                        assert_eq!(outcome.map_err(|e| e.raw_os_error()), Err(Some(error)), "{at} {failing:?}");
                        assert!(failed > 0);
                        match existing {
                            Existing::Replace => assert_eq!((fs::read(&path)?.as_slice(), found), (&b"before"[..], 1)),
                            Existing::Keep => assert_eq!((path.exists(), found), (false, 0)),
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
