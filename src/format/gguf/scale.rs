//! Factors that stand beside a tensor: the weight `X.weight` is its blocks times `X.scale`.
//!
//! NVFP4 scales twice, in each block and in each tensor, and the second factor is a tensor of its own. llama.cpp multiplies by it
//! when the model runs.

use super::cursor::malformed;
use super::header::{Entry, Header};
use super::split::Part;
use super::tensor_type::TensorType;
use crate::bytes::ReadAt;
use crate::error::SourceError;

/// How the name of a factor ends.
const SCALE: &str = ".scale";

/// How the name of its weight ends.
const WEIGHT: &str = ".weight";

/// Most factors of a tensor: one for each expert.
pub(super) const FACTORS: usize = 1 << 12;

/// Whether a factor, or a tensor that may have one, stands without the other in a file.
pub(super) fn lacks_partner(header: &Header) -> bool {
    let holds = |name: String| header.tensors.iter().any(|entry| entry.name == name);
    header.tensors.iter().any(|entry| match (entry.name.strip_suffix(SCALE), entry.name.strip_suffix(WEIGHT)) {
        (Some(stem), _) => !holds(format!("{stem}{WEIGHT}")),
        (_, Some(stem)) if TensorType::of(entry.number).is_some_and(|t| t.name == "NVFP4") => {
            !holds(format!("{stem}{SCALE}"))
        }
        _ => false,
    })
}

/// The files of a model and their tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files<'a> {
    pub(super) bytes: &'a dyn ReadAt,
    pub(super) header: &'a Header,
    pub(super) others: &'a [Part],
}

impl Files<'_> {
    /// Finds a tensor by its name in the file.
    fn find(&self, name: &str) -> Option<(&dyn ReadAt, &Entry)> {
        let here = self.header.tensors.iter().map(|entry| (self.bytes, entry));
        let there = self.others.iter().flat_map(|(bytes, header)| header.tensors.iter().map(move |e| (&**bytes, e)));
        here.chain(there).find(|(_, entry)| entry.name == name)
    }

    /// Finds a tensor of the same file by its name there, with its type, if it has the same shape and layer as another.
    pub(super) fn like(&self, entry: &Entry, own: &str) -> Option<(&Entry, &'static TensorType)> {
        let (_, rest) = entry.name.strip_prefix("blk.")?.split_once('.')?;
        let name = format!("{}{own}", entry.name.strip_suffix(rest)?);
        let found = self.header.tensors.iter().find(|other| other.name == name && other.shape == entry.shape)?;
        Some((found, TensorType::of(found.number)?))
    }

    /// Returns the tensor whose factor this is, if it is one.
    pub(super) fn scaled_by(&self, entry: &Entry) -> Option<String> {
        let weight = format!("{}{WEIGHT}", entry.name.strip_suffix(SCALE)?);
        self.find(&weight).map(|_| weight)
    }

    /// Reads the factors of a tensor. There are none for most.
    pub(super) fn scales_of(&self, entry: &Entry) -> Result<Vec<f32>, SourceError> {
        let Some(stem) = entry.name.strip_suffix(WEIGHT) else { return Ok(Vec::new()) };
        let Some((bytes, scale)) = self.find(&format!("{stem}{SCALE}")) else { return Ok(Vec::new()) };
        let count = scale.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or(usize::MAX);
        let experts = if entry.shape.len() > 2 { entry.shape[0] } else { 1 };
        let fits = (count == 1 || count == experts) && count <= FACTORS && scale.number == 0;
        if !fits {
            let (name, shape) = (&scale.name, &scale.shape);
            let reason = format!(
                "`{name}` has shape {shape:?}, expected F32, one factor for all of `{stem}{WEIGHT}` or one for each expert"
            );
            return Err(malformed(bytes, reason));
        }
        let mut stored = vec![0; 4 * count];
        bytes.read_at(&mut stored, scale.begin)?;
        let (words, _) = stored.as_chunks::<4>();
        Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }
}
