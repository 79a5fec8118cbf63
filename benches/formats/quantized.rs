//! Quantized tensors in safetensors whose codes stand in the order of the values.

use crate::Maker;
use crate::case::{Case, Size, f16_at, f32_at, u32_at, whole};
use crate::write::{self, Stored};
use float8::F8E4M3;
use neural_phylogeny::format::Safetensors;
use std::path::Path;

pub(crate) const CASES: &[(&str, Maker)] = &[
    ("FP8, a scale for each row", fp8_rows),
    ("FP8, blocks of 128", fp8_blocks),
    ("bitsandbytes NF4", nf4),
    ("bitsandbytes INT8", int8),
    ("compressed-tensors INT4", int4),
    ("compressed-tensors NVFP4", nvfp4),
    ("MLX 4 bits", mlx),
];

/// Writes the tensors and measures the one that a loop over all their bytes makes.
pub(crate) fn case<const N: usize>(
    folder: &Path,
    size: Size,
    tensors: [Stored; N],
    convert: impl Fn([&[u8]; N], &mut [f32]) + 'static,
) -> Case {
    let (path, ranges) = write::safetensors(folder, &tensors);
    Case::new(&path, &Safetensors, whole(std::array::from_fn(|at| ranges[at]), size.values(), convert))
}

fn e4m3() -> Vec<f32> {
    (0..=255).map(|bits| F8E4M3::from_bits(bits).to_f32()).collect()
}

fn fp8_rows(folder: &Path, size: Size) -> Case {
    let [rows, columns] = size.shape();
    let tensors = [
        ("w.weight", "F8_E4M3", vec![rows, columns], write::random_bytes(rows * columns)),
        ("w.weight_scale", "F32", vec![rows, 1], write::f32s(rows)),
    ];
    let table = e4m3();
    case(folder, size, tensors, move |[codes, scales], out| {
        for row in 0..rows {
            let scale = f32_at(scales, row);
            for at in row * columns..(row + 1) * columns {
                out[at] = table[usize::from(codes[at])] * scale;
            }
        }
    })
}

fn fp8_blocks(folder: &Path, size: Size) -> Case {
    let [rows, columns] = size.shape();
    let across = columns / 128;
    let tensors = [
        ("w.weight", "F8_E4M3", vec![rows, columns], write::random_bytes(rows * columns)),
        ("w.weight_scale_inv", "F32", vec![rows / 128, across], write::f32s(rows / 128 * across)),
    ];
    let table = e4m3();
    case(folder, size, tensors, move |[codes, scales], out| {
        for row in 0..rows {
            for column in 0..columns {
                let at = row * columns + column;
                out[at] = table[usize::from(codes[at])] * f32_at(scales, row / 128 * across + column / 128);
            }
        }
    })
}

fn nf4(folder: &Path, size: Size) -> Case {
    let count = size.values();
    let [rows, columns] = size.shape();
    let state = format!(r#"{{"quant_type":"nf4","blocksize":64,"dtype":"float16","shape":[{rows},{columns}]}}"#);
    let map: Vec<u8> = (0..16).flat_map(|i| ((i as f32 - 7.5) / 7.5).to_le_bytes()).collect();
    let tensors = [
        ("w.weight", "U8", vec![count / 2, 1], write::random_bytes(count / 2)),
        ("w.weight.absmax", "F32", vec![count / 64], write::f32s(count / 64)),
        ("w.weight.quant_map", "F32", vec![16], map),
        ("w.weight.quant_state.bitsandbytes__nf4", "U8", vec![state.len()], state.into_bytes()),
    ];
    case(folder, size, tensors, move |[codes, scales, map, _], out| {
        for (at, out) in out.iter_mut().enumerate() {
            let code = if at % 2 == 0 { codes[at / 2] >> 4 } else { codes[at / 2] & 15 };
            *out = f32_at(map, usize::from(code)) * f32_at(scales, at / 64);
        }
    })
}

fn int8(folder: &Path, size: Size) -> Case {
    let [rows, columns] = size.shape();
    let tensors = [
        ("w.weight", "I8", vec![rows, columns], write::random_bytes(rows * columns)),
        ("w.SCB", "F32", vec![rows], write::f32s(rows)),
        ("w.weight_format", "U8", vec![], vec![0]),
    ];
    case(folder, size, tensors, move |[codes, scales, _], out| {
        for row in 0..rows {
            let scale = f32_at(scales, row) * (1.0 / 127.0);
            for at in row * columns..(row + 1) * columns {
                out[at] = f32::from(codes[at] as i8) * scale;
            }
        }
    })
}

/// Groups of 128 columns, eight codes in a word.
fn int4(folder: &Path, size: Size) -> Case {
    let [rows, columns] = size.shape();
    let across = columns / 128;
    let shape = [rows as u64, columns as u64].map(u64::to_le_bytes).concat();
    let tensors = [
        ("w.weight_packed", "I32", vec![rows, columns / 8], write::random_bytes(rows * columns / 2)),
        ("w.weight_scale", "F16", vec![rows, across], write::f16s(rows * across)),
        ("w.weight_shape", "I64", vec![2], shape),
    ];
    case(folder, size, tensors, move |[codes, scales, _], out| {
        for row in 0..rows {
            for word in 0..columns / 8 {
                let codes = u32_at(codes, row * columns / 8 + word);
                let scale = f16_at(scales, row * across + word / 16);
                for code in 0..8 {
                    let number = (codes >> (4 * code) & 15) as i32 - 8;
                    out[row * columns + 8 * word + code] = number as f32 * scale;
                }
            }
        }
    })
}

const E2M1: [f32; 16] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0];

fn nvfp4(folder: &Path, size: Size) -> Case {
    let [rows, columns] = size.shape();
    // Without the bit patterns that are no numbers.
    let scales = write::random_bytes(rows * columns / 16).into_iter().map(|b| b & 0x3f).collect();
    let tensors = [
        ("w.weight_packed", "U8", vec![rows, columns / 2], write::random_bytes(rows * columns / 2)),
        ("w.weight_scale", "F8_E4M3", vec![rows, columns / 16], scales),
        ("w.weight_global_scale", "F32", vec![1], 300f32.to_le_bytes().to_vec()),
    ];
    let table = e4m3();
    case(folder, size, tensors, move |[codes, scales, of_all], out| {
        let of_all = f32_at(of_all, 0);
        for (at, out) in out.iter_mut().enumerate() {
            let code = if at % 2 == 0 { codes[at / 2] & 15 } else { codes[at / 2] >> 4 };
            *out = E2M1[usize::from(code)] * (table[usize::from(scales[at / 16])] / of_all);
        }
    })
}

fn mlx(folder: &Path, size: Size) -> Case {
    // The width of a norm tells that codes have four bits.
    let [rows, columns] = [4 * size.shape()[0], size.shape()[1] / 4];
    let across = columns / 64;
    let tensors = [
        ("w.weight", "U32", vec![rows, columns / 8], write::random_bytes(rows * columns / 2)),
        ("w.scales", "F16", vec![rows, across], write::f16s(rows * across)),
        ("w.biases", "F16", vec![rows, across], write::f16s(rows * across)),
        ("norm.weight", "F16", vec![columns], write::f16s(columns)),
    ];
    case(folder, size, tensors, move |[codes, scales, biases, _], out| {
        for word in 0..rows * columns / 8 {
            let codes = u32_at(codes, word);
            let (scale, bias) = (f16_at(scales, word / 8), f16_at(biases, word / 8));
            for code in 0..8 {
                out[8 * word + code] = (codes >> (4 * code) & 15) as f32 * scale + bias;
            }
        }
    })
}
