//! How large the rounding error of a quantized tensor is, from the scales that are stored with its values.
//!
//! Where the codes of a block are whole numbers, their distance is the step: an error that is uniform within half a step of zero
//! has the mean square step²/12. Where the codes are a table with gaps, each code counts with the gaps at its two sides. The
//! grids of the IQ types have no step in one dimension, and Q1_0 has signs alone. There the mean square is the share of the
//! values' own mean square that the quantizer of llama.cpp loses on normally distributed values.
//!
//! On such values the estimate is between 1.00 and 1.14 times the real error, because the quantizer chooses among scales.

use super::stored::Stored;
use crate::bytes::ReadAt;
use crate::error::SourceError;
use float8::F8E4M3;
use half::f16;

/// How the steps of a block are stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum Steps {
    /// One step, F16 at the beginning.
    Half,
    /// One step, F16 at the end.
    HalfAtEnd,
    /// One step, F32 at the beginning.
    Single,
    Q2K,
    Q3K,
    /// Q4_K and Q5_K have the same scales.
    Q45K,
    Q6K,
    Iq4Nl,
    Iq4Xs,
    Mxfp4,
    Nvfp4,
    /// No step: this share of the mean square of the values.
    Share(f64),
}

/// Bytes that are read for an estimate: 4 MiB. Larger tensors are sampled in [`SAMPLES`] places.
const SAMPLE: u64 = 1 << 22;

/// Places in which a large tensor is sampled.
const SAMPLES: u64 = 64;

/// The codes of IQ4_NL and IQ4_XS.
const IQ4: [i32; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The codes of MXFP4 and NVFP4 in halves: 4-bit floating point numbers, all of them in order.
const FP4: [i32; 15] = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12];

/// The mean square rounding error of each code of IQ4, in its unit.
const IQ4_ERRORS: [f64; 16] = errors(&IQ4);

/// The mean square rounding error of each code of four bits: a sign, and an index into the magnitudes.
const FP4_ERRORS: [f64; 16] = {
    let errors: [f64; 15] = errors(&FP4);
    let mut of_code = [0.0; 16];
    let mut code = 0;
    while code < 16 {
        of_code[code] = errors[7 + code % 8];
        code += 1;
    }
    of_code
};

/// Returns the mean square error of what is rounded to each of these numbers, if it is uniform between them. The outermost have
/// the same gap at both sides.
const fn errors<const N: usize>(codes: &[i32; N]) -> [f64; N] {
    let mut errors = [0.0; N];
    let mut at = 0;
    while at < N {
        let inner = if at == 0 { codes[1] - codes[0] } else { codes[at] - codes[at - 1] } as f64;
        let outer = if at + 1 == N { codes[N - 1] - codes[N - 2] } else { codes[at + 1] - codes[at] } as f64;
        errors[at] = (inner * inner * inner + outer * outer * outer) / (12.0 * (inner + outer));
        at += 1;
    }
    errors
}

/// Returns the mean square of the rounding error over a tensor, or over samples of a large one.
pub(super) fn mean_square(stored: &Stored, steps: Steps, bytes: &dyn ReadAt) -> Result<f64, SourceError> {
    let (size, blocks) = (stored.kind.bytes as u64, (stored.size / stored.kind.values) as u64);
    let (places, run) = if blocks * size <= SAMPLE { (1, blocks) } else { (SAMPLES, SAMPLE / SAMPLES / size) };
    let (mut sum, mut counted) = (0.0, 0u64);
    for place in 0..places {
        let first = (blocks - run) * place / (places - 1).max(1);
        let part = stored.part(first as usize * stored.kind.values, run as usize * stored.kind.values);
        sum += total(&part, steps, bytes, &mut counted)?;
    }
    Ok(if counted == 0 { 0.0 } else { sum / counted as f64 })
}

/// Returns the sum of the blocks' mean squares, and counts the blocks that have one.
fn total(part: &Stored, steps: Steps, bytes: &dyn ReadAt, counted: &mut u64) -> Result<f64, SourceError> {
    const RUN: usize = 256;
    let mut sum = 0.0;
    let blocks = part.size / part.kind.values;
    let mut stored = vec![0; RUN * part.kind.bytes];
    let mut values = Vec::new();
    for first in (0..blocks).step_by(RUN) {
        let run = RUN.min(blocks - first);
        let mut count = |error: f64| {
            // A scale that is no number makes values that are refused later. It says nothing about the others.
            if error.is_finite() {
                sum += error;
                *counted += 1;
            }
        };
        if let Steps::Share(share) = steps {
            values.resize(run * part.kind.values, 0.0);
            part.read(bytes, first * part.kind.values, &mut values)?;
            let square = |value: &f32| f64::from(*value).powi(2);
            for block in values.chunks(part.kind.values) {
                count(share * block.iter().map(square).sum::<f64>() / block.len() as f64);
            }
        } else {
            let stored = &mut stored[..run * part.kind.bytes];
            bytes.read_at(stored, part.begin + (first * part.kind.bytes) as u64)?;
            stored.chunks(part.kind.bytes).for_each(|block| count(of_block(steps, block)));
        }
    }
    Ok(sum)
}

/// Returns the mean square of the rounding error in a block.
fn of_block(steps: Steps, block: &[u8]) -> f64 {
    match steps {
        Steps::Half => uniform([half(block, 0)]),
        Steps::HalfAtEnd => uniform([half(block, block.len() - 2)]),
        Steps::Single => uniform([f64::from(f32::from_le_bytes([block[0], block[1], block[2], block[3]]))]),
        Steps::Q2K => {
            let step = half(block, 80);
            uniform(std::array::from_fn::<_, 16, _>(|i| step * f64::from(block[i] & 15)))
        }
        Steps::Q3K => {
            let (scales, step) = (&block[96..108], half(block, 108));
            uniform(std::array::from_fn::<_, 16, _>(|i| {
                let low = if i < 8 { scales[i] & 15 } else { scales[i - 8] >> 4 };
                let high = scales[8 + i % 4] >> (2 * (i / 4)) & 3;
                step * (f64::from(low | high << 4) - 32.0)
            }))
        }
        Steps::Q45K => {
            let (step, scales) = (half(block, 0), &block[4..16]);
            uniform(std::array::from_fn::<_, 8, _>(|i| {
                let scale = if i < 4 { scales[i] & 63 } else { scales[i + 4] & 15 | scales[i - 4] >> 6 << 4 };
                step * f64::from(scale)
            }))
        }
        Steps::Q6K => {
            let step = half(block, 208);
            uniform(std::array::from_fn::<_, 16, _>(|i| step * f64::from(block[192 + i] as i8)))
        }
        Steps::Iq4Nl => half(block, 0).powi(2) * coded(&IQ4_ERRORS, &block[2..]),
        Steps::Iq4Xs => {
            let (step, high) = (half(block, 0), u16::from_le_bytes([block[2], block[3]]));
            let part = |i: usize| {
                let low = block[4 + i / 2] >> (4 * (i % 2)) & 15;
                let scale = f64::from(u16::from(low) | (high >> (2 * i) & 3) << 4) - 32.0;
                (step * scale).powi(2) * coded(&IQ4_ERRORS, &block[8 + 16 * i..24 + 16 * i])
            };
            (0..8).map(part).sum::<f64>() / 8.0
        }
        // The exponent is that of whole numbers, and the codes are halves.
        Steps::Mxfp4 => 4f64.powi(i32::from(block[0]) - 128) * coded(&FP4_ERRORS, &block[1..]),
        Steps::Nvfp4 => {
            let part = |i: usize| {
                let scale = F8E4M3::from_bits(block[i] & 0x7f).to_f64() / 2.0;
                scale.powi(2) * coded(&FP4_ERRORS, &block[4 + 8 * i..12 + 8 * i])
            };
            (0..4).map(part).sum::<f64>() / 4.0
        }
        Steps::Share(_) => f64::NAN,
    }
}

fn half(block: &[u8], at: usize) -> f64 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f64()
}

/// The mean over parts of equal size, each with a step between its codes.
fn uniform<const N: usize>(steps: [f64; N]) -> f64 {
    steps.iter().map(|step| step * step).sum::<f64>() / (12 * N) as f64
}

/// The mean over codes of four bits, two in a byte.
fn coded(errors: &[f64; 16], codes: &[u8]) -> f64 {
    let both = |byte: &u8| errors[usize::from(byte & 15)] + errors[usize::from(byte >> 4)];
    codes.iter().map(both).sum::<f64>() / (2 * codes.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemoryFile;
    use crate::format::gguf::tensor_type::{Kind, TYPES};

    /// The greatest number of which all differences are multiples.
    fn greatest_step(values: &[f32]) -> f64 {
        let rest = |a: f64, b: f64| if (a / b - (a / b).round()).abs() < 1e-3 { 0.0 } else { a % b };
        values.iter().fold(0.0, |step, value| {
            let (mut a, mut b) = ((f64::from(*value) - f64::from(values[0])).abs(), step);
            while b > 1e-6 {
                (a, b) = (b, rest(a, b));
            }
            a
        })
    }

    #[test]
    fn steps_are_distances_between_decoded_values() {
        // Types whose codes are whole numbers, and the values that have a step in common.
        let parts = [("Q4_0", 32), ("Q4_1", 32), ("Q5_0", 32), ("Q5_1", 32), ("Q8_0", 32), ("Q2_K", 16), ("Q3_K", 16)];
        for (name, part) in
            parts.into_iter().chain([("Q4_K", 32), ("Q5_K", 32), ("Q6_K", 16), ("TQ2_0", 256), ("Q2_0", 64)])
        {
            let kind = TYPES.iter().find(|t| t.name == name).unwrap();
            let Kind::Blocks(_, steps) = kind.kind else { panic!("{name}") };
            let mut block: Vec<u8> = (0..kind.bytes).map(|i| (i * 37 % 251) as u8).collect();
            // Wherever the scale of a type is, it is one half.
            for at in [0, kind.bytes - 2, if name == "Q2_K" { 80 } else { 0 }] {
                block[at..at + 2].copy_from_slice(&[0, 0x38]);
            }
            let stored = Stored { kind, begin: 0, size: kind.values };
            let file = MemoryFile::new("a", block);
            let mut values = vec![0.0; kind.values];
            stored.read(&file, 0, &mut values).unwrap();
            // All differences in a part are multiples of its step, and the step is their greatest common divisor.
            let squares = values.chunks(part).map(|v| greatest_step(v).powi(2));
            let expected = squares.sum::<f64>() / (kind.values / part) as f64 / 12.0;
            let found = mean_square(&stored, steps, &file).unwrap();
            assert!((found / expected - 1.0).abs() < 1e-6, "{name}: {found} {expected}");
        }
    }

    #[test]
    fn gaps_count_at_both_sides() {
        assert_eq!(errors(&[0, 1, 2]), [1.0 / 12.0; 3]);
        assert_eq!(errors(&[0, 1, 3]), [1.0 / 12.0, 0.25, 4.0 / 12.0]);
        // The largest number of four bits has the gap to the one below at both sides.
        assert_eq!([FP4_ERRORS[0], FP4_ERRORS[7], FP4_ERRORS[15]], [1.0 / 12.0, 16.0 / 12.0, 16.0 / 12.0]);
    }

    #[test]
    fn a_large_tensor_is_sampled_from_end_to_end() {
        let kind = TYPES.iter().find(|t| t.name == "Q8_0").unwrap();
        let blocks = 1 << 18;
        let mut bytes = vec![0; blocks * kind.bytes];
        // A scale of one in the first half, and of two in the second.
        for (at, block) in bytes.chunks_mut(kind.bytes).enumerate() {
            block[1] = if at < blocks / 2 { 0x3c } else { 0x40 };
        }
        let stored = Stored { kind, begin: 0, size: blocks * kind.values };
        let found = mean_square(&stored, Steps::Half, &MemoryFile::new("a", bytes)).unwrap();
        assert!((found - 2.5 / 12.0).abs() < 1e-12, "{found}");
    }
}
