//! Models whose values are those of another one in another order.

use crate::detect::lineage::weights::Weights;
use crate::geometry::Geometry;
use crate::model_set::ModelId;

/// Pairs of comparable models with the same values in another order, at any distance.
pub(in crate::detect::lineage) fn permuted(
    geometry: &Geometry,
    members: &[ModelId],
    weights: &Weights,
) -> Vec<(ModelId, ModelId)> {
    // A permutation keeps the norm. Sorted by norm, permuted copies are neighbors, and few pairs need a test.
    let mut keyed: Vec<(f64, ModelId)> = members.iter().map(|&m| (geometry.norm(m).powi(2), m)).collect();
    keyed.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut pairs = Vec::new();
    for (i, &(norm, a)) in keyed.iter().enumerate() {
        for &(other, b) in
            keyed[i + 1..].iter().take_while(|(other, _)| other - norm <= weights.tolerances.projected * norm)
        {
            debug_assert!(other >= norm);
            if geometry.permuted(a, b) {
                pairs.push((a, b));
            }
        }
    }
    pairs
}
