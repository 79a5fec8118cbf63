use crate::bytes::ReadAt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// A reader over an object, for libraries that read from one place to the next.
#[derive(Debug)]
pub(super) struct Positioned {
    bytes: Arc<dyn ReadAt>,
    position: u64,
    /// How many bytes it gives at most, and how many of them are left.
    limit: u64,
    left: u64,
}

impl Positioned {
    pub(super) fn new(bytes: Arc<dyn ReadAt>) -> Self {
        Self { bytes, position: 0, limit: u64::MAX, left: u64::MAX }
    }

    /// Sets how many bytes it gives, for objects that a library reads as far as they say. Default: all.
    #[cfg(feature = "pytorch")]
    pub(super) fn with_limit(mut self, limit: u64) -> Self {
        (self.limit, self.left) = (limit, limit);
        self
    }
}

impl Read for Positioned {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let rest = self.bytes.length().saturating_sub(self.position);
        let length = rest.min(out.len() as u64);
        if length > self.left {
            let message = format!("more than {} bytes of it", self.limit);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let out = &mut out[..length as usize];
        self.bytes.read_at(out, self.position).map_err(io::Error::other)?;
        (self.position, self.left) = (self.position + length, self.left - length);
        Ok(out.len())
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
