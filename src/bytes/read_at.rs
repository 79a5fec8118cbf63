use crate::error::SourceError;
use std::fmt;
use std::path::Path;

/// One object of bytes, such as a file, read at given positions.
///
/// # Contract
///
/// - [`length`](Self::length) is the same at each call. An object that changed since it was opened is an error of `read_at`.
/// - [`read_at`](Self::read_at) fills the whole buffer or fails. A range beyond the end is [`SourceError::Truncated`].
/// - The bytes at a position are the same at each call: nothing is mapped that another program may change.
/// - Calls come from several threads at once.
/// - [`prefetch`](Self::prefetch) may be left out, and changes nothing of what is read.
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
    /// What errors call the object: its path, or its URL where it lies elsewhere.
    fn path(&self) -> &Path;

    /// Its length in bytes.
    fn length(&self) -> u64;

    /// Fills `bytes` with what stands from `position` on.
    ///
    /// # Errors
    ///
    /// [`SourceError::Truncated`] for a range beyond the end, and what the system or server says otherwise.
    fn read_at(&self, bytes: &mut [u8], position: u64) -> Result<(), SourceError>;

    /// Announces that `length` bytes from `position` on are going to be read soon, from some thread.
    ///
    /// A hint without a result, which must not wait. Does nothing unless it is implemented.
    fn prefetch(&self, position: u64, length: u64) {
        let _ = (position, length);
    }
}

/// The first bytes of an object, at most `limit` of them.
pub(crate) fn beginning(object: &dyn ReadAt, limit: usize) -> Result<Vec<u8>, SourceError> {
    let length = usize::try_from(object.length()).map_or(limit, |length| length.min(limit));
    let mut bytes = vec![0; length];
    object.read_at(&mut bytes, 0)?;
    Ok(bytes)
}
