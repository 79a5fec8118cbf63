//! The GGUF format of llama.cpp: one file with the metadata and the tensors of a model, most of them quantized in blocks.

mod cursor;
mod header;
mod kinds;
mod metadata;
mod names;
mod order;
mod parts;
mod rounding;
mod scale;
mod split;
mod stored;
mod tensor_type;
mod undone;

use super::{Format, Library, Tensors};
use crate::bytes::{Folder, ReadAt};
use crate::error::SourceError;
use header::{Header, MAGIC};
use split::Split;
use std::sync::Arc;

/// The name of the format in errors.
const NAME: &str = "GGUF";

/// The GGUF format: a header of key-value pairs and of tensors, followed by the tensors' blocks.
///
/// Values are dequantized as they are read, exactly as the reference does. Tensors have the names of transformers where the
/// architecture is known, and what llama.cpp's converter did to them is undone. Opening a file reads its header, and the few
/// factors of NVFP4 tensors.
///
/// The definition is <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>; the table of names and what is undone stand in
/// `docs/formats.md`.
///
/// ```no_run
/// use neural_phylogeny::bytes::LocalFile;
/// use neural_phylogeny::format::{Format, Gguf};
/// use std::sync::Arc;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tensors = Gguf.open(Arc::new(LocalFile::open("llama-Q4_K_M.gguf")?))?;
/// let mut row = vec![0.0; 4096];
/// tensors.read("model.layers.0.self_attn.q_proj.weight", 0, &mut row)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Gguf;

impl Format for Gguf {
    fn name(&self) -> &str {
        "gguf"
    }

    fn extensions(&self) -> &[&str] {
        &["gguf"]
    }

    fn recognizes(&self, name: &str, beginning: &[u8]) -> bool {
        if beginning.is_empty() { super::has_extension(name, self.extensions()) } else { beginning.starts_with(&MAGIC) }
    }

    /// # Errors
    ///
    /// When the object cannot be read, is damaged, or holds what is not read: no model, a version other than 2 and 3, a tensor of
    /// an unknown type, or a part of a model whose other parts are needed. The error says which.
    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        let header = Header::read(&*bytes)?;
        let split = Split::of(&*bytes, &header.metadata)?;
        kinds::check(&*bytes, &header, split.as_ref())?;
        match split {
            Some(split) if !split.is_first() || !Split::stands_alone(&header, &header.metadata) => {
                Err(split.needs_folder(&*bytes))
            }
            _ => parts::tensors(bytes, &header, &header.metadata, &[]),
        }
    }

    fn open_in(&self, tree: &dyn Folder, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        let header = Header::read(&*bytes)?;
        let split = Split::of(&*bytes, &header.metadata)?;
        kinds::check(&*bytes, &header, split.as_ref())?;
        let Some(split) = split else { return parts::tensors(bytes, &header, &header.metadata, &[]) };
        // Only the first file has the metadata of the model.
        let first = if split.is_first() { None } else { Some(split.part(tree, &*bytes, 0)?.1) };
        let metadata = first.as_ref().map_or(&header.metadata, |first| &first.metadata);
        let alone = Split::stands_alone(&header, metadata);
        let others = if alone { Vec::new() } else { split.others(tree, &*bytes)? };
        parts::tensors(bytes, &header, metadata, &others)
    }

    /// GGUF files have names of their own.
    fn stem(&self, _: Library) -> Option<&str> {
        None
    }
}
