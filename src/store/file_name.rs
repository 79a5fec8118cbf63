//! The names of files in a store: entries, and files that are not whole yet.

use crate::bytes::Temporary;
use crate::kernel::format::ENTRY_SUFFIX;
use crate::kernel::{from_hex, hex};
use std::fs;
use std::path::Path;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_128;

/// How the name of a file begins while it is written. Searches skip such hidden names, and no entry is named so.
const PREFIX: &str = ".sketch-";
/// How the name of a file ends while it is written.
const SUFFIX: &str = ".tmp";

/// The age from which a temporary file is left over from a run that stopped. No sketch takes so long to write.
const LEFTOVER: Duration = Duration::from_secs(24 * 60 * 60);

/// The name of a file of the store while it is written.
pub(super) const TEMPORARY: Temporary = Temporary::Unique { prefix: PREFIX, suffix: SUFFIX };

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

/// Whether a file was left by a writer that stopped: it has a [`TEMPORARY`] name, and is older than any write takes.
pub(super) fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let age = fs::metadata(path).and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
    name.starts_with(PREFIX) && name.ends_with(SUFFIX) && age.is_some_and(|age| age > LEFTOVER)
}
