//! Local files that several threads read at given positions, without running out of file descriptors.

use super::ReadAt;
use crate::error::SourceError;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

/// Most files that the whole process keeps open. macOS allows 256 by default, and other parts of a program open files too.
/// Files beyond this number are opened for each read. That costs microseconds, which is little beside the read itself.
const OPEN_LIMIT: usize = 128;

/// How many files the process keeps open now.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// A regular file of this machine, bound to what it was when it was opened.
///
/// The whole process keeps at most 128 files open. The others are opened for each read. After each read, the file must have the
/// length and the time of modification that it had first. A file that is opened again must be the same one. So no answer comes
/// from two versions of a file, also where a program rewrites it in place.
#[derive(Debug)]
pub struct LocalFile {
    path: PathBuf,
    first: Seen,
    held: Option<Held>,
}

/// What is seen of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    length: u64,
    /// `None` where the system does not record it.
    modified: Option<SystemTime>,
    /// The device and the number of the file there. Both are 0 where the system has no such numbers.
    identity: [u64; 2],
}

impl Seen {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            [metadata.dev(), metadata.ino()]
        };
        #[cfg(not(unix))]
        let identity = [0; 2];
        Self { length: metadata.len(), modified: metadata.modified().ok(), identity }
    }
}

/// A file that stays open and counts towards [`OPEN_LIMIT`].
#[derive(Debug)]
struct Held(File);

impl Held {
    fn within_limit(file: File) -> Option<Self> {
        // The counter only limits file descriptors and guards no data, so relaxed ordering is enough.
        let taken = OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < OPEN_LIMIT).then_some(n + 1));
        taken.ok().map(|_| Self(file))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LocalFile {
    /// Opens a file and records its length, its time of modification and which file it is.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`] when there is no file; [`SourceError::Io`] when the system refuses it, or when it is not a
    /// regular file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref();
        let (file, first) = open(path)?;
        Ok(Self { path: path.to_owned(), first, held: Held::within_limit(file) })
    }

    /// Checks that the file is still what it was first.
    fn same(&self, now: Seen) -> Result<(), SourceError> {
        let (path, found, expected) = (self.path.clone(), now.length, self.first.length);
        match found {
            _ if found < expected => Err(SourceError::Truncated { path, found, expected }),
            _ if found > expected => Err(SourceError::TrailingBytes { path, found, expected }),
            _ if now != self.first => Err(SourceError::Changed { path }),
            _ => Ok(()),
        }
    }

    /// Reads, and then looks whether the file changed before or meanwhile.
    fn read_same(&self, file: &File, bytes: &mut [u8], position: u64) -> Result<(), SourceError> {
        let failed = |source| SourceError::Io { path: self.path.clone(), source };
        let read = read_exact_at(file, bytes, position);
        self.same(Seen::of(&file.metadata().map_err(failed)?))?;
        read.map_err(failed)
    }
}

impl ReadAt for LocalFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn length(&self) -> u64 {
        self.first.length
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> Result<(), SourceError> {
        match &self.held {
            Some(Held(file)) => self.read_same(file, bytes, position),
            None => {
                let (file, now) = open(&self.path)?;
                self.same(now)?;
                self.read_same(&file, bytes, position)
            }
        }
    }

    /// Starts to load a range in the background. Does nothing outside Linux or when the file is not kept open.
    fn prefetch(&self, position: u64, length: u64) {
        #[cfg(target_os = "linux")]
        if let (Some(Held(file)), Some(length)) = (&self.held, std::num::NonZeroU64::new(length)) {
            // This is a hint. If it fails, the later read is slower, or reports the error itself.
            let _ = rustix::fs::fadvise(file, position, Some(length), rustix::fs::Advice::WillNeed);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (position, length, &self.held);
    }
}

/// Opens a regular file and returns what is seen of it. Other files are refused: a pipe would block for ever, and a device
/// has no length.
fn open(path: &Path) -> Result<(File, Seen), SourceError> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => SourceError::NotFound { path: path.to_owned() },
        _ => SourceError::Io { path: path.to_owned(), source },
    };
    if !fs::metadata(path).map_err(fail)?.is_file() {
        return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let file = File::open(path).map_err(fail)?;
    let seen = Seen::of(&file.metadata().map_err(fail)?);
    Ok((file, seen))
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, position)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut position: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, position) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                bytes = &mut bytes[n..];
                position += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beyond_the_limit_are_read_all_the_same() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a");
        fs::write(&path, b"0123456789")?;
        let files: Vec<LocalFile> = (0..OPEN_LIMIT + 5).map(|_| LocalFile::open(&path)).collect::<Result<_, _>>()?;
        assert!(files.iter().any(|f| f.held.is_none()));
        for file in &files {
            let mut bytes = [0; 3];
            file.read_at(&mut bytes, 4)?;
            assert_eq!(&bytes, b"456");
        }
        Ok(())
    }

    /// A file that stays open, and the same one opened for each read.
    fn both(path: &Path) -> Result<[LocalFile; 2], SourceError> {
        let (file, first) = open(path)?;
        OPEN.fetch_add(1, Ordering::Relaxed);
        let held = [Some(Held(file)), None];
        Ok(held.map(|held| LocalFile { path: path.to_owned(), first, held }))
    }

    #[test]
    fn a_file_that_is_rewritten_in_place_or_replaced_is_named() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a");
        fs::write(&path, b"0123456789")?;
        let files = both(&path)?;
        for file in &files {
            file.read_at(&mut [0; 3], 4)?;
        }
        // The clock of a file system may stand still for some milliseconds.
        let later = SystemTime::now() + std::time::Duration::from_secs(2);
        fs::write(&path, b"abcdefghij")?;
        File::options().write(true).open(&path)?.set_modified(later)?;
        for file in &files {
            let error = file.read_at(&mut [0; 3], 4).unwrap_err();
            assert!(matches!(&error, SourceError::Changed { path: named } if *named == path), "{error}");
        }
        let [kept, reopened] = both(&path)?;
        fs::write(folder.path().join("b"), b"0123456789")?;
        File::options().write(true).open(folder.path().join("b"))?.set_modified(later)?;
        fs::rename(folder.path().join("b"), &path)?;
        // The open file is the one of before, as a whole.
        assert!(kept.read_at(&mut [0; 3], 4).is_ok());
        #[cfg(unix)]
        assert!(matches!(reopened.read_at(&mut [0; 3], 4), Err(SourceError::Changed { .. })));
        #[cfg(not(unix))]
        let _ = reopened;
        Ok(())
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_read_is_truncated() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a");
        fs::write(&path, b"0123456789")?;
        let [kept, reopened] = both(&path)?;
        fs::write(&path, b"0123")?;
        for file in [kept, reopened] {
            let error = file.read_at(&mut [0; 3], 4).unwrap_err();
            assert_eq!(error.to_string(), format!("{} is truncated: found 4 bytes, expected 10", path.display()));
        }
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_a_model() {
        let error = LocalFile::open("/dev/zero").unwrap_err();
        assert!(matches!(error, SourceError::Io { .. }));
    }
}
