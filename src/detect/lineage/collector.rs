//! Collects the results of all lineages into one phylogeny.

use super::copies::{Copy, Sibling};
use super::layers::Stack;
use super::merges::Merge;
use super::relations::{Step, movements, step};
use super::solve::Solution;
use super::weights::Weights;
use crate::detect::draft::Draft;
use crate::error::Error;
use crate::geometry::{Geometry, Independence};
use crate::model_set::ModelId;
use crate::phylogeny::{
    Candidate, Edge, Evidence, Link, Movement, Phylogeny, PhylogenyBuilder, Relation, Remark, SharedPart, Signal,
    Stage, UnobservedId,
};
use std::collections::BTreeMap;

/// The most edges whose models are compared in one pass. The comparison of two models takes some hundred bytes for each parameter.
const TOGETHER: usize = 256;

/// The phylogeny in the making.
pub(super) struct Collector<'g> {
    weights: &'g Weights,
    draft: Draft<'g>,
    /// The first member of the family that is being gathered.
    family: ModelId,
    /// The margin of each family, by the family's first member: the smallest of its lineages' margins.
    margins: BTreeMap<ModelId, f64>,
    /// The edges from the parents of each child so far, by child.
    parents: BTreeMap<ModelId, Vec<Edge>>,
}

impl<'g> Collector<'g> {
    /// A phylogeny without edges yet.
    pub(super) fn new(geometry: &'g Geometry, independence: &'g Independence, weights: &'g Weights) -> Self {
        let draft = Draft::new(geometry, independence);
        Self { weights, draft, family: ModelId::new(0), margins: BTreeMap::new(), parents: BTreeMap::new() }
    }

    /// Starts a family: its members are kin.
    pub(super) fn kin(&mut self, members: &[ModelId]) {
        self.family = members.first().copied().unwrap_or(self.family);
        self.draft.add(|builder| builder.with_kin(members.iter().copied()));
    }

    /// Adds a copy and its edge.
    pub(super) fn copy(&mut self, copy: &Copy) -> Result<(), Error> {
        let evidence = vec![Evidence::new(Stage::Parent, Signal::COPY, (copy.direction / (1.0 - copy.direction)).ln())];
        let candidates = vec![Candidate::new(Some(copy.source), copy.direction, evidence)];
        let edge = self.draft.edge(copy.source, copy.copy, copy.relation, copy.direction)?;
        self.draft.add(|builder| builder.with_edge(edge).with_candidates(copy.copy, candidates));
        if let Some(method) = &copy.method {
            self.draft.add(|builder| builder.with_method(copy.copy, method));
        }
        self.parents.insert(copy.copy, vec![edge]);
        // In a permuted copy every parameter moved and none changed, so movements would mislead.
        if !matches!(copy.relation, Relation::Duplicate | Relation::Permuted) {
            let movements = movements(self.draft.geometry, copy.source, copy.copy)?;
            self.draft.add(|builder| builder.with_movements(copy.source, copy.copy, movements));
        }
        Ok(())
    }

    /// Adds a merge, with one edge from each parent.
    pub(super) fn merge(&mut self, merge: &Merge<ModelId>) -> Result<(), Error> {
        let (child, confidence) = (merge.child, merge.confidence);
        let odds = (confidence / (1.0 - confidence)).ln();
        let mut candidates = Vec::new();
        for (i, (&parent, &weight)) in merge.combination.parents.iter().zip(&merge.combination.weights).enumerate() {
            let edge = self.draft.edge(parent, child, Relation::Merge, confidence)?;
            let edge = edge.with_weight(weight);
            let mut movements = movements(self.draft.geometry, parent, child)?;
            for movement in &mut movements {
                movement.weight = merge.combination.by_tensor.get(&movement.parameter).map(|weights| weights[i]);
            }
            self.draft.add(|builder| builder.with_edge(edge).with_movements(parent, child, movements));
            self.parents.entry(child).or_default().push(edge);
            let evidence = vec![Evidence::new(Stage::Parent, Signal::MERGE, odds)];
            candidates.push(Candidate::new(Some(parent), confidence, evidence));
        }
        // Rounding can bring the share outside 0 to 1.
        let residual = merge.combination.residual.clamp(0.0, 1.0);
        self.draft.add(|builder| builder.with_candidates(child, candidates).with_residual(child, residual));
        Ok(())
    }

    /// Adds a model that was put together from tensors of others, with the tensors that came from each.
    pub(super) fn stack(&mut self, stack: &Stack) {
        let made = self.weights.layers.confidence;
        let confidence = made * stack.direction;
        let odds = (confidence / (1.0 - confidence)).ln();
        let members = std::iter::once(stack.child).chain(stack.parents.iter().map(|g| g.parent));
        let members: Vec<ModelId> = members.collect();
        self.draft.add(|builder| builder.with_kin(members));
        let mut candidates = Vec::new();
        for given in &stack.parents {
            let relation = if stack.parents.len() > 1 { Relation::Merge } else { Relation::Restacked };
            // Distances under equal names mean nothing here.
            let edge = Edge::new(given.parent, stack.child).with_relation(relation);
            let open = stack.direction < 1.0;
            let edge = if open { edge.with_answers(made, stack.direction, 1.0) } else { edge.with_confidence(made) };
            let movement = |(name, size, from): &(String, usize, String)| {
                let movement = Movement::new(name.as_str(), *size, 0.0).with_weight(1.0);
                if name == from { movement } else { movement.with_source(from.as_str()) }
            };
            let movements = given.tensors.iter().map(movement).collect();
            let (parent, weight) = (given.parent, given.weight);
            self.draft.add(|b| b.with_edge(edge.with_weight(weight)).with_movements(parent, stack.child, movements));
            let evidence = vec![Evidence::new(Stage::Parent, Signal::MERGE, odds)];
            candidates.push(Candidate::new(Some(given.parent), confidence, evidence));
        }
        let several = stack.parents.len() > 1;
        self.draft.add(|builder| {
            let builder = builder.with_candidates(stack.child, candidates);
            if several { builder.with_residual(stack.child, stack.residual) } else { builder }
        });
    }

    /// Adds the tree of one lineage. `plain` are the first of `models`: the members that are no merges.
    pub(super) fn lineage(&mut self, plain: &[ModelId], models: &[ModelId], solved: Solution) -> Result<(), Error> {
        let of_child = |(c, &child): (usize, &ModelId)| Some((c, models[solved.parents[c]?.index()], child));
        let edges: Vec<(usize, ModelId, ModelId)> = plain.iter().enumerate().filter_map(of_child).collect();
        // Edges are compared together, so that a parent is read once for all of its children.
        for some in edges.chunks(TOGETHER) {
            let pairs: Vec<(ModelId, ModelId)> = some.iter().map(|&(_, parent, child)| (parent, child)).collect();
            let increments = self.draft.geometry.read_increments(&pairs)?;
            for (&(c, parent, child), moved) in some.iter().zip(increments) {
                let step = step(self.draft.geometry, [parent, child], moved.as_deref(), self.weights)?;
                let Step { relation, movements, method } = step;
                // An edge holds only if the two are kin and the parent is there, so all three are factors of its confidence.
                let kinship = self.draft.independence.kinship(parent, child).clamp(0.0, 1.0);
                let (direction, presence) = solved.answers[c];
                let edge = self.draft.edge(parent, child, relation, 0.0)?.with_answers(kinship, direction, presence);
                self.draft.add(|builder| builder.with_edge(edge).with_movements(parent, child, movements));
                if let Some(method) = method {
                    self.draft.add(|builder| builder.with_method(child, method));
                }
                self.parents.insert(child, vec![edge]);
            }
        }
        for ((&member, score), candidates) in plain.iter().zip(solved.scores).zip(solved.candidates) {
            self.draft.add(|builder| builder.with_score(member, score).with_candidates(member, candidates));
        }
        // Where a merge joins several lineages, the least sure of their roots speaks for the family.
        self.margins.entry(self.family).and_modify(|least| *least = least.min(solved.margin)).or_insert(solved.margin);
        // A margin of 0 is how a lineage reports a tie.
        self.draft.count_tie(solved.margin == 0.0);
        for absent in solved.absent {
            self.draft.add(|builder| {
                let id = UnobservedId::new(builder.unobserved_len());
                let above = absent.parent.map(|p| Link::new(models[p.index()], id).with_confidence(absent.probability));
                let below = absent.children.iter().map(|&(c, p)| Link::new(id, models[c.index()]).with_confidence(p));
                builder.with_unobserved(Some(absent.probability)).with_links(above.into_iter().chain(below))
            });
        }
        Ok(())
    }

    /// Adds the siblings of models that stand for an absent one in their trees. It comes last, when these have their parents.
    ///
    /// A sibling descends from the same models. Where the one that stands has no parent, the absent model is the root.
    pub(super) fn siblings(&mut self, siblings: &[Sibling]) -> Result<(), Error> {
        for &Sibling { standing, sibling } in siblings {
            let Some(edges) = self.parents.get(&standing).cloned() else {
                self.draft.add(|builder| builder.with_unobserved_root(standing));
                continue;
            };
            for above in &edges {
                let edge =
                    self.draft.edge(above.parent, sibling, above.relation, above.confidence.unwrap_or_default())?;
                let movements = movements(self.draft.geometry, above.parent, sibling)?;
                self.draft.add(|builder| {
                    let builder = builder.with_edge(edge.with_weight(above.weight));
                    builder.with_movements(above.parent, sibling, movements)
                });
            }
            self.parents.insert(sibling, edges);
        }
        Ok(())
    }

    /// Adds the parts that models of unlike families have in common.
    pub(super) fn shared_parts(&mut self, parts: Vec<SharedPart>) {
        self.draft.add(|builder| parts.into_iter().fold(builder, PhylogenyBuilder::with_shared_part));
    }

    /// The phylogeny of all that was added.
    ///
    /// # Errors
    ///
    /// Those of the builder, when what was added contradicts itself.
    pub(super) fn phylogeny(mut self, remarks: Vec<Remark>) -> Result<Phylogeny, Error> {
        for (member, margin) in self.margins {
            self.draft.add(|builder| builder.with_margin(member, margin));
        }
        self.draft.phylogeny(remarks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{alike, ids, m, point};
    use crate::phylogeny::FamilyId;

    #[test]
    fn the_smallest_margin_of_its_lineages_is_that_of_a_family() {
        let geometry = alike(1, &[0, 1, 2, 3].map(|axis| point(&[(axis, 1.0 + axis as f64)])));
        let (independence, weights, models) = (geometry.independence(), Weights::default(), ids(&geometry));
        let solution = |margin| Solution {
            parents: vec![None, Some(m(0))],
            answers: vec![(0.0, 0.0), (0.5, 1.0)],
            candidates: vec![Vec::new(); 2],
            scores: vec![0.0, margin],
            margin,
            absent: Vec::new(),
            root: Some(m(0)),
        };
        for margins in [[0.25, 0.75], [0.75, 0.25]] {
            let mut collector = Collector::new(&geometry, &independence, &weights);
            collector.kin(&models);
            for (lineage, margin) in models.chunks(2).zip(margins) {
                collector.lineage(lineage, lineage, solution(margin)).unwrap();
            }
            assert_eq!(collector.phylogeny(Vec::new()).unwrap().margin(FamilyId::new(0)), Some(0.25));
        }
    }
}
