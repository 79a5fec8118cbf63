use super::widen::widen;
use super::{Decode, Dtype};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use std::sync::Arc;

/// Bytes that are read and widened at a time: 64 KiB.
pub(super) const PIECE: usize = 1 << 16;

/// The order of the bytes of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

/// A reader of plain numbers in row-major order that are not plain bytes of the tensor's own file: they stand in another object,
/// such as a compressed member of an archive, or their bytes are swapped.
#[derive(Clone, Debug)]
pub(super) struct Elsewhere {
    object: Arc<dyn ReadAt>,
    begin: u64,
    dtype: Dtype,
    order: ByteOrder,
}

impl Elsewhere {
    /// Creates a reader of the values from byte `begin` of `object` on.
    pub(super) fn new(object: Arc<dyn ReadAt>, begin: u64, dtype: Dtype, order: ByteOrder) -> Self {
        Self { object, begin, dtype, order }
    }
}

impl Decode for Elsewhere {
    fn decode(&self, _: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let size = self.dtype.size();
        let mut position = self.begin + (offset * size) as u64;
        if self.dtype == Dtype::F32 && self.order == ByteOrder::Little && cfg!(target_endian = "little") {
            return self.object.read_at(bytemuck::cast_slice_mut(out), position);
        }
        let mut bytes = vec![0; PIECE.min(out.len() * size)];
        for values in out.chunks_mut(PIECE / size) {
            let bytes = &mut bytes[..values.len() * size];
            self.object.read_at(bytes, position)?;
            widen_in(self.order, self.dtype, bytes, values);
            position += bytes.len() as u64;
        }
        Ok(())
    }

    fn prefetch(&self, _: &dyn ReadAt, offset: usize, length: usize) {
        let size = self.dtype.size();
        self.object.prefetch(self.begin + (offset * size) as u64, (length * size) as u64);
    }
}

/// Widens `bytes`, which it may reorder, into `values`.
pub(super) fn widen_in(order: ByteOrder, dtype: Dtype, bytes: &mut [u8], values: &mut [f32]) {
    if order == ByteOrder::Big {
        match dtype.size() {
            1 => {}
            2 => swap::<2>(bytes),
            4 => swap::<4>(bytes),
            _ => swap::<8>(bytes),
        }
    }
    widen(dtype, bytes, values);
}

// The number of bytes is a constant, so that the compiler makes one instruction of it.
fn swap<const N: usize>(bytes: &mut [u8]) {
    bytes.as_chunks_mut::<N>().0.iter_mut().for_each(|word| word.reverse());
}
