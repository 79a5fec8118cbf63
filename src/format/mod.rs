//! File formats, one file each. A format turns the bytes of an object into tensors.
//!
//! To add a format, add its file here and its line in the list `read_formats`. All other code uses this list.

#[cfg(any(feature = "npz", feature = "keras"))]
mod archive;
mod check_range;
mod decode;
mod dtype;
#[cfg(any(feature = "npz", feature = "onnx", feature = "keras", feature = "flax"))]
mod elsewhere;
mod file_name;
#[cfg(feature = "flax")]
mod flax;
mod formats;
#[cfg(feature = "gguf")]
mod gguf;
#[cfg(feature = "keras")]
mod keras;
#[cfg(any(feature = "pytorch", feature = "npz"))]
mod lines;
#[cfg(feature = "npz")]
mod numpy;
#[cfg(feature = "onnx")]
mod onnx;
mod parameter_info;
#[cfg(any(feature = "pytorch", feature = "npz", feature = "keras", feature = "flax"))]
mod positioned;
#[cfg(feature = "pytorch")]
mod pytorch;
pub(crate) mod safetensors;
#[cfg(any(feature = "npz", feature = "keras"))]
mod section;
mod tensors;
mod unread;
mod widen;

pub use check_range::check_range;
pub use decode::Decode;
pub use dtype::{Dtype, UnknownDtype};
pub(crate) use file_name::{FileName, FilePart, index_name, shard_name, slice_name, variant_index_name, whole_name};
#[cfg(feature = "flax")]
pub use flax::Flax;
pub(crate) use formats::Formats;
#[cfg(feature = "gguf")]
pub use gguf::Gguf;
#[cfg(feature = "keras")]
pub use keras::Keras;
#[cfg(feature = "npz")]
pub use numpy::{Npy, Npz};
#[cfg(feature = "onnx")]
pub use onnx::Onnx;
pub use parameter_info::{ParameterInfo, Quantization};
#[cfg(feature = "pytorch")]
pub use pytorch::Pytorch;
pub use safetensors::{Safetensors, SafetensorsFile};
pub use tensors::Tensors;
pub use unread::UnreadFormat;
pub(crate) use widen::{power, widen};

use crate::bytes::{Folder, ReadAt};
use crate::error::SourceError;
use std::fmt;
use std::sync::Arc;

/// A file format that stores the tensors of a model.
///
/// # Contract
///
/// - [`recognizes`](Self::recognizes) and [`open`](Self::open) depend on their arguments alone and give the same answer each
///   time.
/// - [`open`](Self::open) reads the description of the tensors and not their values. It trusts no part of the description: it
///   checks a length or an offset before it uses it, and before it allocates memory for it. [`Tensors::with_tensor`] checks the
///   place of a tensor.
/// - Damaged or truncated bytes are an error and never a panic.
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
    /// Returns the name in listings, such as `safetensors`. A format replaces an earlier one of the same name.
    fn name(&self) -> &str;

    /// Returns the endings of its file names, without the dot. There is at least one; the usual one comes first.
    fn extensions(&self) -> &[&str];

    /// Whether an object with this file name and these first bytes may have this format.
    ///
    /// `beginning` is empty where the bytes have not been read: then the name alone decides. Otherwise it holds the first
    /// [`BEGINNING`] bytes, or all bytes of a shorter object. A search reads them only where the name
    /// does not decide. Default: the name ends in one of the extensions, in capitals or not.
    fn recognizes(&self, name: &str, beginning: &[u8]) -> bool {
        let _ = beginning;
        has_extension(name, self.extensions())
    }

    /// Finds the tensors of an object.
    ///
    /// # Errors
    ///
    /// When the object has another format or is damaged. The error has the path, what was found and what was expected.
    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError>;

    /// Finds the tensors of an object whose values may stand in further objects beside it. Default: [`open`](Self::open).
    ///
    /// `tree` holds the object. A path that the object names must not lead out of the object's folder.
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open), and those of the further objects.
    fn open_in(&self, tree: &dyn Folder, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        let _ = tree;
        self.open(bytes)
    }

    /// Returns the name, without extension, of the weights files that a library writes in this format. `None` when the library
    /// writes none. Default: [`Library::stem`].
    fn stem(&self, library: Library) -> Option<&str> {
        Some(library.stem())
    }

    /// Returns the name of the tensor that an index of shards lists under `listed`. Default: the same name.
    fn listed_name(&self, listed: &str) -> String {
        listed.to_owned()
    }

    /// Returns what one model is in this format. Default: a file.
    fn unit(&self) -> ModelUnit {
        ModelUnit::File
    }
}

/// What one model is in a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModelUnit {
    /// A file, or the shards that are numbered or listed in an index.
    File,
    /// All files of a folder, each with a tensor. This holds where the folder has no weights of a format with models in files.
    Folder,
}

/// Returns every format of this crate. Where two formats fit a file, the earlier one is used.
fn read_formats() -> Vec<Arc<dyn Format>> {
    vec![
        Arc::new(Safetensors),
        #[cfg(feature = "gguf")]
        Arc::new(Gguf),
        #[cfg(feature = "pytorch")]
        Arc::new(Pytorch),
        #[cfg(feature = "npz")]
        Arc::new(Npz),
        #[cfg(feature = "npz")]
        Arc::new(Npy),
        #[cfg(feature = "onnx")]
        Arc::new(Onnx),
        #[cfg(feature = "keras")]
        Arc::new(Keras),
        #[cfg(feature = "flax")]
        Arc::new(Flax),
    ]
}

/// Most bytes of an object that [`Format::recognizes`] receives: 64.
pub const BEGINNING: usize = 64;

/// Whether a file name has one of these extensions, in capitals or not.
pub(crate) fn has_extension(name: &str, extensions: &[&str]) -> bool {
    extensions.iter().any(|extension| without_extension(name, extension).is_some())
}

/// Removes an extension, in capitals or not, from a file name. `None` when the name has another.
fn without_extension<'a>(name: &'a str, extension: &str) -> Option<&'a str> {
    let (stem, end) = name.split_at_checked(name.len().checked_sub(extension.len())?)?;
    if end.eq_ignore_ascii_case(extension) { stem.strip_suffix('.') } else { None }
}

/// Refuses a Git LFS pointer, which stands where the weights should be.
#[cfg(any(feature = "npz", feature = "onnx", feature = "keras", feature = "flax"))]
pub(crate) fn refuse_pointer(bytes: &dyn ReadAt) -> Result<(), SourceError> {
    match crate::bytes::beginning(bytes, 23)?.as_slice() {
        b"version https://git-lfs" => Err(SourceError::LfsPointer { path: bytes.path().to_owned() }),
        _ => Ok(()),
    }
}

/// A library whose folders are recognized by their file names.
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
    /// Returns the name, without extension, of the library's weights files. A format may have its own name instead.
    pub fn stem(self) -> &'static str {
        match self {
            Self::Transformers => "model",
            Self::Diffusers => "diffusion_pytorch_model",
            Self::Peft => "adapter_model",
        }
    }
}
