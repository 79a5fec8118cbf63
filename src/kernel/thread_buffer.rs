//! Memory that a thread keeps from one job to the next: to allocate it each time costs more than the reading.

use std::cell::Cell;
use std::thread::LocalKey;

/// Runs a function with the buffer that this thread keeps.
///
/// A source may let the thread take up another job while it reads, as rayon does: that one gets a buffer of its own.
pub(crate) fn with_buffer<T: Default, R>(kept: &'static LocalKey<Cell<T>>, use_it: impl FnOnce(&mut T) -> R) -> R {
    let mut buffer = kept.take();
    let result = use_it(&mut buffer);
    kept.set(buffer);
    result
}
