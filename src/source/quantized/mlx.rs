//! MLX: `q · s + b` with groups of columns, and the MX formats in its words.
//!
//! `weight` U32 [out, in · b / 32] has codes without gaps, the lowest bits first; `scales` and `biases` are [out, groups].
//! Without biases and with scales U8, the modes are mxfp4, mxfp8 and nvfp4.

use super::book::Book;
use super::numbers::Numbers;
use super::rows::{Blocks, Rows};
use super::search::Search;
use crate::error::SourceError;
use crate::format::{Dtype, ParameterInfo};

/// Numbers of bits of an integer code.
const BITS: [usize; 6] = [2, 3, 4, 5, 6, 8];

/// Columns in one group.
const GROUPS: [usize; 4] = [16, 32, 64, 128];

/// Bits of a code and columns in one group.
type Packing = (usize, usize);

pub(super) fn find(search: &mut Search<'_>) -> Result<(), SourceError> {
    let mut weights = Vec::new();
    for module in search.before("scales") {
        let codes = search.tensor(&format!("{module}weight")).filter(|info| info.dtype == Dtype::U32);
        let (Some(codes), Some(scales)) = (codes, search.tensor(&format!("{module}scales"))) else { continue };
        match (codes.shape.split_last(), scales.shape.split_last()) {
            (Some((words, above)), Some((groups, rows))) if above == rows && !above.is_empty() && *groups > 0 => {
                weights.push((module, codes.clone(), scales.clone(), [*words, *groups]));
            }
            _ => return Err(search.misfit(&scales, &format!("scales of `{}`, of shape {:?}", codes.name, codes.shape))),
        }
    }
    let guess = guess(search, &weights);
    for (module, codes, scales, sizes) in weights {
        add(search, &module, [&codes, &scales], sizes, guess)?;
    }
    Ok(())
}

/// The columns of a weight of so many words, when codes have so many bits.
fn columns([words, groups]: [usize; 2], (bits, group): Packing) -> Option<usize> {
    let columns = words.checked_mul(32).filter(|n| n.is_multiple_of(bits))? / bits;
    (groups.checked_mul(group) == Some(columns)).then_some(columns)
}

/// Guesses the packing of weights by the widths of other tensors.
///
/// Four bits in groups of 64 and eight bits in groups of 32 give tensors of the same shapes. But the columns of a weight are
/// the rows of another one, or the values of a norm.
fn guess(search: &Search<'_>, weights: &[(String, ParameterInfo, ParameterInfo, [usize; 2])]) -> Option<Packing> {
    let vectors = search.rest().filter(|info| info.shape.len() == 1 && info.dtype.is_float()).map(|info| info.shape[0]);
    let rows = weights.iter().filter_map(|(_, codes, ..)| codes.shape.iter().rev().nth(1).copied());
    let widths: std::collections::BTreeSet<usize> = vectors.chain(rows).collect();
    let score = |packing: Packing| -> Option<usize> {
        let columns: Option<Vec<usize>> = weights.iter().map(|(.., sizes)| columns(*sizes, packing)).collect();
        Some(columns?.iter().filter(|n| widths.contains(n)).count())
    };
    let all = BITS.iter().flat_map(|&bits| GROUPS.iter().map(move |&group| (bits, group)));
    let mut scored: Vec<(usize, Packing)> = all.filter_map(|packing| Some((score(packing)?, packing))).collect();
    scored.sort_unstable_by(|a, b| b.cmp(a));
    match scored[..] {
        [(_, only)] => Some(only),
        [(best, packing), (next, _), ..] if best > next => Some(packing),
        _ => None,
    }
}

fn add(
    search: &mut Search<'_>,
    module: &str,
    [codes, scales]: [&ParameterInfo; 2],
    sizes: [usize; 2],
    guess: Option<Packing>,
) -> Result<(), SourceError> {
    let biases = search.tensor(&format!("{module}biases"));
    let (packing, scheme) = match (&biases, scales.dtype) {
        (Some(biases), dtype) if dtype.is_float() => {
            if biases.shape != scales.shape || !biases.dtype.is_float() {
                return Err(search.misfit(biases, &format!("floats of shape {:?}", scales.shape)));
            }
            let configured = search.config.of_module(module.trim_end_matches('.'));
            let fits =
                |packing: &Packing| BITS.contains(&packing.0) && packing.1 > 0 && columns(sizes, *packing).is_some();
            (configured.filter(fits).or(guess.filter(fits)), "MLX")
        }
        // A word has eight codes of four bits or four of eight, so that words and groups tell the mode.
        (None, Dtype::U8) => match (sizes[0] / sizes[1], sizes[0] % sizes[1]) {
            (4, 0) => (Some((4, 32)), "MLX MXFP4"),
            (8, 0) => (Some((8, 32)), "MLX MXFP8"),
            (2, 0) => (Some((4, 16)), "MLX NVFP4"),
            _ => (None, "MLX"),
        },
        _ => return Err(search.misfit(scales, "floats with `biases` beside them, or U8 without")),
    };
    let Some((bits, group)) = packing else {
        let reason = format!(
            "tensor `{}` of shape {:?} with {} groups allows several numbers of bits: put the model's config.json, with its \
             `quantization`, beside it",
            codes.name, codes.shape, sizes[1]
        );
        return Err(search.unsupported("MLX", reason));
    };
    let columns = columns(sizes, (bits, group)).ok_or_else(|| search.misfit(codes, "whole groups of codes"))?;
    let book = match (scheme, bits) {
        ("MLX", _) => Book::counting(0),
        (_, 8) => Book::of_dtype(Dtype::F8E4M3),
        _ => Book::e2m1(),
    };
    let mut rows = Rows::new(&codes.name, bits, columns.max(1), book);
    rows.stride = 4 * sizes[0];
    let mut shape = codes.shape.clone();
    let last = shape.len() - 1;
    shape[last] = columns;
    rows.blocks = Blocks { rows: shape[last - 1].max(1), high: 1, wide: group, across: sizes[1] };
    rows.scales = match scheme {
        "MLX" => Numbers::Plain(scales.name.clone()),
        "MLX NVFP4" => Numbers::Floats(scales.name.clone()),
        _ => Numbers::Powers(scales.name.clone()),
    };
    rows.biases = biases.as_ref().map(|biases| Numbers::Plain(biases.name.clone()));
    let method = match scheme {
        "MLX" => format!("MLX {bits} bits, groups of {group}"),
        other => format!("{other}, groups of {group}"),
    };
    let parts = ["weight", "scales", "biases"].map(|end| format!("{module}{end}"));
    search.add(&parts[0].clone(), shape, method, &parts, rows)
}
