//! Bytes of an object one after another, through a small buffer.

use super::malformed;
use crate::bytes::ReadAt;
use crate::error::SourceError;

/// Bytes that are read at a time: 64 KiB.
const BUFFER: u64 = 1 << 16;

/// Longest line of the text opcodes, in bytes. A line is the name of a global or a number.
const LINE: usize = 1024;

/// A position in a part of an object.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    object: &'a dyn ReadAt,
    /// Position in the object of the first buffered byte.
    begin: u64,
    buffer: Vec<u8>,
    /// How many bytes of the buffer are consumed.
    used: usize,
    /// Where the part ends.
    end: u64,
}

impl<'a> Stream<'a> {
    /// Begins at byte `begin` and ends before byte `end`.
    pub(super) fn new(object: &'a dyn ReadAt, begin: u64, end: u64) -> Self {
        Self { object, begin, buffer: Vec::new(), used: 0, end: end.min(object.length()) }
    }

    /// Returns the position of the next byte in the object.
    pub(super) fn position(&self) -> u64 {
        self.begin + self.used as u64
    }

    /// Returns the object.
    pub(super) fn object(&self) -> &'a dyn ReadAt {
        self.object
    }

    fn short(&self) -> SourceError {
        malformed(self.object.path(), format!("the pickle ends at byte {} in the middle of an object", self.end))
    }

    /// Returns the next `count` bytes. `count` is at most the size of the buffer.
    fn next(&mut self, count: usize) -> Result<&[u8], SourceError> {
        if self.buffer.len() - self.used < count {
            let begin = self.position();
            let left = self.end.saturating_sub(begin);
            if left < count as u64 {
                return Err(self.short());
            }
            self.buffer.resize(left.min(BUFFER) as usize, 0);
            self.object.read_at(&mut self.buffer, begin)?;
            (self.begin, self.used) = (begin, 0);
        }
        self.used += count;
        Ok(&self.buffer[self.used - count..self.used])
    }

    /// Returns the next byte.
    pub(super) fn byte(&mut self) -> Result<u8, SourceError> {
        Ok(self.next(1)?[0])
    }

    /// Returns the next `N` bytes. `N` is a few.
    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], SourceError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.next(N)?);
        Ok(bytes)
    }

    /// Returns the next bytes, at most `keep` of them, or passes over all of them when there are more.
    pub(super) fn take(&mut self, count: u64, keep: usize) -> Result<Option<Vec<u8>>, SourceError> {
        if count > keep as u64 {
            self.skip(count)?;
            return Ok(None);
        }
        Ok(Some(self.next(count as usize)?.to_vec()))
    }

    /// Passes over bytes without reading them.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), SourceError> {
        let position = self.position().checked_add(count).filter(|&p| p <= self.end).ok_or_else(|| self.short())?;
        let used = position - self.begin;
        if used <= self.buffer.len() as u64 {
            self.used = used as usize;
        } else {
            (self.begin, self.used) = (position, 0);
            self.buffer.clear();
        }
        Ok(())
    }

    /// Returns the bytes up to the end of the line, without it.
    pub(super) fn line(&mut self) -> Result<Vec<u8>, SourceError> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(line),
                _ if line.len() == LINE => {
                    let reason = format!("a line of more than {LINE} bytes at byte {}", self.position());
                    return Err(malformed(self.object.path(), reason));
                }
                byte => line.push(byte),
            }
        }
    }
}
