//! Reading of a header from its beginning to its end, in small pieces. Every length is checked before it is used.

use super::NAME;
use crate::bytes::ReadAt;
use crate::error::SourceError;

/// Longest header that is read, in bytes. The largest vocabularies have some 20 million.
const HEADER_LIMIT: u64 = 1 << 28;

/// Bytes that are read ahead at a time: 64 KiB.
const PIECE: usize = 1 << 16;

/// A place in a header. It moves forward only.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a dyn ReadAt,
    /// Bytes that have been read ahead.
    piece: Vec<u8>,
    /// How many of them have been used.
    used: usize,
    /// Position in the object of the byte after `piece`.
    ahead: u64,
    /// Where the header must have ended: the end of the object, or the limit.
    end: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a dyn ReadAt) -> Self {
        let end = bytes.length().min(HEADER_LIMIT);
        Self { bytes, piece: Vec::new(), used: 0, ahead: 0, end }
    }

    /// Position in the object of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.ahead - (self.piece.len() - self.used) as u64
    }

    /// How many bytes may still follow.
    pub(super) fn remaining(&self) -> u64 {
        self.end - self.position()
    }

    /// An error about the header: what was found, and what was expected.
    pub(super) fn malformed(&self, reason: impl Into<String>) -> SourceError {
        malformed(self.bytes, reason)
    }

    /// Checks that `count` things of at least `least` bytes each may still follow.
    pub(super) fn expect(&self, what: &str, count: u64, least: u64) -> Result<(), SourceError> {
        match count.checked_mul(least) {
            Some(length) if length <= self.remaining() => Ok(()),
            _ => Err(self.too_many(what, count)),
        }
    }

    fn too_many(&self, what: &str, count: u64) -> SourceError {
        if self.end < self.bytes.length() {
            let reason =
                format!("its header announces {count} {what}, but at most {HEADER_LIMIT} bytes of it are read");
            return self.malformed(reason);
        }
        let (at, left) = (self.position(), self.remaining());
        self.malformed(format!("its header announces {count} {what} at byte {at}, but only {left} bytes follow"))
    }

    /// Passes over `length` bytes without reading them.
    pub(super) fn skip(&mut self, what: &str, length: u64) -> Result<(), SourceError> {
        self.expect(what, length, 1)?;
        let held = (self.piece.len() - self.used) as u64;
        if length <= held {
            self.used += length as usize;
        } else {
            self.ahead += length - held;
            self.piece.clear();
            self.used = 0;
        }
        Ok(())
    }

    /// Reads a number of `N` bytes.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], SourceError> {
        self.expect("bytes", N as u64, 1)?;
        if self.piece.len() - self.used < N {
            self.read_ahead(N)?;
        }
        let mut taken = [0; N];
        taken.copy_from_slice(&self.piece[self.used..self.used + N]);
        self.used += N;
        Ok(taken)
    }

    fn read_ahead(&mut self, least: usize) -> Result<(), SourceError> {
        let begin = self.position();
        let length = (self.end - begin).min(PIECE.max(least) as u64) as usize;
        self.piece.resize(length, 0);
        self.bytes.read_at(&mut self.piece, begin)?;
        self.used = 0;
        self.ahead = begin + length as u64;
        Ok(())
    }

    pub(super) fn u32(&mut self) -> Result<u32, SourceError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, SourceError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    /// Reads a string of at most `limit` bytes. `None` when it is longer or no text: it is passed over.
    pub(super) fn text(&mut self, limit: usize) -> Result<Option<String>, SourceError> {
        let length = self.u64()?;
        if length > limit as u64 {
            self.skip("bytes of a string", length)?;
            return Ok(None);
        }
        self.expect("bytes of a string", length, 1)?;
        let mut text = Vec::with_capacity(length as usize);
        for _ in 0..length {
            let [byte] = self.take()?;
            text.push(byte);
        }
        Ok(String::from_utf8(text).ok())
    }
}

/// An error of a file that is not what the format requires.
pub(super) fn malformed(bytes: &dyn ReadAt, reason: impl Into<String>) -> SourceError {
    SourceError::Malformed { path: bytes.path().to_owned(), format: NAME.to_owned(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemoryFile;

    #[test]
    fn a_cursor_reads_across_pieces_and_stops_at_the_end() {
        let stored: Vec<u8> = (0..PIECE + 100).map(|i| i as u8).collect();
        let file = MemoryFile::new("a", stored.clone());
        let mut cursor = Cursor::new(&file);
        cursor.skip("bytes", PIECE as u64 - 3).unwrap();
        let at = PIECE - 3;
        assert_eq!(cursor.take::<8>().unwrap(), stored[at..at + 8]);
        cursor.skip("bytes", 2).unwrap();
        assert_eq!((cursor.position(), cursor.take::<1>().unwrap()), (at as u64 + 10, [stored[at + 10]]));
        assert!(cursor.skip("bytes", cursor.remaining() + 1).is_err());
        cursor.skip("bytes", cursor.remaining()).unwrap();
        assert!(cursor.take::<1>().is_err() && cursor.expect("strings", u64::MAX, 8).is_err());
    }
}
