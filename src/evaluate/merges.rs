use super::counts::Retrieval;
use super::matched::Matched;
use crate::model_set::ModelId;
use crate::phylogeny::{Edge, Phylogeny};

/// Compares the models of several parents. A model is right when the result gives it exactly its true parents.
///
/// Found are the models that the result gives several evaluated parents. Expected are those that truly have several. A
/// precision below 1 means that some found merges are none.
pub(super) fn merges(m: &Matched<'_>) -> Retrieval {
    let mut merges = Retrieval::default();
    for model in 0..m.len() {
        let (found, expected) = (m.found_parents[model].len() > 1, m.true_parents[model].len() > 1);
        merges.right += usize::from(expected && m.parents_right(model));
        merges.found += usize::from(found);
        merges.expected += usize::from(expected);
    }
    merges
}

/// How far the weights of found merge edges are from the true ones.
///
/// It counts true edges that the result has too, of children with several true parents whose weights are known.
///
/// ```
/// use neural_phylogeny::{Edge, Error, ModelId, Phylogeny, evaluate};
/// use neural_phylogeny::evaluate::Truth;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let merge = |first: f64| -> Result<Phylogeny, Error> {
///     let edge = |parent, weight| Edge::new(ModelId::new(parent), ModelId::new(2)).with_weight(weight);
///     Phylogeny::from_edges(3, vec![edge(0, first), edge(1, 1.0 - first)])
/// };
/// let weights = evaluate(&merge(0.5)?, &Truth::from(merge(0.75)?))?.merge_weights;
/// assert_eq!((weights.edges, weights.mean), (2, Some(0.25)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WeightErrors {
    /// The number of edges.
    pub edges: usize,
    /// Mean of `|w − ŵ|`; `None` without edges.
    pub mean: Option<f64>,
    /// Largest `|w − ŵ|`; `None` without edges.
    pub largest: Option<f64>,
}

/// Compares the weights.
pub(super) fn merge_weights(m: &Matched<'_>) -> WeightErrors {
    let mut errors: Vec<f64> = Vec::new();
    for (model, &(of_result, of_truth)) in m.models.iter().enumerate() {
        let is_merge = m.truth.phylogeny().parents(of_truth).len() > 1;
        // The single weight of a child with one parent is always 1, and equal shares are no known weights.
        if !is_merge || !m.truth.has_weights(of_truth) {
            continue;
        }
        for &p in &m.true_parents[model] {
            let (parent_of_result, parent_of_truth) = m.models[p];
            let found = weight(m.result, parent_of_result, of_result);
            let expected = weight(m.truth.phylogeny(), parent_of_truth, of_truth);
            errors.extend(found.zip(expected).map(|(w, v)| (w - v).abs()));
        }
    }
    let mean = (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64);
    WeightErrors { edges: errors.len(), mean, largest: errors.into_iter().reduce(f64::max) }
}

fn weight(phylogeny: &Phylogeny, parent: ModelId, child: ModelId) -> Option<f64> {
    let edge: Option<&Edge> = phylogeny.parents(child).iter().find(|e| e.parent == parent);
    edge.map(|e| e.weight)
}
