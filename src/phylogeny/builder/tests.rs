use super::*;
use crate::phylogeny::arbitrary::builder;
use crate::phylogeny::{Evidence, FamilyId, Link, Node, Signal, Stage, UnobservedId};

fn id(model: usize) -> ModelId {
    ModelId::new(model)
}

fn candidate(parent: Option<usize>, probability: f64, weight: f64) -> Candidate {
    Candidate::new(parent.map(id), probability, vec![Evidence::new(Stage::Parent, Signal::PRIOR, weight)])
}

fn moves(relative: &[f64]) -> Vec<Movement> {
    relative.iter().zip(["a", "b", "c", "d"]).map(|(&r, name)| Movement::new(name, 1, r)).collect()
}

/// 0 and 1 are the parents of the merge 2, whose child is 3.
fn merged() -> PhylogenyBuilder {
    builder(4, &[(0, 2, 0.5), (1, 2, 0.5), (2, 3, 1.0)])
}

#[track_caller]
fn refused(builder: PhylogenyBuilder, expected: &str) {
    assert_eq!(builder.build().unwrap_err().to_string(), format!("invalid phylogeny: {expected}"));
}

#[test]
fn candidates_are_sorted_by_probability_then_score() {
    let given = vec![
        candidate(None, 0.2, 9.0),
        candidate(Some(0), 0.4, 1.0),
        candidate(Some(2), 0.4, 2.0),
        candidate(Some(3), 0.9, 0.0),
    ];
    let phylogeny = merged().with_candidates(id(1), given).build().unwrap();
    let order: Vec<Option<ModelId>> = phylogeny.candidates(id(1)).iter().map(|c| c.parent).collect();
    assert_eq!(order, [Some(id(3)), Some(id(2)), Some(id(0)), None]);
    assert!(phylogeny.candidates(id(0)).is_empty());
}

#[test]
fn movements_are_sorted_and_counted() {
    let phylogeny = merged().with_movements(id(0), id(2), moves(&[0.0, f64::INFINITY, 0.5])).build().unwrap();
    let order: Vec<&str> = phylogeny.movements(id(0), id(2)).iter().map(|m| m.parameter.as_str()).collect();
    assert_eq!(order, ["b", "c", "a"]);
    assert_eq!((phylogeny.compared(id(0), id(2)), phylogeny.untouched(id(0), id(2))), (3, 1));
    assert!(phylogeny.movements(id(1), id(2)).is_empty());
}

#[test]
fn a_list_that_was_cut_says_how_many_there_are() {
    let cut = merged().with_movements(id(0), id(2), moves(&[0.5, 0.0]));
    let phylogeny = cut.clone().with_movement_counts(id(0), id(2), 9, 4).build().unwrap();
    assert_eq!((phylogeny.compared(id(0), id(2)), phylogeny.untouched(id(0), id(2))), (9, 4));
    for (compared, untouched) in [(1, 1), (9, 0), (4, 5), (9, 9)] {
        let built = cut.clone().with_movement_counts(id(0), id(2), compared, untouched).build();
        assert!(built.is_err(), "{compared} {untouched}");
    }
}

#[test]
fn a_detector_that_measured_nothing_may_say_so() {
    let nothing = merged().with_movements(id(0), id(2), Vec::new()).with_candidates(id(0), Vec::new());
    assert_eq!(nothing.build().unwrap(), merged().build().unwrap());
}

#[test]
fn kin_and_marks_are_of_families_and_order_is_free() {
    let build = |b: PhylogenyBuilder| b.with_names(["a", "b", "c", "d", "e"]).build().unwrap();
    let edge = Edge::new(id(0), id(1));
    let phylogeny = build(
        PhylogenyBuilder::new(5)
            .with_unobserved_root(id(3))
            .with_margin(id(3), 0.0)
            .with_kin([id(2), id(3)])
            .with_edge(edge),
    );
    let turned = PhylogenyBuilder::new(5).with_edge(edge).with_kin([id(3), id(2)]).with_margin(id(2), 0.0);
    assert_eq!(phylogeny, build(turned.with_unobserved_root(id(2)).with_unobserved_root(id(3))));
    let twins = phylogeny.family_of(id(2));
    assert_eq!(phylogeny.family(twins).roots, [], "their parent is not in the set");
    assert_eq!((phylogeny.margin(twins), phylogeny.unobserved_root(twins)), (Some(0.0), true));
    assert_eq!(phylogeny.families().len(), 3);
}

#[test]
fn whatever_is_wrong_is_said() {
    refused(merged().with_names(["a"]), "1 names for 4 models");
    refused(merged().with_score(id(4), 0.0), "a score names model 4 beyond the 4 there are");
    refused(merged().with_score(id(1), f64::NAN), "model `1` has a score of NaN, expected a finite one");
    refused(merged().with_score(id(1), 0.0).with_score(id(1), 0.0), "model `1` has a score twice");
    refused(merged().with_margin(id(9), 0.0), "a margin names model 9 beyond the 4 there are");
    refused(merged().with_margin(id(0), 0.0).with_margin(id(3), 1.0), "model `3` has a margin of its family twice");
    refused(merged().with_unobserved_root(id(4)), "an unobserved root names model 4 beyond the 4 there are");
    refused(merged().with_residual(id(3), 0.5), "model `3` has a residual and 1 parents, expected 2 or more");
    refused(merged().with_residual(id(2), 1.5), "model `2` has a residual of 1.5, expected 0 to 1");
    refused(merged().with_residual(id(2), f64::NAN), "model `2` has a residual of NaN, expected 0 to 1");
    refused(
        merged().with_withheld_parent(id(3)),
        "model `3` has a withheld parent and 1 named or unobserved, expected none",
    );
    refused(merged().with_kin([id(0), id(7)]), "a family names model 7 beyond the 4 there are");
    let duplicate = merged().with_names(["a", "b", "a", "c"]).build();
    assert!(matches!(duplicate, Err(Error::DuplicateName { name }) if name == "a"));
}

#[test]
fn candidates_out_of_range_are_said() {
    let with = |candidates| merged().with_candidates(id(1), candidates);
    refused(with(vec![candidate(Some(7), 0.5, 0.0)]), "a candidate names model 7 beyond the 4 there are");
    refused(with(vec![candidate(Some(1), 0.5, 0.0)]), "model `1` is a candidate for its own parent");
    refused(
        with(vec![candidate(None, f64::NAN, 0.0)]),
        "model `1` has a candidate of probability NaN, expected 0 to 1",
    );
    let one = vec![candidate(None, 0.5, 0.0)];
    refused(with(one.clone()).with_candidates(id(1), one), "model `1` has a list of candidates twice");
    let mut wild = candidate(None, 0.5, 0.0);
    wild.evidence[0].weight = f64::INFINITY;
    refused(with(vec![wild]), "model `1` has a candidate with evidence `prior` of weight inf, expected -1000 to 1000");
}

#[test]
fn movements_out_of_range_are_said() {
    let moved = |parent, child, relative| merged().with_movements(id(parent), id(child), moves(&[relative]));
    refused(moved(2, 0, 1.0), "movements from `2` to `0`, which no edge joins");
    refused(moved(0, 9, 1.0), "movements names model 9 beyond the 4 there are");
    refused(moved(0, 2, f64::NAN), "model `2` has a parameter `a` that moved by NaN, expected at least 0");
    refused(moved(0, 2, -1.0), "model `2` has a parameter `a` that moved by -1, expected at least 0");
    refused(moved(0, 2, 1.0).with_movements(id(0), id(2), moves(&[2.0])), "model `2` has a list of movements twice");
}

/// Siblings 0 and 1 of an absent parent, which descends from 2; 3 is a merge of 2 and of another absent model.
fn with_absent() -> PhylogenyBuilder {
    let [first, second] = [0, 1].map(UnobservedId::new);
    builder(4, &[(2, 3, 0.75)]).with_unobserved(Some(0.875)).with_unobserved(None).with_links([
        Link::new(first, id(1)),
        Link::new(first, id(0)).with_confidence(0.75),
        Link::new(id(2), first),
        Link::new(second, id(3)).with_weight(0.25),
    ])
}

#[test]
fn unobserved_models_are_part_of_descent_and_no_models() {
    let phylogeny = with_absent().build().unwrap();
    let [first, second] = [0, 1].map(UnobservedId::new);
    assert_eq!((phylogeny.len(), phylogeny.unobserved().len(), phylogeny.families().len()), (4, 2, 1));
    assert_eq!(phylogeny.ancestors(id(0)), [id(2)]);
    assert_eq!(phylogeny.lineage(id(0)), [Node::from(first), id(2).into()]);
    assert_eq!(phylogeny.descendants(id(2)), [id(3), id(0), id(1)]);
    assert_eq!(phylogeny.common_ancestor(id(0), id(1)), Some(first.into()));
    assert_eq!(phylogeny.common_ancestor(id(0), id(3)), Some(id(2).into()));
    assert_eq!(phylogeny.roots().collect::<Vec<_>>(), [id(2)]);
    assert_eq!(phylogeny.family(FamilyId::new(0)).roots, [id(2)]);
    assert!(phylogeny.unobserved_root(FamilyId::new(0)), "the other parent of the merge has no parent");
    assert_eq!((phylogeny.generation(id(0)), phylogeny.generation(id(3))), (2, 1));
    assert_eq!([first, second].map(|u| phylogeny.unobserved_probability(u)), [Some(0.875), None]);
    assert_eq!(phylogeny.to_graph().node_count(), 6);
    assert!(phylogeny.has_unobserved_parent(id(3)) && !phylogeny.has_unobserved_parent(id(2)));
}

#[test]
fn unobserved_models_without_children_and_links_out_of_place_are_refused() {
    let first = UnobservedId::new(0);
    let one = || builder(2, &[]).with_unobserved(None);
    refused(one(), "unobserved model ?1 has no child");
    refused(
        one().with_links([Link::new(first, id(0)), Link::new(id(0), id(1))]),
        "link `0` -> `1` joins two models of the set, which is an edge",
    );
    refused(
        one().with_links([Link::new(first, id(7))]),
        "link ?1 -> 7 names a model beyond the 2 there are and the 1 unobserved",
    );
    refused(one().with_links([Link::new(first, id(0)), Link::new(first, id(0))]), "link ?1 -> `0` is given twice");
    refused(
        one().with_links([Link::new(first, id(0)).with_weight(0.5)]),
        "weights of the parents of model `0` sum to 0.5, expected 1",
    );
    refused(
        one().with_links([Link::new(first, id(0)), Link::new(id(0), first)]),
        "model `0` is its own ancestor or descends from a cycle",
    );
    refused(
        one().with_links([Link::new(first, id(0)).with_confidence(1.5)]),
        "link ?1 -> `0` has confidence 1.5, expected 0 to 1",
    );
    refused(
        one().with_links([Link::new(first, id(0))]).with_withheld_parent(id(0)),
        "model `0` has a withheld parent and 1 named or unobserved, expected none",
    );
    refused(
        builder(2, &[]).with_unobserved(Some(2.0)).with_links([Link::new(first, id(0))]),
        "unobserved model ?1 has probability 2, expected 0 to 1",
    );
}

#[test]
fn withholding_takes_links_and_childless_unobserved_models_along() {
    let sure = with_absent().build().unwrap().with_minimum_confidence(0.8);
    assert_eq!(sure.unobserved().len(), 2);
    assert_eq!(sure.links_from(UnobservedId::new(0)).map(|link| link.child).collect::<Vec<_>>(), [Node::from(id(1))]);
    assert!(sure.is_withheld(id(0)) && !sure.is_withheld(id(1)));
    let one = builder(2, &[]).with_kin([id(0), id(1)]).with_unobserved(Some(0.6));
    let one = one.with_links([Link::new(UnobservedId::new(0), id(0)).with_confidence(0.6)]).build().unwrap();
    let sure = one.with_minimum_confidence(0.7);
    assert_eq!((sure.unobserved().len(), sure.links().len(), sure.families().len()), (0, 0, 1));
}

#[test]
fn an_unobserved_root_of_a_family_is_above_every_member_without_a_parent() {
    let phylogeny = builder(4, &[(0, 1, 1.0)]).with_kin([id(0), id(2)]).with_unobserved_root(id(1)).build().unwrap();
    let children: Vec<Node> = phylogeny.links_from(UnobservedId::new(0)).map(|link| link.child).collect();
    assert_eq!(children, [Node::from(id(0)), id(2).into()]);
    assert_eq!(phylogeny.roots().collect::<Vec<_>>(), [id(3)]);
    let none = builder(2, &[]).with_withheld_parent(id(0)).with_unobserved_root(id(0));
    refused(none, "the family of model `0` has an unobserved root and no model without a parent");
}
