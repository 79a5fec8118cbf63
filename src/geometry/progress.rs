use super::settings::Observer;
use crate::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The progress of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What values are read for.
    pub stage: ReadingStage,
    /// Number of values read so far, over all models and stages.
    pub read: u64,
    /// Number of values to read up to the end of this stage, as far as it is known.
    ///
    /// Values that are read again are taken to be as many as those before, which is seldom too few. It is never below `read`.
    pub total: u64,
}

/// What values are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadingStage {
    /// Distances, or sketches: every value is read once.
    Whole,
    /// What distances do not show: values of some models are read again.
    Again,
}

impl fmt::Display for ReadingStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Whole => "reading",
            Self::Again => "reading again",
        })
    }
}

/// A counter of the values read. It calls the observer, which may stop the reading.
pub(crate) struct Counter {
    observer: Option<Arc<Observer>>,
    stage: ReadingStage,
    read: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl Counter {
    /// Creates a counter. `read` of `total` values were read before.
    pub(crate) fn new(observer: Option<Arc<Observer>>, stage: ReadingStage, read: u64, total: u64) -> Self {
        let (read, total) = (AtomicU64::new(read), AtomicU64::new(total));
        Self { observer, stage, read, total, stopped: AtomicBool::new(false) }
    }

    /// Tells that so many values are going to be read. The total grows only where it is too small for them.
    pub(crate) fn announce(&self, values: u64) {
        self.total.fetch_max(self.read.load(Ordering::Relaxed) + values, Ordering::Relaxed);
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
        if self.observer.as_ref().is_some_and(|observe| observe(Progress { stage: self.stage, read, total }).is_break())
        {
            self.stopped.store(true, Ordering::Relaxed);
        }
        if self.stopped.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;
    use std::sync::Mutex;

    #[test]
    fn breaking_off_once_ends_every_further_step() {
        let observer = |p: Progress| if p.read == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let counter = Counter::new(Some(Arc::new(observer)), ReadingStage::Again, 1, 2);
        assert!(counter.advance(1).is_ok());
        counter.announce(5);
        assert!(matches!(counter.advance(1), Err(Error::Interrupted)));
        assert!(matches!(counter.advance(1), Err(Error::Interrupted)));
    }

    #[test]
    fn a_total_grows_only_when_it_is_too_small() {
        let totals = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&totals);
        let observer = move |p: Progress| {
            seen.lock().unwrap().push((p.read, p.total));
            ControlFlow::Continue(())
        };
        let counter = Counter::new(Some(Arc::new(observer)), ReadingStage::Again, 10, 20);
        for (announced, read) in [(4, 4), (6, 6), (2, 2), (0, 3)] {
            counter.announce(announced);
            counter.advance(read).unwrap();
        }
        assert_eq!(*totals.lock().unwrap(), [(14, 20), (20, 20), (22, 22), (25, 25)]);
    }
}
