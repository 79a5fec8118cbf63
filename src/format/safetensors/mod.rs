//! The safetensors format.

mod header;

use super::{Dtype, Format, Tensors};
use crate::bytes::{LocalFile, ReadAt};
use crate::error::SourceError;
use header::{HEADER_LIMIT, Header, LENGTH_BYTES};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The safetensors format: a JSON header, followed by plain values without a hole.
///
/// Opening a file reads and checks the header only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Safetensors;

impl Format for Safetensors {
    fn name(&self) -> &str {
        "safetensors"
    }

    fn extensions(&self) -> &[&str] {
        &["safetensors"]
    }

    fn recognizes(&self, name: &str, beginning: &[u8]) -> bool {
        let Some((length, rest)) = beginning.split_first_chunk() else {
            return super::has_extension(name, self.extensions());
        };
        // A header has a limited length and is a JSON object. Archives and pickles do not begin like this.
        u64::from_le_bytes(*length) <= HEADER_LIMIT && rest.first() == Some(&b'{')
    }

    /// # Errors
    ///
    /// When the object cannot be read, has another format, or does not fit its header. Each failure has its own variant, from
    /// [`SourceError::Truncated`] to [`SourceError::UnsupportedDtype`].
    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        let path = || bytes.path().to_owned();
        let length = bytes.length();
        let short = |expected| SourceError::Truncated { path: path(), found: length, expected };
        if length < LENGTH_BYTES {
            return Err(short(LENGTH_BYTES));
        }
        let mut found = [0; LENGTH_BYTES as usize];
        bytes.read_at(&mut found, 0)?;
        // A Git LFS pointer begins with this word. As a length, it would only seem too large.
        if &found == b"version " {
            return Err(SourceError::LfsPointer { path: path() });
        }
        // Eight characters of text are a length of at least 10¹⁷.
        if found.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) {
            let begin = String::from_utf8_lossy(&found).split_whitespace().collect::<Vec<_>>().join(" ");
            let reason = format!("it is a text that begins `{begin}`, such as a web page in place of the file");
            return Err(SourceError::Malformed { path: path(), format: "safetensors".to_owned(), reason });
        }
        let found = u64::from_le_bytes(found);
        if found > HEADER_LIMIT {
            return Err(SourceError::HeaderTooLarge { path: path(), found, limit: HEADER_LIMIT });
        }
        let data_begin = LENGTH_BYTES + found;
        // The length is at most the limit here, and the file must hold it: only then memory is allocated for it.
        if length < data_begin {
            return Err(short(data_begin));
        }
        let mut header = vec![0; found as usize];
        bytes.read_at(&mut header, LENGTH_BYTES)?;
        let Header { tensors, metadata, left_out } = header::parse(bytes.path(), &header, data_begin, length)?;
        let mut found = Tensors::new(bytes).with_metadata(metadata);
        for (name, tensor) in tensors {
            found = found.with_tensor(name, tensor.shape, tensor.dtype, tensor.begin)?;
        }
        Ok(left_out.into_iter().fold(found, |found, (name, reason)| found.with_left_out(name, reason)))
    }
}

/// A model in one `.safetensors` file of this machine.
///
/// ```
/// use neural_phylogeny::ParameterSource;
/// use neural_phylogeny::format::SafetensorsFile;
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
pub struct SafetensorsFile(Tensors);

impl SafetensorsFile {
    /// Opens a file and checks its header against its length.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, has another format, or does not fit its header. Each failure has its own variant, from
    /// [`SourceError::Truncated`] to [`SourceError::UnsupportedDtype`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Ok(Self(Safetensors.open(Arc::new(LocalFile::open(path)?))?))
    }

    /// Opens a file as [`open`](Self::open) does, and returns the text that its writer put into `__metadata__`.
    pub(crate) fn open_with_metadata(path: &Path) -> Result<(Self, BTreeMap<String, String>), SourceError> {
        let file = Self::open(path)?;
        let metadata = file.0.metadata().clone();
        Ok((file, metadata))
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the tensors of the file.
    pub fn tensors(&self) -> &Tensors {
        &self.0
    }

    /// Returns the shape and dtype of a tensor.
    pub(crate) fn tensor(&self, name: &str) -> Option<(&[usize], Dtype)> {
        self.0.tensor(name)
    }

    /// Returns the length of the whole file in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.0.length()
    }

    /// Reads stored bytes of a tensor, for values that must not be rounded to f32.
    pub(crate) fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        self.0.read_bytes(name, offset, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_decides_where_it_is_known() {
        let mut file = 2u64.to_le_bytes().to_vec();
        file.extend(b"{}");
        assert!(Safetensors.recognizes("0123abcd", &file));
        assert!(Safetensors.recognizes("a.safetensors", &[]) && Safetensors.recognizes("a.SafeTensors", &[]));
        assert!(!Safetensors.recognizes("a.bin", &[]) && !Safetensors.recognizes("safetensors", &[]));
        for other in [&b"PK\x03\x04\x14\0\0\0{"[..], b"GGUF\x03\0\0\0\0", b"\x02\0\0\0\0\0\0\0["] {
            assert!(!Safetensors.recognizes("a.safetensors", other), "{other:?}");
        }
    }
}
