//! The safetensors format: one file, or shards of one model.

mod handle;
mod header;
mod shards;
mod widen;

pub use shards::SafetensorsShards;
pub(super) use shards::{ShardNumber, index_stem, shard_number, weight_map};

use super::{Dtype, ParameterInfo, ParameterSource, check_range};
use crate::error::SourceError;
use handle::Handle;
use header::{HEADER_LIMIT, Header, LENGTH_BYTES, Tensor};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes read and widened at once.
const PIECE: usize = 1 << 16;

/// A model in one `.safetensors` file.
///
/// Opening reads and checks the header only. Tensors are read (in pieces of 64 KiB, but for F32) and never mapped, so that a file that
/// changes under the program is an error and not undefined behavior. Every dtype of [`Dtype`] widens to f32; an F64 beyond
/// the range of f32 reads as an infinity.
///
/// ```
/// use neural_phylogeny::{ParameterSource, SafetensorsFile};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// let header = r#"{"fc.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
/// let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
/// bytes.extend(header.bytes());
/// bytes.extend(0.5f32.to_le_bytes());
/// bytes.extend((-0.5f32).to_le_bytes());
/// std::fs::write(&path, bytes)?;
///
/// let model = SafetensorsFile::open(&path)?;
/// let mut bias = [0.0; 2];
/// model.read("fc.bias", 0, &mut bias)?;
/// assert_eq!(bias, [0.5, -0.5]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SafetensorsFile {
    handle: Handle,
    tensors: BTreeMap<String, Tensor>,
}

impl SafetensorsFile {
    /// Opens a file and checks its header against its length.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, is not of this format, or its header is not true of it: each way has its own
    /// variant, from [`SourceError::Truncated`] to [`SourceError::UnsupportedDtype`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Ok(Self::open_with_metadata(path.as_ref())?.0)
    }

    /// Opens a file as [`open`](Self::open) does, and gives what its writer put into `__metadata__`.
    pub(crate) fn open_with_metadata(path: &Path) -> Result<(Self, BTreeMap<String, String>), SourceError> {
        let handle = Handle::open(path)?;
        let length = handle.length();
        let short = |expected| SourceError::Truncated { path: path.to_owned(), found: length, expected };
        if length < LENGTH_BYTES {
            return Err(short(LENGTH_BYTES));
        }
        let mut found = [0; LENGTH_BYTES as usize];
        handle.read(&mut found, 0)?;
        if &found == b"version " {
            return Err(SourceError::LfsPointer { path: path.to_owned() });
        }
        let found = u64::from_le_bytes(found);
        if found > HEADER_LIMIT {
            return Err(SourceError::HeaderTooLarge { path: path.to_owned(), found, limit: HEADER_LIMIT });
        }
        let data_begin = LENGTH_BYTES + found;
        if length < data_begin {
            return Err(short(data_begin));
        }
        let mut header = vec![0; found as usize];
        handle.read(&mut header, LENGTH_BYTES)?;
        let Header { tensors, metadata } = header::parse(path, &header, data_begin, length)?;
        Ok((Self { handle, tensors }, metadata))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.handle.path()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape and dtype of a tensor.
    pub(crate) fn tensor(&self, name: &str) -> Option<(&[usize], Dtype)> {
        self.tensors.get(name).map(|t| (t.shape.as_slice(), t.dtype))
    }

    /// Bytes of the whole file.
    pub(crate) fn length(&self) -> u64 {
        self.handle.length()
    }

    /// Bytes of a tensor as they are stored, for what must not be rounded to f32.
    pub(crate) fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let tensor =
            self.tensors.get(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })?;
        check_range(name, tensor.size * tensor.dtype.size(), offset, out.len())?;
        self.handle.read(out, tensor.begin + offset as u64)
    }
}

impl ParameterSource for SafetensorsFile {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let info = |(name, t): (&String, &Tensor)| ParameterInfo {
            name: name.clone(),
            shape: t.shape.clone(),
            dtype: t.dtype,
        };
        Ok(self.tensors.iter().map(info).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let tensor =
            self.tensors.get(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })?;
        check_range(name, tensor.size, offset, out.len())?;
        // No overflow: within the range just checked, and that range within the file.
        let position = tensor.begin + (offset * tensor.dtype.size()) as u64;
        if tensor.dtype == Dtype::F32 && cfg!(target_endian = "little") {
            // Stored as they are in memory.
            return self.handle.read(bytemuck::cast_slice_mut(out), position);
        }
        BYTES.with_borrow_mut(|bytes| self.read_pieces(tensor.dtype, position, bytes, out))
    }

    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        let Some(tensor) = self.tensors.get(name).filter(|t| check_range(name, t.size, offset, length).is_ok()) else {
            return;
        };
        let element = tensor.dtype.size();
        self.handle.prefetch(tensor.begin + (offset * element) as u64, (length * element) as u64);
    }
}

thread_local! {
    /// One piece of a file, kept from one read to the next: a new one would have to be zeroed each time.
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl SafetensorsFile {
    fn read_pieces(
        &self,
        dtype: Dtype,
        mut position: u64,
        bytes: &mut Vec<u8>,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        bytes.resize(PIECE, 0);
        for values in out.chunks_mut(PIECE / dtype.size()) {
            let bytes = &mut bytes[..values.len() * dtype.size()];
            self.handle.read(bytes, position)?;
            widen::widen(dtype, bytes, values);
            position += bytes.len() as u64;
        }
        Ok(())
    }
}

impl Dtype {
    /// The dtype of a spelling, as its `Display` gives it.
    pub(crate) fn of_spelling(spelling: &str) -> Option<Self> {
        header::dtype(spelling)
    }
}
