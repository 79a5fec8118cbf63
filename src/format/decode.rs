use crate::bytes::ReadAt;
use crate::error::SourceError;
use std::fmt;

/// A reader of one tensor whose values are not stored as plain little-endian numbers.
///
/// A format uses it for values that are compressed, quantized in blocks, strided, or big-endian.
/// [`Tensors`](super::Tensors) checks names and ranges before each call.
///
/// # Contract
///
/// - [`decode`](Self::decode) fills `out` with elements `offset .. offset + out.len()` in row-major order. The value of an
///   element does not depend on which other elements are read with it.
/// - Calls come from several threads at once.
///
/// ```
/// use neural_phylogeny::SourceError;
/// use neural_phylogeny::bytes::{MemoryFile, ReadAt};
/// use neural_phylogeny::format::{Decode, Dtype, Tensors};
/// use std::sync::Arc;
///
/// /// Percents, a byte each.
/// #[derive(Debug)]
/// struct Percents;
///
/// impl Decode for Percents {
///     fn decode(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
///         let mut stored = vec![0; out.len()];
///         bytes.read_at(&mut stored, offset as u64)?;
///         out.iter_mut().zip(stored).for_each(|(value, byte)| *value = f32::from(byte) / 100.0);
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let file = MemoryFile::new("a.percent", [0, 25, 100]);
/// let tensors = Tensors::new(Arc::new(file)).with_decoded("share", [3], Dtype::F32, Percents)?;
/// let mut last = [0.0; 2];
/// tensors.read("share", 1, &mut last)?;
/// assert_eq!(last, [0.25, 1.0]);
/// # Ok(())
/// # }
/// ```
pub trait Decode: Send + Sync + fmt::Debug {
    /// Fills `out` with consecutive elements of the tensor in row-major order, from element `offset` on.
    ///
    /// # Errors
    ///
    /// When the object cannot be read, or its content cannot be decoded.
    fn decode(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError>;

    /// Announces that some thread will soon read `length` elements from `offset` on. By default it does nothing.
    fn prefetch(&self, bytes: &dyn ReadAt, offset: usize, length: usize) {
        let _ = (bytes, offset, length);
    }

    /// Returns the root mean square of the rounding error of the tensor's values, if the values were quantized in known steps.
    /// By default it is unknown.
    ///
    /// # Errors
    ///
    /// When the steps cannot be read.
    fn rounding(&self, bytes: &dyn ReadAt) -> Result<Option<f64>, SourceError> {
        let _ = bytes;
        Ok(None)
    }
}

impl<D: Decode + ?Sized> Decode for Box<D> {
    fn decode(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        (**self).decode(bytes, offset, out)
    }

    fn prefetch(&self, bytes: &dyn ReadAt, offset: usize, length: usize) {
        (**self).prefetch(bytes, offset, length);
    }

    fn rounding(&self, bytes: &dyn ReadAt) -> Result<Option<f64>, SourceError> {
        (**self).rounding(bytes)
    }
}
