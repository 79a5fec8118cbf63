//! Measures a result against known truth. Nothing that predicts imports this.

mod accuracy;
mod ancestors;
mod counts;
mod edges;
mod families;
mod matched;
mod merges;
mod reliability;
mod roots;
mod table;
#[cfg(test)]
mod tests;
mod truth;

pub use counts::{Ratio, Retrieval};
pub use families::FamilyAgreement;
pub use merges::WeightErrors;
pub use reliability::{Coverage, Reliability, ReliabilityBin};
pub use truth::Truth;

use crate::error::Error;
use crate::phylogeny::Phylogeny;
use matched::Matched;

/// How right a result is. Each measure has its counts.
///
/// Only models that both result and truth have are evaluated, and only edges between two of them are scored.
/// [`not_in_truth`](Self::not_in_truth) and [`not_in_result`](Self::not_in_result) list the others.
///
/// - A *child* is an evaluated model with a true parent among the evaluated models.
/// - A *root* has no parent in truth at all.
/// - An *orphan* has true parents, and all of them are absent.
///
/// `Display` is a table for a person. The feature `serde` gives JSON.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Evaluation {
    /// Number of evaluated models.
    pub models: usize,
    /// The paper's accuracy: children whose parents are exactly the true ones, of all children.
    pub accuracy: Ratio,
    /// The same with roots counted, of all children and roots. A root is right when it is given no parent,
    /// observed or not.
    pub accuracy_with_roots: Ratio,
    /// Parent → child edges.
    pub edges: Retrieval,
    /// Pairs of parent and child without direction: existence.
    pub pairs: Retrieval,
    /// Pairs found whose direction is right too, of all pairs rightly found.
    pub direction: Ratio,
    /// Ancestor → descendant pairs, parents included. Lineages may lead through models that are not evaluated.
    pub ancestors: Retrieval,
    /// Models without a given parent, against roots. Orphans are left out.
    pub roots: Retrieval,
    /// Families whose roots are exactly the true ones, of all true families with an evaluated root.
    pub root_families: Ratio,
    /// Families as partitions. Models are of one true family when edges connect them, also through absent ancestors.
    pub families: FamilyAgreement,
    /// Orphans for which no parent was invented, of all orphans. An ancestor is not invented.
    pub orphans: Ratio,
    /// Models said to have a parent that is not in the set, against orphans.
    #[cfg_attr(feature = "serde", serde(default))]
    pub absent_parents: Retrieval,
    /// Models with several parents.
    pub merges: Retrieval,
    /// Weights of merges, on edges rightly found.
    pub merge_weights: WeightErrors,
    /// Confidences against what is right, and what is left when unsure edges are withheld.
    #[cfg_attr(feature = "serde", serde(default))]
    pub reliability: Reliability,
    /// Models of the result that the truth does not have. They are not scored.
    pub not_in_truth: Vec<String>,
    /// Models of the truth that the result does not have. They are not scored.
    pub not_in_result: Vec<String>,
}

/// Measures a result against the truth. Models are matched by name.
///
/// A truth can be another result: [`Truth::from`]. A model that the truth names only as a parent counts as a root.
/// [`Truth::merge`] adds the truth about it.
///
/// # Errors
///
/// [`Error::Evaluation`] when both have models, and no name in common.
///
/// # Complexity
///
/// O(n_edges · n_models / 64) time and n_models² / 64 words of memory, for ancestors.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Phylogeny, evaluate};
/// use neural_phylogeny::evaluate::{Ratio, Truth};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let edges = |pairs: &[(usize, usize)]| pairs.iter().map(|&(p, c)| Edge::new(ModelId::new(p), ModelId::new(c))).collect();
/// let truth = Truth::from(Phylogeny::from_edges(3, edges(&[(0, 1), (0, 2)]))?);
/// let result = Phylogeny::from_edges(3, edges(&[(0, 1), (1, 2)]))?;
///
/// let evaluation = evaluate(&result, &truth)?;
/// assert_eq!(evaluation.accuracy, Ratio::new(1, 2));
/// assert_eq!(evaluation.edges.f1(), Some(0.5));
/// assert_eq!(evaluation.ancestors.recall(), Some(1.0));
/// println!("{evaluation}");
/// # Ok(())
/// # }
/// ```
pub fn evaluate(result: &Phylogeny, truth: &Truth) -> Result<Evaluation, Error> {
    let m = Matched::new(result, truth);
    // Unlike names are far more often a mistake than a result in which nothing is right.
    if m.len() == 0 && !result.is_empty() && !truth.phylogeny().is_empty() {
        let first = |p: &Phylogeny| p.models().next().map(|m| p.name(m).to_owned()).unwrap_or_default();
        return Err(Error::Evaluation {
            reason: format!(
                "result and truth have no model in common, the first of the result is `{}`, of the truth `{}`",
                first(result),
                first(truth.phylogeny())
            ),
        });
    }
    let (found_lineages, true_lineages) = ancestors::lineages(&m);
    let missing = |of: &Phylogeny, present: Vec<bool>| {
        of.models().filter(|m| !present[m.index()]).map(|m| of.name(m).to_owned()).collect()
    };
    let mut in_truth = vec![false; result.len()];
    let mut in_result = vec![false; truth.phylogeny().len()];
    for &(r, t) in &m.models {
        in_truth[r.index()] = true;
        in_result[t.index()] = true;
    }
    Ok(Evaluation {
        models: m.len(),
        accuracy: accuracy::accuracy(&m),
        accuracy_with_roots: accuracy::accuracy_with_roots(&m),
        edges: edges::edges(&m),
        pairs: edges::pairs(&m),
        direction: edges::direction(&m),
        ancestors: ancestors::ancestor_pairs(&found_lineages, &true_lineages),
        roots: roots::roots(&m),
        root_families: roots::root_families(&m),
        families: families::families(&m),
        orphans: accuracy::orphans(&m, &true_lineages),
        absent_parents: accuracy::absent_parents(&m),
        merges: merges::merges(&m),
        merge_weights: merges::merge_weights(&m),
        reliability: reliability::reliability(&m),
        not_in_truth: missing(result, in_truth),
        not_in_result: missing(truth.phylogeny(), in_result),
    })
}
