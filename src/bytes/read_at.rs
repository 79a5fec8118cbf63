use crate::error::SourceError;
use std::fmt;
use std::path::Path;

/// One object of bytes, such as a file, that is read at given positions.
///
/// # Contract
///
/// - [`length`](Self::length) is the same at each call. If the object has changed since it was opened, `read_at` fails.
/// - [`read_at`](Self::read_at) fills the whole buffer or fails. A range beyond the end is [`SourceError::Truncated`].
/// - The bytes at a position are the same at each call. An implementation maps no memory that another program may change.
/// - Calls come from several threads at once.
/// - [`prefetch`](Self::prefetch) may be left out. It never changes what is read.
///
/// ```
/// use neural_phylogeny::bytes::{MemoryFile, ReadAt};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let object: Box<dyn ReadAt> = Box::new(MemoryFile::new("greeting", "hello, world"));
/// let mut word = [0; 5];
/// object.read_at(&mut word, 7)?;
/// assert_eq!(&word, b"world");
/// # Ok(())
/// # }
/// ```
pub trait ReadAt: Send + Sync + fmt::Debug {
    /// Returns the name of the object in error messages: its path, or its URL if it is not a local file.
    fn path(&self) -> &Path;

    /// Returns the length in bytes.
    fn length(&self) -> u64;

    /// Fills `bytes` with the bytes of the object that begin at `position`.
    ///
    /// # Errors
    ///
    /// [`SourceError::Truncated`] for a range beyond the end; any other error of the system or server.
    fn read_at(&self, bytes: &mut [u8], position: u64) -> Result<(), SourceError>;

    /// Announces that some thread will soon read `length` bytes from `position` on.
    ///
    /// This is a hint: it has no result and must not wait. By default it does nothing.
    fn prefetch(&self, position: u64, length: u64) {
        let _ = (position, length);
    }
}

/// Checks that `length` bytes from `position` on lie within an object.
///
/// # Errors
///
/// [`SourceError::Truncated`], with the end that the range needs.
pub(crate) fn check_end<O: ReadAt + ?Sized>(object: &O, position: u64, length: usize) -> Result<(), SourceError> {
    let (found, expected) = (object.length(), position.saturating_add(length as u64));
    match expected > found {
        true => Err(SourceError::Truncated { path: object.path().to_owned(), found, expected }),
        false => Ok(()),
    }
}

/// Reads the first bytes of an object, at most `limit` of them.
pub(crate) fn beginning(object: &dyn ReadAt, limit: usize) -> Result<Vec<u8>, SourceError> {
    let length = usize::try_from(object.length()).map_or(limit, |length| length.min(limit));
    let mut bytes = vec![0; length];
    object.read_at(&mut bytes, 0)?;
    Ok(bytes)
}
