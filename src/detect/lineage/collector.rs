//! Collects the results of all lineages into one phylogeny.

use super::copies::Copy;
use super::merges::Merge;
use super::relations::{movements, relation};
use super::solve::Solution;
use super::weights::Weights;
use crate::detect::draft::Draft;
use crate::error::Error;
use crate::geometry::{Geometry, Independence};
use crate::model_set::ModelId;
use crate::phylogeny::{Candidate, Evidence, Link, Phylogeny, Relation, Remark, Signal, Stage, UnobservedId};
use std::collections::BTreeMap;

/// The phylogeny in the making.
pub(super) struct Collector<'g> {
    weights: &'g Weights,
    draft: Draft<'g>,
    /// The first member of the family that is being gathered.
    family: ModelId,
    /// The margin of each family, by the family's first member: the smallest of its lineages' margins.
    margins: BTreeMap<ModelId, f64>,
}

impl<'g> Collector<'g> {
    /// A phylogeny without edges yet.
    pub(super) fn new(geometry: &'g Geometry, independence: &'g Independence, weights: &'g Weights) -> Self {
        let draft = Draft::new(geometry, independence);
        Self { weights, draft, family: ModelId::new(0), margins: BTreeMap::new() }
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
        for (&parent, &weight) in merge.combination.parents.iter().zip(&merge.combination.weights) {
            let edge = self.draft.edge(parent, child, Relation::Merge, confidence)?;
            let movements = movements(self.draft.geometry, parent, child)?;
            self.draft
                .add(|builder| builder.with_edge(edge.with_weight(weight)).with_movements(parent, child, movements));
            let evidence = vec![Evidence::new(Stage::Parent, Signal::MERGE, odds)];
            candidates.push(Candidate::new(Some(parent), confidence, evidence));
        }
        // Rounding can bring the share outside 0 to 1.
        let residual = merge.combination.residual.clamp(0.0, 1.0);
        self.draft.add(|builder| builder.with_candidates(child, candidates).with_residual(child, residual));
        Ok(())
    }

    /// Adds the tree of one lineage. `plain` are the first of `models`: the members that are no merges.
    pub(super) fn lineage(&mut self, plain: &[ModelId], models: &[ModelId], solved: Solution) -> Result<(), Error> {
        for (c, &child) in plain.iter().enumerate() {
            if let Some(q) = solved.parents[c] {
                let parent = models[q.index()];
                let far = self.weights.relations.far;
                let (relation, movements) = relation(self.draft.geometry, parent, child, far)?;
                // An edge holds only if the two are kin and the parent is there, so all three are factors of its confidence.
                let kinship = self.draft.independence.kinship(parent, child).clamp(0.0, 1.0);
                let (direction, presence) = solved.answers[c];
                let edge = self.draft.edge(parent, child, relation, 0.0)?.with_answers(kinship, direction, presence);
                self.draft.add(|builder| builder.with_edge(edge).with_movements(parent, child, movements));
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
