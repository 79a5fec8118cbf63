//! Pieces of an object that are on their way or wait in memory until they are read.

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
    /// Number of its bytes that nobody has read yet.
    pub(super) unread: u64,
    /// Kept for as long as the bytes are kept, by the request too: it goes on when the piece is dropped.
    _share: Arc<Share>,
}

impl Segment {
    pub(super) fn new(range: Range<u64>, arrival: Arc<Arrival>, share: Arc<Share>) -> Self {
        Self { unread: range.end - range.start, range, arrival, _share: share }
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
