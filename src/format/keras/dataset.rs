//! The values of a dataset: where they stand, or how they are decoded.

use super::hdf5::{Hdf5, failed};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::elsewhere::{ByteOrder, widen_in};
use crate::format::{Decode, Dtype};
use hdf5_reader::error::{Error, Result};
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::layout::DataLayout;
use hdf5_reader::{Dataset, Datatype, H5Type, SliceInfo, SliceInfoElem};
use std::fmt;
use std::sync::Arc;

/// How many bytes deflate makes of one, at most. The other filters make less.
const RATIO: u64 = 1032;

/// What the values of a dataset are.
#[derive(Debug)]
pub(super) enum Content {
    /// Plain numbers at a place of the object.
    Plain { dtype: Dtype, order: ByteOrder, begin: u64 },
    /// Numbers in chunks, in the description, or nowhere but the value that stands for all.
    Decoded { dtype: Dtype, values: Box<Chunked> },
    /// No weights. The text is the end of a sentence.
    LeftOut(&'static str),
}

/// What two bytes without a meaning are. NumPy has no bfloat16, and Keras writes it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    Bfloat16,
    Unknown,
}

/// Reads what a dataset holds, and checks its place.
pub(super) fn content(
    file: &Hdf5,
    name: &str,
    shape: &[usize],
    dataset: Dataset,
    bare: Bare,
) -> std::result::Result<Content, SourceError> {
    let path = || file.object().path().to_owned();
    let (dtype, order) = match number(&dataset, bare) {
        Number::Known(dtype, order) => (dtype, order),
        Number::NoWeight(what) => return Ok(Content::LeftOut(what)),
        Number::Refused(what) => {
            let reason = format!("dataset `{name}` holds {what}: save it as float32");
            return Err(SourceError::UnsupportedContent { path: path(), format: "keras".to_owned(), reason });
        }
    };
    let stored = shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d));
    let Some(stored) = stored else {
        return Err(SourceError::ShapeOverflow { path: path(), tensor: name.to_owned(), shape: shape.to_vec() });
    };
    let header = file.file().get_or_parse_header(dataset.address()).map_err(|e| file.failed(name, &e))?;
    let mut layout = None;
    for message in &header.messages {
        match message {
            HdfMessage::DataLayout(found) => layout = Some(&found.layout),
            HdfMessage::ExternalFiles(_) => {
                let reason = format!("dataset `{name}` stands in further files: copy the file with `h5repack`");
                return Err(SourceError::UnsupportedContent { path: path(), format: "keras".to_owned(), reason });
            }
            _ => {}
        }
    }
    let superblock = file.file().superblock();
    let undefined = u64::MAX >> (64 - 8 * u32::from(superblock.offset_size.clamp(1, 8)));
    match layout {
        Some(DataLayout::Contiguous { address, size }) if *address != undefined => {
            if *size < stored as u64 {
                let (tensor, shape, dtype) = (name.to_owned(), shape.to_vec(), dtype.to_string());
                let (found, expected) = (*size, stored as u64);
                return Err(SourceError::SizeMismatch { path: path(), tensor, shape, dtype, found, expected });
            }
            let begin = superblock.base_address.saturating_add(*address);
            let (found, expected) = (file.object().length(), begin.saturating_add(stored as u64));
            if found < expected {
                return Err(SourceError::Truncated { path: path(), found, expected });
            }
            Ok(Content::Plain { dtype, order, begin })
        }
        Some(DataLayout::Chunked { address, .. }) if *address == undefined && stored > 0 => {
            Ok(Content::LeftOut("it was never written"))
        }
        // A dataset without values is one value again and again, as large as its description says: no weights are like this.
        Some(DataLayout::Contiguous { .. }) if stored > 0 => Ok(Content::LeftOut("it was never written")),
        Some(_) => {
            // Chunks that are not there stand for one value, so that a description may claim any size.
            let (most, found) = (file.object().length().saturating_mul(RATIO), stored as u64);
            if found > most {
                return Err(
                    file.malformed(format!("dataset `{name}` claims {found} bytes, but the file cannot hold so much"))
                );
            }
            let values = Chunked { object: Arc::clone(file.object()), dataset, dtype, order, shape: shape.to_vec() };
            Ok(Content::Decoded { dtype, values: Box::new(values) })
        }
        None => Err(file.malformed(format!("dataset `{name}` has no layout"))),
    }
}

/// What the values of a dtype are.
enum Number {
    Known(Dtype, ByteOrder),
    NoWeight(&'static str),
    Refused(String),
}

fn number(dataset: &Dataset, bare: Bare) -> Number {
    let order = |order: hdf5_reader::ByteOrder| match order {
        hdf5_reader::ByteOrder::LittleEndian => ByteOrder::Little,
        hdf5_reader::ByteOrder::BigEndian => ByteOrder::Big,
    };
    match dataset.dtype() {
        Datatype::FixedPoint { size, signed, byte_order } => match integer(*size, *signed) {
            Some(dtype) => Number::Known(dtype, order(*byte_order)),
            None => Number::Refused(format!("integers of {size} bytes")),
        },
        Datatype::FloatingPoint { size, byte_order } => match float(dataset, *size) {
            Some(dtype) => Number::Known(dtype, order(*byte_order)),
            None => Number::Refused(format!("floating point numbers of {size} bytes of an unknown kind")),
        },
        // h5py writes booleans so.
        Datatype::Enum { base, .. } => match **base {
            Datatype::FixedPoint { size: 1, .. } => Number::Known(Dtype::Bool, ByteOrder::Little),
            _ => Number::NoWeight("it holds names"),
        },
        Datatype::Opaque { size, .. } => {
            let said = dataset.attribute("dtype").and_then(|a| a.read_string());
            match (size, said.as_deref()) {
                (2, Ok("bfloat16")) => Number::Known(Dtype::BF16, ByteOrder::Little),
                (1, Ok("float8_e4m3fn")) => Number::Known(Dtype::F8E4M3, ByteOrder::Little),
                (1, Ok("float8_e5m2")) => Number::Known(Dtype::F8E5M2, ByteOrder::Little),
                (2, _) if bare == Bare::Bfloat16 => Number::Known(Dtype::BF16, ByteOrder::Little),
                _ => Number::Refused(format!("{size} bytes of an unknown kind for each value")),
            }
        }
        Datatype::String { .. } | Datatype::VarLen { .. } => Number::NoWeight("it holds text"),
        Datatype::Reference { .. } => Number::NoWeight("it holds references"),
        Datatype::Compound { .. } => Number::Refused("records or complex numbers".to_owned()),
        Datatype::Array { .. } => Number::Refused("arrays in each value".to_owned()),
        Datatype::Bitfield { .. } => Number::Refused("bits".to_owned()),
    }
}

fn integer(size: u8, signed: bool) -> Option<Dtype> {
    Some(match (size, signed) {
        (1, true) => Dtype::I8,
        (2, true) => Dtype::I16,
        (4, true) => Dtype::I32,
        (8, true) => Dtype::I64,
        (1, false) => Dtype::U8,
        (2, false) => Dtype::U16,
        (4, false) => Dtype::U32,
        (8, false) => Dtype::U64,
        _ => return None,
    })
}

/// Returns the dtype of floating point numbers, which have the sizes of exponent and mantissa in their description.
fn float(dataset: &Dataset, size: u8) -> Option<Dtype> {
    let description = dataset.raw_datatype().ok()?;
    let (exponent, mantissa) = (*description.get(13)?, *description.get(15)?);
    match (size, exponent, mantissa) {
        (8, 11, 52) => Some(Dtype::F64),
        (4, 8, 23) => Some(Dtype::F32),
        (2, 5, 10) => Some(Dtype::F16),
        (2, 8, 7) => Some(Dtype::BF16),
        (1, 4, 3) => Some(Dtype::F8E4M3),
        (1, 5, 2) => Some(Dtype::F8E5M2),
        _ => None,
    }
}

/// A reader of a dataset that the library decodes: in chunks, compressed or not.
///
/// A range of values in the order of rows is cut into boxes, which the library reads one by one. It keeps decoded chunks.
pub(super) struct Chunked {
    object: Arc<dyn ReadAt>,
    dataset: Dataset,
    dtype: Dtype,
    order: ByteOrder,
    shape: Vec<usize>,
}

impl fmt::Debug for Chunked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunked").field("dataset", &self.dataset.name()).field("shape", &self.shape).finish()
    }
}

/// A value as it is stored. The library converts values to the types that it knows, and float16 is none of them.
#[derive(Clone)]
#[repr(transparent)]
struct Word<const N: usize>([u8; N]);

impl<const N: usize> H5Type for Word<N> {
    fn hdf5_type() -> Datatype {
        Datatype::Opaque { size: N as u32, tag: String::new() }
    }

    fn from_bytes(bytes: &[u8], _: &Datatype) -> Result<Self> {
        let word = bytes.first_chunk().ok_or_else(|| Error::InvalidData(format!("a value of less than {N} bytes")))?;
        Ok(Self(*word))
    }

    fn element_size(_: &Datatype) -> usize {
        N
    }

    fn decode_vec(raw: &[u8], _: &Datatype, count: usize) -> Option<Result<Vec<Self>>> {
        let (words, _) = raw.as_chunks::<N>();
        Some(Ok(words.get(..count)?.iter().map(|&word| Self(word)).collect()))
    }

    // Any bytes are a value, so that the library may copy whole runs of them.
    fn native_copy_compatible(_: &Datatype) -> bool {
        true
    }
}

impl Chunked {
    /// Reads the values of a box, in the order of rows.
    fn read<const N: usize>(
        &self,
        ranges: &[std::ops::Range<usize>],
        out: &mut [f32],
    ) -> std::result::Result<(), SourceError> {
        let failed = |error: &Error| failed(&*self.object, self.dataset.name(), error);
        let selections = ranges
            .iter()
            .map(|range| SliceInfoElem::Slice { start: range.start as u64, end: range.end as u64, step: 1 })
            .collect();
        let array = self.dataset.read_slice::<Word<N>>(&SliceInfo { selections }).map_err(|e| failed(&e))?;
        // As a slice: an iterator over an array of any rank takes ten times as long.
        let words = array.as_slice().unwrap_or_default();
        if words.len() != out.len() {
            return Err(failed(&Error::InvalidData(format!("{} values, expected {}", words.len(), out.len()))));
        }
        let mut bytes = vec![0; N * words.len()];
        bytes.as_chunks_mut::<N>().0.iter_mut().zip(words).for_each(|(to, Word(from))| *to = *from);
        widen_in(self.order, self.dtype, &mut bytes, out);
        Ok(())
    }
}

impl Decode for Chunked {
    fn decode(&self, _: &dyn ReadAt, offset: usize, out: &mut [f32]) -> std::result::Result<(), SourceError> {
        let mut at = offset;
        let mut rest = out;
        while !rest.is_empty() {
            let ranges = first_box(&self.shape, at, rest.len());
            let size = ranges.iter().map(ExactSizeIterator::len).product();
            let (now, later) = rest.split_at_mut(size);
            match self.dtype.size() {
                1 => self.read::<1>(&ranges, now)?,
                2 => self.read::<2>(&ranges, now)?,
                4 => self.read::<4>(&ranges, now)?,
                _ => self.read::<8>(&ranges, now)?,
            }
            at += size;
            rest = later;
        }
        Ok(())
    }
}

/// Returns the largest box of values that begins at `offset`, follows the order of rows, and has at most `length` values.
fn first_box(shape: &[usize], offset: usize, length: usize) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::with_capacity(shape.len());
    let (mut rest, mut inner) = (offset, shape.iter().product::<usize>());
    let mut open = false;
    for &d in shape {
        inner /= d.max(1);
        let index = rest / inner.max(1);
        rest %= inner.max(1);
        // The first axis on which whole slices fit is a range; all before it are one index, all after it are whole.
        let range = match (open, rest == 0 && length >= inner) {
            (true, _) => 0..d,
            (false, true) => {
                open = true;
                index..(index + length / inner.max(1)).min(d)
            }
            (false, false) => index..index + 1,
        };
        ranges.push(range);
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_cover_a_range_in_order() {
        for shape in [&[7][..], &[3, 4], &[2, 3, 4], &[1, 5, 1, 2], &[]] {
            let size: usize = shape.iter().product();
            for begin in 0..size {
                for end in begin + 1..=size {
                    let (mut at, mut boxes) = (begin, 0);
                    while at < end {
                        let ranges = first_box(shape, at, end - at);
                        let found = ranges.iter().zip(shape).fold(0, |n, (range, d)| n * d + range.start);
                        assert_eq!(found, at, "{shape:?} {begin}..{end}");
                        at += ranges.iter().map(ExactSizeIterator::len).product::<usize>();
                        boxes += 1;
                    }
                    assert!(at == end && boxes <= 2 * shape.len().max(1), "{shape:?} {begin}..{end}: {boxes} boxes");
                }
            }
        }
    }
}
