use super::{ReadAt, check_end};
use crate::error::SourceError;
use std::path::{Path, PathBuf};

/// An object whose bytes are in memory, for bytes that a caller has fetched and for tests.
#[derive(Clone, Debug)]
pub struct MemoryFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl MemoryFile {
    /// Creates an object. Error messages name it by `path`.
    pub fn new(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), bytes: bytes.into() }
    }
}

impl ReadAt for MemoryFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> Result<(), SourceError> {
        check_end(self, position, bytes.len())?;
        // The range lies in memory, so that its ends fit in a `usize`.
        let begin = position as usize;
        bytes.copy_from_slice(&self.bytes[begin..begin + bytes.len()]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_beyond_the_end_is_truncated() {
        let object = MemoryFile::new("a", *b"0123");
        let mut two = [0; 2];
        object.read_at(&mut two, 2).unwrap();
        assert_eq!(&two, b"23");
        object.read_at(&mut [], 4).unwrap();
        for position in [3, 4, u64::MAX] {
            let error = object.read_at(&mut two, position).unwrap_err();
            assert!(matches!(error, SourceError::Truncated { found: 4, .. }), "{error}");
        }
    }
}
