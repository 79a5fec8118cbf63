//! Phylogenies for property tests.

use super::{Candidate, Edge, Evidence, Movement, Phylogeny, Relation, Remark, Signal, Stage};
use crate::model_set::{ModelId, Skipped};
use proptest::prelude::*;

/// A phylogeny from (parent, child, weight), models named by number.
pub(crate) fn family(models: usize, edges: &[(usize, usize, f64)]) -> Phylogeny {
    let edge = |&(p, c, w): &(usize, usize, f64)| Edge::new(ModelId::new(p), ModelId::new(c)).with_weight(w);
    Phylogeny::from_edges(models, edges.iter().map(edge).collect()).expect("a valid phylogeny")
}

/// Everything a phylogeny may hold: merges, negative weights, ties, isolated models, scores, margins, reasons, remarks, odd
/// names.
pub(crate) fn any_phylogeny() -> impl Strategy<Value = Phylogeny> {
    (0usize..12).prop_flat_map(|models| {
        let parents =
            prop::collection::vec(prop::collection::vec((any::<prop::sample::Index>(), edge()), 0..4), models);
        let kin = prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..3);
        let names = prop::collection::hash_set(any::<String>(), models);
        let order = Just((0..models).collect::<Vec<_>>()).prop_shuffle();
        let scores = prop::collection::vec(prop::option::of(finite()), models);
        let margins = prop::collection::vec(prop::option::of(finite()), models);
        let remarks = prop::collection::vec(any::<String>(), 0..3);
        let skipped = prop::collection::vec(any::<(String, String)>(), 0..3);
        let reasons = prop::collection::vec(reasons(), models);
        (parents, kin, names, order, scores, margins, remarks, skipped, reasons).prop_map(
            move |(parents, kin, names, order, scores, margins, remarks, skipped, reasons)| {
                let kin: Vec<Vec<ModelId>> = kin
                    .into_iter()
                    .map(|set| set.iter().filter(|_| models > 0).map(|i| ModelId::new(i.index(models))).collect())
                    .collect();
                let edges = parents.iter().enumerate().flat_map(|(c, p)| edges(c, p, &order)).collect();
                let mut phylogeny = Phylogeny::with_families(models, edges, &kin)
                    .expect("valid edges")
                    .with_names(names)
                    .expect("names");
                for (m, (score, margin)) in scores.into_iter().zip(margins).enumerate() {
                    phylogeny = score.into_iter().fold(phylogeny, |p, s| p.with_score(ModelId::new(m), s));
                    phylogeny = margin.into_iter().fold(phylogeny, |p, s| p.with_margin(ModelId::new(m), s));
                }
                for (m, reasons) in reasons.into_iter().enumerate() {
                    phylogeny = reasoned(phylogeny, ModelId::new(m), reasons);
                }
                phylogeny = remarks.into_iter().fold(phylogeny, |p, r| p.with_remark(Remark::Other(r)));
                phylogeny.with_skipped(skipped.into_iter().map(|(n, r)| Skipped::from_reason(n, r)).collect())
            },
        )
    })
}

type Drawn = (prop::sample::Index, (f64, Option<f64>, f64, Relation));

/// Candidates, movements by edge, residual, and whether the family's root is not in the set; no more of each than a file holds.
type Reasons = (Vec<(Option<usize>, f64, Vec<Evidence>)>, Vec<Vec<Movement>>, f64, bool);

fn reasons() -> impl Strategy<Value = Reasons> {
    let signal = prop::sample::select(vec![Signal::PRIOR, Signal::COPY, Signal::from_spelling("moon")]);
    let stage = prop::sample::select(Stage::ALL.to_vec());
    let evidence =
        (stage, signal, any::<f64>()).prop_map(|(stage, signal, weight)| Evidence::new(stage, signal, weight));
    let candidate = (prop::option::of(0..14usize), 0.0..=1.0f64, prop::collection::vec(evidence, 0..4));
    let relative = prop_oneof![Just(0.0), Just(f64::INFINITY), 0.0..2.0f64];
    let movement = (any::<String>(), any::<usize>(), relative, prop::option::of(any::<usize>()))
        .prop_map(|(name, size, r, rank)| rank.into_iter().fold(Movement::new(name, size, r), Movement::with_rank));
    let movements = prop::collection::vec(prop::collection::vec(movement, 0..5), 4);
    (prop::collection::vec(candidate, 0..5), movements, 0.0..=1.0f64, any::<bool>())
}

fn reasoned(phylogeny: Phylogeny, model: ModelId, (candidates, movements, residual, unobserved): Reasons) -> Phylogeny {
    let candidate = |(p, probability, evidence): (Option<usize>, f64, Vec<Evidence>)| {
        Candidate::new(p.map(ModelId::new), probability, evidence)
    };
    let parents: Vec<ModelId> = phylogeny.parents(model).iter().map(|e| e.parent).collect();
    let mut phylogeny = phylogeny
        .with_candidates(model, candidates.into_iter().map(candidate).collect())
        .with_residual(model, residual);
    for (parent, movements) in parents.into_iter().zip(movements) {
        phylogeny = phylogeny.with_movements(parent, model, movements);
    }
    if unobserved { phylogeny.with_unobserved_root(model) } else { phylogeny }
}

fn finite() -> impl Strategy<Value = f64> {
    prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO
}

fn edge() -> impl Strategy<Value = (f64, Option<f64>, f64, Relation)> {
    let distance = prop::option::of(finite().prop_map(f64::abs));
    (-1.0..1.0f64, distance, 0.0..=1.0f64, prop::sample::select(Relation::ALL.to_vec()))
}

/// Edges to the model at position `child` of `order` from drawn earlier ones; weights made to sum to 1.
fn edges(child: usize, drawn: &[Drawn], order: &[usize]) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    for (index, (weight, distance, confidence, relation)) in drawn.iter().filter(|_| child > 0) {
        let parent = ModelId::new(order[index.index(child)]);
        if edges.iter().all(|e| e.parent != parent) {
            let edge = Edge::new(parent, ModelId::new(order[child]));
            let edge = edge.with_weight(*weight).with_confidence(*confidence).with_relation(*relation);
            // A few have an error, which is written and read beside the distance.
            let error = distance.filter(|d| *d > 1.0).map_or(0.0, |d| d / 64.0);
            edges.push(Edge { distance: *distance, ..edge.with_distance_error(error) });
        }
    }
    let rest: f64 = edges.iter().skip(1).map(|e| e.weight).sum();
    if let Some(first) = edges.first_mut() {
        first.weight = 1.0 - rest;
    }
    edges
}
