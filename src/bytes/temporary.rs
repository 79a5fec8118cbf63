//! Temporary files: their names, who owns them, and the removal of those whose owner was killed.
//!
//! A writer locks its temporary file while it writes. The system gives the lock up when the process ends, however it ends. So a
//! file that can be locked has no living writer, and the next writer removes it.

use super::step::{Step, before};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::{Builder, NamedTempFile};

/// Most times that a temporary file is made anew because another writer took it for one without an owner.
const TRIES: usize = 100;

/// The age from which a file counts as left over where the system has no locks. Nothing takes so long to write.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// The name of the temporary file, in the same folder, while the content is written. Each is new and unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temporary {
    /// Between `prefix` and `suffix`, for any file of the folder.
    Between { prefix: &'static str, suffix: &'static str },
    /// Between `.`, the name of the file, `-`, and `suffix`.
    Named { suffix: &'static str },
}

impl Temporary {
    /// The beginning and the end of the temporary names of a file.
    fn parts(self, path: &Path) -> (OsString, &'static str) {
        match self {
            Self::Between { prefix, suffix } => (prefix.into(), suffix),
            Self::Named { suffix } => {
                let mut prefix = OsString::from(".");
                prefix.push(path.file_name().unwrap_or_default());
                prefix.push("-");
                (prefix, suffix)
            }
        }
    }
}

/// Makes a temporary file for a path and locks it.
pub(super) fn create(path: &Path, temporary: Temporary) -> io::Result<NamedTempFile> {
    let (prefix, suffix) = temporary.parts(path);
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(suffix);
    // Temporary files are private by default. These get the mode that the user's mask allows: whoever may read the folder may
    // read the file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    for _ in 0..TRIES {
        before(Step::Create, path)?;
        let file = builder.tempfile_in(folder(path))?;
        lock::take(file.as_file());
        // Between its making and the lock, another writer may have taken it for one without an owner.
        if file.path().exists() {
            return Ok(file);
        }
    }
    Err(io::Error::other("temporary files are removed as soon as they are made"))
}

/// Removes the temporary files for a path whose writers were killed. What cannot be removed stays: it is no obstacle.
pub(crate) fn remove_leftovers(path: &Path, temporary: Temporary) {
    let (prefix, suffix) = temporary.parts(path);
    let Ok(entries) = fs::read_dir(folder(path)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let fits = name.starts_with(prefix.as_encoded_bytes()) && name.ends_with(suffix.as_bytes());
        if fits && let Some(_locked) = leftover(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a temporary file has no living writer.
pub(crate) fn is_leftover(path: &Path) -> bool {
    leftover(path).is_some()
}

/// A temporary file without a living writer. It is locked as long as it is held, so that no writer takes it for its own meanwhile.
fn leftover(path: &Path) -> Option<File> {
    // A pipe would block, and a link may lead to the file of somebody else.
    let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    let file = File::open(path).ok()?;
    let is_old = || metadata.modified().ok().and_then(|time| time.elapsed().ok()).is_some_and(|age| age > OLD);
    let is_left = match lock::is_taken(&file) {
        lock::Taken::Known(taken) => !taken,
        lock::Taken::Unknown => is_old(),
    };
    is_left.then_some(file)
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Advisory locks of whole files, which end with the process.
mod lock {
    use std::fs::File;

    /// Whether another process, or another open file of this one, has locked a file.
    pub(super) enum Taken {
        Known(bool),
        /// The system or the file system has no locks.
        Unknown,
    }

    /// Locks a file. Where the system has no locks, its age tells whether it has an owner.
    pub(super) fn take(file: &File) {
        #[cfg(unix)]
        let _ = rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive);
        #[cfg(not(unix))]
        let _ = file;
    }

    /// Locks a file, if nobody else has.
    #[cfg(unix)]
    pub(super) fn is_taken(file: &File) -> Taken {
        use rustix::fs::{FlockOperation, flock};
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Taken::Known(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Taken::Known(true),
            Err(_) => Taken::Unknown,
        }
    }

    #[cfg(not(unix))]
    pub(super) fn is_taken(_file: &File) -> Taken {
        Taken::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: Temporary = Temporary::Named { suffix: ".partial" };
    const BETWEEN: Temporary = Temporary::Between { prefix: ".a-", suffix: ".tmp" };

    #[cfg(unix)]
    #[test]
    fn leftovers_are_removed_and_files_of_living_writers_stay() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("sums");
        let names = |folder: &Path| -> io::Result<Vec<String>> {
            let mut names: Vec<String> = fs::read_dir(folder)?
                .map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()))
                .collect::<Result<_, _>>()?;
            names.sort();
            Ok(names)
        };
        for (temporary, left, others) in [
            (NAMED, ".sums-x1y2z3.partial", [".sums-", ".sum-x1y2z3.partial", "sums.partial"]),
            (BETWEEN, ".a-left.tmp", [".a-left", "a-left.tmp", ".b-left.tmp"]),
        ] {
            let living = create(&path, temporary)?;
            for name in others.iter().chain([&left]) {
                fs::write(folder.path().join(name), b"left by a writer that was killed")?;
            }
            remove_leftovers(&path, temporary);
            let found = names(folder.path())?;
            assert!(!found.iter().any(|name| name == left), "{found:?}");
            assert!(others.iter().all(|other| found.iter().any(|name| name == other)), "{found:?}");
            assert!(living.path().is_file());
            living.close()?;
        }
        // What looks like a leftover and is no file is nobody's.
        let (link, target) = (folder.path().join(".a-link.tmp"), folder.path().join("target"));
        fs::write(&target, b"of somebody else")?;
        std::os::unix::fs::symlink(&target, &link)?;
        fs::create_dir(folder.path().join(".a-folder.tmp"))?;
        remove_leftovers(&path, BETWEEN);
        assert!(target.is_file() && link.is_symlink() && folder.path().join(".a-folder.tmp").is_dir());
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn writers_that_remove_leftovers_all_the_time_never_lose_a_file() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        std::thread::scope(|scope| {
            let write = || {
                for _ in 0..200 {
                    remove_leftovers(&path, BETWEEN);
                    let file = create(&path, BETWEEN)?;
                    remove_leftovers(&path, BETWEEN);
                    if !file.path().is_file() {
                        return Err(io::Error::other("removed under its writer"));
                    }
                    file.close()?;
                }
                Ok(())
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(write)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap())
        })?;
        assert_eq!(fs::read_dir(folder.path())?.count(), 0);
        Ok(())
    }
}
