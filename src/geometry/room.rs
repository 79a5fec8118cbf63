//! Memory that a thread keeps from one job to the next: to ask for it each time costs more than the reading.

use std::cell::Cell;
use std::thread::LocalKey;

/// Lends what a thread keeps.
///
/// A source may let the thread take up another job while it reads, as rayon does: that one gets room of its own.
pub(super) fn lent<T: Default, R>(kept: &'static LocalKey<Cell<T>>, use_it: impl FnOnce(&mut T) -> R) -> R {
    let mut room = kept.take();
    let result = use_it(&mut room);
    kept.set(room);
    result
}
