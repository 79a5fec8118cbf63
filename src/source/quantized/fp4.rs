//! 4-bit floats (E2M1) with a scale for each group of a row: NVFP4 and MXFP4.
//!
//! | layout | codes | scale of a group |
//! |---|---|---|
//! | NVFP4 of compressed-tensors | `weight_packed` | `weight_scale` F8_E4M3, divided by `weight_global_scale` |
//! | NVFP4 of ModelOpt | `weight` | `weight_scale` F8_E4M3, multiplied by `weight_scale_2` |
//! | MXFP4 | either | `weight_scale`, an exponent |
//!
//! Codes are U8 (or F4) of half as many columns as there are values, with the first value in the lower half of a byte.

use super::book::Book;
use super::numbers::Numbers;
use super::rows::{Blocks, Rows};
use super::search::Search;
use crate::error::SourceError;
use crate::format::{Dtype, ParameterInfo};

/// Values in one group of NVFP4, and of MXFP4.
const GROUPS: [usize; 2] = [16, 32];

pub(super) fn find(search: &mut Search<'_>) -> Result<(), SourceError> {
    for module in search.before("weight_packed") {
        // Packed integers have I32 words, and are another scheme.
        if let Some(codes) = search.tensor(&format!("{module}weight_packed")).filter(is_codes) {
            add(search, &format!("{module}weight"), &codes)?;
        }
    }
    let codes: Vec<ParameterInfo> = search.rest().filter(|&info| is_codes(info)).cloned().collect();
    for codes in codes {
        let name = codes.name.clone();
        // Bytes with scales of other dtypes are other schemes.
        let scale = search.tensor(&format!("{name}_scale"));
        if scale.is_some_and(|scale| [Dtype::F8E4M3, Dtype::U8, Dtype::F8E8M0].contains(&scale.dtype)) {
            add(search, &name, &codes)?;
        }
    }
    Ok(())
}

fn is_codes(info: &ParameterInfo) -> bool {
    [Dtype::U8, Dtype::F4].contains(&info.dtype) && info.shape.len() >= 2
}

fn add(search: &mut Search<'_>, name: &str, codes: &ParameterInfo) -> Result<(), SourceError> {
    let scale = search.needed(&format!("{name}_scale"), &codes.name)?;
    let (Some(&packed), Some(&count)) = (codes.shape.last(), scale.shape.last()) else {
        return Err(search.misfit(&scale, "a scale for each group"));
    };
    let columns = packed.checked_mul(2).filter(|&n| n > 0);
    let is_nvfp4 = scale.dtype == Dtype::F8E4M3;
    let group = GROUPS[usize::from(!is_nvfp4)];
    let (above, last) = (codes.shape.len() - 1, scale.shape.len() - 1);
    let fits = codes.shape[..above] == scale.shape[..last];
    let Some(columns) = columns.filter(|n| fits && n.div_ceil(group) == count) else {
        let expected =
            format!("a scale for each {group} values of `{}`, of shape {:?} in bytes", codes.name, codes.shape);
        return Err(search.misfit(&scale, &expected));
    };
    let mut shape = codes.shape.clone();
    shape[above] = columns;
    let mut rows = Rows::new(&codes.name, 4, columns, Book::e2m1());
    rows.blocks = Blocks { rows: shape[above - 1].max(1), high: 1, wide: group, across: count };
    let of_all = |end: &str| format!("{name}{end}");
    let (global, second) = (search.tensor(&of_all("_global_scale")), search.tensor(&of_all("_scale_2")));
    rows.scales = match (is_nvfp4, global, second) {
        (true, Some(global), None) => Numbers::Divided(scale.name.clone(), one(search, &global)?),
        (true, None, Some(second)) => Numbers::Multiplied(scale.name.clone(), one(search, &second)?),
        (false, None, None) if scale.dtype == Dtype::F8E8M0 => Numbers::Plain(scale.name.clone()),
        (false, None, None) => Numbers::Powers(scale.name.clone()),
        (_, global, second) => {
            let found = global.or(second).map_or("none".to_owned(), |info| format!("`{}`", info.name));
            let expected = "NVFP4 needs one of `weight_global_scale` and `weight_scale_2`, MXFP4 neither";
            return Err(search.malformed(format!("{expected}; `{}` has {found}", codes.name)));
        }
    };
    let method = format!("{}, groups of {group}", if is_nvfp4 { "NVFP4" } else { "MXFP4" });
    let parts = [codes.name.clone(), scale.name, of_all("_global_scale"), of_all("_scale_2")];
    search.add(name, shape, method, &parts, rows)
}

/// Reads the one value of a tensor.
fn one(search: &Search<'_>, info: &ParameterInfo) -> Result<f32, SourceError> {
    if info.size() != 1 || !info.dtype.is_float() {
        return Err(search.misfit(info, "one float"));
    }
    let mut value = [0.0];
    search.source.read(&info.name, 0, &mut value)?;
    Ok(value[0])
}
