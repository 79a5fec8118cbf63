//! File formats: one file each, which turns the bytes of an object into tensors.
//!
//! To add a format: its file here, and its line in the list `read_formats`. Everything else asks the list.

mod check_range;
mod decode;
mod dtype;
mod file_name;
mod formats;
mod parameter_info;
pub(crate) mod safetensors;
mod tensors;
mod unread;
mod widen;

pub use check_range::check_range;
pub use decode::Decode;
pub use dtype::{Dtype, UnknownDtype};
pub(crate) use file_name::{FileName, FilePart, index_name, shard_name, variant_index_name, whole_name};
pub(crate) use formats::Formats;
pub use parameter_info::ParameterInfo;
pub use safetensors::{Safetensors, SafetensorsFile};
pub use tensors::Tensors;
pub use unread::UnreadFormat;
#[cfg(feature = "testing")]
pub(crate) use widen::widen;

use crate::bytes::ReadAt;
use crate::error::SourceError;
use std::fmt;
use std::sync::Arc;

/// A file format that holds the tensors of a model.
///
/// # Contract
///
/// - [`recognizes`](Self::recognizes) and [`open`](Self::open) are functions of what they are given: the same answer each time.
/// - [`open`](Self::open) reads what describes the tensors and not their values. It believes nothing of it: a length or an offset
///   is checked before it is used, and before memory is taken for it. [`Tensors::with_tensor`] checks the place of a tensor.
/// - Damaged and truncated bytes are an error and never a panic.
/// - Calls come from several threads at once.
///
/// `testing::check_format` (feature `testing`) checks an implementation, and `examples/own_format.rs` is one.
///
/// ```
/// use neural_phylogeny::SourceError;
/// use neural_phylogeny::bytes::{MemoryFile, ReadAt};
/// use neural_phylogeny::format::{Dtype, Format, Tensors};
/// use std::sync::Arc;
///
/// /// A file that is one vector: how many values there are, in eight bytes, and the values.
/// #[derive(Debug)]
/// struct Vector;
///
/// impl Format for Vector {
///     fn name(&self) -> &str {
///         "vector"
///     }
///
///     fn extensions(&self) -> &[&str] {
///         &["f32"]
///     }
///
///     fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
///         let mut count = [0; 8];
///         bytes.read_at(&mut count, 0)?;
///         Tensors::new(bytes).with_tensor("values", [usize::from_le_bytes(count)], Dtype::F32, 8)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert!(Vector.recognizes("a.f32", &[]));
/// let file = [&1u64.to_le_bytes()[..], &1.5f32.to_le_bytes()].concat();
/// let tensors = Vector.open(Arc::new(MemoryFile::new("a.f32", file)))?;
/// let mut value = [0.0];
/// tensors.read("values", 0, &mut value)?;
/// assert_eq!(value, [1.5]);
/// # Ok(())
/// # }
/// ```
pub trait Format: Send + Sync + fmt::Debug {
    /// What it is called in listings, such as `safetensors`. Two formats of one name are one: the later replaces the earlier.
    fn name(&self) -> &str;

    /// What its files end in, without the dot; the usual ending first. At least one.
    fn extensions(&self) -> &[&str];

    /// Whether an object of this file name, which begins with these bytes, may be of this format.
    ///
    /// `beginning` is empty where the bytes have not been read: then the name alone decides. Otherwise it is the first
    /// [`BEGINNING`](crate::format::BEGINNING) bytes, or the whole of a shorter object. A search reads them where the name does not decide.
    /// Default: the name ends in one of the extensions, in capitals or not.
    fn recognizes(&self, name: &str, beginning: &[u8]) -> bool {
        let _ = beginning;
        has_extension(name, self.extensions())
    }

    /// Finds the tensors of an object.
    ///
    /// # Errors
    ///
    /// When the object is not of this format or is damaged, with its path, what was found and what was expected.
    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError>;

    /// What the weights files of a library are called in this format, without extension; `None` when it writes none.
    /// Default: [`Library::stem`].
    fn stem(&self, library: Library) -> Option<&str> {
        Some(library.stem())
    }
}

/// Every format that is read. Of two that would do, the earlier is taken.
fn read_formats() -> Vec<Arc<dyn Format>> {
    vec![Arc::new(Safetensors)]
}

/// How many bytes of an object [`Format::recognizes`] sees at most.
pub const BEGINNING: usize = 64;

/// Whether a file name has one of these extensions, in capitals or not.
pub(crate) fn has_extension(name: &str, extensions: &[&str]) -> bool {
    extensions.iter().any(|extension| without_extension(name, extension).is_some())
}

/// A file name without this extension, in capitals or not.
fn without_extension<'a>(name: &'a str, extension: &str) -> Option<&'a str> {
    let (stem, end) = name.split_at_checked(name.len().checked_sub(extension.len())?)?;
    if end.eq_ignore_ascii_case(extension) { stem.strip_suffix('.') } else { None }
}

/// A library whose folders are recognized by the names of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Library {
    /// transformers, with `config.json`.
    Transformers,
    /// diffusers, and the parts of its pipelines.
    Diffusers,
    /// peft, with `adapter_config.json`.
    Peft,
}

impl Library {
    /// What the library calls its weights unless the format has a name of its own.
    pub fn stem(self) -> &'static str {
        match self {
            Self::Transformers => "model",
            Self::Diffusers => "diffusion_pytorch_model",
            Self::Peft => "adapter_model",
        }
    }
}
