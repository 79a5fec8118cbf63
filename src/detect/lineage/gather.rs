//! Gathers what was found of each lineage into one phylogeny.

use super::copies::Copy;
use super::family::Solved;
use super::merges::{Certainty, Merge};
use super::relations::{movements, relation};
use crate::detect::draft::Draft;
use crate::error::Error;
use crate::geometry::{Geometry, Independence};
use crate::model_set::ModelId;
use crate::phylogeny::{Candidate, Evidence, Phylogeny, Relation, Remark, Signal};
use std::collections::BTreeMap;

/// That a combination of this certainty is a merge. By design, not by count: the zoo has 10 merges.
fn confidence(certainty: Certainty) -> f64 {
    match certainty {
        Certainty::Convex => 0.95,
        Certainty::Extrapolated => 0.9,
        Certainty::Masked => 0.8,
        Certainty::Trained => 0.6,
    }
}

pub(super) struct Gathered<'g> {
    draft: Draft<'g>,
    /// The first member of the family that is being gathered.
    family: ModelId,
    /// Of each family, by its first member. Where a merge joins lineages, the margin of the last one solved is kept.
    margins: BTreeMap<ModelId, f64>,
}

impl<'g> Gathered<'g> {
    pub(super) fn new(geometry: &'g Geometry, independence: &'g Independence) -> Self {
        Self { draft: Draft::new(geometry, independence), family: ModelId::new(0), margins: BTreeMap::new() }
    }

    pub(super) fn kin(&mut self, members: &[ModelId]) {
        self.family = members.first().copied().unwrap_or(self.family);
        self.draft.add(|builder| builder.with_kin(members.iter().copied()));
    }

    pub(super) fn copy(&mut self, copy: &Copy) -> Result<(), Error> {
        let evidence = vec![Evidence::new(Signal::Copy, (copy.direction / (1.0 - copy.direction)).ln())];
        let candidates = vec![Candidate::new(Some(copy.source), copy.direction, evidence)];
        let edge = self.draft.edge(copy.source, copy.copy, copy.relation, copy.direction)?;
        self.draft.add(|builder| builder.with_edge(edge).with_candidates(copy.copy, candidates));
        // Of a permuted copy every parameter moved, and none changed.
        if !matches!(copy.relation, Relation::Duplicate | Relation::Permuted) {
            let movements = movements(self.draft.geometry, copy.source, copy.copy)?;
            self.draft.add(|builder| builder.with_movements(copy.source, copy.copy, movements));
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, models: &[ModelId], merge: &Merge) -> Result<(), Error> {
        let child = models[merge.child];
        let confidence = confidence(merge.certainty);
        let odds = (confidence / (1.0 - confidence)).ln();
        let mut candidates = Vec::new();
        for (&parent, &weight) in merge.combination.parents.iter().zip(&merge.combination.weights) {
            let parent = models[parent];
            let edge = self.draft.edge(parent, child, Relation::Merge, confidence)?;
            let movements = movements(self.draft.geometry, parent, child)?;
            self.draft
                .add(|builder| builder.with_edge(edge.with_weight(weight)).with_movements(parent, child, movements));
            candidates.push(Candidate::new(Some(parent), confidence, vec![Evidence::new(Signal::Merge, odds)]));
        }
        let residual = merge.combination.residual.clamp(0.0, 1.0);
        self.draft.add(|builder| builder.with_candidates(child, candidates).with_residual(child, residual));
        Ok(())
    }

    /// `plain` are the first of `models`: those that are no merges.
    pub(super) fn lineage(&mut self, plain: &[ModelId], models: &[ModelId], solved: Solved) -> Result<(), Error> {
        for (c, &child) in plain.iter().enumerate() {
            if let Some(q) = solved.parents[c] {
                let parent = models[q];
                let (relation, movements) = relation(self.draft.geometry, parent, child)?;
                let confidence = solved.confidences[c] * self.draft.independence.kinship(parent, child);
                let edge = self.draft.edge(parent, child, relation, confidence)?;
                self.draft.add(|builder| builder.with_edge(edge).with_movements(parent, child, movements));
            }
        }
        for ((&member, score), candidates) in plain.iter().zip(solved.scores).zip(solved.candidates) {
            self.draft.add(|builder| builder.with_score(member, score).with_candidates(member, candidates));
        }
        self.margins.insert(self.family, solved.margin);
        self.draft.count_tie(solved.margin == 0.0);
        if solved.contradicted {
            self.draft.add(|builder| builder.with_unobserved_root(plain[0]));
        }
        Ok(())
    }

    pub(super) fn phylogeny(mut self, remarks: Vec<Remark>) -> Result<Phylogeny, Error> {
        for (member, margin) in self.margins {
            self.draft.add(|builder| builder.with_margin(member, margin));
        }
        self.draft.phylogeny(remarks)
    }
}
