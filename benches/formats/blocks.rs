//! GGUF: blocks that hold a scale and the codes of 32 or 256 values.

use crate::Maker;
use crate::case::{Case, Simplest, Size, f16_at, in_blocks};
use crate::write;
use neural_phylogeny::format::Gguf;
use std::path::Path;

pub(crate) const CASES: &[(&str, Maker)] = &[
    ("GGUF Q8_0", |f, s| {
        gguf::<34>(f, s, 8, 32, &[0], |at| in_blocks::<34, 32>(at, s.values(), |_, b, out| q8_0(b, out)))
    }),
    ("GGUF Q4_0", |f, s| {
        gguf::<18>(f, s, 2, 32, &[0], |at| in_blocks::<18, 32>(at, s.values(), |_, b, out| q4_0(b, out)))
    }),
    ("GGUF Q4_K", |f, s| {
        gguf::<144>(f, s, 12, 256, &[0, 2], |at| in_blocks::<144, 256>(at, s.values(), |_, b, out| q4_k(b, out)))
    }),
    ("GGUF Q6_K", |f, s| {
        gguf::<210>(f, s, 14, 256, &[208], |at| in_blocks::<210, 256>(at, s.values(), |_, b, out| q6_k(b, out)))
    }),
    ("GGUF MXFP4", |f, s| {
        gguf::<17>(f, s, 39, 32, &[], |at| in_blocks::<17, 32>(at, s.values(), |_, b, out| mxfp4(b, out)))
    }),
];

/// A file of random blocks, but for their scales, which stand as F16 at some places of each.
fn gguf<const BYTES: usize>(
    folder: &Path,
    size: Size,
    kind: u32,
    values: usize,
    scales: &[usize],
    simplest: impl Fn(u64) -> Simplest,
) -> Case {
    let mut blocks = write::random_bytes(size.values() / values * BYTES);
    for block in blocks.chunks_mut(BYTES) {
        for &at in scales {
            let scale = half::f16::from_f32(0.01 + f32::from(block[BYTES / 2]) / 1e5);
            block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
        }
        if scales.is_empty() {
            block[0] = 110 + block[0] % 16;
        }
    }
    let path = write::saved(folder, "model.gguf", &write::gguf(size.shape(), kind, &blocks));
    Case::new(&path, &Gguf, simplest(write::place(&path, &blocks)))
}

fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let d = f16_at(block, 0);
    for (out, &code) in out.iter_mut().zip(&block[2..]) {
        *out = f32::from(code as i8) * d;
    }
}

fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = f16_at(block, 0);
    for (at, &code) in block[2..].iter().enumerate() {
        out[at] = f32::from((code & 15) as i8 - 8) * d;
        out[at + 16] = f32::from((code >> 4) as i8 - 8) * d;
    }
}

fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (d, least) = (f16_at(block, 0), f16_at(block, 1));
    let scales = &block[4..16];
    for part in 0..8 {
        let (scale, minimum) = if part < 4 {
            (scales[part] & 63, scales[part + 4] & 63)
        } else {
            let low = scales[part + 4];
            (low & 15 | scales[part - 4] >> 6 << 4, low >> 4 | scales[part] >> 6 << 4)
        };
        let (scale, minimum) = (d * f32::from(scale), least * f32::from(minimum));
        for at in 0..32 {
            let byte = block[16 + part / 2 * 32 + at];
            let code = if part % 2 == 0 { byte & 15 } else { byte >> 4 };
            out[32 * part + at] = scale * f32::from(code) - minimum;
        }
    }
}

fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let d = f16_at(block, 104);
    for half in 0..2 {
        let (low, high) = (&block[64 * half..], &block[128 + 32 * half..]);
        let scales = &block[192 + 8 * half..];
        for at in 0..32 {
            for part in 0..4 {
                let byte = low[32 * (part % 2) + at];
                let bits = if part < 2 { byte & 15 } else { byte >> 4 };
                let code = (bits | (high[at] >> (2 * part) & 3) << 4) as i8 - 32;
                let scale = f32::from(scales[at / 16 + 2 * part] as i8);
                out[128 * half + 32 * part + at] = d * scale * f32::from(code);
            }
        }
    }
}

/// The numbers of 4-bit codes, doubled.
const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

fn mxfp4(block: &[u8; 17], out: &mut [f32; 32]) {
    let d = f32::from_bits(u32::from(block[0] - 1) << 23);
    for (at, &code) in block[1..].iter().enumerate() {
        out[at] = f32::from(E2M1[usize::from(code & 15)]) * d;
        out[at + 16] = f32::from(E2M1[usize::from(code >> 4)]) * d;
    }
}
