use super::widen::widen;
use super::{Decode, Dtype, ParameterInfo, Quantization, check_range};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Bytes that are read and widened at a time: 64 KiB.
const PIECE: usize = 1 << 16;

/// The tensors of one object: the place of each, and how its values are read.
///
/// A [`Format`](super::Format) makes it. It is a [`ParameterSource`](crate::ParameterSource).
///
/// Values are read in pieces of 64 KiB; F32 goes directly into the caller's buffer. Nothing is mapped into memory, so a file
/// that changes under the program is an error and not undefined behavior. An F64 beyond the range of f32 is read as an
/// infinity.
#[derive(Debug)]
pub struct Tensors {
    bytes: Arc<dyn ReadAt>,
    tensors: BTreeMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
    left_out: BTreeMap<String, String>,
}

/// One tensor. Its place has been checked against the length of the object, unless its values are decoded.
#[derive(Debug)]
struct Tensor {
    shape: Vec<usize>,
    dtype: Dtype,
    quantization: Option<Quantization>,
    /// Number of elements.
    size: usize,
    content: Content,
}

/// How the values of a tensor are stored.
#[derive(Debug)]
enum Content {
    /// Plain little-endian numbers, one after another, from byte `begin` of the object on.
    Plain { begin: u64 },
    /// Values that only the format can read.
    Decoded(Box<dyn Decode>),
}

impl Tensors {
    /// Creates the list of an object's tensors, with none in it yet.
    pub fn new(bytes: Arc<dyn ReadAt>) -> Self {
        Self { bytes, tensors: BTreeMap::new(), metadata: BTreeMap::new(), left_out: BTreeMap::new() }
    }

    /// Adds a tensor whose values are plain little-endian numbers in row-major order, from byte `begin` of the object on.
    ///
    /// # Errors
    ///
    /// - [`SourceError::DuplicateTensor`] when the name is taken.
    /// - [`SourceError::ShapeOverflow`] when the number of bytes does not fit in a `usize`.
    /// - [`SourceError::Truncated`] when the object ends before the tensor does.
    pub fn with_tensor(
        self,
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        dtype: Dtype,
        begin: u64,
    ) -> Result<Self, SourceError> {
        self.with(ParameterInfo::new(name, shape, dtype), Content::Plain { begin })
    }

    /// Adds a tensor that `decode` reads. `dtype` says how precise its values are.
    ///
    /// # Errors
    ///
    /// [`SourceError::DuplicateTensor`] when the name is taken; [`SourceError::ShapeOverflow`] when the number of elements, or
    /// of bytes in `dtype`, does not fit in a `usize`.
    pub fn with_decoded(
        self,
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        dtype: Dtype,
        decode: impl Decode + 'static,
    ) -> Result<Self, SourceError> {
        self.with(ParameterInfo::new(name, shape, dtype), Content::Decoded(Box::new(decode)))
    }

    /// Adds a quantized tensor that `decode` reads. Its name, shape, dtype and method are those of `info`.
    ///
    /// # Errors
    ///
    /// The errors of [`with_decoded`](Self::with_decoded).
    pub fn with_quantized(self, info: ParameterInfo, decode: impl Decode + 'static) -> Result<Self, SourceError> {
        self.with(info, Content::Decoded(Box::new(decode)))
    }

    /// Says that the object holds a tensor that is passed over, and why. The reason is the end of a sentence.
    pub fn with_left_out(mut self, name: impl Into<String>, reason: impl Into<String>) -> Self {
        self.left_out.insert(name.into(), reason.into());
        self
    }

    fn with(mut self, info: ParameterInfo, content: Content) -> Result<Self, SourceError> {
        let path = || self.bytes.path().to_owned();
        let ParameterInfo { name, shape, dtype, quantization } = info;
        if self.tensors.contains_key(&name) {
            return Err(SourceError::DuplicateTensor { path: path(), tensor: name });
        }
        // Shapes come from a file that is not trusted, so both products may overflow.
        let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let stored = size.and_then(|n| n.checked_mul(dtype.size()));
        let (Some(size), Some(stored)) = (size, stored) else {
            return Err(SourceError::ShapeOverflow { path: path(), tensor: name, shape });
        };
        // Only the format knows where decoded values are, so only plain ones are checked here.
        if let Content::Plain { begin } = content {
            let (found, expected) = (self.bytes.length(), begin.saturating_add(stored as u64));
            if found < expected {
                return Err(SourceError::Truncated { path: path(), found, expected });
            }
        }
        self.tensors.insert(name, Tensor { shape, dtype, quantization, size, content });
        Ok(self)
    }

    /// Adds free text of the file's writer. Nothing depends on it.
    pub fn with_metadata(mut self, metadata: impl IntoIterator<Item = (String, String)>) -> Self {
        self.metadata.extend(metadata);
        self
    }

    /// Returns the free text of the file's writer. Nothing in it is checked.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Returns the tensors of the object that are passed over, and why.
    pub fn left_out(&self) -> &BTreeMap<String, String> {
        &self.left_out
    }

    /// Returns the name of the object in error messages.
    pub fn path(&self) -> &Path {
        self.bytes.path()
    }

    /// Returns the length of the whole object in bytes.
    pub fn length(&self) -> u64 {
        self.bytes.length()
    }

    /// Returns every tensor, sorted by name.
    pub fn infos(&self) -> impl Iterator<Item = ParameterInfo> {
        self.tensors.keys().filter_map(|name| self.info(name))
    }

    /// Returns the description of a tensor.
    pub(crate) fn info(&self, name: &str) -> Option<ParameterInfo> {
        let tensor = self.tensors.get(name)?;
        let info = ParameterInfo::new(name, tensor.shape.as_slice(), tensor.dtype);
        Some(tensor.quantization.iter().cloned().fold(info, ParameterInfo::with_quantization))
    }

    /// Returns the names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Returns the shape and dtype of a tensor.
    pub(crate) fn tensor(&self, name: &str) -> Option<(&[usize], Dtype)> {
        self.tensors.get(name).map(|t| (t.shape.as_slice(), t.dtype))
    }

    fn known(&self, name: &str) -> Result<&Tensor, SourceError> {
        self.tensors.get(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })
    }

    /// Fills `out` with consecutive elements of a tensor in row-major order, from element `offset` on, widened to f32.
    ///
    /// # Errors
    ///
    /// [`SourceError::UnknownParameter`] for an unknown name; [`SourceError::OutOfRange`] for a range beyond the end; any error
    /// of reading the object.
    pub fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let tensor = self.known(name)?;
        check_range(name, tensor.size, offset, out.len())?;
        let begin = match &tensor.content {
            Content::Plain { begin } => begin,
            // An empty range needs no decoding, and a decoder need not handle it.
            Content::Decoded(_) if out.is_empty() => return Ok(()),
            Content::Decoded(decode) => return decode.decode(&*self.bytes, offset, out),
        };
        // This cannot overflow: the range was just checked, and it lies within the object.
        let position = begin + (offset * tensor.dtype.size()) as u64;
        if tensor.dtype == Dtype::F32 && cfg!(target_endian = "little") {
            // The stored bytes are those of the f32 in memory, so no second buffer is needed.
            return self.bytes.read_at(bytemuck::cast_slice_mut(out), position);
        }
        PIECES.with_borrow_mut(|bytes| self.read_pieces(tensor.dtype, position, bytes, out))
    }

    /// Fills `out` with stored bytes of a tensor, from byte `offset` of the tensor on.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read), and [`SourceError::NoBytes`] when the values are decoded.
    pub fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let tensor = self.known(name)?;
        let Content::Plain { begin } = tensor.content else {
            return Err(SourceError::NoBytes { parameter: name.to_owned() });
        };
        check_range(name, tensor.size * tensor.dtype.size(), offset, out.len())?;
        self.bytes.read_at(out, begin + offset as u64)
    }

    /// Returns the root mean square of the rounding error of a tensor's values, if it is known. See [`Decode::rounding`].
    ///
    /// # Errors
    ///
    /// [`SourceError::UnknownParameter`] for an unknown name; any error of reading the object.
    pub fn rounding(&self, name: &str) -> Result<Option<f64>, SourceError> {
        match &self.known(name)?.content {
            Content::Plain { .. } => Ok(None),
            Content::Decoded(decode) => decode.rounding(&*self.bytes),
        }
    }

    /// Announces that some thread will soon read `length` elements from `offset` on. A name or range that does not exist is
    /// ignored.
    pub fn prefetch(&self, name: &str, offset: usize, length: usize) {
        let Some(tensor) = self.tensors.get(name).filter(|t| check_range(name, t.size, offset, length).is_ok()) else {
            return;
        };
        match &tensor.content {
            Content::Plain { begin } => {
                let element = tensor.dtype.size();
                self.bytes.prefetch(begin + (offset * element) as u64, (length * element) as u64);
            }
            Content::Decoded(decode) => decode.prefetch(&*self.bytes, offset, length),
        }
    }

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
            self.bytes.read_at(bytes, position)?;
            widen(dtype, bytes, values);
            position += bytes.len() as u64;
        }
        Ok(())
    }
}

thread_local! {
    /// The buffer of one piece, which each thread keeps from one read to the next. A new buffer would have to be zeroed each
    /// time.
    static PIECES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemoryFile;

    fn object() -> Tensors {
        Tensors::new(Arc::new(MemoryFile::new("a", [1, 2, 3, 4, 5, 6, 7, 8])))
    }

    #[test]
    fn a_tensor_must_lie_within_its_object() {
        let whole = object().with_tensor("w", [2, 2], Dtype::I16, 0).unwrap();
        let error = whole.with_tensor("w", [1], Dtype::I8, 0).unwrap_err();
        assert!(matches!(error, SourceError::DuplicateTensor { .. }));
        let cases = [(vec![3, 3], 0), (vec![8], 1), (vec![0], 9), (vec![1], u64::MAX)];
        for (shape, begin) in cases {
            let error = object().with_tensor("w", shape, Dtype::U8, begin).unwrap_err();
            assert!(matches!(error, SourceError::Truncated { .. }), "{error}");
        }
        for shape in [vec![usize::MAX, 2], vec![usize::MAX / 2]] {
            let error = object().with_tensor("w", shape, Dtype::F64, 0).unwrap_err();
            assert!(matches!(error, SourceError::ShapeOverflow { .. }), "{error}");
        }
    }

    #[test]
    fn bytes_are_those_that_are_stored() {
        let tensors = object().with_tensor("w", [3], Dtype::U16, 2).unwrap();
        let mut bytes = [0; 4];
        tensors.read_bytes("w", 2, &mut bytes).unwrap();
        assert_eq!(bytes, [5, 6, 7, 8]);
        let mut value = [0.0];
        tensors.read("w", 1, &mut value).unwrap();
        assert_eq!(value, [f32::from(0x0605u16)]);
        assert!(matches!(tensors.read_bytes("w", 3, &mut bytes), Err(SourceError::OutOfRange { .. })));
        assert!(matches!(tensors.read_bytes("v", 0, &mut bytes), Err(SourceError::UnknownParameter { .. })));
    }

    /// Counts its elements backwards.
    #[derive(Debug)]
    struct Backwards;

    impl Decode for Backwards {
        fn decode(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
            out.iter_mut().zip(offset..).for_each(|(v, at)| *v = bytes.length() as f32 - at as f32);
            Ok(())
        }
    }

    #[test]
    fn a_decoded_tensor_has_ranges_and_no_bytes() {
        let tensors = object().with_decoded("w", [5], Dtype::F32, Backwards).unwrap();
        let mut values = [0.0; 2];
        tensors.read("w", 3, &mut values).unwrap();
        assert_eq!(values, [5.0, 4.0]);
        assert!(matches!(tensors.read("w", 4, &mut values), Err(SourceError::OutOfRange { .. })));
        assert!(matches!(tensors.read_bytes("w", 0, &mut [0]), Err(SourceError::NoBytes { .. })));
    }
}
