//! Integers of 1 to 8 bits of compressed-tensors (pack-quantized): `(q − z) · s`.
//!
//! `weight_packed` I32 [out, ⌈in · b / 32⌉] has the codes of each row without gaps, the lowest bits first. `weight_shape` is the
//! shape of the weight, `weight_scale` [out, groups]. `weight_zero_point` I32 is packed along the rows, `weight_g_idx` I32 [in]
//! has the group of each column where columns were sorted.

use super::book::Book;
use super::numbers::{Numbers, bytes};
use super::rows::{Blocks, Rows};
use super::search::Search;
use super::transposed::MOST_GROUPS;
use crate::error::SourceError;
use crate::format::{Dtype, ParameterInfo};

pub(super) fn find(search: &mut Search<'_>) -> Result<(), SourceError> {
    for name in search.before("_packed") {
        let codes = search.tensor(&format!("{name}_packed")).filter(|info| info.dtype == Dtype::I32);
        if let Some(codes) = codes.filter(|info| info.shape.len() >= 2) {
            add(search, &name, &codes)?;
        }
    }
    Ok(())
}

fn add(search: &mut Search<'_>, name: &str, codes: &ParameterInfo) -> Result<(), SourceError> {
    if let Some(meta) = search.tensor(&format!("{}meta", name.strip_suffix("weight").unwrap_or(name))) {
        let reason =
            format!("tensor `{}` shows half of the weights left out (marlin-24): decompress the model", meta.name);
        return Err(search.unsupported("compressed-tensors", reason));
    }
    let scale = search.needed(&format!("{name}_scale"), &codes.name)?;
    let shape = shape(search, name, codes)?;
    let above = shape.len() - 1;
    let (columns, words) = (shape[above], codes.shape[above]);
    let Some(bits) = bits(search, columns, words) else {
        return Err(search.misfit(codes, &format!("rows of {columns} codes of 1 to 8 bits")));
    };
    let of_rows = scale.shape.last().is_some() && scale.shape[..scale.shape.len() - 1] == shape[..above];
    let across = scale.shape.last().copied().unwrap_or(1);
    let sorted = search.tensor(&format!("{name}_g_idx"));
    let group = if across == 0 { 0 } else { columns.div_ceil(across) };
    let covered = group > 0 && (columns.div_ceil(group) == across || sorted.is_some());
    if !(of_rows && covered || scale.size() == 1) || !scale.dtype.is_float() {
        return Err(search.misfit(&scale, &format!("a float for each group of columns of a weight of shape {shape:?}")));
    }
    let mut rows = Rows::new(&codes.name, bits, columns, Book::counting(-(1 << (bits - 1))));
    rows.stride = 4 * words;
    rows.scales = Numbers::Plain(scale.name.clone());
    let height = shape[above - 1].max(1);
    if of_rows {
        rows.blocks = Blocks { rows: height, high: 1, wide: group, across };
    }
    if let Some(zero) = search.tensor(&format!("{name}_zero_point")) {
        rows.zeros = zeros(search, &zero, [height, across], bits, shape.len() == 2 && of_rows)?;
    }
    if let Some(sorted) = sorted {
        if sorted.dtype != Dtype::I32 || sorted.shape != [columns] {
            return Err(search.misfit(&sorted, &format!("a group for each of {columns} columns, in I32")));
        }
        if across > MOST_GROUPS {
            return Err(search.misfit(&scale, &format!("at most {MOST_GROUPS} groups beside a `weight_g_idx`")));
        }
        rows.groups = Some(sorted.name);
    }
    let phrase = match across {
        _ if !of_rows => "one scale".to_owned(),
        1 => "a scale for each row".to_owned(),
        _ => format!("groups of {group}"),
    };
    let parts = ["_packed", "_scale", "_shape", "_zero_point", "_g_idx"].map(|end| format!("{name}{end}"));
    search.add(name, shape, format!("INT{bits}, {phrase}"), &parts, rows)
}

/// Returns the shape of a weight, which is stored beside its codes.
fn shape(search: &Search<'_>, name: &str, codes: &ParameterInfo) -> Result<Vec<usize>, SourceError> {
    let info = search.needed(&format!("{name}_shape"), &codes.name)?;
    let integers = [Dtype::I64, Dtype::I32].contains(&info.dtype);
    if !integers || ![vec![codes.shape.len()], vec![2]].contains(&info.shape) {
        return Err(search.misfit(&info, "the shape of the weight, as integers"));
    }
    let size = info.dtype.size();
    let stored = bytes(search.source, &info.name, 0, size * info.size())?;
    let sizes = stored.chunks(size).map(|bytes| {
        // Both integers are little-endian, and a size is not negative.
        let mut wide = [0; 8];
        wide[..size].copy_from_slice(bytes);
        usize::try_from(u64::from_le_bytes(wide)).unwrap_or(usize::MAX)
    });
    let mut shape: Vec<usize> = sizes.collect();
    // The shape may be that of one matrix of several.
    let more = codes.shape.len() - shape.len();
    shape.splice(0..0, codes.shape[..more].iter().copied());
    let (above, last) = (shape.len() - 1, shape[shape.len() - 1]);
    // Rows of codes are those of the weight. The columns are checked against the words by the caller.
    if shape[..above] != codes.shape[..above] || last == 0 || last.checked_mul(8).is_none() {
        let expected = format!("that of a weight whose codes have shape {:?}", codes.shape);
        return Err(search.malformed(format!("tensor `{}` holds {shape:?}, expected {expected}", info.name)));
    }
    Ok(shape)
}

/// Returns the number of bits with which so many codes fill so many words of 32 bits.
fn bits(search: &Search<'_>, columns: usize, words: usize) -> Option<usize> {
    let fits = |bits: &usize| (columns * bits).div_ceil(32) == words;
    // Several numbers fit only where columns are few. The usual ones go first then.
    let wanted = search.config.group_bits().into_iter().chain([4, 8]);
    wanted.chain(1..=8).find(|bits| (1..=8).contains(bits) && fits(bits))
}

/// Returns the zero points, packed along rows as I32, or one in each byte.
fn zeros(
    search: &Search<'_>,
    info: &ParameterInfo,
    [rows, across]: [usize; 2],
    bits: usize,
    flat: bool,
) -> Result<Numbers, SourceError> {
    let codes = info.name.clone();
    let words = rows.checked_mul(bits).map(|n| n.div_ceil(32));
    match info.dtype {
        Dtype::I32 if flat && Some(info.shape.as_slice()) == words.map(|n| [n, across]).as_ref().map(|s| &s[..]) => {
            Ok(Numbers::Packed { codes, bits, columns: across, least: -(1 << (bits - 1)) })
        }
        Dtype::I8 if flat && info.shape == [rows, across] => Ok(Numbers::Plain(codes)),
        _ => Err(search.misfit(info, &format!("zero points of {rows} rows and {across} groups in {bits} bits"))),
    }
}
