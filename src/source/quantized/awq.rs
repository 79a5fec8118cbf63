//! AWQ: `(q − z) · s` with groups of inputs, stored with inputs as rows.
//!
//! `qweight` I32 [in, out / 8] and `qzeros` I32 [groups, out / 8] pack eight 4-bit codes of neighboring outputs, in an order of
//! their own. `scales` is [groups, out]. This is the layout named GEMM.

use super::bits::{spread, transposed};
use super::book::Book;
use super::search::Search;
use super::strips::Strip;
use super::transposed::{Groups, Part, Stored, Transposed, by_rows, gather, gather_values};
use crate::error::SourceError;
use crate::format::{Dtype, ParameterInfo};
use crate::source::ParameterSource;

/// The place in a word, from the lowest bits on, of each of eight neighboring outputs.
const PLACES: [usize; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

/// Inputs whose codes are put in order at a time.
const BLOCK: usize = 64;

/// Outputs in one word.
const OUTPUTS: usize = PLACES.len();

pub(super) fn find(search: &mut Search<'_>) -> Result<(), SourceError> {
    for module in search.before("qweight") {
        let name = |end: &str| format!("{module}{end}");
        let (Some(codes), Some(scales), Some(zeros)) =
            (search.tensor(&name("qweight")), search.tensor(&name("scales")), search.tensor(&name("qzeros")))
        else {
            continue;
        };
        add(search, &module, [&codes, &scales, &zeros])?;
    }
    Ok(())
}

fn add(search: &mut Search<'_>, module: &str, [codes, scales, zeros]: [&ParameterInfo; 3]) -> Result<(), SourceError> {
    let other = |search: &Search<'_>| {
        let reason = format!(
            "tensor `{}` has shape {:?} and its scales have {:?}, which is neither GPTQ nor the GEMM layout of AWQ: \
             save the model in one of these",
            codes.name, codes.shape, scales.shape
        );
        search.unsupported("quantized", reason)
    };
    let (&[inputs, packed], &[groups, outputs]) = (&codes.shape[..], &scales.shape[..]) else {
        return Err(other(search));
    };
    if packed.checked_mul(OUTPUTS) != Some(outputs) || outputs == 0 {
        return Err(other(search));
    }
    if let Some(info) = [codes, zeros].into_iter().find(|info| info.dtype != Dtype::I32) {
        return Err(search.misfit(info, "packed I32"));
    }
    if zeros.shape != [groups, packed] {
        return Err(search.misfit(zeros, &format!("{:?}", [groups, packed])));
    }
    if !scales.dtype.is_float() || groups == 0 || groups > inputs {
        return Err(search.misfit(scales, &format!("floats for at most {inputs} groups")));
    }
    let size = inputs.div_ceil(groups);
    if inputs.div_ceil(size) != groups {
        return Err(search.misfit(scales, &format!("as many rows as {inputs} inputs have groups of {size}")));
    }
    let parts: Vec<String> = ["qweight", "qzeros", "scales"].iter().map(|end| format!("{module}{end}")).collect();
    let groups = Groups { size, count: groups, indices: None };
    let stored = Packed { parts: [0, 1, 2].map(|at| parts[at].clone()), outputs, groups };
    let tensor = Transposed::new([outputs, inputs], Book::counting(0), stored);
    let method = format!("AWQ 4 bits, groups of {size}");
    search.add(&format!("{module}weight"), vec![outputs, inputs], method, &parts, tensor)
}

/// The tensors of one weight. Rows of values are outputs, columns are inputs.
#[derive(Debug)]
struct Packed {
    /// Codes, zero points and scales.
    parts: [String; 3],
    outputs: usize,
    groups: Groups,
}

/// Returns the code of an output in words that begin at a multiple of [`OUTPUTS`].
fn code(words: &[u8], output: usize) -> u8 {
    let place = PLACES[output % OUTPUTS];
    let byte = words[4 * (output / OUTPUTS) + place / 2];
    if place.is_multiple_of(2) { byte & 15 } else { byte >> 4 }
}

impl Packed {
    /// Bytes of the words that hold the outputs of a part.
    fn width(part: &Part) -> usize {
        4 * part.rows.len().div_ceil(OUTPUTS)
    }
}

impl Stored for Packed {
    fn load(&self, source: &dyn ParameterSource, part: &Part) -> Result<Strip, SourceError> {
        let outputs = &part.rows;
        let [of_codes, of_zeros, of_scales] = &self.parts;
        let (stride, width) = (self.outputs / OUTPUTS * 4, Self::width(part));
        let begin = outputs.start / OUTPUTS * 4;
        let rows = |name: &str, rows: std::ops::Range<usize>| {
            gather(source, name, rows.start * stride, stride, rows.len(), begin..begin + width)
        };
        let packed = rows(of_codes, part.columns.clone())?;
        let mut codes = vec![0; part.size()];
        let inputs = part.columns.len();
        // A block of inputs at a time, so that the codes of one output stand near each other while they are written.
        for (block, rows) in packed.chunks(BLOCK * width).enumerate() {
            for word in 0..width / 4 {
                let mut outputs = [[0; BLOCK]; OUTPUTS];
                // Eight words are a square of eight inputs and eight outputs.
                for (square, rows) in rows.chunks(8 * width).enumerate() {
                    let mut codes = [0; 8];
                    for (codes, row) in codes.iter_mut().zip(rows.chunks(width)) {
                        let word = &row[4 * word..4 * word + 4];
                        *codes = spread(u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
                    }
                    let places = transposed(codes);
                    for (output, place) in outputs.iter_mut().zip(PLACES) {
                        output[8 * square..8 * square + 8].copy_from_slice(&places[place].to_le_bytes());
                    }
                }
                for (output, found) in (OUTPUTS * word..part.rows.len()).zip(outputs) {
                    let codes = &mut codes[output * inputs + block * BLOCK..][..rows.len() / width];
                    codes.copy_from_slice(&found[..codes.len()]);
                }
            }
        }
        let groups = self.groups.range(&part.columns);
        let packed = rows(of_zeros, groups.clone())?;
        let zeros = packed.chunks(width).flat_map(|row| (0..outputs.len()).map(|output| f32::from(code(row, output))));
        let zeros: Vec<f32> = zeros.collect();
        let scales = gather_values(source, of_scales, self.outputs, groups, outputs.clone())?;
        let [scales, zeros] = [scales, zeros].map(|numbers| by_rows(&numbers, outputs.len()));
        Ok(Strip { codes, scales, zeros, groups: Vec::new() })
    }

    fn numbers(&self, part: &Part, strip: &Strip, row: usize, column: usize, [scales, zeros]: [&mut [f32]; 2]) {
        self.groups.numbers(part, strip, row, column, [scales, zeros]);
    }

    fn bytes(&self, part: &Part) -> usize {
        8 * self.groups.range(&part.columns).len() * part.rows.len()
    }
}
