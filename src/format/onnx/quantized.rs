//! Which tensors of a model are quantized, and with which scales.

use super::graph::Found;
use std::collections::{BTreeMap, BTreeSet};

/// The end of the names that ONNX Runtime gives to quantized tensors.
const QUANTIZED: &str = "_quantized";

/// A tensor that stands for another.
#[derive(Debug)]
pub(super) struct Quantized {
    /// The name of the tensor that it stands for.
    pub(super) name: String,
    pub(super) scale: usize,
    pub(super) zero: Option<usize>,
    /// The axis whose indexes have a scale each. `None` where it is not recorded.
    pub(super) axis: Option<i64>,
    /// Values along the axis that share a scale. Zero where each index has its own.
    pub(super) block: u64,
}

/// The quantized tensors of a model by their place in the list of tensors, and the companions, which are no weights.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) quantized: BTreeMap<usize, Quantized>,
    pub(super) companions: BTreeSet<usize>,
}

/// Finds scales and zero points: those that a `DequantizeLinear` names, and those with the names that ONNX Runtime gives.
pub(super) fn pairs(found: &Found) -> Pairs {
    let places: BTreeMap<&str, usize> = found.tensors.iter().enumerate().map(|(at, t)| (t.name.as_str(), at)).collect();
    let mut pairs = Pairs::default();
    for node in &found.dequantized {
        let place =
            |name: &str| places.get(format!("{}{name}", node.prefix).as_str()).or_else(|| places.get(name)).copied();
        let zero = node.zero.as_deref().and_then(place);
        let Some(scale) = place(&node.scale) else { continue };
        pairs.companions.extend([scale].into_iter().chain(zero));
        // Otherwise these are the scales of activations.
        if let Some(at) = place(&node.values) {
            let name = stands_for(&found.tensors[at].name).to_owned();
            let quantized = Quantized { name, scale, zero, axis: Some(node.axis), block: node.block };
            pairs.quantized.entry(at).or_insert(quantized);
        }
    }
    for (at, tensor) in found.tensors.iter().enumerate() {
        let Some(name) = tensor.name.strip_suffix(QUANTIZED) else { continue };
        let Some(&scale) = places.get(format!("{name}_scale").as_str()) else { continue };
        let zero = places.get(format!("{name}_zero_point").as_str()).copied();
        pairs.companions.extend([scale].into_iter().chain(zero));
        let quantized = Quantized { name: name.to_owned(), scale, zero, axis: None, block: 0 };
        pairs.quantized.entry(at).or_insert(quantized);
    }
    pairs
}

/// Whether a name says that a tensor is quantized.
pub(super) fn is_named(name: &str) -> bool {
    name.ends_with(QUANTIZED)
}

fn stands_for(name: &str) -> &str {
    name.strip_suffix(QUANTIZED).unwrap_or(name)
}
