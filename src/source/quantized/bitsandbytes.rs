//! bitsandbytes: NF4 and FP4 (`table[q] · absmax`), and integers of eight bits (`q · (SCB / 127)`).
//!
//! | 4 bits | |
//! |---|---|
//! | `weight` U8 [n / 2, 1] | codes of the flattened weight, the first in the upper half of a byte |
//! | `weight.quant_map` F32 [16] | the number of each code |
//! | `weight.absmax` F32 | the scale of each block of the flattened weight |
//! | `weight.quant_state.bitsandbytes__…` U8 | JSON: method, block size, shape |
//! | `weight.nested_absmax`, `weight.nested_quant_map` | those of the scales, which are U8 codes then |
//!
//! | 8 bits | |
//! |---|---|
//! | `weight` I8 [out, in] | the codes |
//! | `SCB` F32 [out] | the largest magnitude of each row |
//! | `weight_format` U8 [] | 0 for rows in order |

use super::bits::BitOrder;
use super::book::Book;
use super::numbers::{Numbers, bytes};
use super::rows::{Blocks, Rows};
use super::search::Search;
use crate::error::SourceError;
use crate::format::{Dtype, ParameterInfo};
use serde::Deserialize;

/// Stands before the method in the name of the tensor that describes a 4-bit weight.
const STATE: &str = ".quant_state.bitsandbytes__";

/// Most bytes of a description, which is a short JSON object.
const LONGEST: usize = 1 << 16;

/// The description of a 4-bit weight.
#[derive(Deserialize)]
struct State {
    quant_type: String,
    blocksize: usize,
    shape: Vec<usize>,
    nested_blocksize: Option<usize>,
    nested_offset: Option<f32>,
}

pub(super) fn find(search: &mut Search<'_>) -> Result<(), SourceError> {
    let states = search.rest().filter_map(|info| Some((info.name.split_once(STATE)?.0.to_owned(), info.clone())));
    for (name, state) in states.collect::<Vec<_>>() {
        four_bits(search, &name, &state)?;
    }
    for module in search.before("SCB") {
        eight_bits(search, &module)?;
    }
    Ok(())
}

fn four_bits(search: &mut Search<'_>, name: &str, info: &ParameterInfo) -> Result<(), SourceError> {
    if info.dtype != Dtype::U8 || info.size() > LONGEST {
        return Err(search.misfit(info, "a short JSON text as U8"));
    }
    let text = bytes(search.source, &info.name, 0, info.size())?;
    let State { quant_type, blocksize, shape, nested_blocksize, nested_offset } = serde_json::from_slice(&text)
        .map_err(|error| search.malformed(format!("tensor `{}` is no description of a weight: {error}", info.name)))?;
    let codes = search.needed(name, &info.name)?;
    let part = |end: &str| format!("{name}.{end}");
    let absmax = search.needed(&part("absmax"), &info.name)?;
    let map = search.needed(&part("quant_map"), &info.name)?;
    let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n > 0);
    // Codes are bytes, whatever their dtype is called: bitsandbytes can store them in the dtype of other weights.
    let stored = codes.size().checked_mul(codes.dtype.size());
    let Some(size) = size.filter(|n| stored == Some(n.div_ceil(2)) && blocksize > 0) else {
        return Err(
            search.misfit(&codes, &format!("4-bit codes of a weight of shape {shape:?} in blocks of {blocksize}"))
        );
    };
    let blocks = size.div_ceil(blocksize);
    if absmax.size() != blocks {
        return Err(search.misfit(&absmax, &format!("a scale for each of {blocks} blocks")));
    }
    let mut rows = Rows::new(name, 4, size, Book::of(&table::<16>(search, &map)?));
    rows.order = BitOrder::HighFirst;
    rows.blocks = Blocks { rows: usize::MAX, high: usize::MAX, wide: blocksize, across: blocks };
    let nested = absmax.dtype == Dtype::U8;
    rows.scales = if nested {
        let (scale, map) =
            (search.needed(&part("nested_absmax"), &info.name)?, search.needed(&part("nested_quant_map"), &info.name)?);
        let span = nested_blocksize.filter(|&span| span > 0 && scale.size() == blocks.div_ceil(span));
        let (Some(span), Some(offset)) = (span, nested_offset) else {
            return Err(search.misfit(&scale, &format!("scales of {blocks} scales in blocks of {nested_blocksize:?}")));
        };
        let table = Box::new(table::<256>(search, &map)?);
        Numbers::Nested { codes: absmax.name.clone(), scale: scale.name, table, span, offset }
    } else if absmax.dtype.is_float() {
        Numbers::Plain(absmax.name.clone())
    } else {
        return Err(search.misfit(&absmax, "floats, or U8 with nested scales"));
    };
    let twice = if nested { ", scales quantized too" } else { "" };
    let method = format!("bitsandbytes {}, groups of {blocksize}{twice}", quant_type.to_uppercase());
    let ends = ["absmax", "quant_map", "nested_absmax", "nested_quant_map"].map(part);
    let parts = [&ends[..], &[name.to_owned(), info.name.clone()]].concat();
    search.add(name, shape, method, &parts, rows)
}

/// Reads a table of floats.
fn table<const N: usize>(search: &Search<'_>, info: &ParameterInfo) -> Result<[f32; N], SourceError> {
    if info.size() != N || !info.dtype.is_float() {
        return Err(search.misfit(info, &format!("a table of {N} floats")));
    }
    let mut table = [0.0; N];
    search.source.read(&info.name, 0, &mut table)?;
    Ok(table)
}

fn eight_bits(search: &mut Search<'_>, module: &str) -> Result<(), SourceError> {
    let name = |end: &str| format!("{module}{end}");
    let (weight, scale) = (name("weight"), name("SCB"));
    let codes = search.needed(&weight, &scale)?;
    let of_rows = search.needed(&scale, &weight)?;
    let (Dtype::I8, &[rows, columns]) = (codes.dtype, &codes.shape[..]) else {
        return Err(search.misfit(&codes, "two dimensions in I8"));
    };
    if of_rows.size() != rows || !of_rows.dtype.is_float() {
        return Err(search.misfit(&of_rows, &format!("a float for each of {rows} rows")));
    }
    if let Some(format) = search.tensor(&name("weight_format")) {
        let mut order = [0.0];
        if format.size() == 1 {
            search.source.read(&format.name, 0, &mut order)?;
        }
        if order != [0.0] {
            let reason = format!("tensor `{}` says that rows are not in order: save the model again", format.name);
            return Err(search.unsupported("bitsandbytes INT8", reason));
        }
    }
    let mut stored = Rows::new(&weight, 8, columns.max(1), Book::of_dtype(Dtype::I8));
    stored.blocks = Blocks { rows: rows.max(1), high: 1, wide: usize::MAX, across: 1 };
    // The product with the reciprocal comes first: this order of roundings is that of bitsandbytes.
    stored.scales = Numbers::Multiplied(scale.clone(), 1.0 / 127.0);
    let method = "bitsandbytes INT8, a scale for each row";
    search.add(&weight, codes.shape, method, &[weight.clone(), scale, name("weight_format")], stored)
}
