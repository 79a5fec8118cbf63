//! One piece of an object, which is on its way or waits in memory until it is read.

use super::budget::Share;
use crate::error::SourceError;
use bytes::Bytes;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A piece of an object.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) range: Range<u64>,
    pub(super) arrival: Arc<Arrival>,
    /// What nobody has read yet, in order.
    unread: Vec<Range<u64>>,
    /// How many bytes had been read of all objects when this piece was last asked for.
    pub(super) touched: u64,
    /// Kept for as long as the bytes are kept, by the request too: it goes on when the piece is dropped.
    _share: Option<Arc<Share>>,
}

impl Segment {
    pub(super) fn new(range: Range<u64>, arrival: Arc<Arrival>, share: Option<Arc<Share>>) -> Self {
        Self { unread: Vec::from([range.clone()]), range, arrival, touched: 0, _share: share }
    }

    /// Notes that a part was read. `true` when nothing is left to read.
    pub(super) fn read(&mut self, part: Range<u64>) -> bool {
        // Bytes may be read twice, so what is left is kept, and not how much.
        let outside = |r: &Range<u64>| [r.start..r.end.min(part.start), r.start.max(part.end)..r.end];
        self.unread = self.unread.iter().flat_map(outside).filter(|r| r.start < r.end).collect();
        self.unread.is_empty()
    }
}

/// The bytes of a piece, once they are there.
#[derive(Debug, Default)]
pub(super) struct Arrival {
    bytes: Mutex<Option<Result<Bytes, Arc<SourceError>>>>,
    arrived: Condvar,
}

impl Arrival {
    /// Creates the arrival of bytes that are already there.
    pub(super) fn of(bytes: Bytes) -> Self {
        Self { bytes: Mutex::new(Some(Ok(bytes))), arrived: Condvar::new() }
    }

    pub(super) fn set(&self, bytes: Result<Bytes, SourceError>) {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.map_err(Arc::new));
        self.arrived.notify_all();
    }

    /// Whether the bytes are there, or the request has failed.
    pub(super) fn is_over(&self) -> bool {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Waits until the bytes are there, or the request has failed.
    pub(super) fn wait(&self) -> Result<Bytes, Arc<SourceError>> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*bytes {
                Some(outcome) => return outcome.clone(),
                None => bytes = self.arrived.wait(bytes).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_twice_counts_once() {
        let mut piece = Segment::new(10..20, Arc::default(), None);
        let reads = [10..14, 12..15, 10..14, 18..20, 0..11, 16..17, 15..16, 17..30];
        let done = reads.map(|part| piece.read(part));
        assert_eq!(done, [false, false, false, false, false, false, false, true]);
    }
}
