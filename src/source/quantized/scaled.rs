//! Values of eight bits with scales: `w · s`, or `(w − z) · s`.
//!
//! The scales are one for the tensor, one for each row, or one for each block. DeepSeek, transformers, compressed-tensors
//! (float-quantized, int-quantized), ModelOpt, FBGEMM and ComfyUI store them so, under different names. MXFP8 has exponents as
//! scales.

use super::book::Book;
use super::numbers::{Numbers, bytes};
use super::rows::{Blocks, Rows};
use super::search::Search;
use crate::error::SourceError;
use crate::format::{Dtype, ParameterInfo};

/// What is added to the name of a tensor to give that of its scales.
const ENDS: [&str; 2] = ["_scale_inv", "_scale"];

/// Names that stand in place of `weight` for the scales of a weight. The last is that of DeepSeek's own files.
const BESIDE: [&str; 2] = ["scale_weight", "scale"];

/// Most bytes of ComfyUI's mark of a weight, which is a short JSON object.
const LONGEST: usize = 1 << 16;

/// The sides that square blocks usually have.
const SIDES: [usize; 7] = [128, 64, 32, 16, 256, 512, 1024];

pub(super) fn find(search: &mut Search<'_>) -> Result<(), SourceError> {
    let codes: Vec<ParameterInfo> = search.rest().filter(|info| has_codes(info.dtype)).cloned().collect();
    for info in codes {
        let module = info.name.strip_suffix("weight");
        let beside = BESIDE.iter().filter_map(|name| Some(format!("{}{name}", module?)));
        let names = ENDS.iter().map(|end| format!("{}{end}", info.name)).chain(beside);
        let Some(scale) = names.filter_map(|name| search.tensor(&name)).find(|scale| scale.name != info.name) else {
            continue;
        };
        add(search, &info, &scale)?;
    }
    Ok(())
}

fn has_codes(dtype: Dtype) -> bool {
    dtype == Dtype::I8 || dtype.is_float() && dtype.size() == 1
}

fn add(search: &mut Search<'_>, info: &ParameterInfo, scale: &ParameterInfo) -> Result<(), SourceError> {
    let wanted = search.config.block();
    let fits = || "one scale for the tensor, for each row, or for each block";
    let Some((columns, blocks, share)) = blocks(&info.shape, &scale.shape, wanted) else {
        return Err(search.misfit(scale, &format!("{} of `{}`, of shape {:?}", fits(), info.name, info.shape)));
    };
    let scales = match scale.dtype {
        Dtype::U8 => Numbers::Powers(scale.name.clone()),
        Dtype::F8E8M0 => Numbers::Plain(scale.name.clone()),
        dtype if dtype.is_float() => Numbers::Plain(scale.name.clone()),
        _ => return Err(search.misfit(scale, "floats or exponents")),
    };
    let zero = search.tensor(&format!("{}_zero_point", info.name));
    let mut rows = Rows::new(&info.name, 8, columns, Book::of_dtype(info.dtype));
    rows.blocks = blocks;
    rows.scales = scales;
    let mut parts = vec![info.name.clone(), scale.name.clone()];
    if let Some(zero) = zero {
        let one_byte = zero.dtype.size() == 1 || zero.dtype.is_float();
        if zero.size() != scale.size() || !one_byte {
            return Err(search.misfit(&zero, &format!("a zero point for each of the {} scales", scale.size())));
        }
        rows.zeros = Numbers::Plain(zero.name.clone());
        parts.push(zero.name);
    }
    let mark = info.name.strip_suffix("weight").and_then(|module| search.tensor(&format!("{module}comfy_quant")));
    if let Some(mark) = mark.filter(|mark| mark.dtype == Dtype::U8 && mark.size() <= LONGEST) {
        let text = bytes(search.source, &mark.name, 0, mark.size())?;
        // In its other formats, ComfyUI stores scales in the order of a kernel.
        if !String::from_utf8_lossy(&text).contains("float8_") {
            let reason =
                format!("tensor `{}` names no format of plain 8-bit floats: save the model in FP8 or FP16", mark.name);
            return Err(search.unsupported("ComfyUI", reason));
        }
    }
    let kind = match (info.dtype, scale.dtype) {
        (Dtype::I8, _) => "INT8",
        (_, Dtype::U8 | Dtype::F8E8M0) if blocks.wide == 32 => "MXFP8",
        _ => "FP8",
    };
    search.add(&info.name, info.shape.clone(), format!("{kind}, {share}"), &parts, rows)
}

/// Finds the blocks of a tensor by the shape of its scales. Returns the columns, the blocks, and a phrase for them.
///
/// `wanted` has the rows and columns of a block where a configuration names them.
fn blocks(shape: &[usize], scales: &[usize], wanted: Option<[usize; 2]>) -> Option<(usize, Blocks, String)> {
    let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let (size, count) = (product(shape)?, product(scales)?);
    // A tensor without elements has no columns to divide by.
    if count == 1 || size == 0 {
        return Some((size.max(1), Blocks::ONE, "one scale".to_owned()));
    }
    let (&first, rest) = shape.split_first()?;
    let each_row = |rows: usize| {
        let across = Blocks { rows, high: 1, wide: usize::MAX, across: 1 };
        Some((size / rows, across, "a scale for each row".to_owned()))
    };
    match scales {
        [count] if *count == first => return each_row(first),
        [count, ones @ ..] if *count == first && ones.iter().all(|&n| n == 1) => return each_row(first),
        // Rows of several matrices, such as those of experts.
        [a, b] if shape.len() == 3 && [*a, *b] == shape[..2] => return each_row(a.checked_mul(*b)?),
        _ => {}
    }
    if scales.len() != shape.len() || rest.is_empty() {
        return None;
    }
    let (above, last) = (shape.len() - 2, shape.len() - 1);
    if scales[..above] != shape[..above] {
        return None;
    }
    let side = |at: usize, wanted: Option<usize>| side(shape[at], scales[at], wanted);
    let (high, wide) = (side(above, wanted.map(|w| w[0]))?, side(last, wanted.map(|w| w[1]))?);
    let across = scales[last];
    let phrase = match (high, across) {
        (1, 1) => "a scale for each row".to_owned(),
        (1, _) => format!("groups of {wide}"),
        _ => format!("blocks of {high} by {wide}"),
    };
    Some((shape[last], Blocks { rows: shape[above], high, wide, across }, phrase))
}

/// Finds the length of each of `count` blocks in a row of `size` values. The last block may be shorter.
fn side(size: usize, count: usize, wanted: Option<usize>) -> Option<usize> {
    if count == 0 || count > size {
        return None;
    }
    let fits = |side: &usize| *side > 0 && size.div_ceil(*side) == count;
    if let Some(wanted) = wanted.filter(|side| fits(side)) {
        return Some(wanted);
    }
    match count {
        1 => Some(size),
        _ if count == size => Some(1),
        _ => SIDES.into_iter().find(fits).or_else(|| size.is_multiple_of(count).then_some(size / count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_from_shapes() {
        let of = |shape: &[usize], scales: &[usize], wanted| blocks(shape, scales, wanted);
        let block = |rows, high, wide, across| Blocks { rows, high, wide, across };
        let one = |size, phrase: &str| Some((size, Blocks::ONE, phrase.to_owned()));
        assert_eq!(of(&[4, 6], &[], None), one(24, "one scale"));
        assert_eq!(of(&[4, 6], &[1, 1], None), one(24, "one scale"));
        let row = |columns, rows| Some((columns, block(rows, 1, usize::MAX, 1), "a scale for each row".to_owned()));
        assert_eq!(of(&[4, 6], &[4], None), row(6, 4));
        assert_eq!(of(&[4, 6], &[4, 1], None), row(6, 4));
        assert_eq!(of(&[3, 4, 6], &[3, 1, 1], None), row(24, 3));
        assert_eq!(of(&[3, 4, 6], &[3, 4], None), row(6, 12));
        assert_eq!(of(&[4, 2, 3, 3], &[4, 1, 1, 1], None), row(18, 4));
        let square = |columns, rows, side, across| {
            Some((columns, block(rows, side, side, across), format!("blocks of {side} by {side}")))
        };
        assert_eq!(of(&[576, 200], &[5, 2], None), square(200, 576, 128, 2));
        assert_eq!(of(&[64, 64], &[2, 2], None), square(64, 64, 32, 2));
        assert_eq!(of(&[3, 256, 300], &[3, 2, 3], None), square(300, 256, 128, 3));
        assert_eq!(of(&[200, 200], &[2, 2], Some([100, 100])), square(200, 200, 100, 2));
        // A configuration that does not fit is not followed.
        assert_eq!(of(&[64, 64], &[2, 2], Some([0, 7])), square(64, 64, 32, 2));
        let groups = Some((256, block(8, 1, 128, 2), "groups of 128".to_owned()));
        assert_eq!(of(&[8, 256], &[8, 2], None), groups);
        for (shape, scales) in
            [(vec![4, 6], vec![5, 1]), (vec![4, 6], vec![4, 0]), (vec![6], vec![2]), (vec![2, 4, 6], vec![3, 4, 6])]
        {
            assert_eq!(of(&shape, &scales, None), None, "{shape:?} {scales:?}");
        }
    }
}
