//! Phylogenies for property tests.

use super::{
    Candidate, Edge, Evidence, Link, Movement, Phylogeny, PhylogenyBuilder, Relation, Remark, SharedPart, Signal,
    Stage, UnobservedId,
};
use crate::model_set::{GroupRecord, Inventory, ModelId, ModelRecord, Skipped, UnreadRecord};
use proptest::prelude::*;

/// A builder with edges from (parent, child, weight). Models are named by number.
pub(crate) fn builder(models: usize, edges: &[(usize, usize, f64)]) -> PhylogenyBuilder {
    let edge = |&(p, c, w): &(usize, usize, f64)| Edge::new(ModelId::new(p), ModelId::new(c)).with_weight(w);
    PhylogenyBuilder::new(models).with_edges(edges.iter().map(edge))
}

/// The phylogeny of these edges.
pub(crate) fn family(models: usize, edges: &[(usize, usize, f64)]) -> Phylogeny {
    builder(models, edges).build().expect("a valid phylogeny")
}

/// Everything a phylogeny may hold: merges, negative weights, ties, isolated models, scores, margins, reasons, withheld
/// parents, remarks of every kind, odd names.
pub(crate) fn any_phylogeny() -> impl Strategy<Value = Phylogeny> {
    (0usize..12).prop_flat_map(|models| {
        let parents =
            prop::collection::vec(prop::collection::vec((any::<prop::sample::Index>(), edge()), 0..4), models);
        let kin = prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..3);
        let names = prop::collection::hash_set(any::<String>(), models);
        let order = Just((0..models).collect::<Vec<_>>()).prop_shuffle();
        let scores = prop::collection::vec(prop::option::of(finite()), models);
        let margins = prop::collection::vec(prop::option::of(finite()), models);
        let remarks = prop::collection::vec(remark(), 0..3);
        let skipped = prop::collection::vec(any::<(String, String)>(), 0..3);
        let reasons =
            (prop::collection::vec(reasons(models), models), inventory(models), prop::option::of(shared_part(models)));
        (parents, kin, names, order, scores, margins, remarks, skipped, reasons).prop_map(
            move |(parents, kin, names, order, scores, margins, remarks, skipped, (reasons, inventory, shared))| {
                let skipped = skipped.into_iter().map(|(n, r)| Skipped::from_reason(n, r));
                let mut builder = PhylogenyBuilder::new(models)
                    .with_names(names)
                    .with_edges(parents.iter().enumerate().flat_map(|(c, p)| edges(c, p, &order)))
                    .with_remarks(remarks)
                    .with_skipped(skipped);
                for set in kin.into_iter().filter(|_| models > 0) {
                    builder = builder.with_kin(set.iter().map(|i| ModelId::new(i.index(models))));
                }
                let plain = builder.clone().build().expect("valid edges");
                for (m, score) in scores.into_iter().enumerate() {
                    builder = score.into_iter().fold(builder, |b, s| b.with_score(ModelId::new(m), s));
                }
                for (family, margin) in plain.families().iter().zip(margins) {
                    builder = margin.into_iter().fold(builder, |b, s| b.with_margin(family.members[0], s));
                }
                builder = shared.into_iter().filter(|_| models > 1).fold(builder, PhylogenyBuilder::with_shared_part);
                for (m, reasons) in reasons.into_iter().enumerate() {
                    builder = reasoned(builder, &plain, ModelId::new(m), reasons);
                }
                builder.build().expect("a valid phylogeny").with_inventory(inventory)
            },
        )
    })
}

/// A part that two models or more have in common. Of fewer models there is none.
fn shared_part(models: usize) -> impl Strategy<Value = SharedPart> {
    let shares = prop::collection::vec(0.0..=1.0f64, 2..models.max(2) + 1);
    let tensors = prop::collection::vec(any::<String>(), 0..4);
    (shares, tensors, any::<usize>()).prop_map(|(shares, tensors, values)| {
        SharedPart::new(shares.into_iter().enumerate().map(|(m, share)| (ModelId::new(m), share)), tensors, values)
    })
}

/// What models were read from, or nothing of it.
fn inventory(models: usize) -> impl Strategy<Value = Inventory> {
    let counts = || prop::collection::btree_map(any::<String>(), any::<u64>(), 0..3);
    let texts = || any::<[Option<String>; 4]>();
    let record =
        (texts(), any::<u64>(), counts(), counts(), counts(), any::<Option<String>>()).prop_map(
            |([path, format, layout, content], parameters, dtype, quantization, left_out, not_comparable)| {
                ModelRecord { path, format, layout, content, parameters, dtype, quantization, left_out, not_comparable }
            },
        );
    let members = prop::collection::vec((0..models.max(1), 0.0..=1.0f64), 0..3);
    let group = (members, any::<u64>(), any::<u64>()).prop_map(move |(members, tensors, values)| {
        let (ids, shares) = members.into_iter().filter(|_| models > 0).map(|(m, s)| (ModelId::new(m), s)).unzip();
        GroupRecord { models: ids, shares, tensors, values }
    });
    let unread = any::<(String, Option<String>, String)>().prop_map(|(path, format, reason)| UnreadRecord {
        path,
        format,
        reason,
    });
    let unread = prop::collection::vec(unread, 0..3);
    let known = (prop::collection::vec(record, models), prop::collection::vec(group, 0..3), unread);
    prop_oneof![
        1 => Just(Inventory::default()),
        2 => known.prop_map(|(models, groups, unread)| Inventory { models, groups, unread }),
    ]
}

type Drawn = (prop::sample::Index, (f64, Option<f64>, Option<f64>, Relation));

/// What is drawn for one model: its candidates, the movements of each of its edges with the number of parameters that are not
/// listed, its residual, and two marks. The marks are that its parent is not in the set, where no edge leads to it, and that the
/// parent is withheld.
type Reasons =
    (Vec<(Option<usize>, f64, Vec<Evidence>)>, Vec<(Vec<Movement>, Option<[u8; 2]>)>, Option<f64>, [bool; 2]);

fn reasons(models: usize) -> impl Strategy<Value = Reasons> {
    let signal = prop::sample::select(vec![Signal::PRIOR, Signal::COPY, Signal::from_spelling("moon")]);
    let stage = prop::sample::select(Stage::ALL.to_vec());
    let evidence =
        (stage, signal, any::<f64>()).prop_map(|(stage, signal, weight)| Evidence::new(stage, signal, weight));
    let candidate = (prop::option::of(0..models.max(1)), 0.0..=1.0f64, prop::collection::vec(evidence, 0..4));
    let relative = prop_oneof![Just(0.0), Just(f64::INFINITY), 0.0..2.0f64];
    let weight = prop::option::weighted(0.2, -2.0..2.0f64);
    let movement = (any::<String>(), any::<usize>(), relative, prop::option::of(any::<usize>()), weight).prop_map(
        |(name, size, r, rank, weight)| {
            let movement = rank.into_iter().fold(Movement::new(name, size, r), Movement::with_rank);
            let movement = weight.into_iter().fold(movement, Movement::with_weight);
            let movement = if size % 5 == 0 { movement.with_removed(1.25) } else { movement };
            if size % 7 == 0 { movement.with_source("elsewhere") } else { movement }
        },
    );
    // One list in ten is longer than the twenty movements that a file lists first.
    let list = prop_oneof![
        9 => prop::collection::vec(movement.clone(), 0..5),
        1 => prop::collection::vec(movement, 20..25),
    ];
    let movements = prop::collection::vec((list, prop::option::weighted(0.2, any::<[u8; 2]>())), 4);
    (prop::collection::vec(candidate, 0..8), movements, prop::option::of(0.0..=1.0f64), any::<[bool; 2]>())
}

fn reasoned(
    builder: PhylogenyBuilder,
    plain: &Phylogeny,
    model: ModelId,
    (candidates, movements, residual, [unobserved, withheld]): Reasons,
) -> PhylogenyBuilder {
    let candidate = |(p, probability, evidence): (Option<usize>, f64, Vec<Evidence>)| {
        Candidate::new(p.map(ModelId::new).filter(|&p| p != model), probability, evidence)
    };
    let parents = plain.parents(model);
    let mut builder = builder.with_candidates(model, candidates.into_iter().map(candidate).collect());
    for (edge, (movements, unlisted)) in parents.iter().zip(movements) {
        let (listed, still) = (movements.len(), movements.iter().filter(|m| m.relative == 0.0).count());
        builder = builder.with_movements(edge.parent, model, movements);
        if let Some([moved, untouched]) = unlisted.map(|n| n.map(usize::from)) {
            let compared = listed + moved + untouched;
            builder = builder.with_movement_counts(edge.parent, model, compared, still + untouched);
        }
    }
    if parents.len() > 1 {
        builder = residual.into_iter().fold(builder, |b, r| b.with_residual(model, r));
    }
    if let ([_], true) = (parents, unobserved) {
        builder = builder.with_method(model, "Q8_0");
    }
    if withheld && parents.is_empty() {
        builder = builder.with_withheld_parent(model);
    }
    if !unobserved || withheld || !parents.is_empty() {
        return builder;
    }
    // Every other one descends from an unobserved model itself.
    let id = UnobservedId::new(builder.unobserved_len());
    let builder = builder.with_unobserved(residual).with_links([Link::new(id, model).with_weight(1.0)]);
    if model.index().is_multiple_of(2) {
        return builder;
    }
    let above = UnobservedId::new(builder.unobserved_len());
    let link =
        Link { confidence: residual, distance: residual, ..Link::new(above, id).with_relation(Relation::LowRank) };
    builder.with_unobserved(None).with_links([link])
}

/// Every kind of remark.
fn remark() -> impl Strategy<Value = Remark> {
    let name = || prop::sample::select(vec!["k-means", "an outside one"]);
    let number = || prop_oneof![9 => finite(), 1 => Just(f64::INFINITY)];
    prop_oneof![
        any::<usize>().prop_map(|count| Remark::FamiliesExpected { count }),
        any::<usize>().prop_map(|count| Remark::LayoutGroups { count }),
        any::<usize>().prop_map(|tensors| Remark::WithoutRank { tensors }),
        any::<String>().prop_map(|reason| Remark::Unkept { reason }),
        any::<usize>().prop_map(|count| Remark::OtherNames { count }),
        any::<usize>().prop_map(|count| Remark::OnePart { count }),
        (name(), any::<usize>(), any::<usize>(), number()).prop_map(|(clusterer, used, available, variance)| {
            Remark::CoordinatesReduced { clusterer: clusterer.into(), used, available, variance }
        }),
        (name(), number(), any::<String>()).prop_map(|(setting, value, rule)| {
            Remark::RadiusEstimated { setting: setting.into(), value, rule: rule.into() }
        }),
        (name(), number(), any::<usize>()).prop_map(|(clusterer, alpha, disagreements)| {
            Remark::AlphaChosen { clusterer: clusterer.into(), alpha, disagreements }
        }),
        number().prop_map(|share| Remark::Regularized { share }),
        (name(), any::<usize>())
            .prop_map(|(clusterer, iterations)| Remark::Converged { clusterer: clusterer.into(), iterations }),
        (name(), any::<usize>())
            .prop_map(|(clusterer, iterations)| Remark::NotConverged { clusterer: clusterer.into(), iterations }),
        any::<usize>().prop_map(|count| Remark::Noise { count }),
        any::<usize>().prop_map(|count| Remark::Ties { count }),
        (any::<usize>(), number()).prop_map(|(edges, minimum)| Remark::Withheld { edges, minimum }),
        prop::collection::vec(any::<String>(), 0..3).prop_map(|left_out| Remark::Sketched { left_out }),
        any::<String>().prop_map(Remark::Other),
    ]
}

fn finite() -> impl Strategy<Value = f64> {
    prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO
}

fn edge() -> impl Strategy<Value = (f64, Option<f64>, Option<f64>, Relation)> {
    let distance = prop::option::of(finite().prop_map(f64::abs));
    let confidence = prop::option::weighted(0.8, 0.0..=1.0f64);
    (-1.0..1.0f64, distance, confidence, prop::sample::select(Relation::ALL.to_vec()))
}

/// Edges to the model at position `child` of `order` from drawn earlier ones. Their weights are made to sum to 1.
fn edges(child: usize, drawn: &[Drawn], order: &[usize]) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    for (index, (weight, distance, confidence, relation)) in drawn.iter().filter(|_| child > 0) {
        let parent = ModelId::new(order[index.index(child)]);
        if edges.iter().all(|e| e.parent != parent) {
            let edge = Edge::new(parent, ModelId::new(order[child]));
            let edge = edge.with_weight(*weight).with_relation(*relation);
            // A few edges have an error, because it is written and read beside the distance.
            let error = distance.filter(|d| *d > 1.0).map_or(0.0, |d| d / 64.0);
            // Some detectors tell their questions apart.
            let apart = confidence.filter(|c| *c > 0.5);
            let edge = apart.into_iter().fold(edge, |edge, c| edge.with_answers(c, 1.0, c));
            edges.push(Edge { distance: *distance, confidence: *confidence, ..edge.with_distance_error(error) });
        }
    }
    let rest: f64 = edges.iter().skip(1).map(|e| e.weight).sum();
    if let Some(first) = edges.first_mut() {
        first.weight = 1.0 - rest;
    }
    edges
}
