//! Reading of values in the order in which they are stored.

use super::cursor::malformed;
use super::rounding;
use super::tensor_type::{Kind, TensorType};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::widen::widen;
use anamnesis::{F32Out, GgufType, dequantize_gguf_blocks};
use half::f16;
use std::cell::RefCell;

/// Bytes that are read and decoded at a time: 64 KiB.
const PIECE: usize = 1 << 16;

thread_local! {
    /// The buffer of one piece, which each thread keeps from one read to the next.
    static PIECES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Values of one type, one after another, whose place in the file has been checked.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) kind: &'static TensorType,
    /// Position in the file of the first byte.
    pub(super) begin: u64,
    /// Number of values: a whole number of blocks.
    pub(super) size: usize,
}

/// Decodes blocks of Q8_0: a scale and 32 integers. It is the most usual type, and a call for each block takes as long as the work.
fn q8_0(blocks: &[u8], skip: usize, out: &mut [f32]) {
    let (blocks, _) = blocks.as_chunks::<34>();
    let decode = |block: &[u8; 34], values: &mut [f32; 32]| {
        let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
        for (value, &code) in values.iter_mut().zip(&block[2..]) {
            *value = f32::from(code as i8) * scale;
        }
    };
    // The first and the last block may be needed in part.
    let (first, rest) = out.split_at_mut(if skip == 0 { 0 } else { (32 - skip).min(out.len()) });
    let mut values = [0.0; 32];
    if let Some(block) = blocks.first().filter(|_| !first.is_empty()) {
        decode(block, &mut values);
        first.copy_from_slice(&values[skip..skip + first.len()]);
    }
    let blocks = &blocks[usize::from(!first.is_empty())..];
    let (whole, last) = rest.as_chunks_mut::<32>();
    for (values, block) in whole.iter_mut().zip(blocks) {
        decode(block, values);
    }
    if let Some(block) = blocks.get(whole.len()).filter(|_| !last.is_empty()) {
        decode(block, &mut values);
        last.copy_from_slice(&values[..last.len()]);
    }
}

impl Stored {
    /// Returns the values from `offset` on, `size` of them. Both are whole numbers of blocks.
    pub(super) fn part(&self, offset: usize, size: usize) -> Self {
        let begin = self.begin + (offset / self.kind.values * self.kind.bytes) as u64;
        Self { kind: self.kind, begin, size }
    }

    /// Fills `out` with values `offset .. offset + out.len()`, which exist.
    pub(super) fn read(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        PIECES.with_borrow_mut(|buffer| {
            // Blocks begin at whole numbers of values, so that the range may begin within one and end within another.
            let mut skip = offset % self.kind.values;
            let mut position = self.begin + (offset / self.kind.values * self.kind.bytes) as u64;
            let mut rest = out;
            while !rest.is_empty() {
                let blocks = (skip + rest.len()).div_ceil(self.kind.values).min(PIECE / self.kind.bytes);
                buffer.resize(blocks * self.kind.bytes, 0);
                bytes.read_at(buffer, position)?;
                let (values, after) = rest.split_at_mut((blocks * self.kind.values - skip).min(rest.len()));
                self.decode(bytes, buffer, skip, values)?;
                position += buffer.len() as u64;
                (skip, rest) = (0, after);
            }
            Ok(())
        })
    }

    /// Decodes whole blocks, passes over the first `skip` values and fills `out` with the next.
    fn decode(&self, bytes: &dyn ReadAt, blocks: &[u8], skip: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let kernel = match self.kind.kind {
            Kind::Plain(dtype) => {
                widen(dtype, blocks, out);
                return Ok(());
            }
            Kind::Blocks(kernel, _) => kernel,
        };
        let size = blocks.len() / self.kind.bytes * self.kind.values;
        if kernel == GgufType::Q8_0 {
            q8_0(blocks, skip, out);
            return Ok(());
        }
        let (mut skip, mut rest) = (skip, out);
        dequantize_gguf_blocks::<F32Out, _>(blocks, kernel, size, |block| {
            let values = &block[4 * skip..];
            let taken = (values.len() / 4).min(rest.len());
            let (filled, after) = std::mem::take(&mut rest).split_at_mut(taken);
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut *filled);
            if let (true, Some(to), Some(from)) =
                (cfg!(target_endian = "little") && taken == 32, bytes.first_chunk_mut::<128>(), values.first_chunk())
            {
                // A copy of a known length takes no call.
                *to = *from;
            } else if cfg!(target_endian = "little") {
                // The bytes are those of the f32 in memory.
                bytemuck::cast_slice_mut(filled).copy_from_slice(&values[..4 * taken]);
            } else {
                let (values, _) = values.as_chunks::<4>();
                filled.iter_mut().zip(values).for_each(|(out, value)| *out = f32::from_le_bytes(*value));
            }
            (skip, rest) = (0, after);
            Ok(())
        })
        .map_err(|error| malformed(bytes, error.to_string()))
    }

    /// Announces a read.
    pub(super) fn prefetch(&self, bytes: &dyn ReadAt, offset: usize, length: usize) {
        let first = offset / self.kind.values;
        let blocks = (offset + length).div_ceil(self.kind.values) - first;
        let begin = self.begin + (first * self.kind.bytes) as u64;
        bytes.prefetch(begin, (blocks * self.kind.bytes) as u64);
    }

    /// Returns the mean square of the rounding error of the values. `None` when they were not quantized in blocks.
    pub(super) fn rounding(&self, bytes: &dyn ReadAt) -> Result<Option<f64>, SourceError> {
        let Kind::Blocks(_, steps) = self.kind.kind else { return Ok(None) };
        rounding::mean_square(self, steps, bytes).map(Some)
    }
}
