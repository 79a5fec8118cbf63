//! Tensors that hold one number for each block of a quantized tensor: scales, zero points and biases.

use super::bits::code_at;
use super::transposed::gather;
use crate::error::SourceError;
use crate::format::{Dtype, power, widen};
use crate::source::ParameterSource;

/// A number for each block, in row-major order of the blocks.
#[derive(Clone, Debug)]
pub(super) enum Numbers {
    /// One number for all blocks.
    Same(f32),
    /// The values of a tensor.
    Plain(String),
    /// The values of a tensor, divided by one number.
    Divided(String, f32),
    /// The values of a tensor, multiplied by one number.
    Multiplied(String, f32),
    /// The bytes of a tensor, as exponents of two (E8M0).
    Powers(String),
    /// The bytes of a tensor, as 8-bit floats (E4M3).
    Floats(String),
    /// Numbers that are quantized themselves: `table[code] · scale[i / span] + offset`.
    Nested { codes: String, scale: String, table: Box<[f32; 256]>, span: usize, offset: f32 },
    /// Codes of a few bits, packed along the rows of the blocks, of which there are `columns` in a row.
    Packed { codes: String, bits: usize, columns: usize, least: i32 },
}

impl Numbers {
    /// Reads consecutive numbers.
    pub(super) fn read(&self, source: &dyn ParameterSource, at: usize, out: &mut [f32]) -> Result<(), SourceError> {
        match self {
            Self::Same(number) => out.fill(*number),
            Self::Plain(name) => source.read(name, at, out)?,
            Self::Divided(name, by) => {
                source.read(name, at, out)?;
                out.iter_mut().for_each(|number| *number /= by);
            }
            Self::Multiplied(name, by) => {
                source.read(name, at, out)?;
                out.iter_mut().for_each(|number| *number *= by);
            }
            Self::Powers(name) => {
                let bytes = bytes(source, name, at, out.len())?;
                out.iter_mut().zip(bytes).for_each(|(number, exponent)| *number = power(exponent));
            }
            Self::Floats(name) => widen(Dtype::F8E4M3, &bytes(source, name, at, out.len())?, out),
            Self::Nested { codes, scale, table, span, offset } => {
                let Some(last) = (at + out.len()).checked_sub(1) else { return Ok(()) };
                let codes = bytes(source, codes, at, out.len())?;
                let first = at / span;
                let mut scales = vec![0.0; last / span - first + 1];
                source.read(scale, first, &mut scales)?;
                for ((number, code), at) in out.iter_mut().zip(codes).zip(at..) {
                    // Two roundings, as in bitsandbytes: no fused operation.
                    let product = table[usize::from(code)] * scales[at / span - first];
                    *number = product + offset;
                }
            }
            Self::Packed { codes, bits, columns, least } => {
                let Some(last) = (at + out.len()).checked_sub(1) else { return Ok(()) };
                // Words of 32 bits stand in rows of `columns`; the codes of one column run through its words.
                let (first, end) = (at / columns * bits / 32, (last / columns * bits + bits - 1) / 32 + 1);
                let within =
                    if at / columns == last / columns { at % columns..last % columns + 1 } else { 0..*columns };
                let (stride, bytes) = (4 * columns, 4 * within.start..4 * within.end);
                let words = gather(source, codes, first * stride, stride, end - first, bytes)?;
                for (number, at) in out.iter_mut().zip(at..) {
                    let bit = at / columns * bits - first * 32;
                    let word = |bit: usize| (bit / 32 * within.len() + at % columns - within.start) * 4;
                    let begin = word(bit);
                    // A code may reach into the next word of its column.
                    let mut pair = [0; 8];
                    pair[..4].copy_from_slice(&words[begin..begin + 4]);
                    if bit % 32 + bits > 32 {
                        let next = word(bit + 32);
                        pair[4..].copy_from_slice(&words[next..next + 4]);
                    }
                    *number = (i32::from(code_at(*bits, &pair, bit % 32)) + least) as f32;
                }
            }
        }
        Ok(())
    }
}

/// Reads stored bytes of a tensor.
pub(super) fn bytes(
    source: &dyn ParameterSource,
    name: &str,
    at: usize,
    length: usize,
) -> Result<Vec<u8>, SourceError> {
    let mut bytes = vec![0; length];
    source.read_bytes(name, at, &mut bytes)?;
    Ok(bytes)
}
