//! Buffers that a thread keeps from one job to the next. Allocating them each time would cost more than reading.

use std::cell::Cell;
use std::thread::LocalKey;

/// Runs a function with the buffer that this thread keeps.
///
/// While a source reads, its thread may start another job, as with rayon. That job gets a buffer of its own.
pub(crate) fn with_buffer<T: Default, R>(kept: &'static LocalKey<Cell<T>>, use_it: impl FnOnce(&mut T) -> R) -> R {
    let mut buffer = kept.take();
    let result = use_it(&mut buffer);
    kept.set(buffer);
    result
}
