use super::*;
use crate::phylogeny::arbitrary::{any_phylogeny, builder, family};
use crate::phylogeny::{Candidate, Edge, PhylogenyBuilder};
use proptest::prelude::*;

fn table(phylogeny: &Phylogeny) -> String {
    let mut text = Vec::new();
    write_table(phylogeny, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn no_models_are_said_in_one_line() {
    assert_eq!(table(&family(0, &[])), "0 models: 0 families, 0 isolated\n");
}

#[test]
fn a_tie_is_said_and_not_drawn_as_a_tree() {
    let five = builder(5, &[]).with_kin((0..5).map(ModelId::new)).with_margin(ModelId::new(0), 0.0);
    let text = table(&five.build().unwrap());
    assert!(text.contains("family 0: 5 models, roots 0, 1, 2 and 2 more, no parent known between them, margin 0\n"));
    assert!(text.contains("\n  3\n  4\n"), "{text}");
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let phylogeny = family(3, &[(0, 1, 1.0)]).with_names(["a\u{1b}[2J", "b\nc", "d\r\u{9b}\u{202e}"]).unwrap();
    let phylogeny = phylogeny.with_remark(Remark::Other("e\u{7}".into()));
    assert!(!table(&phylogeny).contains(|c: char| crate::write::is_hidden(c) && c != '\n'));
    assert_eq!(table(&phylogeny).lines().count(), 12);
}

#[test]
fn a_merge_shows_every_parent_with_its_weight() {
    let text = table(&family(4, &[(0, 2, 0.75), (1, 2, 0.25), (2, 3, 1.0)]));
    let expected = "\
family 0: 4 models, roots 0, 1
  model           relation   distance  confidence
  0
  └─ 2            2 parents
     │  0.75 × 0  fine-tune         -           -
     │  0.25 × 1  fine-tune         -           -
     └─ 3         fine-tune         -           -
  1
";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_merge_shows_what_its_parents_leave_unexplained() {
    let merge = builder(3, &[(0, 2, 0.75), (1, 2, 0.25)]).with_residual(ModelId::new(2), 0.0123);
    let text = table(&merge.build().unwrap());
    assert!(text.contains("\n        unexplained 0.01230\n  1\n"), "{text}");
}

#[test]
fn siblings_hang_under_a_root_that_is_not_in_the_set() {
    let siblings = builder(3, &[(0, 2, 1.0)]).with_kin((0..3).map(ModelId::new));
    let phylogeny = siblings.with_unobserved_root(ModelId::new(0)).build().unwrap();
    let expected = "\
family 0: 3 models, descended from ?1, not in the set
  model    relation        distance  confidence
  ?1       not in the set         -           -
  ├─ 0     -                      -           -
  │  └─ 2  fine-tune              -           -
  └─ 1     -                      -           -
";
    assert!(table(&phylogeny).ends_with(expected), "{}", table(&phylogeny));
}

#[test]
fn a_child_whose_odds_favor_no_parent_is_marked_and_the_mark_explained() {
    let edges = [(0, 1), (0, 2)].map(|(p, c)| Edge::new(ModelId::new(p), ModelId::new(c)).with_confidence(0.25));
    let odds = |none| {
        vec![Candidate::new(None, none, Vec::new()), Candidate::new(Some(ModelId::new(0)), 1.0 - none, Vec::new())]
    };
    let unsure = PhylogenyBuilder::new(3).with_edges(edges).with_candidates(ModelId::new(1), odds(0.75));
    let phylogeny = unsure.clone().with_candidates(ModelId::new(2), odds(0.5)).build().unwrap();
    let expected = "
  ├─ 1   fine-tune         -        0.25  *
  └─ 2   fine-tune         -        0.25

* by the odds of this child alone, its parent is more probably not in the set
";
    assert!(table(&phylogeny).ends_with(expected), "{}", table(&phylogeny));
    assert!(!phylogeny.to_string().contains("odds"));
}

#[test]
fn a_withheld_parent_makes_no_root() {
    let id = ModelId::new;
    let edge = |p, c, confidence| Edge::new(id(p), id(c)).with_confidence(confidence);
    let phylogeny = Phylogeny::from_edges(4, vec![edge(0, 1, 0.25), edge(1, 2, 1.0), edge(0, 3, 0.25)]).unwrap();
    let expected = "\
family 0: 4 models, root 0, 2 parents withheld
  model  relation         distance  confidence
  0
  1      parent withheld
  └─ 2   fine-tune               -        1.00
  3      parent withheld

remarks
  2 edges withheld as less sure than 0.5
";
    let text = table(&phylogeny.with_minimum_confidence(0.5));
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn what_was_expected_counts_isolated_models() {
    let expected = builder(3, &[(0, 1, 1.0)]).with_remark(Remark::FamiliesExpected { count: 2 });
    let text = table(&expected.build().unwrap());
    assert!(text.starts_with("3 models: 1 family, 1 isolated\n"), "{text}");
    assert!(text.ends_with("  2 families expected, isolated models included\n"), "{text}");
}

proptest! {
    #[test]
    fn columns_end_at_the_same_character(phylogeny in any_phylogeny()) {
        let names = (0..phylogeny.len()).map(|i| format!("m{i}é"));
        let text = table(&phylogeny.with_names(names).unwrap());
        let tail = |l: &&str| l.split_whitespace().last().is_some_and(|w| w.len() == 4 && w.as_bytes()[1] == b'.');
        let tree = |l: &&str| l.contains("─ ") || l.contains(" × ");
        let mut ends = text.lines().filter(tree).filter(tail).map(|l| l.chars().count()).collect::<Vec<_>>();
        ends.dedup();
        prop_assert!(ends.len() <= 1, "{}", text);
    }
}

#[test]
fn a_model_that_could_not_be_compared_is_not_called_isolated() {
    let mut inventory = crate::model_set::Inventory::default();
    inventory.models.resize_with(4, Default::default);
    for (model, reason) in [(0, "it has kin, so that this is dropped"), (3, "it holds no tensors")] {
        inventory.models[model].not_comparable = Some(reason.to_owned());
    }
    let text = family(4, &[(0, 1, 1.0)]).with_inventory(inventory).to_string();
    assert!(text.starts_with("4 models: 1 family, 1 isolated, 1 not comparable\n"), "{text}");
    assert!(
        text.ends_with("\nisolated: 1 model\n  2\n\nnot comparable: 1 model\n  3: it holds no tensors\n"),
        "{text}"
    );
}
