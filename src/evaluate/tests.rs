//! Each measure on phylogenies small enough to count by hand.

use super::*;
use crate::model_set::ModelId;
use crate::phylogeny::arbitrary::any_phylogeny;
use crate::phylogeny::{Edge, Link, PhylogenyBuilder, UnobservedId};
use proptest::prelude::*;

/// Makes models by name from lines like `c: a b`. The weights of several parents are equal.
fn phylogeny(lines: &[&str]) -> Phylogeny {
    weighted(lines, |_, parents| 1.0 / parents as f64)
}

fn weighted(lines: &[&str], weight: impl Fn(usize, usize) -> f64) -> Phylogeny {
    let split: Vec<(&str, Vec<&str>)> = lines
        .iter()
        .map(|l| l.split_once(':').map_or((*l, Vec::new()), |(c, parents)| (c, parents.split_whitespace().collect())))
        .collect();
    let names: Vec<&str> = split.iter().map(|(name, _)| *name).collect();
    let id = |name: &str| ModelId::new(names.iter().position(|n| *n == name).expect("a listed parent"));
    let edges = split.iter().flat_map(|(child, parents)| {
        let weight = &weight;
        parents.iter().enumerate().map(move |(i, p)| Edge::new(id(p), id(child)).with_weight(weight(i, parents.len())))
    });
    Phylogeny::from_edges(names.len(), edges.collect()).unwrap().with_names(names).unwrap()
}

fn scores(result: &[&str], truth: &[&str]) -> Evaluation {
    evaluate(&phylogeny(result), &Truth::from(phylogeny(truth))).unwrap()
}

//     r           s     alone
//   ┌─┴─┐         │
//   a   b         t
//   c
const TRUTH: [&str; 7] = ["r", "a: r", "b: r", "c: a", "s", "t: s", "alone"];

#[test]
fn the_truth_itself_is_wholly_right() {
    let e = scores(&TRUTH, &TRUTH);
    assert_eq!(e.models, 7);
    assert_eq!(e.accuracy, Ratio::new(4, 4));
    assert_eq!(e.accuracy_with_roots, Ratio::new(7, 7));
    assert_eq!(e.edges, Retrieval::new(4, 4, 4));
    assert_eq!(e.pairs, Retrieval::new(4, 4, 4));
    assert_eq!(e.direction, Ratio::new(4, 4));
    assert_eq!(e.ancestors, Retrieval::new(5, 5, 5));
    assert_eq!(e.roots, Retrieval::new(3, 3, 3));
    assert_eq!(e.root_families, Ratio::new(3, 3));
    assert_eq!(e.families.exact, Ratio::new(3, 3));
    assert_eq!(e.families.adjusted_rand, Some(1.0));
    assert_eq!(e.orphans, Ratio::new(0, 0));
}

#[test]
fn a_withheld_parent_makes_no_root() {
    let edges = [0.9, 0.25].map(|confidence| Edge::new(ModelId::new(0), ModelId::new(1)).with_confidence(confidence));
    let of = |edge: Edge| {
        let result = Phylogeny::from_edges(2, vec![edge]).unwrap().with_minimum_confidence(0.5);
        let e = evaluate(&result, &Truth::from(phylogeny(&["0", "1: 0"]))).unwrap();
        (e.roots, e.root_families, e.edges.found)
    };
    assert_eq!(of(edges[0]), (Retrieval::new(1, 1, 1), Ratio::new(1, 1), 1));
    assert_eq!(of(edges[1]), (Retrieval::new(1, 1, 1), Ratio::new(1, 1), 0));
}

#[test]
fn a_star_for_a_chain_and_one_edge_turned_round() {
    // c hangs under r instead of a; t is made the parent of s.
    let e = scores(&["r", "a: r", "b: r", "c: r", "s: t", "t", "alone"], &TRUTH);
    assert_eq!(e.accuracy, Ratio::new(2, 4));
    assert_eq!(e.accuracy_with_roots, Ratio::new(4, 7));
    assert_eq!(e.edges, Retrieval::new(2, 4, 4));
    assert_eq!(e.pairs, Retrieval::new(3, 4, 4));
    assert_eq!(e.direction, Ratio::new(2, 3));
    // Found r>a r>b r>c t>s; true also a>c and s>t, without t>s.
    assert_eq!(e.ancestors, Retrieval::new(3, 4, 5));
    assert_eq!(e.roots, Retrieval::new(2, 3, 3));
    assert_eq!(e.root_families, Ratio::new(2, 3));
    assert_eq!(e.families.exact, Ratio::new(3, 3));
}

#[test]
fn no_edges_at_all() {
    let e = scores(&["r", "a", "b", "c", "s", "t", "alone"], &TRUTH);
    assert_eq!(e.accuracy, Ratio::new(0, 4));
    assert_eq!(e.accuracy_with_roots, Ratio::new(3, 7));
    assert_eq!((e.edges.precision(), e.edges.recall(), e.edges.f1()), (None, Some(0.0), Some(0.0)));
    assert_eq!(e.direction.share(), None);
    assert_eq!(e.roots, Retrieval::new(3, 7, 3));
    assert_eq!(e.root_families, Ratio::new(1, 3));
    assert_eq!(e.families.exact, Ratio::new(1, 3));
    assert_eq!(e.families.found, 7);
    assert_eq!(e.families.adjusted_rand, Some(0.0));
}

#[test]
fn an_isolated_model_that_is_given_a_parent_is_a_wrong_root() {
    let e = scores(&["r", "a: r", "b: r", "c: a", "s", "t: s", "alone: s"], &TRUTH);
    assert_eq!(e.accuracy, Ratio::new(4, 4));
    assert_eq!(e.accuracy_with_roots, Ratio::new(6, 7));
    assert_eq!(e.edges, Retrieval::new(4, 5, 4));
    assert_eq!(e.roots, Retrieval::new(2, 2, 3));
    assert_eq!(e.root_families, Ratio::new(2, 3));
    // Pairs together: both 7 (6 + 1), found 9 (6 + 3), true 7, of 21.
    assert_eq!(e.families.adjusted_rand, Some((7.0 - 3.0) / (8.0 - 3.0)));
}

#[test]
fn a_tie_keeps_its_family_and_finds_no_child() {
    let kin = [4, 5].map(ModelId::new);
    let edges = [(0, 1), (0, 2), (1, 3)].map(|(p, c)| Edge::new(ModelId::new(p), ModelId::new(c)));
    let names = ["r", "a", "b", "c", "s", "t", "alone"];
    let tied = PhylogenyBuilder::new(7).with_edges(edges).with_kin(kin).with_names(names).build().unwrap();
    let e = evaluate(&tied, &Truth::from(phylogeny(&TRUTH))).unwrap();
    assert_eq!(e.accuracy, Ratio::new(3, 4));
    assert_eq!(e.families.exact, Ratio::new(3, 3));
    assert_eq!(e.roots, Retrieval::new(3, 4, 3));
    assert_eq!(e.root_families, Ratio::new(2, 3));
}

#[test]
fn a_merge_is_right_when_all_its_parents_are() {
    let truth = ["r", "a: r", "b: r", "m: a b", "n: a b", "d: m"];
    let e = scores(&["r", "a: r", "b: r", "m: a b", "n: a", "d: m r"], &truth);
    assert_eq!(e.accuracy, Ratio::new(3, 5));
    assert_eq!(e.edges, Retrieval::new(6, 7, 7));
    // m is right; d is a merge that is none; n is one that was missed.
    assert_eq!(e.merges, Retrieval::new(1, 2, 2));
    // True: r>a r>b; r a b > m; r a b > n; r a b m > d. Found lacks b>n.
    assert_eq!(e.ancestors, Retrieval::new(11, 11, 12));
}

#[test]
fn weights_are_compared_on_merge_edges_that_were_found() {
    let truth = Truth::from(weighted(&["a", "b", "c", "m: a b", "n: b c", "d: c"], |i, n| match (i, n) {
        (0, 2) => 0.25,
        (1, 2) => 0.75,
        _ => 1.0,
    }));
    // m has both parents at half; n only c, at full weight.
    let result = phylogeny(&["a", "b", "c", "m: a b", "n: c", "d: c"]);
    let e = evaluate(&result, &truth).unwrap();
    assert_eq!(e.merge_weights.edges, 3);
    assert_eq!(e.merge_weights.mean, Some(0.25));
    assert_eq!(e.merge_weights.largest, Some(0.25));
}

#[cfg(feature = "serde")]
#[test]
fn weights_that_the_truth_does_not_give_are_not_scored() {
    let models = r#"{"name": "a"}, {"name": "b"}, {"name": "m", "parents": [{"name": "a"}, {"name": "b"}]}"#;
    let truth = Truth::read(format!(r#"{{"version": 1, "models": [{models}]}}"#).as_bytes()).unwrap();
    let e = evaluate(&phylogeny(&["a", "b", "m: a b"]), &truth).unwrap();
    assert_eq!(e.accuracy, Ratio::new(1, 1));
    assert_eq!(e.merge_weights, WeightErrors::default());
}

#[test]
fn orphans_are_right_without_an_invented_parent() {
    // a and s are absent: c is an orphan of r, t of s.
    let none = scores(&["r", "b: r", "c", "t", "alone"], &TRUTH);
    assert_eq!(none.orphans, Ratio::new(2, 2));
    assert_eq!(none.accuracy, Ratio::new(1, 1));
    assert_eq!(none.accuracy_with_roots, Ratio::new(3, 3));
    assert_eq!(none.roots, Retrieval::new(2, 2, 2));
    assert_eq!(none.not_in_result, ["a", "s"]);

    let invented = scores(&["r", "b: r", "c: r", "t: alone", "alone"], &TRUTH);
    assert_eq!(invented.orphans, Ratio::new(1, 2), "the grandparent of c is no invention, the parent of t is");
    assert_eq!(invented.edges, Retrieval::new(1, 3, 1));
    assert_eq!(invented.ancestors, Retrieval::new(2, 3, 2));
}

#[test]
fn siblings_of_an_absent_parent_are_one_family_without_root() {
    let truth = ["r", "a: r", "b: r"];
    let apart = scores(&["a", "b"], &truth);
    assert_eq!(apart.families.exact, Ratio::new(0, 1));
    assert_eq!(apart.root_families, Ratio::new(0, 0));
    assert_eq!(apart.orphans, Ratio::new(2, 2));
    assert_eq!(apart.accuracy.share(), None);
}

#[test]
fn an_absent_merge_joins_no_families() {
    let truth = ["r", "a: r", "s", "b: s", "m: a b"];
    let e = scores(&["r", "a: r", "s", "b: s"], &truth);
    assert_eq!(e.families.exact, Ratio::new(2, 2));
    // But its child does.
    let e = scores(&["r", "s", "d"], &["r", "s", "m: r s", "d: m"]);
    assert_eq!(e.families.exact, Ratio::new(0, 1));
}

#[test]
fn a_merge_that_truth_does_not_know_is_not_held_against_the_result() {
    let e = scores(&["r", "a: r", "s", "b: s", "m: a b"], &["r", "a: r", "s", "b: s"]);
    assert_eq!(e.not_in_truth, ["m"]);
    assert_eq!(e.edges, Retrieval::new(2, 2, 2));
    assert_eq!(e.families.exact, Ratio::new(2, 2));
    assert_eq!(e.accuracy_with_roots, Ratio::new(4, 4));
}

#[test]
fn lineages_may_lead_through_models_that_are_not_evaluated() {
    let e = scores(&["r", "x: r", "c: x"], &["r", "a: r", "c: a"]);
    assert_eq!(e.ancestors, Retrieval::new(1, 1, 1));
    assert_eq!(e.orphans, Ratio::new(1, 1));
}

#[test]
fn an_empty_truth_scores_nothing() {
    let e = scores(&["a", "b: a"], &[]);
    assert_eq!(e, Evaluation { not_in_truth: vec!["a".into(), "b".into()], ..Evaluation::default() });
    assert_eq!(scores(&[], &[]), Evaluation::default());
}

#[test]
fn names_that_never_meet_are_an_error() {
    let error = evaluate(&phylogeny(&["x/a"]), &Truth::from(phylogeny(&["a"]))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot evaluate: result and truth have no model in common, the first of the result is `x/a`, of the truth `a`"
    );
}

#[test]
fn the_table_shows_a_dash_where_there_is_no_share() {
    let text = scores(&["a", "b: a"], &["a", "b"]).to_string();
    assert!(text.contains("accuracy, children                      0      0          -\n"), "{text}");
    assert!(
        text.contains("edges                                   0      1      0      0.000       -   0.000\n"),
        "{text}"
    );
}

#[test]
fn confidences_are_held_against_what_is_right() {
    let edge =
        |p, c, w, confidence| Edge::new(ModelId::new(p), ModelId::new(c)).with_weight(w).with_confidence(confidence);
    // a and b hang under r as they do in truth; c is made a merge of a and b.
    let edges = vec![edge(0, 1, 1.0, 1.0), edge(0, 2, 1.0, 0.92), edge(1, 3, 0.5, 0.6), edge(2, 3, 0.5, 0.9)];
    let names = ["r", "a", "b", "c", "s", "t", "alone"];
    let result = Phylogeny::from_edges(7, edges).unwrap().with_names(names).unwrap();
    let r = evaluate(&result, &Truth::from(phylogeny(&TRUTH))).unwrap().reliability;

    let filled: Vec<_> = r.bins.iter().filter(|b| b.edges.of > 0).map(|b| (b.from, b.edges)).collect();
    assert_eq!(filled, [(0.6, Ratio::new(1, 1)), (0.9, Ratio::new(2, 3))]);
    let mean = (1.0 + 0.92 + 0.9) / 3.0;
    assert!((r.bins[9].confidence.unwrap() - mean).abs() < 1e-12);
    let expected = (0.4 + 3.0 * (mean - 2.0 / 3.0)) / 4.0;
    assert!((r.calibration_error.unwrap() - expected).abs() < 1e-12);

    // The merge goes as a whole, by its less sure edge; t has no parent at any threshold.
    let at =
        |threshold: f64| r.coverage.iter().find(|c| c.threshold == threshold).map(|c| (c.edges, c.answered)).unwrap();
    assert_eq!(at(0.6), (Ratio::new(3, 4), Ratio::new(3, 4)));
    assert_eq!(at(0.7), (Ratio::new(2, 2), Ratio::new(2, 4)));
    assert_eq!(at(0.99), (Ratio::new(1, 1), Ratio::new(1, 4)));
}

#[test]
fn coverage_is_what_withholding_leaves() {
    let edge = |p, c, confidence| Edge::new(ModelId::new(p), ModelId::new(c)).with_confidence(confidence);
    let names = ["r", "a", "b", "c", "s", "t", "alone"];
    let edges = vec![edge(0, 1, 0.95), edge(0, 2, 0.5), edge(2, 3, 0.85), edge(4, 5, 0.7)];
    let result = Phylogeny::from_edges(7, edges).unwrap().with_names(names).unwrap();
    let truth = Truth::from(phylogeny(&TRUTH));
    for point in evaluate(&result, &truth).unwrap().reliability.coverage {
        let left = evaluate(&result.clone().with_minimum_confidence(point.threshold), &truth).unwrap();
        assert_eq!(point.edges, Ratio::new(left.edges.right, left.edges.found), "{}", point.threshold);
    }
}

#[cfg(feature = "serde")]
#[test]
fn an_evaluation_of_a_version_without_reliability_is_read() {
    let mut value = serde_json::to_value(Evaluation::default()).unwrap();
    value.as_object_mut().unwrap().remove("reliability");
    assert_eq!(serde_json::from_value::<Evaluation>(value).unwrap(), Evaluation::default());
}

#[cfg(feature = "serde")]
#[test]
fn an_evaluation_survives_json() {
    let e = scores(&["r", "a: r", "b: r", "c: r", "s: t", "t", "x"], &TRUTH);
    let text = serde_json::to_string(&e).unwrap();
    assert!(text.contains(r#""accuracy":{"right":2,"of":4,"share":0.5}"#), "{text}");
    assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), e);
}

proptest! {
    #[test]
    fn against_itself_everything_is_right(phylogeny in any_phylogeny()) {
        let e = evaluate(&phylogeny, &Truth::from(phylogeny.clone())).unwrap();
        for ratio in [e.accuracy, e.accuracy_with_roots, e.direction, e.root_families, e.families.exact] {
            prop_assert_eq!(ratio.right, ratio.of);
        }
        for r in [e.edges, e.pairs, e.ancestors, e.roots, e.merges] {
            prop_assert_eq!((r.right, r.right), (r.found, r.expected));
        }
        // A model whose true parent is withheld or not in the set has a parent that nobody can name.
        let open = |m| phylogeny.is_withheld(m) || (phylogeny.has_unobserved_parent(m) && phylogeny.parents(m).is_empty());
        let named = phylogeny.models().filter(|&m| !open(m)).count();
        prop_assert_eq!(e.accuracy_with_roots.of, named);
        prop_assert_eq!(e.families.exact.of, phylogeny.families().len());
        prop_assert!(e.merge_weights.largest.is_none_or(|w| w == 0.0));
    }

    #[test]
    fn no_two_phylogenies_give_a_share_beyond_its_range(a in any_phylogeny(), b in any_phylogeny()) {
        let renamed = |p: Phylogeny| { let n = p.len(); p.with_names((0..n).map(|i| i.to_string())).unwrap() };
        let e = evaluate(&renamed(a), &Truth::from(renamed(b))).unwrap();
        for ratio in [e.accuracy, e.accuracy_with_roots, e.direction, e.root_families, e.families.exact, e.orphans] {
            prop_assert!(ratio.right <= ratio.of);
        }
        for r in [e.edges, e.pairs, e.ancestors, e.roots, e.merges, e.absent_parents] {
            prop_assert!(r.right <= r.found.min(r.expected));
        }
        prop_assert!(e.families.adjusted_rand.is_none_or(|r| (-0.5..=1.0).contains(&r)));
    }
}

#[test]
fn parents_said_to_be_absent_are_scored_against_orphans() {
    let [r, a, b, c] = [0, 1, 2, 3].map(ModelId::new);
    // In truth r is the root, and the parent of c is not in the set.
    let truth = PhylogenyBuilder::new(4).with_edges([Edge::new(r, a), Edge::new(r, b)]).with_unobserved(None);
    let absent = UnobservedId::new(0);
    let truth = truth.with_links([Link::new(r, absent), Link::new(absent, c)]).build().unwrap();
    let said = |children: &[ModelId]| {
        let builder = PhylogenyBuilder::new(4).with_kin([r, a, b, c]).with_unobserved(None);
        let result = builder.with_links(children.iter().map(|&child| Link::new(absent, child))).build().unwrap();
        evaluate(&result, &Truth::from(truth.clone())).unwrap()
    };
    assert_eq!(said(&[c]).absent_parents, Retrieval::new(1, 1, 1));
    let e = said(&[r, a, b]);
    assert_eq!(e.absent_parents, Retrieval::new(0, 3, 1));
    assert_eq!((e.accuracy_with_roots, e.accuracy), (Ratio::new(0, 3), Ratio::new(0, 2)));
}
