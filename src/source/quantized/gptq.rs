//! GPTQ: `(q − z) · s` with groups of inputs, stored with inputs as rows.
//!
//! `qweight` I32 [in · b / 32, out] packs codes along the inputs, `qzeros` I32 [groups, out · b / 32] along the outputs, the
//! lowest bits first and without gaps. `scales` is [groups, out]; `g_idx` I32 [in] has the group of each input where these were
//! sorted (act-order). Files of the first format store each zero point less one.

use super::bits::{BitOrder, code_at, spread, unpack};
use super::book::Book;
use super::search::Search;
use super::strips::Strip;
use super::transposed::{Groups, MOST_GROUPS, Part, Stored, Transposed, by_rows, gather, gather_values};
use crate::error::SourceError;
use crate::format::{Dtype, ParameterInfo};
use crate::source::ParameterSource;

/// Numbers of bits of a code.
const BITS: [usize; 4] = [2, 3, 4, 8];

/// What the codes of zero points lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// One is added to each zero point.
    First,
    Second,
}

pub(super) fn find(search: &mut Search<'_>) -> Result<(), SourceError> {
    for module in search.before("qweight") {
        let name = |end: &str| format!("{module}{end}");
        let (Some(codes), Some(scales), Some(zeros)) =
            (search.tensor(&name("qweight")), search.tensor(&name("scales")), search.tensor(&name("qzeros")))
        else {
            continue;
        };
        let (&[words, outputs], &[groups, of_scales]) = (&codes.shape[..], &scales.shape[..]) else { continue };
        // AWQ packs along the outputs, so its codes have fewer columns than its scales.
        if outputs == of_scales {
            let format = format(search)?;
            add(search, &module, [&codes, &scales, &zeros], [words, outputs, groups], format)?;
        }
    }
    Ok(())
}

/// The format of the zero points, as the configuration says.
fn format(search: &Search<'_>) -> Result<Format, SourceError> {
    let config = search.config;
    let format = ["checkpoint_format", "format", "packing_format"].into_iter().find_map(|key| config.text(key));
    match format.unwrap_or("gptq") {
        "gptq" | "auto_round:auto_gptq" | "auto_round:gptq" => Ok(Format::First),
        "gptq_v2" | "auto_round:gptqmodel" => Ok(Format::Second),
        other => Err(search.unsupported(
            &format!("GPTQ ({other})"),
            "only the layouts gptq and gptq_v2 are read: save the model in one of them with GPTQModel".to_owned(),
        )),
    }
}

fn add(
    search: &mut Search<'_>,
    module: &str,
    [codes, scales, zeros]: [&ParameterInfo; 3],
    [words, outputs, groups]: [usize; 3],
    format: Format,
) -> Result<(), SourceError> {
    let i32s = [codes, zeros].into_iter().find(|info| info.dtype != Dtype::I32);
    if let Some(info) = i32s {
        return Err(search.misfit(info, "packed I32"));
    }
    let &[of_zeros, packed] = &zeros.shape[..] else { return Err(search.misfit(zeros, "two dimensions")) };
    // Zero points and codes have as many bits, so the width of the zero points tells them. Of a narrow layer several numbers of
    // bits fill as many words; there the configuration tells, or the number of inputs.
    let indices = search.tensor(&format!("{module}g_idx"));
    let fits = |bits: &usize| outputs.checked_mul(*bits).is_some_and(|n| n.div_ceil(32) == packed);
    let whole = |bits: &usize| words.checked_mul(32).is_some_and(|n| n.is_multiple_of(*bits));
    let indexed = |bits: &usize| indices.as_ref().is_none_or(|info| info.shape == [words.saturating_mul(32) / bits]);
    let stated = search.config.number("bits").filter(|bits| BITS.contains(bits) && fits(bits));
    let fitting = || BITS.into_iter().filter(fits);
    let bits = stated
        .or_else(|| fitting().find(|bits| whole(bits) && indexed(bits)))
        .or_else(|| fitting().find(whole))
        .or_else(|| fitting().next());
    let (Some(bits), true) = (bits, of_zeros == groups && outputs > 0) else {
        let expected = format!("[{groups}, {outputs} · bits / 32], with 2, 3, 4 or 8 bits");
        return Err(search.misfit(zeros, &expected));
    };
    // Whole words hold whole runs of 32 codes, so that the number of inputs follows from them.
    let inputs = words.checked_mul(32).filter(|n| n.is_multiple_of(bits)).map(|n| n / bits);
    let Some(inputs) = inputs.filter(|&n| n > 0 && groups > 0 && groups <= n) else {
        return Err(search.misfit(codes, &format!("rows of {bits}-bit codes in at least {groups} groups")));
    };
    if !scales.dtype.is_float() {
        return Err(search.misfit(scales, "floats"));
    }
    let wanted = search.config.number("group_size").filter(|&size| inputs.div_ceil(size) == groups);
    let size = wanted.unwrap_or(inputs.div_ceil(groups));
    if let Some(indices) = indices.as_ref().filter(|info| info.dtype != Dtype::I32 || info.shape != [inputs]) {
        return Err(search.misfit(indices, &format!("a group for each of {inputs} inputs, in I32")));
    }
    if indices.is_some() && groups > MOST_GROUPS {
        return Err(search.misfit(scales, &format!("at most {MOST_GROUPS} groups beside a `g_idx`")));
    }
    if indices.is_none() && inputs.div_ceil(size) != groups {
        return Err(search.misfit(scales, &format!("as many rows as {inputs} inputs have groups of {size}")));
    }
    let parts: Vec<String> =
        ["qweight", "qzeros", "scales", "g_idx"].iter().map(|end| format!("{module}{end}")).collect();
    let stored = Packed {
        parts: [0, 1, 2].map(|at| parts[at].clone()),
        bits,
        outputs,
        groups: Groups { size, count: groups, indices: indices.map(|info| info.name) },
        more: i32::from(format == Format::First),
    };
    let phrase = if groups == 1 { "one group".to_owned() } else { format!("groups of {size}") };
    let method = format!("GPTQ {bits} bits, {phrase}");
    let tensor = Transposed::new([outputs, inputs], Book::counting(0), stored);
    search.add(&format!("{module}weight"), vec![outputs, inputs], method, &parts, tensor)
}

/// The tensors of one weight. Rows of values are outputs, columns are inputs.
#[derive(Debug)]
struct Packed {
    /// Codes, zero points and scales.
    parts: [String; 3],
    bits: usize,
    outputs: usize,
    groups: Groups,
    /// What is added to the zero points.
    more: i32,
}

impl Packed {
    /// Unpacks the codes of a part from its words.
    fn codes(&self, part: &Part, packed: &[u8]) -> Vec<u8> {
        let (outputs, inputs) = (part.rows.len(), part.columns.len());
        let mut codes = vec![0; part.size()];
        let stride = 4 * outputs;
        if self.bits == 4 {
            four_bits(packed, outputs, &mut codes, inputs);
            return codes;
        }
        // As many words as a code has bits hold 32 codes of one output.
        for (run, words) in packed.chunks(self.bits * stride).enumerate() {
            let first = 32 * run;
            for output in 0..outputs {
                let mut own = [0; 32];
                for (own, words) in own.chunks_mut(4).zip(words.chunks(stride)) {
                    own.copy_from_slice(&words[4 * output..][..4]);
                }
                let codes = &mut codes[output * inputs + first..][..32.min(inputs - first)];
                unpack(self.bits, BitOrder::LowFirst, &own, 0, codes);
            }
        }
        codes
    }
}

/// Outputs and words of a tile of [`four_bits`]. A line of the cache holds as many words.
const TILE: usize = 16;

/// Unpacks words of eight 4-bit codes. Each row of words has one for each output, and stands for eight inputs.
fn four_bits(packed: &[u8], outputs: usize, codes: &mut [u8], inputs: usize) {
    let (words, _) = packed.as_chunks::<4>();
    let rows = words.len() / outputs.max(1);
    for first in (0..outputs).step_by(TILE) {
        for begin in (0..rows).step_by(TILE) {
            let end = rows.min(begin + TILE);
            for output in first..outputs.min(first + TILE) {
                let mut run = [0; 8 * TILE];
                let (eights, _) = run.as_chunks_mut::<8>();
                for (eight, row) in eights.iter_mut().zip(begin..end) {
                    *eight = spread(u32::from_le_bytes(words[row * outputs + output])).to_le_bytes();
                }
                let codes = &mut codes[output * inputs + 8 * begin..(output + 1) * inputs];
                let count = codes.len().min(8 * (end - begin));
                codes[..count].copy_from_slice(&run[..count]);
            }
        }
    }
}

impl Stored for Packed {
    fn load(&self, source: &dyn ParameterSource, part: &Part) -> Result<Strip, SourceError> {
        let (outputs, bits) = (&part.rows, self.bits);
        let [of_codes, of_zeros, of_scales] = &self.parts;
        let words = part.columns.start * bits / 32..(part.columns.end * bits).div_ceil(32);
        let stride = 4 * self.outputs;
        let within = 4 * outputs.start..4 * outputs.end;
        let packed = gather(source, of_codes, words.start * stride, stride, words.len(), within)?;
        let codes = self.codes(part, &packed);
        let groups = self.groups.range(&part.columns);
        let scales = gather_values(source, of_scales, self.outputs, groups.clone(), outputs.clone())?;
        let stride = 4 * (self.outputs * bits).div_ceil(32);
        let within = 4 * (outputs.start * bits / 32)..4 * (outputs.end * bits).div_ceil(32);
        let width = within.len();
        let packed = gather(source, of_zeros, groups.start * stride, stride, groups.len(), within)?;
        let mask = (1 << bits) - 1;
        let zero = |row: usize, output: usize| {
            // The sum of code and one keeps to the bits of a code, as in the kernels that read this format.
            let code = i32::from(code_at(bits, &packed[row * width..][..width], output * bits));
            ((code + self.more) & mask) as f32
        };
        let rows = 0..groups.len();
        let zeros = rows.flat_map(|row| (0..outputs.len()).map(move |output| (row, output)));
        let zeros: Vec<f32> = zeros.map(|(row, output)| zero(row, output)).collect();
        let [scales, zeros] = [scales, zeros].map(|numbers| by_rows(&numbers, outputs.len()));
        Ok(Strip { codes, scales, zeros, groups: self.groups.load(source, &part.columns)? })
    }

    fn numbers(&self, part: &Part, strip: &Strip, row: usize, column: usize, [scales, zeros]: [&mut [f32]; 2]) {
        self.groups.numbers(part, strip, row, column, [scales, zeros]);
    }

    fn bytes(&self, part: &Part) -> usize {
        let groups = self.groups.range(&part.columns).len();
        let indices = if self.groups.indices.is_some() { part.columns.len() } else { 0 };
        8 * (groups * part.rows.len() + indices)
    }
}
