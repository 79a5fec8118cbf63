//! The memory that all pieces which wait in memory may take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Least bytes of a request that reads ahead: 64 KiB. Shorter ones take as long.
const LEAST: u64 = 1 << 16;

/// Greatest value of [`Budget::least`]: 1 MiB. A request takes as long as about so many bytes.
const ENOUGH: u64 = 1 << 20;

/// Most bytes of one request: 8 MiB. Longer ranges are several requests at once.
pub(super) const MOST: u64 = 1 << 23;

/// A number of bytes that many objects share.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    held: Arc<AtomicU64>,
    limit: u64,
}

/// A part of the budget. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    held: Arc<AtomicU64>,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { held: Arc::default(), limit }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes to which a short request is lengthened: as many as leave room for sixteen pieces, and 64 KiB to 1 MiB.
    pub(super) fn least(&self) -> u64 {
        (self.limit / 16).clamp(LEAST, ENOUGH)
    }

    /// Most bytes of one piece: as many as leave room for eight, and 64 KiB to 8 MiB.
    pub(super) fn most(&self) -> u64 {
        (self.limit / 8).clamp(LEAST, MOST)
    }

    /// Takes a part. `None` when not enough is left.
    pub(super) fn take(&self, bytes: u64) -> Option<Share> {
        self.take_below(bytes, self.limit)
    }

    /// Takes a part for bytes that nobody may ever ask for. `None` when half of the budget is taken.
    ///
    /// The beginnings of many objects would otherwise leave nothing for the object that is read.
    pub(super) fn take_spare(&self, bytes: u64) -> Option<Share> {
        self.take_below(bytes, self.limit / 2)
    }

    fn take_below(&self, bytes: u64, limit: u64) -> Option<Share> {
        // The counter limits memory and guards no data, so relaxed ordering is enough.
        let more = |held: u64| held.checked_add(bytes).filter(|&sum| sum <= limit);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Share { held: Arc::clone(&self.held), bytes })
    }
}

impl Share {
    /// Gives back all but so many bytes.
    pub(super) fn shrink(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.held.fetch_sub(less, Ordering::Relaxed);
        self.bytes -= less;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let budget = Budget::new(10);
        let first = budget.take(7);
        assert!(first.is_some() && budget.take(4).is_none() && budget.take(u64::MAX).is_none());
        drop(first);
        assert!(budget.take(10).is_some());
        let spare = budget.take_spare(5);
        assert!(spare.is_some() && budget.take_spare(1).is_none() && budget.take(5).is_some());
        let mut part = budget.take(5);
        part.iter_mut().for_each(|share| share.shrink(1));
        assert!(budget.take(5).is_none() && budget.take(4).is_some());
    }

    #[test]
    fn requests_are_as_long_as_the_budget_has_room_for() {
        let sizes = |limit| (Budget::new(limit).least() >> 10, Budget::new(limit).most() >> 10);
        assert_eq!([0, 1 << 22, 1 << 28].map(sizes), [(64, 64), (256, 512), (1024, 8192)]);
    }
}
