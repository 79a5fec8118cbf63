use super::{ParameterInfo, ParameterSource};
use crate::error::SourceError;

/// Reads the one element of an integer tensor, exact up to 2⁵³. `None` when the source has no stored bytes.
///
/// [`ParameterSource::read`] would round it to the 24 bits of an f32.
pub(crate) fn read_integer(source: &dyn ParameterSource, info: &ParameterInfo) -> Result<Option<f64>, SourceError> {
    let size = info.dtype.size();
    let mut bytes = [0; 8];
    // A source may have only values. Then the caller does without the integer.
    match source.read_bytes(&info.name, 0, &mut bytes[..size]) {
        Err(SourceError::NoBytes { .. }) => return Ok(None),
        other => other?,
    }
    let unsigned = u64::from_le_bytes(bytes);
    // The sign is the highest stored bit: shifting it to bit 63 and back extends it to all 64 bits.
    let shift = 64 - 8 * size as u32;
    let signed = ((unsigned << shift) as i64) >> shift;
    Ok(Some(if info.dtype.is_signed_integer() { signed as f64 } else { unsigned as f64 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemoryFile;
    use crate::format::{Dtype, Tensors};
    use crate::source::InMemory;
    use std::sync::Arc;

    #[test]
    fn integers_keep_their_bits() -> Result<(), SourceError> {
        let cases: [(Dtype, Vec<u8>, f64); 5] = [
            (Dtype::I64, 16_777_217i64.to_le_bytes().to_vec(), 16_777_217.0),
            (Dtype::I64, (-3i64).to_le_bytes().to_vec(), -3.0),
            (Dtype::I32, (-16_777_217i32).to_le_bytes().to_vec(), -16_777_217.0),
            (Dtype::U32, u32::MAX.to_le_bytes().to_vec(), 4_294_967_295.0),
            (Dtype::U8, vec![200], 200.0),
        ];
        for (dtype, bytes, expected) in cases {
            let tensors = Tensors::new(Arc::new(MemoryFile::new("a", bytes))).with_tensor("n", [], dtype, 0)?;
            assert_eq!(read_integer(&tensors, &ParameterInfo::new("n", [], dtype))?, Some(expected), "{dtype}");
        }
        let model = InMemory::new().with_parameter("n", [1], vec![1.0])?;
        assert_eq!(read_integer(&model, &ParameterInfo::new("n", [1], Dtype::I64))?, None);
        Ok(())
    }
}
