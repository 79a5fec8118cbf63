//! Quantized tensors in safetensors that are stored transposed.

use crate::Maker;
use crate::case::{Case, Size, f16_at, u32_at};
use crate::quantized::case;
use crate::write;
use std::path::Path;

pub(crate) const CASES: &[(&str, Maker)] = &[
    ("GPTQ 4 bits", |f, s| gptq(f, s, Groups::InOrder)),
    ("GPTQ 4 bits, act-order", |f, s| gptq(f, s, Groups::Listed)),
    ("AWQ 4 bits", awq),
    ("gpt-oss MXFP4", gpt_oss),
];

/// Inputs of one group.
const GROUP: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Groups {
    InOrder,
    Listed,
}

fn gptq(folder: &Path, size: Size, order: Groups) -> Case {
    let [outputs, inputs] = size.shape();
    let groups = inputs / GROUP;
    let group = move |input: usize| if order == Groups::Listed { input * 7 % inputs / GROUP } else { input / GROUP };
    let listed: Vec<u8> = (0..inputs).flat_map(|input| (group(input) as i32).to_le_bytes()).collect();
    let tensors = [
        ("w.qweight", "I32", vec![inputs / 8, outputs], write::random_bytes(inputs * outputs / 2)),
        ("w.qzeros", "I32", vec![groups, outputs / 8], write::random_bytes(groups * outputs / 2)),
        ("w.scales", "F16", vec![groups, outputs], write::f16s(groups * outputs)),
        ("w.g_idx", "I32", vec![inputs], listed),
    ];
    let convert = move |[codes, zeros, scales]: [&[u8]; 3], out: &mut [f32]| {
        for word in 0..inputs / 8 {
            for output in 0..outputs {
                let codes = u32_at(codes, word * outputs + output);
                for at in 0..8 {
                    let group = group(8 * word + at);
                    let zero = ((u32_at(zeros, (group * outputs + output) / 8) >> (4 * (output % 8))) + 1) & 15;
                    let number = (codes >> (4 * at) & 15) as f32 - zero as f32;
                    out[output * inputs + 8 * word + at] = number * f16_at(scales, group * outputs + output);
                }
            }
        }
    };
    match order {
        Groups::InOrder => {
            let [a, b, c, _] = tensors;
            case(folder, size, [a, b, c], convert)
        }
        Groups::Listed => case(folder, size, tensors, move |[a, b, c, _], out| convert([a, b, c], out)),
    }
}

fn awq(folder: &Path, size: Size) -> Case {
    let [outputs, inputs] = size.shape();
    let groups = inputs / GROUP;
    let tensors = [
        ("w.qweight", "I32", vec![inputs, outputs / 8], write::random_bytes(inputs * outputs / 2)),
        ("w.qzeros", "I32", vec![groups, outputs / 8], write::random_bytes(groups * outputs / 2)),
        ("w.scales", "F16", vec![groups, outputs], write::f16s(groups * outputs)),
    ];
    case(folder, size, tensors, move |[codes, zeros, scales], out| {
        for input in 0..inputs {
            let group = input / GROUP;
            for word in 0..outputs / 8 {
                let (codes, zeros) =
                    (u32_at(codes, input * outputs / 8 + word), u32_at(zeros, group * outputs / 8 + word));
                for (at, place) in [0, 4, 1, 5, 2, 6, 3, 7].into_iter().enumerate() {
                    let output = 8 * word + at;
                    let number = (codes >> (4 * place) & 15) as f32 - (zeros >> (4 * place) & 15) as f32;
                    out[output * inputs + input] = number * f16_at(scales, group * outputs + output);
                }
            }
        }
    })
}

const E2M1: [f32; 16] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0];

/// Two experts.
fn gpt_oss(folder: &Path, size: Size) -> Case {
    let [outputs, inputs] = [size.shape()[0], size.shape()[1] / 2];
    let blocks = inputs / 32;
    let exponents = write::random_bytes(2 * outputs * blocks).into_iter().map(|b| 110 + b % 16).collect();
    let tensors = [
        ("w_blocks", "U8", vec![2, outputs, blocks, 16], write::random_bytes(outputs * inputs)),
        ("w_scales", "U8", vec![2, outputs, blocks], exponents),
    ];
    case(folder, size, tensors, move |[codes, scales], out| {
        for expert in 0..2 {
            for output in 0..outputs {
                for block in 0..blocks {
                    let at = (expert * outputs + output) * blocks + block;
                    let scale = f32::from_bits(u32::from(scales[at]) << 23);
                    for byte in 0..16 {
                        let code = codes[16 * at + byte];
                        let input = expert * inputs + 32 * block + 2 * byte;
                        out[input * outputs + output] = E2M1[usize::from(code & 15)] * scale;
                        out[(input + 1) * outputs + output] = E2M1[usize::from(code >> 4)] * scale;
                    }
                }
            }
        }
    })
}
