use super::Truth;
use crate::model_set::ModelId;
use crate::phylogeny::{FamilyId, Phylogeny};
use petgraph::unionfind::UnionFind;
use std::collections::HashMap;

/// A result and a truth on the models that both have. Models are matched by name and numbered 0..n.
///
/// Parents are the edges with both ends among those models.
#[derive(Debug)]
pub(super) struct Matched<'a> {
    pub(super) result: &'a Phylogeny,
    pub(super) truth: &'a Truth,
    /// Ids in the result, in rising order, and in the truth.
    pub(super) models: Vec<(ModelId, ModelId)>,
    /// Parents that the result gives, sorted.
    pub(super) found_parents: Vec<Vec<usize>>,
    /// True parents, sorted.
    pub(super) true_parents: Vec<Vec<usize>>,
}

impl<'a> Matched<'a> {
    pub(super) fn new(result: &'a Phylogeny, truth: &'a Truth) -> Self {
        let in_truth: HashMap<&str, ModelId> =
            truth.phylogeny().models().map(|m| (truth.phylogeny().name(m), m)).collect();
        let models: Vec<(ModelId, ModelId)> =
            result.models().filter_map(|m| Some((m, *in_truth.get(result.name(m))?))).collect();
        let of_result: Vec<ModelId> = models.iter().map(|&(r, _)| r).collect();
        let of_truth: Vec<ModelId> = models.iter().map(|&(_, t)| t).collect();
        let found_parents = parents(result, &of_result);
        let true_parents = parents(truth.phylogeny(), &of_truth);
        Self { result, truth, models, found_parents, true_parents }
    }

    /// Number of models in both.
    pub(super) fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether the result gives a model exactly its true parents among the matched models.
    pub(super) fn parents_right(&self, model: usize) -> bool {
        self.found_parents[model] == self.true_parents[model]
    }

    /// Whether the result takes a model for a root: it gives it no parent here, withholds none, and says of none that it is not in
    /// the set.
    pub(super) fn is_found_root(&self, model: usize) -> bool {
        let of_result = self.models[model].0;
        let open = self.result.is_withheld(of_result) || self.result.has_unobserved_parent(of_result);
        self.found_parents[model].is_empty() && !open
    }

    /// Whether the result gives a model a parent that is not in the set.
    pub(super) fn is_said_orphan(&self, model: usize) -> bool {
        self.result.has_unobserved_parent(self.models[model].0)
    }

    /// Whether a model has no parent in truth, named or withheld.
    pub(super) fn is_true_root(&self, model: usize) -> bool {
        let (truth, model) = (self.truth.phylogeny(), self.models[model].1);
        truth.parents(model).is_empty() && !truth.is_withheld(model) && !truth.has_unobserved_parent(model)
    }

    /// Whether a model has parents in truth, but none among the matched models.
    pub(super) fn is_orphan(&self, model: usize) -> bool {
        self.true_parents[model].is_empty() && !self.is_true_root(model)
    }

    /// The family of each model in the result, numbered by first appearance.
    pub(super) fn found_families(&self) -> Vec<usize> {
        families(self.result, self.models.iter().map(|&(r, _)| r))
    }

    /// The family of each model in truth, numbered by first appearance.
    pub(super) fn true_families(&self) -> Vec<usize> {
        families(self.truth.phylogeny(), self.models.iter().map(|&(_, t)| t))
    }
}

fn parents(phylogeny: &Phylogeny, models: &[ModelId]) -> Vec<Vec<usize>> {
    let mut position = vec![None; phylogeny.len()];
    for (i, m) in models.iter().enumerate() {
        position[m.index()] = Some(i);
    }
    let of = |&m: &ModelId| {
        let mut parents: Vec<usize> = phylogeny.parents(m).iter().filter_map(|e| position[e.parent.index()]).collect();
        parents.sort_unstable();
        parents
    };
    models.iter().map(of).collect()
}

/// The connected components among some models and their ancestors.
///
/// Ancestors are kept, so that siblings stay a family where their parent is not among the models. Other models are not kept, so
/// that a merge that is not among them joins nothing. A family that was stated to be larger than its edges stays whole.
fn families(phylogeny: &Phylogeny, models: impl Iterator<Item = ModelId> + Clone) -> Vec<usize> {
    let mut kept = vec![false; phylogeny.len()];
    let mut waiting: Vec<ModelId> = models.clone().collect();
    while let Some(m) = waiting.pop() {
        // A model is visited once, however many ways lead up to it.
        if !std::mem::replace(&mut kept[m.index()], true) {
            waiting.extend(phylogeny.parents(m).iter().map(|e| e.parent));
        }
    }
    let mut components = UnionFind::<usize>::new(phylogeny.len());
    for edge in phylogeny.edges().iter().filter(|e| kept[e.child.index()]) {
        components.union(edge.parent.index(), edge.child.index());
    }
    for (number, family) in phylogeny.families().iter().enumerate() {
        // Edges alone do not hold such a family together: it was stated to be one, or an unobserved model joins it.
        let id = FamilyId::new(number);
        if phylogeny.edge_components(id) > 1 || phylogeny.unobserved_in(id).next().is_some() {
            let members: Vec<usize> = family.members.iter().map(|m| m.index()).filter(|&m| kept[m]).collect();
            members.windows(2).for_each(|pair| {
                components.union(pair[0], pair[1]);
            });
        }
    }
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    models
        .map(|m| {
            let next = numbers.len();
            *numbers.entry(components.find(m.index())).or_insert(next)
        })
        .collect()
}
