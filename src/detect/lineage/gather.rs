//! Gathers what was found of each lineage into one phylogeny.

use super::copies::Copy;
use super::family::Solved;
use super::merges::{Certainty, Merge};
use super::relations::{movements, relation};
use crate::detect::edge::edge;
use crate::error::Error;
use crate::geometry::{Geometry, Independence};
use crate::model_set::ModelId;
use crate::phylogeny::{Candidate, Edge, Evidence, Phylogeny, PhylogenyBuilder, Relation, Remark, Signal};
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
    geometry: &'g Geometry,
    independence: &'g Independence,
    builder: PhylogenyBuilder,
    /// The first member of the family that is being gathered.
    family: ModelId,
    /// Of each family, by its first member. Where a merge joins lineages, the margin of the last one solved is kept.
    margins: BTreeMap<ModelId, f64>,
    ties: usize,
}

impl<'g> Gathered<'g> {
    pub(super) fn new(geometry: &'g Geometry, independence: &'g Independence) -> Self {
        let builder = PhylogenyBuilder::new(geometry.len());
        Self { geometry, independence, builder, family: ModelId::new(0), margins: BTreeMap::new(), ties: 0 }
    }

    fn add(&mut self, what: impl FnOnce(PhylogenyBuilder) -> PhylogenyBuilder) {
        self.builder = what(std::mem::take(&mut self.builder));
    }

    pub(super) fn kin(&mut self, members: &[ModelId]) {
        self.family = members.first().copied().unwrap_or(self.family);
        self.add(|builder| builder.with_kin(members.iter().copied()));
    }

    fn edge(&self, parent: ModelId, child: ModelId, relation: Relation, confidence: f64) -> Result<Edge, Error> {
        edge(self.geometry, parent, child, relation, confidence.clamp(0.0, 1.0))
    }

    pub(super) fn copy(&mut self, copy: &Copy) -> Result<(), Error> {
        let evidence = vec![Evidence::new(Signal::Copy, (copy.direction / (1.0 - copy.direction)).ln())];
        let candidates = vec![Candidate::new(Some(copy.source), copy.direction, evidence)];
        let edge = self.edge(copy.source, copy.copy, copy.relation, copy.direction)?;
        self.add(|builder| builder.with_edge(edge).with_candidates(copy.copy, candidates));
        // Of a permuted copy every parameter moved, and none changed.
        if !matches!(copy.relation, Relation::Duplicate | Relation::Permuted) {
            let movements = movements(self.geometry, copy.source, copy.copy)?;
            self.add(|builder| builder.with_movements(copy.source, copy.copy, movements));
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
            let edge = self.edge(parent, child, Relation::Merge, confidence)?;
            let movements = movements(self.geometry, parent, child)?;
            self.add(|builder| builder.with_edge(edge.with_weight(weight)).with_movements(parent, child, movements));
            candidates.push(Candidate::new(Some(parent), confidence, vec![Evidence::new(Signal::Merge, odds)]));
        }
        let residual = merge.combination.residual.clamp(0.0, 1.0);
        self.add(|builder| builder.with_candidates(child, candidates).with_residual(child, residual));
        Ok(())
    }

    /// `plain` are the first of `models`: those that are no merges.
    pub(super) fn lineage(&mut self, plain: &[ModelId], models: &[ModelId], solved: Solved) -> Result<(), Error> {
        for (c, &child) in plain.iter().enumerate() {
            if let Some(q) = solved.parents[c] {
                let parent = models[q];
                let (relation, movements) = relation(self.geometry, parent, child)?;
                let confidence = solved.confidences[c] * self.independence.kinship(parent, child);
                let edge = self.edge(parent, child, relation, confidence)?;
                self.add(|builder| builder.with_edge(edge).with_movements(parent, child, movements));
            }
        }
        for ((&member, score), candidates) in plain.iter().zip(solved.scores).zip(solved.candidates) {
            self.add(|builder| builder.with_score(member, score).with_candidates(member, candidates));
        }
        self.margins.insert(self.family, solved.margin);
        self.ties += usize::from(solved.margin == 0.0);
        if solved.contradicted {
            self.add(|builder| builder.with_unobserved_root(plain[0]));
        }
        Ok(())
    }

    pub(super) fn phylogeny(self, mut remarks: Vec<Remark>) -> Result<Phylogeny, Error> {
        if self.ties > 0 {
            remarks.push(Remark::Ties { count: self.ties });
        }
        let margins = self.margins.into_iter();
        let builder = margins.fold(self.builder, |b, (member, margin)| b.with_margin(member, margin));
        builder.with_remarks(remarks).build()
    }
}
