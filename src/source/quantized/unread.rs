//! Quantized tensors that are not read: known methods by the names of their tensors, and all that no scheme has taken.

use super::search::Search;
use crate::error::SourceError;
use crate::format::{Dtype, ParameterInfo};

/// The last part of the name of an integer tensor, and the method that it shows.
const INTEGERS: [(&str, &str); 14] = [
    ("W_q", "HQQ"),
    ("_data", "quanto"),
    ("weight_qdata", "torchao"),
    ("_weight_qdata", "torchao"),
    ("codes", "AQLM"),
    ("Qidxs", "QuIP#"),
    ("q_weight", "EXL2"),
    ("trellis", "EXL3"),
    ("dense_weights", "SpQR"),
    ("res_indices", "VPTQ"),
    ("indices", "VPTQ"),
    ("B", "Marlin"),
    ("weight_bitmask", "compressed-tensors (sparse bitmask)"),
    ("bitmask", "compressed-tensors (sparse bitmask)"),
];

/// Names beside integers that another method has, too: only with such a companion do they show the method.
const COMPANIONS: [(&str, &str); 4] =
    [("codes", "codebooks"), ("indices", "centroids.weight"), ("B", "s"), ("_data", "_scale")];

/// Tensors beside `weight` of one byte, and the method that they show.
const BESIDE: [(&str, &str); 4] = [
    ("weight_scales", "EETQ"),
    ("pre_quant_scale", "ModelOpt AWQ"),
    ("scales_and_zeros", "torchao"),
    ("comfy_quant", "ComfyUI"),
];

/// Last parts of the names of calibration data, which belong to activations and not to weights. Each is one number.
const CALIBRATION: [&str; 16] = [
    "input_scale",
    "input_scale_inv",
    "scale_input",
    "input_global_scale",
    "input_zero_point",
    "input_amax",
    "weight_amax",
    "activation_scale",
    "output_scale",
    "output_zero_point",
    "q_scale",
    "k_scale",
    "v_scale",
    "prob_scale",
    "k_zero_point",
    "v_zero_point",
];

/// Last parts of the names of marks, which say how a model is quantized.
const MARKS: [&str; 2] = ["scaled_fp8", "comfy_quant"];

/// Words in the names of integer buffers.
const BUFFERS: [&str; 6] = ["mask", "position", "index", "ids", "bias", "tracked"];

/// Last parts of the names of companions that no model has without the tensor that they belong to.
const ALONE: [&str; 18] = [
    "qweight",
    "qzeros",
    "g_idx",
    "SCB",
    "absmax",
    "quant_map",
    "nested_absmax",
    "nested_quant_map",
    "scale_weight",
    "weight_scale_inv",
    "weight_scale_2",
    "weight_global_scale",
    "weight_packed",
    "weight_shape",
    "weight_zero_point",
    "weight_g_idx",
    "weight_format",
    "weight_scb",
];

/// Share of the values of a model from which on integers are not taken for buffers.
const SHARE: f64 = 0.1;

/// The methods whose tensors the schemes know.
const READ: [&str; 12] = [
    "gptq",
    "awq",
    "bitsandbytes",
    "compressed-tensors",
    "fp8",
    "fbgemm_fp8",
    "mxfp4",
    "modelopt",
    "auto-round",
    "NVFP4",
    "FP8",
    "MXFP4",
];

/// What a user can do.
const ADVICE: &str =
    "give the model before quantization, or dequantize it with the library that quantized it and save it again";

/// Refuses methods that are known by the names of their tensors.
pub(super) fn find(search: &mut Search<'_>) -> Result<(), SourceError> {
    let last = |name: &str| {
        name.rsplit_once('.').map_or((String::new(), name.to_owned()), |(m, l)| (format!("{m}."), l.to_owned()))
    };
    let integers = search.rest().filter(|info| info.dtype.is_integer() && !info.shape.is_empty()).cloned();
    for info in integers.collect::<Vec<_>>() {
        let (module, end) = last(&info.name);
        for (_, method) in INTEGERS.iter().filter(|(name, _)| *name == end) {
            let companion = COMPANIONS.iter().find(|(name, _)| *name == end).map(|(_, companion)| companion);
            if companion.is_none_or(|companion| search.tensor(&format!("{module}{companion}")).is_some()) {
                return Err(refused(search, method, &info));
            }
        }
        if end != "weight" || info.dtype.size() > 1 {
            continue;
        }
        for (beside, method) in BESIDE {
            if search.tensor(&format!("{module}{beside}")).is_some() {
                return Err(refused(search, method, &info));
            }
        }
    }
    Ok(())
}

fn refused(search: &Search<'_>, method: &str, info: &ParameterInfo) -> SourceError {
    let reason = format!(
        "its weights, such as `{}` of shape {:?} in {}, are packed: {ADVICE}",
        info.name, info.shape, info.dtype
    );
    search.unsupported(method, reason)
}

/// Refuses what no scheme has taken and cannot be a weight, a buffer or calibration data.
pub(super) fn refuse_rest(search: &mut Search<'_>) -> Result<(), SourceError> {
    let last = |info: &ParameterInfo| info.name.rsplit('.').next().unwrap_or_default().to_owned();
    if search.found_some() {
        let calibration = search.rest().filter(|info| {
            MARKS.contains(&last(info).as_str()) || info.size() == 1 && CALIBRATION.contains(&last(info).as_str())
        });
        let calibration: Vec<String> = calibration.map(|info| info.name.clone()).collect();
        search.take(&calibration);
    }
    let is_buffer = |info: &ParameterInfo| {
        let is_mask = matches!(info.shape[..], [1, 1, a, b] if a == b);
        is_mask || BUFFERS.iter().any(|word| last(info).contains(word))
    };
    let packed = |info: &ParameterInfo| {
        info.dtype == Dtype::F4 || info.dtype.is_integer() && info.shape.len() >= 2 && !is_buffer(info)
    };
    let alone = search.rest().find(|info| ALONE.contains(&last(info).as_str()) || info.name.contains(".quant_state."));
    if let Some(info) = alone {
        let reason = format!(
            "tensor `{}` belongs to a quantized tensor that is not there, or has another layout: {ADVICE}",
            info.name
        );
        return Err(search.unsupported(search.config.method().unwrap_or("quantized"), reason));
    }
    let rest: Vec<&ParameterInfo> = search.rest().filter(|info| packed(info)).collect();
    let method = search.config.method().filter(|method| !READ.contains(method));
    // What is called a weight is one, however few there are of them.
    let weight = rest.iter().find(|info| info.dtype == Dtype::F4 || last(info) == "weight" || method.is_some());
    if let Some(info) = weight {
        return Err(refused(search, method.unwrap_or("quantized"), info));
    }
    let size: usize = rest.iter().fold(0, |sum, info| sum.saturating_add(info.size()));
    let share = size as f64 / search.stored_size().max(1) as f64;
    match rest.into_iter().max_by_key(|info| info.size()) {
        Some(info) if share >= SHARE => {
            let (percent, ParameterInfo { name, shape, dtype, .. }) = (100.0 * share, info);
            let reason = format!(
                "{percent:.0} % of its values are integers of no known method, such as `{name}` of shape {shape:?} in {dtype}: {ADVICE}"
            );
            Err(search.unsupported(method.unwrap_or("quantized"), reason))
        }
        _ => Ok(()),
    }
}
