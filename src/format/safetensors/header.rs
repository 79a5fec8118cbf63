//! The header of a safetensors file. Every claim in it is checked before other code relies on it.

use crate::bytes::json;
use crate::error::SourceError;
use crate::format::Dtype;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Longest header that is read, in bytes: some 300,000 tensors. The format allows 100,000,000 bytes, which take many times that
/// in memory.
pub(super) const HEADER_LIMIT: u64 = 1 << 25;

/// Most values in a header at any depth. A tensor has seven or eight.
const VALUES: usize = 1 << 21;

/// Bytes at the beginning of the file that hold the length of the header.
pub(super) const LENGTH_BYTES: u64 = 8;

/// The entry of the header that is no tensor but free text of the file's writer.
const METADATA: &str = "__metadata__";

/// One tensor of a file. Its place has been checked against the file's length.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// Position in the file of its first byte.
    pub(super) begin: u64,
}

/// The content of a header.
pub(super) struct Header {
    pub(super) tensors: BTreeMap<String, Tensor>,
    /// Free text of the file's writer. Nothing in it is checked.
    pub(super) metadata: BTreeMap<String, String>,
    /// Tensors of unknown dtypes that hold no weights, and why they are passed over.
    pub(super) left_out: Vec<(String, String)>,
}

/// Parses a header that ends at byte `data_begin` of a file of `length` bytes, and checks it.
///
/// Tensors must follow each other without a hole or an overlap, from the end of the header to the end of the file.
pub(super) fn parse(path: &Path, header: &[u8], data_begin: u64, length: u64) -> Result<Header, SourceError> {
    let entries: Entries = json::parse(path, header, VALUES)?;
    if let Some(tensor) = entries.duplicate {
        return Err(SourceError::DuplicateTensor { path: path.to_owned(), tensor });
    }

    let mut sorted: Vec<(String, Entry)> = entries.tensors.into_iter().collect();
    // In the order of offsets, each tensor must begin where the one before it ends.
    sorted.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut expected = 0;
    let mut tensors = BTreeMap::new();
    let mut left_out = Vec::new();
    for (name, mut entry) in sorted {
        let (begin, end) = entry.data_offsets;
        if begin != expected || end < begin {
            return Err(SourceError::InvalidOffsets { path: path.to_owned(), tensor: name, begin, end, expected });
        }
        expected = end;
        if Dtype::of_spelling(&entry.dtype).is_none() && holds_no_weight(&name, &entry.shape) {
            left_out.push((name, format!("of dtype {}, which is not read, and no weight by its name", entry.dtype)));
            continue;
        }
        let dtype = checked(path, &name, &entry)?;
        if dtype == Dtype::F4 {
            entry.shape = in_bytes(path, &name, &entry)?;
        }
        tensors.insert(name, Tensor { dtype, shape: entry.shape, begin: data_begin.saturating_add(begin) });
    }

    // Bytes after the last tensor may hide content, so the format does not allow them.
    let expected = data_begin.saturating_add(expected);
    match length {
        found if found < expected => Err(SourceError::Truncated { path: path.to_owned(), found, expected }),
        found if found > expected => Err(SourceError::TrailingBytes { path: path.to_owned(), found, expected }),
        _ => Ok(Header { tensors, metadata: entries.metadata, left_out }),
    }
}

/// Returns the dtype of an entry after checking that it has as many bytes as its shape needs.
fn checked(path: &Path, name: &str, entry: &Entry) -> Result<Dtype, SourceError> {
    let Some(dtype) = Dtype::of_spelling(&entry.dtype) else {
        return Err(SourceError::UnsupportedDtype {
            path: path.to_owned(),
            tensor: name.to_owned(),
            dtype: entry.dtype.clone(),
        });
    };
    // A shape such as [2^40, 2^40, 0] overflows although it has no element. The format's reference does the same.
    let size = entry.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    // Two values of F4 share a byte.
    let bytes = size.and_then(|n| if dtype == Dtype::F4 { Some(n / 2) } else { n.checked_mul(dtype.size()) });
    let Some(bytes) = bytes else {
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

/// Returns the shape of a tensor of half bytes, counted in bytes: its last dimension is half of what the header says.
fn in_bytes(path: &Path, name: &str, entry: &Entry) -> Result<Vec<usize>, SourceError> {
    let mut shape = entry.shape.clone();
    match shape.last_mut() {
        Some(last) if *last % 2 == 0 => *last /= 2,
        _ => {
            let (format, reason) = (
                "safetensors".to_owned(),
                format!(
                    "tensor `{name}` has shape {shape:?} in F4, expected a last dimension of whole bytes, which is even"
                ),
            );
            return Err(SourceError::Malformed { path: path.to_owned(), format, reason });
        }
    }
    Ok(shape)
}

/// Names, or last parts of names, of tensors that hold no weights: rope tables, scales, masks and counters.
const NO_WEIGHTS: [&str; 12] = [
    "freqs",
    "freqs_cis",
    "freq_cis",
    "rope",
    "rotary",
    "cached",
    "scale",
    "scales",
    "scale_inv",
    "mask",
    "zero_point",
    "counter",
];

/// Whether a tensor of an unknown dtype holds no weight, by its name. A tensor without elements holds none either.
fn holds_no_weight(name: &str, shape: &[usize]) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let ends = |end: &&str| last == *end || last.strip_suffix(*end).is_some_and(|rest| rest.ends_with('_'));
    shape.contains(&0) || NO_WEIGHTS.iter().any(ends)
}

/// One tensor as the header describes it. Fields that the format does not define are ignored, as its reference does.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// The whole header. In serde's own maps a later entry replaces an earlier one of the same name. This type notes the duplicate.
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
