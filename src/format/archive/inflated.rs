//! A deflated member of an archive, read at any position.
//!
//! A deflate stream has no index: what stands at a position is known when all before it is decoded. So each read leaves its
//! decoder behind, and the next read takes the decoder that came nearest. Reading from beginning to end is linear; reading
//! backwards decodes from the beginning each time. Several threads that share a member's pieces decode it once each at most.

use crate::bytes::{ReadAt, check_end};
use crate::error::SourceError;
use crate::format::section::Section;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Compressed bytes that are read at a time.
const INPUT: usize = 1 << 14;

/// Bytes that are decoded and dropped at a time, on the way to a position.
const SKIP: usize = 1 << 14;

/// Decoders of one archive that wait for the next read, at most: some 64 KiB each.
const IDLE: usize = 32;

/// The decoders of one archive that wait for the next read, the one that was used last at the end.
#[derive(Debug, Default)]
pub(super) struct Inflaters(Mutex<Vec<Inflater>>);

impl Inflaters {
    /// Takes the decoder of a member that stands nearest before a position.
    fn take(&self, member: usize, position: u64) -> Option<Inflater> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |(_, i): &(usize, &Inflater)| i.member == member && i.produced <= position;
        let (index, _) = idle.iter().enumerate().filter(fits).max_by_key(|(_, i)| i.produced)?;
        Some(idle.remove(index))
    }

    fn put(&self, inflater: Inflater) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= IDLE {
            idle.remove(0);
        }
        idle.push(inflater);
    }
}

/// A decoder in the middle of a member.
struct Inflater {
    member: usize,
    state: Decompress,
    input: Vec<u8>,
    /// The part of `input` that is not decoded yet.
    unread: std::ops::Range<usize>,
    /// Bytes that were read into `input` from the beginning on.
    taken: u64,
    /// Bytes that were decoded.
    produced: u64,
    crc: Crc,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("member", &self.member).field("produced", &self.produced).finish()
    }
}

impl Inflater {
    fn new(member: usize) -> Self {
        let state = Decompress::new(false);
        Self { member, state, input: Vec::new(), unread: 0..0, taken: 0, produced: 0, crc: Crc::new() }
    }

    /// Decodes the next bytes, as many as `out` has. Returns how many there were: fewer at the end of the stream only.
    fn fill(&mut self, stored: &Section, out: &mut [u8]) -> Result<Result<usize, String>, SourceError> {
        let mut filled = 0;
        while filled < out.len() {
            if self.unread.is_empty() {
                let left = stored.length() - self.taken;
                let length = usize::try_from(left).map_or(INPUT, |left| left.min(INPUT));
                self.input.resize(length, 0);
                stored.read_at(&mut self.input, self.taken)?;
                self.taken += length as u64;
                self.unread = 0..length;
            }
            let before = (self.state.total_in(), self.state.total_out());
            let input = &self.input[self.unread.clone()];
            let status = match self.state.decompress(input, &mut out[filled..], FlushDecompress::None) {
                Ok(status) => status,
                Err(error) => return Ok(Err(error.to_string())),
            };
            let read = (self.state.total_in() - before.0) as usize;
            let written = (self.state.total_out() - before.1) as usize;
            self.unread.start += read;
            self.crc.update(&out[filled..filled + written]);
            self.produced += written as u64;
            filled += written;
            if matches!(status, Status::StreamEnd) {
                break;
            }
            // Without this check, a stream that ends early would be asked for ever.
            if read == 0 && written == 0 && (!self.unread.is_empty() || self.taken == stored.length()) {
                return Ok(Err("the compressed bytes end too early".to_owned()));
            }
        }
        Ok(Ok(filled))
    }
}

/// A deflated member of an archive.
#[derive(Debug)]
pub(super) struct Inflated {
    stored: Section,
    member: usize,
    length: u64,
    crc: u32,
    format: &'static str,
    name: String,
    inflaters: Arc<Inflaters>,
}

impl Inflated {
    pub(super) fn new(
        stored: Section,
        member: usize,
        length: u64,
        crc: u32,
        format: &'static str,
        name: &str,
        inflaters: Arc<Inflaters>,
    ) -> Self {
        Self { stored, member, length, crc, format, name: name.to_owned(), inflaters }
    }

    fn malformed(&self, what: &str) -> SourceError {
        let reason = format!("its member `{}` cannot be decompressed: {what}", self.name);
        SourceError::Malformed { path: self.path().to_owned(), format: self.format.to_owned(), reason }
    }

    fn fill(&self, inflater: &mut Inflater, out: &mut [u8]) -> Result<(), SourceError> {
        let filled = inflater.fill(&self.stored, out)?.map_err(|e| self.malformed(&e))?;
        if filled < out.len() {
            let what = format!("it has {} bytes, expected {}", inflater.produced, self.length);
            return Err(self.malformed(&what));
        }
        Ok(())
    }

    /// Checks that nothing follows the last byte, and that all bytes are those that were compressed.
    fn finish(&self, inflater: &mut Inflater) -> Result<(), SourceError> {
        let more = inflater.fill(&self.stored, &mut [0]).map(|more| more.map_err(|e| self.malformed(&e)))??;
        if more > 0 {
            return Err(self.malformed(&format!("it has more than {} bytes", self.length)));
        }
        let found = inflater.crc.sum();
        if found != self.crc {
            return Err(self.malformed(&format!("its checksum is {found:08x}, expected {:08x}", self.crc)));
        }
        Ok(())
    }
}

impl ReadAt for Inflated {
    fn path(&self) -> &Path {
        self.stored.path()
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> Result<(), SourceError> {
        check_end(self, position, bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        let mut inflater = self.inflaters.take(self.member, position).unwrap_or_else(|| Inflater::new(self.member));
        let mut dropped = [0; SKIP];
        while inflater.produced < position {
            let length = (position - inflater.produced).min(SKIP as u64) as usize;
            self.fill(&mut inflater, &mut dropped[..length])?;
        }
        self.fill(&mut inflater, bytes)?;
        if inflater.produced == self.length {
            self.finish(&mut inflater)
        } else {
            self.inflaters.put(inflater);
            Ok(())
        }
    }
}
