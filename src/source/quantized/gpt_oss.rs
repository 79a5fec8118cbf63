//! MXFP4 as gpt-oss stores its experts: 4-bit floats in blocks of 32 with an exponent each, stored transposed.
//!
//! `X_blocks` U8 [experts, out, blocks, 16] and `X_scales` U8 [experts, out, blocks] give `X` [experts, in, out].

use super::bits::{LOW, transposed};
use super::book::Book;
use super::search::Search;
use super::strips::Strip;
use super::transposed::{Part, Stored, Transposed, gather};
use crate::error::SourceError;
use crate::format::{Dtype, power};
use crate::source::ParameterSource;

/// Values in one block, and bytes of their codes.
const BLOCK: (usize, usize) = (32, 16);

pub(super) fn find(search: &mut Search<'_>) -> Result<(), SourceError> {
    for name in search.before("_blocks") {
        let (codes, scales) = (format!("{name}_blocks"), format!("{name}_scales"));
        let Some(info) = search.tensor(&codes).filter(|info| info.dtype == Dtype::U8 && info.shape.len() == 4) else {
            continue;
        };
        let (&[experts, outputs, blocks, _], true) = (&info.shape[..], info.shape[3] == BLOCK.1) else {
            return Err(search.misfit(&info, "[experts, outputs, blocks, 16]"));
        };
        let of_scales = search.needed(&scales, &codes)?;
        if of_scales.shape != info.shape[..3] || ![Dtype::U8, Dtype::F8E8M0].contains(&of_scales.dtype) {
            return Err(search.misfit(&of_scales, &format!("exponents of shape {:?}", &info.shape[..3])));
        }
        // A file of as many codes exists, so twice their number fits.
        let inputs = blocks * BLOCK.0;
        let stored = Blocks { parts: [codes.clone(), scales.clone()], outputs, blocks };
        let tensor = Transposed::new([inputs, outputs], Book::e2m1(), stored);
        search.add(&name, vec![experts, inputs, outputs], "MXFP4, groups of 32", &[codes, scales], tensor)?;
    }
    Ok(())
}

/// The tensors of one parameter. Rows of values are inputs, columns are outputs.
#[derive(Debug)]
struct Blocks {
    /// Codes and exponents.
    parts: [String; 2],
    outputs: usize,
    /// Blocks of one output.
    blocks: usize,
}

/// Outputs whose codes are put in order at a time.
const TOGETHER: usize = 64;

/// Blocks that hold the rows of a part.
fn blocks_of(part: &Part) -> usize {
    part.rows.end.div_ceil(BLOCK.0) - part.rows.start / BLOCK.0
}

impl Stored for Blocks {
    fn load(&self, source: &dyn ParameterSource, part: &Part) -> Result<Strip, SourceError> {
        let [codes, scales] = &self.parts;
        let first = part.rows.start / BLOCK.0;
        let count = blocks_of(part);
        let row = part.matrix * self.outputs + part.columns.start;
        let read = |name: &str, width: usize| {
            let (stride, within) = (self.blocks * width, first * width..(first + count) * width);
            gather(source, name, row * stride, stride, part.columns.len(), within)
        };
        let (exponents, packed) = (read(scales, 1)?, read(codes, BLOCK.1)?);
        let outputs = part.columns.len();
        let mut scales = vec![0.0; count * outputs];
        for (output, exponents) in exponents.chunks(count).enumerate() {
            for (block, exponent) in exponents.iter().enumerate() {
                scales[block * outputs + output] = power(*exponent);
            }
        }
        let mut codes = vec![0; part.size()];
        // A block of outputs at a time, so that the codes of one input stand near each other while they are written.
        let width = count * BLOCK.1;
        for (block, rows) in packed.chunks(TOGETHER * width).enumerate() {
            for first in (0..part.rows.len().div_ceil(2)).step_by(8) {
                let mut inputs = [[0; TOGETHER]; 16];
                // Eight bytes of eight outputs are a square. A block has sixteen bytes, so that there are eight.
                for (square, rows) in rows.chunks(8 * width).enumerate() {
                    let mut bytes = [0; 8];
                    for (bytes, row) in bytes.iter_mut().zip(rows.chunks(width)) {
                        let mut eight = [0; 8];
                        eight.copy_from_slice(&row[first..first + 8]);
                        *bytes = u64::from_le_bytes(eight);
                    }
                    for (pair, bytes) in inputs.chunks_mut(2).zip(transposed(bytes)) {
                        // The first of two codes stands in the lower half.
                        pair[0][8 * square..8 * square + 8].copy_from_slice(&(bytes & LOW).to_le_bytes());
                        pair[1][8 * square..8 * square + 8].copy_from_slice(&(bytes >> 4 & LOW).to_le_bytes());
                    }
                }
                for (input, found) in (2 * first..part.rows.len()).zip(inputs) {
                    let codes = &mut codes[input * outputs + block * TOGETHER..][..rows.len() / width];
                    codes.copy_from_slice(&found[..codes.len()]);
                }
            }
        }
        Ok(Strip { codes, scales, ..Strip::default() })
    }

    fn numbers(&self, part: &Part, strip: &Strip, row: usize, column: usize, [scales, zeros]: [&mut [f32]; 2]) {
        let at = row / BLOCK.0 * part.columns.len() + column;
        scales.copy_from_slice(&strip.scales[at..][..scales.len()]);
        zeros.fill(0.0);
    }

    fn bytes(&self, part: &Part) -> usize {
        4 * blocks_of(part) * part.columns.len()
    }
}
