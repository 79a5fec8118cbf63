//! The header of a GGUF file: key-value pairs, and the table of tensors. Every claim in it is checked before it is used.
//!
//! The header is parsed here and not by the crate whose kernels decode the blocks. That crate keeps the whole vocabulary in
//! memory, refuses a file for one tensor of an unknown type without its name, and does not tell big-endian files.

use super::NAME;
use super::cursor::{Cursor, malformed};
use super::metadata::Metadata;
use super::tensor_type::TensorType;
use crate::bytes::ReadAt;
use crate::error::SourceError;

/// The first bytes of a file.
pub(super) const MAGIC: [u8; 4] = *b"GGUF";

/// Most tensors of a file. A model of 60 layers with 256 experts in files of their own has 50,000.
const TENSORS: u64 = 1 << 18;

/// Most dimensions of a tensor.
const DIMENSIONS: u32 = 4;

/// Longest name of a tensor that is read, in bytes. Writers keep to 64.
const TENSOR_NAME: usize = 1 << 12;

/// Where tensors begin unless the header says otherwise: at multiples of this many bytes.
const ALIGNMENT: u64 = 32;

/// The key of another alignment.
const ALIGNMENT_KEY: &str = "general.alignment";

/// One tensor. Its place has been checked against the length of the file, if its type is known.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// The shape in row-major order, the reverse of the stored one.
    pub(super) shape: Vec<usize>,
    /// The number of its type.
    pub(super) number: u32,
    /// Position in the file of its first byte.
    pub(super) begin: u64,
}

impl Entry {
    /// Returns the length of a row in values. A scalar is a row of one.
    pub(super) fn row(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
}

/// The content of a header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<Entry>,
}

impl Header {
    /// Reads the header of a file and checks it against the file's length.
    pub(super) fn read(bytes: &dyn ReadAt) -> Result<Self, SourceError> {
        check_beginning(bytes)?;
        let mut cursor = Cursor::new(bytes);
        cursor.skip("bytes", 8)?;
        let (tensors, pairs) = (cursor.u64()?, cursor.u64()?);
        // A tensor has at least the length of its name, its number of dimensions, its type and its offset.
        cursor.expect("tensors", tensors, 24)?;
        if tensors > TENSORS {
            return Err(cursor.malformed(format!("its header has {tensors} tensors, at most {TENSORS} are read")));
        }
        let metadata = Metadata::read(&mut cursor, pairs)?;
        let alignment = alignment(bytes, &metadata)?;
        let mut entries = (0..tensors).map(|_| entry(&mut cursor)).collect::<Result<Vec<_>, _>>()?;
        let data = cursor.position().next_multiple_of(alignment);
        place(bytes, &mut entries, data, alignment)?;
        Ok(Self { metadata, tensors: entries })
    }
}

/// Checks the magic number and the version.
fn check_beginning(bytes: &dyn ReadAt) -> Result<(), SourceError> {
    let (found, expected) = (bytes.length(), 24);
    let mut beginning = [0; 8];
    if found < beginning.len() as u64 {
        return Err(SourceError::Truncated { path: bytes.path().to_owned(), found, expected });
    }
    bytes.read_at(&mut beginning, 0)?;
    let [magic @ .., _, _, _, _] = beginning;
    let unsupported = |reason: &str| {
        Err(SourceError::UnsupportedContent {
            path: bytes.path().to_owned(),
            format: NAME.to_owned(),
            reason: reason.to_owned(),
        })
    };
    match &magic {
        &MAGIC => {}
        _ if &beginning == b"version " => return Err(SourceError::LfsPointer { path: bytes.path().to_owned() }),
        b"GGML" | b"GGMF" | b"GGJT" | b"lmgg" | b"fmgg" | b"tjgg" => {
            return unsupported("it has a format from before GGUF; convert the original model again");
        }
        other => return Err(malformed(bytes, format!("it begins with {other:?}, expected the letters GGUF"))),
    }
    match u32::from_le_bytes([beginning[4], beginning[5], beginning[6], beginning[7]]) {
        2 | 3 => {}
        1 => return unsupported("it has version 1, only versions 2 and 3 are read; convert the original model again"),
        // A big-endian file has the same magic number. Its version is small only when its bytes are swapped.
        version if version & 0xffff == 0 && version != 0 => {
            return unsupported("it is big-endian; convert it with gguf_convert_endian.py of llama.cpp");
        }
        version => {
            return unsupported(&format!("it has version {version}, only versions 2 and 3 are read"));
        }
    }
    if found < expected {
        return Err(SourceError::Truncated { path: bytes.path().to_owned(), found, expected });
    }
    Ok(())
}

fn alignment(bytes: &dyn ReadAt, metadata: &Metadata) -> Result<u64, SourceError> {
    match metadata.integer(ALIGNMENT_KEY) {
        None if !metadata.contains(ALIGNMENT_KEY) => Ok(ALIGNMENT),
        Some(alignment) if alignment.is_power_of_two() && alignment <= 1 << 30 => Ok(alignment),
        found => {
            let found = found.map_or_else(|| "no integer".to_owned(), |found| found.to_string());
            Err(malformed(bytes, format!("`{ALIGNMENT_KEY}` is {found}, expected a power of two")))
        }
    }
}

/// Reads one line of the table. Its `begin` is still relative to the first byte of all tensors.
fn entry(cursor: &mut Cursor<'_>) -> Result<Entry, SourceError> {
    let Some(name) = cursor.text(TENSOR_NAME)? else {
        return Err(cursor.malformed(format!("the name of a tensor before byte {} is no text", cursor.position())));
    };
    let dimensions = cursor.u32()?;
    if dimensions > DIMENSIONS {
        let reason = format!("tensor `{name}` has {dimensions} dimensions, expected at most {DIMENSIONS}");
        return Err(cursor.malformed(reason));
    }
    let mut shape = Vec::with_capacity(dimensions as usize);
    for _ in 0..dimensions {
        let length = cursor.u64()?;
        let Ok(length) = usize::try_from(length) else {
            return Err(cursor.malformed(format!("tensor `{name}` has a dimension of {length}")));
        };
        shape.push(length);
    }
    // The first stored dimension is the one whose elements are neighbors.
    shape.reverse();
    Ok(Entry { name, shape, number: cursor.u32()?, begin: cursor.u64()? })
}

/// Turns offsets into positions in the file, and checks that each tensor lies in the file and none in another.
fn place(bytes: &dyn ReadAt, entries: &mut [Entry], data: u64, alignment: u64) -> Result<(), SourceError> {
    let path = || bytes.path().to_owned();
    let mut ranges = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter_mut().enumerate() {
        if !entry.begin.is_multiple_of(alignment) {
            let (name, begin) = (&entry.name, entry.begin);
            let reason = format!("tensor `{name}` begins at offset {begin}, expected a multiple of {alignment}");
            return Err(malformed(bytes, reason));
        }
        let length = match TensorType::of(entry.number) {
            Some(kind) => stored_bytes(bytes, entry, kind)?,
            // The length of an unknown type is unknown, so that only its first byte is checked.
            None => 1,
        };
        let begin = data.checked_add(entry.begin);
        let end = begin.and_then(|begin| begin.checked_add(length));
        let (Some(begin), Some(end)) = (begin, end) else {
            return Err(malformed(bytes, format!("tensor `{}` begins beyond all bytes", entry.name)));
        };
        if end > bytes.length() {
            return Err(SourceError::Truncated { path: path(), found: bytes.length(), expected: end });
        }
        entry.begin = begin;
        if length > 0 {
            ranges.push((begin, end, at));
        }
    }
    // Tensors that share bytes would make a small file claim any number of values.
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        let ((_, expected, _), (begin, end, at)) = (pair[0], pair[1]);
        if begin < expected {
            let tensor = entries[at].name.clone();
            return Err(SourceError::InvalidOffsets { path: path(), tensor, begin, end, expected });
        }
    }
    Ok(())
}

/// Returns how many bytes a tensor needs.
fn stored_bytes(bytes: &dyn ReadAt, entry: &Entry, kind: &TensorType) -> Result<u64, SourceError> {
    let row = entry.row();
    if !row.is_multiple_of(kind.values) {
        let (name, values) = (&entry.name, kind.values);
        let reason = format!("rows of tensor `{name}` have {row} values, {} needs multiples of {values}", kind.name);
        return Err(malformed(bytes, reason));
    }
    let rows = entry.shape.split_last().map_or(&[][..], |(_, outer)| outer);
    let stored = rows.iter().try_fold(kind.row_bytes(row).unwrap_or(usize::MAX), |n, &d| n.checked_mul(d));
    // The values must be countable as f32 too, which is wider than any block.
    let values = entry.shape.iter().try_fold(4usize, |n, &d| n.checked_mul(d));
    match stored.filter(|_| values.is_some()) {
        Some(stored) => Ok(stored as u64),
        None => {
            let (path, tensor, shape) = (bytes.path().to_owned(), entry.name.clone(), entry.shape.clone());
            Err(SourceError::ShapeOverflow { path, tensor, shape })
        }
    }
}
