//! Gathers what was found of each lineage into one phylogeny.

use super::copies::Copy;
use super::merges::Merge;
use super::relations::{movements, relation};
use super::solve::Solved;
use super::weights::Weights;
use crate::detect::edge::edge;
use crate::error::Error;
use crate::geometry::{Geometry, Independence};
use crate::model_set::ModelId;
use crate::phylogeny::{Candidate, Edge, Evidence, Movement, Phylogeny, Relation, Remark, Signal, Stage};

pub(super) struct Gathered<'g> {
    geometry: &'g Geometry,
    independence: &'g Independence,
    weights: &'g Weights,
    edges: Vec<Edge>,
    kin: Vec<Vec<ModelId>>,
    movements: Vec<(ModelId, ModelId, Vec<Movement>)>,
    candidates: Vec<(ModelId, Vec<Candidate>)>,
    residuals: Vec<(ModelId, f64)>,
    scores: Vec<(ModelId, f64)>,
    margins: Vec<(ModelId, f64)>,
    unobserved: Vec<ModelId>,
    ties: usize,
}

impl<'g> Gathered<'g> {
    pub(super) fn new(geometry: &'g Geometry, independence: &'g Independence, weights: &'g Weights) -> Self {
        Self {
            geometry,
            independence,
            weights,
            edges: Vec::new(),
            kin: Vec::new(),
            movements: Vec::new(),
            candidates: Vec::new(),
            residuals: Vec::new(),
            scores: Vec::new(),
            margins: Vec::new(),
            unobserved: Vec::new(),
            ties: 0,
        }
    }

    pub(super) fn kin(&mut self, members: &[ModelId]) {
        self.kin.push(members.to_vec());
    }

    fn edge(&self, parent: ModelId, child: ModelId, relation: Relation, confidence: f64) -> Result<Edge, Error> {
        edge(self.geometry, parent, child, relation, confidence.clamp(0.0, 1.0))
    }

    pub(super) fn copy(&mut self, copy: &Copy) -> Result<(), Error> {
        let evidence = vec![Evidence::new(Stage::Parent, Signal::COPY, (copy.direction / (1.0 - copy.direction)).ln())];
        self.candidates.push((copy.copy, vec![Candidate::new(Some(copy.source), copy.direction, evidence)]));
        let edge = self.edge(copy.source, copy.copy, copy.relation, copy.direction)?;
        self.edges.push(edge);
        // Of a permuted copy every parameter moved, and none changed.
        if !matches!(copy.relation, Relation::Duplicate | Relation::Permuted) {
            let movements = movements(self.geometry, copy.source, copy.copy)?;
            self.movements.push((copy.source, copy.copy, movements));
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, merge: &Merge<ModelId>) -> Result<(), Error> {
        let (child, confidence) = (merge.child, merge.confidence);
        let odds = (confidence / (1.0 - confidence)).ln();
        let mut candidates = Vec::new();
        for (&parent, &weight) in merge.combination.parents.iter().zip(&merge.combination.weights) {
            let edge = self.edge(parent, child, Relation::Merge, confidence)?;
            self.edges.push(edge.with_weight(weight));
            self.movements.push((parent, child, movements(self.geometry, parent, child)?));
            candidates.push(Candidate::new(
                Some(parent),
                confidence,
                vec![Evidence::new(Stage::Parent, Signal::MERGE, odds)],
            ));
        }
        self.candidates.push((child, candidates));
        self.residuals.push((child, merge.combination.residual));
        Ok(())
    }

    /// `plain` are the first of `models`: those that are no merges.
    pub(super) fn lineage(&mut self, plain: &[ModelId], models: &[ModelId], solved: Solved) -> Result<(), Error> {
        for (c, &child) in plain.iter().enumerate() {
            if let Some(q) = solved.parents[c] {
                let parent = models[q.index()];
                let (relation, movements) = relation(self.geometry, parent, child, self.weights.relations.far)?;
                let confidence = solved.confidences[c] * self.independence.kinship(parent, child);
                self.edges.push(self.edge(parent, child, relation, confidence)?);
                self.movements.push((parent, child, movements));
            }
        }
        self.scores.extend(plain.iter().copied().zip(solved.scores));
        self.margins.push((plain[0], solved.margin));
        self.candidates.extend(plain.iter().copied().zip(solved.candidates));
        self.ties += usize::from(solved.margin == 0.0);
        if solved.contradicted {
            self.unobserved.push(plain[0]);
        }
        Ok(())
    }

    pub(super) fn phylogeny(self, mut remarks: Vec<Remark>) -> Result<Phylogeny, Error> {
        if self.ties > 0 {
            remarks.push(Remark::Ties { count: self.ties });
        }
        let mut phylogeny = Phylogeny::with_families(self.geometry.len(), self.edges, &self.kin)?;
        for (model, score) in self.scores {
            phylogeny = phylogeny.with_score(model, score);
        }
        for (model, margin) in self.margins {
            phylogeny = phylogeny.with_margin(model, margin);
        }
        for (parent, child, movements) in self.movements {
            phylogeny = phylogeny.with_movements(parent, child, movements);
        }
        for (model, candidates) in self.candidates {
            phylogeny = phylogeny.with_candidates(model, candidates);
        }
        for (model, residual) in self.residuals {
            phylogeny = phylogeny.with_residual(model, residual);
        }
        for model in self.unobserved {
            phylogeny = phylogeny.with_unobserved_root(model);
        }
        Ok(remarks.into_iter().fold(phylogeny, Phylogeny::with_remark))
    }
}
