//! PyTorch checkpoints: what `torch.save` writes, in the zip form and in the form before PyTorch 1.6.
//!
//! The pickle is interpreted here and not by a library. The kept reader (pytorch-reader 0.22) reads whole tensors, from local
//! files only, and refuses a file that holds FP8 or a bare tensor. Here a pickle gives the place of each tensor, and values are
//! read as those of other formats: in ranges, from any object.

mod archive;
mod build;
mod calls;
mod choose;
mod element;
mod flatten;
mod heap;
mod holds;
mod legacy;
mod machine;
mod opcode;
mod panels;
mod stream;
mod strided;

use super::unread::is_trainer_state;
use super::{Format, Library, Tensors, UnreadFormat, has_extension};
use crate::bytes::{self, ReadAt};
use crate::error::SourceError;
use archive::Archive;
use build::Weights;
use heap::Heap;
use holds::Holds;
use std::path::Path;
use std::sync::Arc;
use stream::Stream;

/// The name in errors.
const NAME: &str = "PyTorch";

/// The first bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";

/// The PyTorch format: files of `torch.save`.
///
/// No code in a file is ever executed. The weights are those of the dictionary that holds them, such as `state_dict` or
/// `model`; the state of an optimizer beside them is [left out](Tensors::left_out).
///
/// ```no_run
/// use neural_phylogeny::bytes::LocalFile;
/// use neural_phylogeny::format::{Format, Pytorch};
/// use std::sync::Arc;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tensors = Pytorch.open(Arc::new(LocalFile::open("pytorch_model.bin")?))?;
/// for name in tensors.names() {
///     println!("{name}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pytorch;

impl Format for Pytorch {
    fn name(&self) -> &str {
        "pytorch"
    }

    fn extensions(&self) -> &[&str] {
        &["bin", "pt", "pth", "ckpt", "pth.tar"]
    }

    /// A file of a trainer's own state, such as `optimizer.pt`, holds no model.
    fn recognizes(&self, name: &str, beginning: &[u8]) -> bool {
        if is_trainer_state(name) || UnreadFormat::of_pattern(name).is_some() || !has_extension(name, self.extensions())
        {
            return false;
        }
        // A pointer keeps the name, so that opening it says what is wrong. So does a file that was cut within its first bytes.
        let is_cut = beginning.len() < legacy::BEGINNING
            && (beginning.is_empty() || beginning[0] == ZIP[0] || beginning[0] == 0x80);
        is_cut || beginning.starts_with(ZIP) || legacy::begins(beginning) || beginning.starts_with(LFS)
    }

    /// # Errors
    ///
    /// [`SourceError::Malformed`] when the object is damaged or hostile; [`SourceError::UnsupportedContent`] when its weights
    /// are kept in a way that is not read, with the class or function that keeps them; any error of reading the object.
    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        let object = &*bytes;
        let beginning = bytes::beginning(object, 512)?;
        if beginning.starts_with(ZIP) {
            return in_archive(&bytes);
        }
        if !legacy::begins(&beginning) {
            return Err(foreign(object.path(), &beginning));
        }
        let legacy::Legacy { heap, root, ranges } = legacy::read(object)?;
        let holds = Holds::new(&heap, root);
        let weights = Weights::find(object.path(), &heap, &holds, root)?;
        weights.place(&bytes, &ranges, false)
    }

    fn stem(&self, library: Library) -> Option<&str> {
        Some(match library {
            Library::Transformers => "pytorch_model",
            other => other.stem(),
        })
    }
}

/// Opens a file of the zip form.
fn in_archive(bytes: &Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
    let object = &**bytes;
    let mut archive = Archive::open(bytes)?;
    let pickle = archive.range("data.pkl")?;
    let pickle = pickle.ok_or_else(|| malformed(object.path(), "it has no `data.pkl`".to_owned()))?;
    let big_endian = match archive.text("byteorder")?.as_deref() {
        // Files before PyTorch 2.1 do not say it. They come from machines of the other order very rarely.
        None | Some("little") => false,
        Some("big") => true,
        Some(other) => {
            let reason = format!("its byte order is `{other}`, expected `little` or `big`");
            return Err(malformed(object.path(), reason));
        }
    };
    let mut heap = Heap::default();
    let mut stream = Stream::new(object, pickle.begin, pickle.begin + pickle.length);
    let root = machine::run(&mut stream, &mut heap)?;
    let holds = Holds::new(&heap, root);
    let weights = Weights::find(object.path(), &heap, &holds, root)?;
    // Only the storages of weights are looked up: each lookup reads the entry's own header.
    let ranges = archive.ranges(weights.storages())?;
    weights.place(bytes, &ranges, big_endian)
}

/// How a Git LFS pointer begins.
const LFS: &[u8] = b"version https://git-lfs";

/// Where a tar archive has its mark.
const TAR: std::ops::Range<usize> = 257..262;

/// Returns the error for a file that begins like none of `torch.save`.
fn foreign(path: &Path, beginning: &[u8]) -> SourceError {
    let is_tar = beginning.get(TAR) == Some(b"ustar") || beginning.starts_with(b"storages\0");
    if beginning.starts_with(LFS) {
        SourceError::LfsPointer { path: path.to_owned() }
    } else if is_tar {
        let reason = "a tar archive, as PyTorch before 0.1.10 and other programs write it; unpack it, or load it with \
                      PyTorch and save it again";
        unsupported(path, reason.to_owned())
    } else if beginning.first() == Some(&0x80) && beginning.get(1).is_some_and(|version| *version <= 5) {
        let reason = "a pickle that torch.save did not write; load it with Python and save its tensors with torch.save";
        unsupported(path, reason.to_owned())
    } else {
        let found = beginning.iter().take(8).map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
        malformed(path, format!("it begins with the bytes {found}, expected a zip archive or pickle of torch.save"))
    }
}

fn malformed(path: &Path, reason: String) -> SourceError {
    SourceError::Malformed { path: path.to_owned(), format: NAME.to_owned(), reason }
}

fn unsupported(path: &Path, reason: String) -> SourceError {
    SourceError::UnsupportedContent { path: path.to_owned(), format: NAME.to_owned(), reason }
}
