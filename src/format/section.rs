use crate::bytes::{ReadAt, check_end};
use crate::error::SourceError;
use std::path::Path;
use std::sync::Arc;

/// A part of an object, as an object. It lies within the whole.
#[derive(Clone, Debug)]
pub(super) struct Section {
    whole: Arc<dyn ReadAt>,
    begin: u64,
    length: u64,
}

impl Section {
    pub(super) fn new(whole: Arc<dyn ReadAt>, begin: u64, length: u64) -> Self {
        Self { whole, begin, length }
    }
}

impl ReadAt for Section {
    fn path(&self) -> &Path {
        self.whole.path()
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> Result<(), SourceError> {
        check_end(self, position, bytes.len())?;
        self.whole.read_at(bytes, self.begin + position)
    }

    fn prefetch(&self, position: u64, length: u64) {
        if position.saturating_add(length) <= self.length {
            self.whole.prefetch(self.begin + position, length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemoryFile;

    #[test]
    fn a_section_ends_before_its_object_does() {
        let section = Section::new(Arc::new(MemoryFile::new("a", *b"0123456789")), 3, 4);
        let mut bytes = [0; 3];
        section.read_at(&mut bytes, 1).unwrap();
        assert_eq!(&bytes, b"456");
        for position in [2, u64::MAX] {
            let error = section.read_at(&mut bytes, position).unwrap_err();
            assert!(matches!(error, SourceError::Truncated { found: 4, .. }), "{error}");
        }
    }
}
