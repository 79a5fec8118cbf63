//! Conversion of stored little-endian bytes to f32.

use super::Dtype;
use float8::{F8E4M3, F8E5M2};
use half::f16;
use half::slice::HalfFloatSliceExt;
use pulp::{Arch, Simd, WithSimd};

/// How many values `half` converts in one call. It converts slices ten times faster than single values.
const HALVES: usize = 512;

/// Widens `bytes` into `values`, with `dtype.size()` bytes for each value.
///
/// F64 and wide integers are rounded to the nearest f32. A finite F64 beyond the range of f32 becomes an infinity. Readers of
/// parameters refuse it as an infinity.
pub(crate) fn widen(dtype: Dtype, bytes: &[u8], values: &mut [f32]) {
    match dtype {
        Dtype::F64 => each(bytes, values, |b| f64::from_le_bytes(b) as f32),
        Dtype::F32 => each(bytes, values, f32::from_le_bytes),
        Dtype::F16 => f16s(bytes, values),
        // BF16 is the upper half of an f32, so a shift is enough and needs no table.
        Dtype::BF16 => Arch::new().dispatch(Bf16 { bytes, values }),
        Dtype::F8E4M3 => each(bytes, values, |[b]| E4M3[usize::from(b)]),
        Dtype::F8E5M2 => each(bytes, values, |[b]| E5M2[usize::from(b)]),
        Dtype::F8E4M3Fnuz => each(bytes, values, |[b]| fnuz(3, b)),
        Dtype::F8E5M2Fnuz => each(bytes, values, |[b]| fnuz(2, b)),
        Dtype::F8E8M0 => each(bytes, values, |[b]| power(b)),
        Dtype::I64 => each(bytes, values, |b| i64::from_le_bytes(b) as f32),
        Dtype::I32 => each(bytes, values, |b| i32::from_le_bytes(b) as f32),
        Dtype::I16 => each(bytes, values, |b| f32::from(i16::from_le_bytes(b))),
        Dtype::I8 => each(bytes, values, |b| f32::from(i8::from_le_bytes(b))),
        Dtype::U64 => each(bytes, values, |b| u64::from_le_bytes(b) as f32),
        Dtype::U32 => each(bytes, values, |b| u32::from_le_bytes(b) as f32),
        Dtype::U16 => each(bytes, values, |b| f32::from(u16::from_le_bytes(b))),
        // Halves of a byte have no number of their own, so the byte is read as an integer.
        Dtype::U8 | Dtype::F4 => each(bytes, values, |[b]| f32::from(b)),
        Dtype::Bool => each(bytes, values, |[b]| f32::from(u8::from(b != 0))),
    }
}

fn each<const N: usize>(bytes: &[u8], values: &mut [f32], convert: impl Fn([u8; N]) -> f32) {
    let (words, _) = bytes.as_chunks::<N>();
    for (value, &word) in values.iter_mut().zip(words) {
        *value = convert(word);
    }
}

/// The conversion of BF16, in a type so that `pulp` can compile it for each set of vector instructions.
struct Bf16<'a> {
    bytes: &'a [u8],
    values: &'a mut [f32],
}

impl WithSimd for Bf16<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (words, _) = self.bytes.as_chunks::<2>();
        for (value, &word) in self.values.iter_mut().zip(words) {
            *value = f32::from_bits(u32::from(u16::from_le_bytes(word)) << 16);
        }
    }
}

fn f16s(bytes: &[u8], values: &mut [f32]) {
    // `half` converts slices of its own type only, so the bytes pass through a block of f16.
    let mut block = [f16::ZERO; HALVES];
    for (bytes, values) in bytes.chunks(2 * HALVES).zip(values.chunks_mut(HALVES)) {
        let (words, _) = bytes.as_chunks::<2>();
        for (half, &word) in block.iter_mut().zip(words) {
            *half = f16::from_le_bytes(word);
        }
        block[..values.len()].convert_to_f32_slice(values);
    }
}

/// The value of an 8-bit float without infinities and negative zero (FNUZ). `digits` is the number of bits of its mantissa.
fn fnuz(digits: u32, bits: u8) -> f32 {
    let (exponent, mantissa) = ((bits & 0x7f) >> digits, f32::from(bits & ((1 << digits) - 1)));
    let (lead, step) = if exponent == 0 { (0.0, 1) } else { ((1 << digits) as f32, exponent) };
    // The exponent has seven bits less those of the mantissa, and its bias is half of its range.
    let bias = 1 << (6 - digits);
    let magnitude = (lead + mantissa) * 2f32.powi(i32::from(step) - bias - digits as i32);
    match bits {
        // What would be the negative zero is the one NaN.
        0x80 => f32::NAN,
        0x81.. => -magnitude,
        _ => magnitude,
    }
}

/// The value of an exponent alone: `2^(e − 127)`, and NaN for 255.
pub(crate) fn power(exponent: u8) -> f32 {
    match exponent {
        255 => f32::NAN,
        // The one power that f32 stores without its leading digit.
        0 => f32::from_bits(1 << 22),
        exponent => f32::from_bits(u32::from(exponent) << 23),
    }
}

/// The value of each of the 256 bit patterns of F8_E4M3.
static E4M3: [f32; 256] = {
    let mut table = [0.0; 256];
    let mut bits = 0;
    while bits < 256 {
        table[bits] = F8E4M3::from_bits(bits as u8).to_f32();
        bits += 1;
    }
    table
};

/// The value of each of the 256 bit patterns of F8_E5M2.
static E5M2: [f32; 256] = {
    let mut table = [0.0; 256];
    let mut bits = 0;
    while bits < 256 {
        table[bits] = F8E5M2::from_bits(bits as u8).to_f32();
        bits += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Sign, exponent and mantissa by the definition of each format; `None` for what is not a number.
    fn by_definition(bits: u8, mantissa_bits: u32, bias: i32) -> f64 {
        let sign = if bits & 0x80 == 0 { 1.0 } else { -1.0 };
        let mantissa = f64::from(bits & ((1 << mantissa_bits) - 1)) / f64::from(1u32 << mantissa_bits);
        match i32::from((bits & 0x7f) >> mantissa_bits) {
            0 => sign * mantissa * 2f64.powi(1 - bias),
            exponent => sign * (1.0 + mantissa) * 2f64.powi(exponent - bias),
        }
    }

    #[test]
    fn eight_bit_floats_are_those_of_their_definition() {
        for bits in 0..=255u8 {
            let found = E4M3[usize::from(bits)];
            match bits & 0x7f {
                0x7f => assert!(found.is_nan(), "E4M3 {bits:#x}"),
                _ => assert_eq!(f64::from(found), by_definition(bits, 3, 7), "E4M3 {bits:#x}"),
            }
            let found = E5M2[usize::from(bits)];
            match bits & 0x7f {
                0x7c => assert!(found.is_infinite() && found.is_sign_negative() == (bits >= 0x80), "E5M2 {bits:#x}"),
                0x7d.. => assert!(found.is_nan(), "E5M2 {bits:#x}"),
                _ => assert_eq!(f64::from(found), by_definition(bits, 2, 15), "E5M2 {bits:#x}"),
            }
        }
    }

    #[test]
    fn floats_without_infinities_are_those_of_their_definition() {
        for bits in 0..=255u8 {
            for (digits, bias) in [(3, 8), (2, 16)] {
                let found = fnuz(digits, bits);
                match bits {
                    0x80 => assert!(found.is_nan()),
                    _ => assert_eq!(f64::from(found), by_definition(bits, digits, bias), "{digits} {bits:#x}"),
                }
            }
            match bits {
                255 => assert!(power(bits).is_nan()),
                _ => assert_eq!(f64::from(power(bits)), 2f64.powi(i32::from(bits) - 127)),
            }
        }
    }

    #[test]
    fn a_double_beyond_the_range_becomes_an_infinity() {
        let mut value = [0.0];
        widen(Dtype::F64, &1e300f64.to_le_bytes(), &mut value);
        assert_eq!(value, [f32::INFINITY]);
    }

    #[test]
    fn every_bf16_is_the_upper_half_of_its_f32() {
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let mut values = vec![0.0; 1 << 16];
        widen(Dtype::BF16, &bytes, &mut values);
        for (bits, value) in (0..=u16::MAX).zip(values) {
            let expected = half::bf16::from_bits(bits).to_f32();
            assert!(value == expected || (value.is_nan() && expected.is_nan()), "{bits:#x}");
        }
    }

    #[test]
    fn halves_convert_across_blocks() {
        let stored: Vec<f16> = (0..HALVES + 3).map(|i| f16::from_f32(i as f32 / 8.0)).collect();
        let bytes: Vec<u8> = stored.iter().flat_map(|h| h.to_le_bytes()).collect();
        let mut values = vec![0.0; stored.len()];
        widen(Dtype::F16, &bytes, &mut values);
        assert!(values.iter().zip(&stored).all(|(v, h)| *v == h.to_f32()));
    }
}
