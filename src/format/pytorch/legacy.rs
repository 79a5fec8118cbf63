//! The files of `torch.save` before PyTorch 1.6: five pickles, followed by the storages one after another.
//!
//! Source: `_legacy_save` in `torch/serialization.py` of PyTorch.

use super::archive::Range;
use super::heap::{Heap, Object, Value};
use super::stream::Stream;
use super::{machine, malformed};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use std::collections::HashMap;

/// The number in the first pickle of such a file, as an opcode.
const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// How many first bytes tell such a file: protocol, frame and number.
pub(super) const BEGINNING: usize = 2 + 9 + MAGIC.len();

/// The content of such a file.
pub(super) struct Legacy {
    pub(super) heap: Heap,
    pub(super) root: Value,
    /// Where each storage is, by its key.
    pub(super) ranges: HashMap<String, Range>,
}

/// Whether a file begins like this. The pickles may have any protocol, and later ones have frames.
pub(super) fn begins(beginning: &[u8]) -> bool {
    match beginning {
        [0x80, 2..=3, rest @ ..] => rest.starts_with(MAGIC),
        [0x80, 4..=5, 0x95, _, _, _, _, _, _, _, _, rest @ ..] => rest.starts_with(MAGIC),
        _ => false,
    }
}

/// Reads the pickles and the place of each storage.
pub(super) fn read(object: &dyn ReadAt) -> Result<Legacy, SourceError> {
    let mut heap = Heap::default();
    let mut stream = Stream::new(object, 0, object.length());
    let fail = |reason: String| malformed(object.path(), reason);
    machine::run(&mut stream, &mut heap)?;
    match machine::run(&mut stream, &mut heap)? {
        Value::Int(1001) => {}
        found => return Err(fail(format!("its version is {found:?}, expected Int(1001)"))),
    }
    let system = machine::run(&mut stream, &mut heap)?;
    // The values are little-endian whatever that machine was.
    if !matches!(heap.object(system), Some(Object::Dict(_))) {
        return Err(fail("it does not describe the machine that wrote it".to_owned()));
    }
    let root = machine::run(&mut stream, &mut heap)?;
    let elements = element_sizes(&heap);
    let keys = machine::run(&mut stream, &mut heap)?;
    let keys = match heap.object(keys) {
        Some(Object::List(keys)) => keys,
        _ => return Err(fail("it does not list its storages".to_owned())),
    };

    let mut ranges = HashMap::new();
    let mut position = stream.position();
    for key in keys {
        let Value::Text(key) = key else { return Err(fail("the key of a storage is no text".to_owned())) };
        let key = heap.text(*key).to_owned();
        let size = *elements.get(&key).ok_or_else(|| fail(format!("no tensor has the storage `{key}`")))?;
        let mut count = [0; 8];
        object.read_at(&mut count, position)?;
        let begin = position + 8;
        let length = u64::from_le_bytes(count).checked_mul(size as u64);
        let end = length.and_then(|length| begin.checked_add(length)).unwrap_or(u64::MAX);
        if end > object.length() {
            let path = object.path().to_owned();
            return Err(SourceError::Truncated { path, found: object.length(), expected: end });
        }
        ranges.insert(key, Range { begin, length: end - begin });
        position = end;
    }
    Ok(Legacy { heap, root, ranges })
}

/// Returns the bytes per element of each storage, by its key.
fn element_sizes(heap: &Heap) -> HashMap<String, usize> {
    heap.iter()
        .filter_map(|object| match object {
            Object::Storage(storage) => Some((heap.text(storage.key).to_owned(), storage.element.size())),
            _ => None,
        })
        .collect()
}
