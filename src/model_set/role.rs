use crate::error::Error;
use crate::source::{Dtype, ParameterInfo};
use std::fmt;
use std::str::FromStr;

/// The role of a tensor in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// The tensor is trained and compared.
    Parameter,
    /// The tensor is stored but not trained: integers, running statistics, counters, position ids, masks. It is kept apart.
    Buffer,
    /// The tensor has no elements.
    Empty,
    /// The include and exclude patterns leave the tensor out.
    Excluded,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Parameter => "parameter",
            Self::Buffer => "buffer",
            Self::Empty => "empty",
            Self::Excluded => "excluded",
        })
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "parameter" => Ok(Self::Parameter),
            "buffer" => Ok(Self::Buffer),
            "empty" => Ok(Self::Empty),
            "excluded" => Ok(Self::Excluded),
            _ => Err(Error::unknown_word("role", text, "`parameter`, `buffer`, `empty` or `excluded`")),
        }
    }
}

/// Last parts of the names of buffers: floating point tensors that frameworks store but that no gradient reaches.
const BUFFER_NAMES: [&str; 19] = [
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "attention_mask",
    "attn_mask",
    "betas",
    "causal_mask",
    "cos_cached",
    "inv_freq",
    "logits_mask",
    "masked_bias",
    "num_batches_tracked",
    "original_inv_freq",
    "position_ids",
    "relative_coords_table",
    "relative_position_index",
    "running_mean",
    "running_var",
    "sin_cached",
    "token_type_ids",
];

/// Whether a tensor is a buffer. Its dtype and its name decide.
pub(crate) fn is_buffer(info: &ParameterInfo) -> bool {
    // No gradient reaches integers and booleans, whatever their name.
    if !info.dtype.is_float() {
        return true;
    }
    let last = info.name.rsplit('.').next().unwrap_or_default();
    BUFFER_NAMES.contains(&last) || is_causal_mask(info)
}

/// Fewest elements of a vector of packed integers. Counters and permutations are smaller, as a rule.
const PACKED: usize = 1024;

/// Whether a tensor is likely to hold packed integers of quantized weights. Such a tensor is a buffer to a comparison.
pub(super) fn is_packed(info: &ParameterInfo) -> bool {
    let last = info.name.rsplit('.').next().unwrap_or_default();
    let integer = !info.dtype.is_float() && info.dtype != Dtype::Bool;
    let is_matrix = info.shape.iter().filter(|&&d| d > 1).count() > 1;
    integer && (is_matrix || info.size() >= PACKED) && !BUFFER_NAMES.contains(&last) && !is_causal_mask(info)
}

/// Whether a tensor is a causal attention mask. GPT-2 and similar models store this triangular mask as `attn.bias`, of shape
/// (1, 1, n, n).
fn is_causal_mask(info: &ParameterInfo) -> bool {
    info.name.ends_with("attn.bias") && matches!(info.shape[..], [1, 1, a, b] if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, shape: &[usize], dtype: Dtype) -> ParameterInfo {
        ParameterInfo::new(name, shape, dtype)
    }

    #[test]
    fn buffers_are_told_from_parameters() {
        let cases = [
            ("bn1.running_mean", vec![16], Dtype::F32, true),
            ("bn1.num_batches_tracked", vec![], Dtype::I64, true),
            ("bn1.weight", vec![16], Dtype::F32, false),
            ("h.0.attn.bias", vec![1, 1, 8, 8], Dtype::F32, true),
            ("h.0.attn.bias", vec![64], Dtype::F32, false),
            ("layers.0.self_attn.rotary_emb.inv_freq", vec![8], Dtype::F32, true),
            ("weight", vec![4, 4], Dtype::I8, true),
            ("weight", vec![4, 4], Dtype::F8E4M3, false),
        ];
        for (name, shape, dtype, expected) in cases {
            assert_eq!(is_buffer(&info(name, &shape, dtype)), expected, "{name} {shape:?} {dtype}");
        }
    }
}
