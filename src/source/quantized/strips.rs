//! A small memory of strips, which are parts of tensors that are stored transposed.
//!
//! A row of such a tensor lies scattered over the whole of its codes. A strip gathers many rows at once, so that reading them
//! one after another costs no more than reading the codes once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Most bytes of all strips of the process: 128 MiB.
const LIMIT: usize = 128 << 20;

/// Number of uses of other strips after which a strip may be dropped for a new one.
const STALE: u64 = 1 << 10;

/// The codes of some rows, with their scales, zero points and groups.
#[derive(Debug, Default)]
pub(super) struct Strip {
    /// A code for each value, in row-major order.
    pub(super) codes: Vec<u8>,
    pub(super) scales: Vec<f32>,
    pub(super) zeros: Vec<f32>,
    /// The group of each column. Empty where groups are of equally many columns.
    pub(super) groups: Vec<usize>,
}

impl Strip {
    fn bytes(&self) -> usize {
        self.codes.len() + 4 * (self.scales.len() + self.zeros.len()) + 8 * self.groups.len()
    }
}

/// The number of a strip: the tensor, then the place in the tensor.
pub(super) type Key = (u64, usize);

/// The strips that are kept.
#[derive(Debug, Default)]
struct Kept {
    strips: HashMap<Key, (Arc<Strip>, u64)>,
    bytes: usize,
    /// Number of uses so far.
    uses: u64,
}

/// The strips of all models of the process. Their number is not known to any one model, so the limit must be common.
static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

/// Returns a number that no other tensor has.
pub(super) fn tensor_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Returns a strip that is kept.
pub(super) fn kept(key: Key) -> Option<Arc<Strip>> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.uses += 1;
    let now = kept.uses;
    let (strip, used) = kept.strips.get_mut(&key)?;
    *used = now;
    Some(Arc::clone(strip))
}

/// Whether a strip of so many bytes would be kept.
///
/// A strip that was used lately is not dropped for another. If models took turns in dropping each other's strips, each read
/// would load one.
pub(super) fn has_room(bytes: usize) -> bool {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.bytes + bytes > LIMIT {
        let oldest = kept.uses.saturating_sub(STALE);
        kept.strips.retain(|_, (_, used)| *used >= oldest);
        kept.bytes = kept.strips.values().map(|(strip, _)| strip.bytes()).sum();
    }
    kept.bytes + bytes <= LIMIT
}

/// Keeps a strip, unless the limit has been reached.
pub(super) fn keep(key: Key, strip: &Arc<Strip>) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.bytes + strip.bytes() <= LIMIT {
        let now = kept.uses;
        let before = kept.strips.insert(key, (Arc::clone(strip), now));
        kept.bytes += strip.bytes();
        kept.bytes -= before.map_or(0, |(before, _)| before.bytes());
    }
}

/// Drops a strip that has been read to its end.
pub(super) fn drop_strip(key: Key) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((strip, _)) = kept.strips.remove(&key) {
        kept.bytes -= strip.bytes();
    }
}

/// Drops the strips of a tensor that is no more.
pub(super) fn forget(tensor: u64) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.strips.retain(|(of, _), _| *of != tensor);
    kept.bytes = kept.strips.values().map(|(strip, _)| strip.bytes()).sum();
}
