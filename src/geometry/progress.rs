use super::settings::Observer;
use crate::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The progress of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Number of values read so far, over all models.
    pub read: u64,
    /// Number of values to read, as far as it is known.
    pub total: u64,
}

/// A counter of the values read. It calls the observer, which may stop the reading.
pub(crate) struct Counter {
    observer: Option<Arc<Observer>>,
    read: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl Counter {
    /// Creates a counter. `read` of `total` values were read before.
    pub(crate) fn new(observer: Option<Arc<Observer>>, read: u64, total: u64) -> Self {
        let (read, total) = (AtomicU64::new(read), AtomicU64::new(total));
        Self { observer, read, total, stopped: AtomicBool::new(false) }
    }

    /// Adds to the number of values to read.
    pub(crate) fn announce(&self, values: u64) {
        self.total.fetch_add(values, Ordering::Relaxed);
    }

    /// Counts values that were read, and calls the observer.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`] in every thread, once the observer has stopped the reading.
    pub(crate) fn advance(&self, values: u64) -> Result<(), Error> {
        let read = self.read.fetch_add(values, Ordering::Relaxed) + values;
        // The announced total may be behind, so the reported total is never below the number read.
        let total = self.total.load(Ordering::Relaxed).max(read);
        // One thread that sees a break stops all others at their next block.
        if self.observer.as_ref().is_some_and(|observe| observe(Progress { read, total }).is_break()) {
            self.stopped.store(true, Ordering::Relaxed);
        }
        if self.stopped.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    #[test]
    fn breaking_off_once_ends_every_further_step() {
        let observer = |p: Progress| if p.read == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let counter = Counter::new(Some(Arc::new(observer)), 1, 2);
        assert!(counter.advance(1).is_ok());
        counter.announce(5);
        assert!(matches!(counter.advance(1), Err(Error::Interrupted)));
        assert!(matches!(counter.advance(1), Err(Error::Interrupted)));
    }
}
