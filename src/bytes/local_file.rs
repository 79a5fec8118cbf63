//! Local files that several threads read at given positions, without running out of file descriptors.

use super::ReadAt;
use crate::error::SourceError;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most files that the whole process keeps open. macOS allows 256 by default, and other parts of a program open files too.
/// Files beyond this number are opened for each read. That costs microseconds, which is little beside the read itself.
const OPEN_LIMIT: usize = 128;

/// How many files the process keeps open now.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// A regular file of this machine, of known length.
///
/// The whole process keeps at most 128 files open. The others are opened for each read. A read fails when the file has become
/// too short for it. Where the file is opened for each read, it also fails when the length is no longer the same.
#[derive(Debug)]
pub struct LocalFile {
    path: PathBuf,
    length: u64,
    held: Option<Held>,
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
    /// Opens a file and records its length.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`] when there is no file; [`SourceError::Io`] when the system refuses it, or when it is not a
    /// regular file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref();
        let (file, length) = open(path)?;
        Ok(Self { path: path.to_owned(), length, held: Held::within_limit(file) })
    }

    fn same_length(&self, found: u64) -> Result<(), SourceError> {
        let (path, expected) = (self.path.clone(), self.length);
        match found {
            _ if found < expected => Err(SourceError::Truncated { path, found, expected }),
            _ if found > expected => Err(SourceError::TrailingBytes { path, found, expected }),
            _ => Ok(()),
        }
    }
}

impl ReadAt for LocalFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> Result<(), SourceError> {
        let result = match &self.held {
            Some(Held(file)) => read_exact_at(file, bytes, position),
            None => {
                let (file, length) = open(&self.path)?;
                self.same_length(length)?;
                read_exact_at(&file, bytes, position)
            }
        };
        match result {
            // The file became shorter after it was opened. Its present length makes the error clear.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                let found = fs::metadata(&self.path).map_or(position, |m| m.len());
                Err(SourceError::Truncated { path: self.path.clone(), found, expected: self.length })
            }
            other => other.map_err(|source| SourceError::Io { path: self.path.clone(), source }),
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

/// Opens a regular file and returns its length in bytes. Other files are refused: a pipe would block for ever, and a device
/// has no length.
fn open(path: &Path) -> Result<(File, u64), SourceError> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => SourceError::NotFound { path: path.to_owned() },
        _ => SourceError::Io { path: path.to_owned(), source },
    };
    if !fs::metadata(path).map_err(fail)?.is_file() {
        return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let file = File::open(path).map_err(fail)?;
    let length = file.metadata().map_err(fail)?.len();
    Ok((file, length))
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

    #[test]
    fn a_file_that_shrinks_while_it_is_read_is_truncated() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a");
        fs::write(&path, b"0123456789")?;
        let (file, length) = open(&path)?;
        let kept = LocalFile { path: path.clone(), length, held: Some(Held(file)) };
        let reopened = LocalFile { path: path.clone(), length, held: None };
        OPEN.fetch_add(1, Ordering::Relaxed);
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
