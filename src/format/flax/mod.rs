//! Parameters of Flax as one MessagePack message.
//!
//! `flax.serialization` defines the format: <https://flax.readthedocs.io/en/latest/api_reference/flax.serialization.html>.

mod message;
mod tree;

use super::elsewhere::{ByteOrder, Elsewhere};
use super::{Decode, Format, Library, Tensors, has_extension};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use message::Message;
use std::sync::Arc;
use tree::Array;

/// What stands in front of the names of parameters in a training state, and in the variables of a module.
const WRAPPERS: [&str; 2] = ["params.", "optimizer.target."];

/// Parameters of Flax, as `flax.serialization.to_bytes` writes them, and with them the models of transformers.
///
/// The keys of nested dictionaries are joined by `.`; `params` in front is left out. The state of an optimizer is passed over, and
/// so are plain numbers. Opening walks the message and takes the places of the arrays, so that a model of any size takes little
/// memory. Arrays in pieces, which Flax writes from 2³⁰ bytes on, are one tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flax;

impl Format for Flax {
    fn name(&self) -> &str {
        "flax"
    }

    fn extensions(&self) -> &[&str] {
        &["msgpack"]
    }

    fn recognizes(&self, name: &str, beginning: &[u8]) -> bool {
        // The message is a dictionary. Of a file without an ending this says too little.
        has_extension(name, self.extensions()) && matches!(beginning, [] | [0x80..=0x8f | 0xde | 0xdf, ..])
    }

    /// # Errors
    ///
    /// [`SourceError::Malformed`] when the file is no such message; [`SourceError::SizeMismatch`] when an array has more or fewer
    /// bytes than its shape needs; [`SourceError::UnsupportedContent`] for a dtype that is not read.
    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        super::refuse_pointer(&*bytes)?;
        let mut message = Message::new(Arc::clone(&bytes));
        let found = tree::walk(&mut message)?;
        let mut tensors = Tensors::new(Arc::clone(&bytes));
        for (name, reason) in found.left_out {
            tensors = tensors.with_left_out(name, reason);
        }
        for array in found.arrays {
            tensors = with_array(tensors, &bytes, &message, array)?;
        }
        Ok(tensors)
    }

    fn stem(&self, library: Library) -> Option<&str> {
        match library {
            Library::Transformers => Some("flax_model"),
            Library::Diffusers => Some("diffusion_flax_model"),
            Library::Peft => None,
        }
    }

    /// An index of transformers joins keys by `/`.
    fn listed_name(&self, listed: &str) -> String {
        unwrapped(&listed.replace('/', ".")).to_owned()
    }
}

fn unwrapped(mut name: &str) -> &str {
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = inner;
    }
    name
}

fn with_array(
    tensors: Tensors,
    bytes: &Arc<dyn ReadAt>,
    message: &Message,
    array: Array,
) -> Result<Tensors, SourceError> {
    let Array { name, shape, dtype, pieces } = array;
    let name = unwrapped(&name).to_owned();
    let dtype = dtype.map_err(|found| SourceError::UnsupportedContent {
        path: message.path(),
        format: "flax".to_owned(),
        reason: format!("array `{name}` has dtype {found}: save it as float32 or bfloat16"),
    })?;
    let sizes: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
    let sizes = sizes.ok_or_else(|| message.malformed(format!("array `{name}` has shape {shape:?}")))?;
    let Some(expected) = sizes.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d)) else {
        return Err(SourceError::ShapeOverflow { path: message.path(), tensor: name, shape: sizes });
    };
    let found = pieces.iter().map(|piece| piece.length).sum::<u64>();
    if found != expected as u64 {
        let (path, tensor, shape, dtype, expected) = (message.path(), name, sizes, dtype.to_string(), expected as u64);
        return Err(SourceError::SizeMismatch { path, tensor, shape, dtype, found, expected });
    }
    if let [piece] = pieces[..] {
        return tensors.with_tensor(name, sizes, dtype, piece.begin);
    }
    let mut first = 0;
    let mut joined = Vec::new();
    for piece in pieces {
        if piece.length % dtype.size() as u64 != 0 {
            return Err(message.malformed(format!("a piece of array `{name}` ends within a value")));
        }
        joined.push((first, Elsewhere::new(Arc::clone(bytes), piece.begin, dtype, ByteOrder::Little)));
        first += (piece.length / dtype.size() as u64) as usize;
    }
    tensors.with_decoded(name, sizes, dtype, Joined { pieces: joined, size: first })
}

/// A reader of an array in pieces.
#[derive(Debug)]
struct Joined {
    /// The number of the first value of each piece, and the piece.
    pieces: Vec<(usize, Elsewhere)>,
    size: usize,
}

impl Joined {
    /// Calls `each` with every piece that has values of a range, the first of them in the piece, and their number.
    fn each(
        &self,
        offset: usize,
        length: usize,
        mut each: impl FnMut(&Elsewhere, usize, usize) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let end = offset + length;
        let begin = self.pieces.partition_point(|(first, _)| *first <= offset).saturating_sub(1);
        for (at, (first, piece)) in self.pieces.iter().enumerate().skip(begin) {
            let last = self.pieces.get(at + 1).map_or(self.size, |(next, _)| *next);
            let (from, to) = (offset.max(*first), end.min(last));
            if *first >= end {
                break;
            }
            if from < to {
                each(piece, from - first, to - from)?;
            }
        }
        Ok(())
    }
}

impl Decode for Joined {
    fn decode(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let length = out.len();
        let mut rest = out;
        self.each(offset, length, |piece, from, count| {
            let (now, later) = std::mem::take(&mut rest).split_at_mut(count);
            rest = later;
            piece.decode(bytes, from, now)
        })
    }

    fn prefetch(&self, bytes: &dyn ReadAt, offset: usize, length: usize) {
        // Prefetching has no errors.
        let _ = self.each(offset, length, |piece, from, count| {
            piece.prefetch(bytes, from, count);
            Ok(())
        });
    }
}
