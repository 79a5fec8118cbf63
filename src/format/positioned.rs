use crate::bytes::ReadAt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// A reader over an object, for libraries that read from one place to the next.
#[derive(Debug)]
pub(super) struct Positioned {
    bytes: Arc<dyn ReadAt>,
    position: u64,
}

impl Positioned {
    pub(super) fn new(bytes: Arc<dyn ReadAt>) -> Self {
        Self { bytes, position: 0 }
    }
}

impl Read for Positioned {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.bytes.length().saturating_sub(self.position);
        let length = usize::try_from(left).map_or(out.len(), |left| left.min(out.len()));
        self.bytes.read_at(&mut out[..length], self.position).map_err(io::Error::other)?;
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for Positioned {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.bytes.length().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
