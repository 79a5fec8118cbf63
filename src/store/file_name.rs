//! The names of files in a store: entries, and files that are not whole yet.

use crate::bytes::{self, Temporary};
use crate::kernel::format::ENTRY_SUFFIX;
use crate::kernel::{from_hex, hex};
use std::fs;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

/// How the name of a file begins while it is written. Searches skip such hidden names, and no entry is named so.
const PREFIX: &str = ".sketch-";
/// How the name of a file ends while it is written.
const SUFFIX: &str = ".tmp";

/// The name of a file of the store while it is written.
pub(super) const TEMPORARY: Temporary = Temporary::Between { prefix: PREFIX, suffix: SUFFIX };

/// The file name of a model's entry: a hash, so that no model name can act as a path.
pub(super) fn of_entry(model: &str) -> String {
    hex(xxh3_128(model.as_bytes())) + ENTRY_SUFFIX
}

/// Whether a path is that of an entry.
pub(super) fn is_entry(path: &Path) -> bool {
    entry_hash(path).is_some()
}

/// The hash in the file name of an entry; `None` for any other file.
pub(super) fn entry_hash(path: &Path) -> Option<u128> {
    let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(ENTRY_SUFFIX))?;
    from_hex(name)
}

/// Whether nothing is at a path that was listed or may be an entry. A link that leads nowhere is something: it is an entry that cannot
/// be read.
pub(super) fn is_gone(path: &Path) -> bool {
    !fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink())
}

/// Whether a file was left by a writer that was killed: it has a [`TEMPORARY`] name, and no living writer has it.
pub(super) fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    name.starts_with(PREFIX) && name.ends_with(SUFFIX) && bytes::is_leftover(path)
}
