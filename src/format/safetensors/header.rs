//! The header of a safetensors file: parsed, and every claim in it checked before anything relies on it.

use crate::error::SourceError;
use crate::format::Dtype;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// What the format allows a header to be, in bytes.
pub(super) const HEADER_LIMIT: u64 = 100_000_000;

/// Bytes of the header's length at the beginning of the file.
pub(super) const LENGTH_BYTES: u64 = 8;

const METADATA: &str = "__metadata__";

/// One tensor of a file, its place within the file known to be true.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// Position of its first byte in the file.
    pub(super) begin: u64,
}

/// What a header says.
pub(super) struct Header {
    pub(super) tensors: BTreeMap<String, Tensor>,
    /// Free text of the writer; nothing in it is checked.
    pub(super) metadata: BTreeMap<String, String>,
}

/// Parses the bytes of a header that ends at `data_begin` in a file of `length` bytes.
pub(super) fn parse(path: &Path, header: &[u8], data_begin: u64, length: u64) -> Result<Header, SourceError> {
    let entries: Entries =
        serde_json::from_slice(header).map_err(|source| SourceError::Json { path: path.to_owned(), source })?;
    if let Some(tensor) = entries.duplicate {
        return Err(SourceError::DuplicateTensor { path: path.to_owned(), tensor });
    }

    let mut sorted: Vec<(String, Entry)> = entries.tensors.into_iter().collect();
    sorted.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut expected = 0;
    let mut tensors = BTreeMap::new();
    for (name, entry) in sorted {
        let (begin, end) = entry.data_offsets;
        if begin != expected || end < begin {
            return Err(SourceError::InvalidOffsets { path: path.to_owned(), tensor: name, begin, end, expected });
        }
        expected = end;
        let dtype = checked(path, &name, &entry)?;
        tensors.insert(name, Tensor { dtype, shape: entry.shape, begin: data_begin.saturating_add(begin) });
    }

    let expected = data_begin.saturating_add(expected);
    match length {
        found if found < expected => Err(SourceError::Truncated { path: path.to_owned(), found, expected }),
        found if found > expected => Err(SourceError::TrailingBytes { path: path.to_owned(), found, expected }),
        _ => Ok(Header { tensors, metadata: entries.metadata }),
    }
}

/// The dtype of an entry, if its bytes are as many as its shape needs.
fn checked(path: &Path, name: &str, entry: &Entry) -> Result<Dtype, SourceError> {
    let Some(dtype) = Dtype::of_spelling(&entry.dtype) else {
        return Err(SourceError::UnsupportedDtype {
            path: path.to_owned(),
            tensor: name.to_owned(),
            dtype: entry.dtype.clone(),
        });
    };
    // As in the format's reference, a shape such as [2^40, 2^40, 0] overflows although it has no element.
    let size = entry.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let Some(bytes) = size.and_then(|n| n.checked_mul(dtype.size())) else {
        return Err(SourceError::ShapeOverflow {
            path: path.to_owned(),
            tensor: name.to_owned(),
            shape: entry.shape.clone(),
        });
    };
    let (begin, end) = entry.data_offsets;
    if end - begin != bytes as u64 {
        return Err(SourceError::SizeMismatch {
            path: path.to_owned(),
            tensor: name.to_owned(),
            shape: entry.shape.clone(),
            dtype: entry.dtype.clone(),
            found: end - begin,
            expected: bytes as u64,
        });
    }
    Ok(dtype)
}

/// One tensor as the header tells it; fields the format does not define are passed over, as its reference does.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// The whole header. serde's own maps let a later entry replace an earlier one of the same name; this one tells.
struct Entries {
    tensors: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
    duplicate: Option<String>,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from tensor names to their dtype, shape and data_offsets")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Entries { tensors: BTreeMap::new(), metadata: BTreeMap::new(), duplicate: None };
                let mut described = false;
                while let Some(name) = map.next_key::<String>()? {
                    let again = if name == METADATA {
                        entries.metadata = map.next_value()?;
                        std::mem::replace(&mut described, true)
                    } else {
                        entries.tensors.insert(name.clone(), map.next_value()?).is_some()
                    };
                    if again && entries.duplicate.is_none() {
                        entries.duplicate = Some(name);
                    }
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Names)
    }
}
