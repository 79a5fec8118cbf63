use super::*;
use crate::phylogeny::arbitrary::any_phylogeny;
use crate::phylogeny::{Candidate, Edge, Movement, PhylogenyBuilder, Relation, Remark, Signal};
use proptest::prelude::*;

fn written(phylogeny: &Phylogeny) -> Vec<u8> {
    let mut file = Vec::new();
    write_json(phylogeny, &mut file).unwrap();
    file
}

fn models(models: &str) -> Result<Phylogeny, Error> {
    read_json(format!(r#"{{"version": 1, "models": [{models}]}}"#).as_bytes())
}

#[track_caller]
fn refused(file: &str, expected: &str) {
    assert_eq!(read_json(file.as_bytes()).unwrap_err().to_string(), expected);
}

#[track_caller]
fn models_refused(text: &str, expected: &str) {
    assert_eq!(models(text).unwrap_err().to_string(), expected);
}

#[test]
fn other_versions_are_refused_whatever_else_they_hold() {
    refused(r#"{"version": 3, "trees": {}}"#, "not a phylogeny: version is 3, expected 1 or 2");
    refused(r#"{"version": "1"}"#, "not a phylogeny: version is \"1\", expected 1 or 2");
    refused(r#"{"models": []}"#, "not a phylogeny: version is missing, expected 1 or 2");
}

#[test]
fn text_that_is_not_of_the_form_is_refused_with_its_place() {
    refused("", "not a phylogeny: EOF while parsing a value at line 1 column 0");
    refused(r#"{"version": 1}"#, "not a phylogeny: missing field `models` at line 1 column 14");
    refused(
        r#"{"version": 1, "models": [{"parents": []}]}"#,
        "not a phylogeny: missing field `name` at line 1 column 41",
    );
    assert!(matches!(read_json([0xff, 0xfe].as_slice()), Err(Error::Format { .. })));
}

#[test]
fn every_contradiction_names_its_model() {
    models_refused(r#"{"name": "a"}, {"name": "a"}"#, "not a phylogeny: two models are named `a`");
    models_refused(
        r#"{"name": "b", "parents": [{"name": "a"}]}"#,
        "not a phylogeny: model `b` has parent `a`, which is not among the models",
    );
    models_refused(
        r#"{"name": "a"}, {"name": "b", "parents": [{"name": "a", "weight": 0.5}]}"#,
        "invalid phylogeny: weights of the parents of model `b` sum to 0.5, expected 1",
    );
    models_refused(
        r#"{"name": "a"}, {"name": "b"}, {"name": "c", "parents": [{"name": "a", "weight": 1}, {"name": "b"}]}"#,
        "not a phylogeny: model `c` has weights for 1 of its 2 parents, expected all or none",
    );
    models_refused(r#"{"name": "a", "parents": [{"name": "a"}]}"#, "invalid phylogeny: model `a` is its own parent");
    models_refused(
        r#"{"name": "a", "parents": [{"name": "b"}]}, {"name": "b", "parents": [{"name": "a"}]}"#,
        "invalid phylogeny: model `a` is its own ancestor or descends from a cycle",
    );
    models_refused(
        r#"{"name": "a"}, {"name": "b", "parents": [{"name": "a"}, {"name": "a"}]}"#,
        "invalid phylogeny: edge `a` -> `b` is given twice",
    );
    models_refused(
        r#"{"name": "a"}, {"name": "b", "parents": [{"name": "a", "confidence": 2}]}"#,
        "invalid phylogeny: edge `a` -> `b` has confidence 2, expected 0 to 1",
    );
}

#[test]
fn unobserved_models_that_contradict_the_file_are_refused() {
    let file = |unobserved: &str, parents: &str| {
        format!(r#"{{"version": 2, "models": [{{"name": "a"{parents}}}], "unobserved": [{unobserved}]}}"#)
    };
    let parent = r#", "unobserved_parents": [{"unobserved": 0}]"#;
    let read = read_json(file(r#"{"id": 0, "probability": 0.75}"#, parent).as_bytes()).unwrap();
    assert!(read.has_unobserved_parent(ModelId::new(0)) && read.links()[0].weight == 1.0);
    refused(&file(r#"{"id": 0}"#, ""), "invalid phylogeny: unobserved model ?1 has no child");
    refused(&file(r#"{"id": 1}"#, parent), "not a phylogeny: the unobserved model at place 0 has id 1, expected 0");
    refused(
        &file("", parent),
        "not a phylogeny: model `a` has the unobserved parent 0, which is not among the 0 unobserved models",
    );
    refused(
        &file(r#"{"id": 0, "parents": [{"name": "b"}]}"#, parent),
        "not a phylogeny: unobserved model ?1 has parent `b`, which is not among the models",
    );
    refused(
        &file(r#"{"id": 0, "probability": -1}"#, parent),
        "invalid phylogeny: unobserved model ?1 has probability -1, expected 0 to 1",
    );
}

#[test]
fn a_mark_of_version_1_is_an_unobserved_root() {
    let file = |version: u64, parents: &str| {
        format!(
            r#"{{"version": {version}, "models": [{{"name": "a"}}, {{"name": "b"{parents}}}],
                "families": [{{"members": ["a", "b"], "unobserved_root": true}}]}}"#
        )
    };
    let read = |file: String| read_json(file.as_bytes()).unwrap();
    let marked = read(file(1, ""));
    assert_eq!((marked.unobserved().len(), marked.links().len(), marked.roots().count()), (1, 2, 0));
    // Later the mark follows from the unobserved models, and is not read.
    assert_eq!(read(file(2, "")).unobserved().len(), 0);
}

#[test]
fn families_that_contradict_edges_are_refused() {
    let models = r#""models": [{"name": "a"}, {"name": "b", "parents": [{"name": "a"}]}]"#;
    refused(
        &format!(r#"{{"version": 1, {models}, "families": [{{"id": 4, "members": ["a"]}}, {{"members": ["b"]}}]}}"#),
        "not a phylogeny: family 4 does not list `b`, which edges or another family join to its member `a`",
    );
    refused(
        &format!(r#"{{"version": 1, {models}, "families": [{{"id": 4, "members": ["a", "x"]}}]}}"#),
        "not a phylogeny: family 4 has member `x`, which is not among the models",
    );
}

#[test]
fn unknown_fields_and_relations_are_accepted() {
    let phylogeny = models(
        r#"{"name": "a"}, {"name": "b", "why": [1], "parents": [{"name": "a", "relation": "distilled", "rank": 8}]}"#,
    )
    .unwrap();
    assert_eq!(phylogeny.edges()[0].relation, Relation::Unspecified);
}

#[test]
fn missing_weights_are_equal_shares() {
    let phylogeny =
        models(r#"{"name": "a"}, {"name": "b"}, {"name": "c", "parents": [{"name": "a"}, {"name": "b"}]}"#).unwrap();
    assert!(phylogeny.edges().iter().all(|e| e.weight == 0.5));
}

#[test]
fn family_numbers_of_models_stand_in_for_missing_families() {
    let phylogeny = models(r#"{"name": "a", "family": 3}, {"name": "b", "family": 3}, {"name": "c"}"#).unwrap();
    assert_eq!(phylogeny.families().len(), 2);
    assert_eq!(phylogeny.families()[0].roots, [ModelId::new(0), ModelId::new(1)]);
}

#[test]
fn a_byte_order_mark_is_ignored() {
    assert!(read_json("\u{feff}{\"version\": 1, \"models\": []}".as_bytes()).unwrap().is_empty());
}

#[test]
fn deep_nesting_is_refused() {
    let deep = "[".repeat(100_000);
    assert!(read_json(format!(r#"{{"version": {deep}"#).as_bytes()).is_err());
    assert!(read_json(format!(r#"{{"version": 1, "models": {deep}"#).as_bytes()).is_err());
    assert!(read_json(format!(r#"{{"x": {deep}"#).as_bytes()).is_err());
}

#[test]
fn a_remark_that_is_not_known_is_its_sentence() {
    let read = |remarks: &str| {
        read_json(format!(r#"{{"version": 1, "models": [], {remarks}}}"#).as_bytes()).unwrap().remarks().to_vec()
    };
    assert_eq!(read(r#""remarks": ["3 families expected"]"#), [Remark::Other("3 families expected".into())]);
    let expected = Remark::FamiliesExpected { count: 3 };
    let known =
        r#""structured_remarks": [{"kind": "families-expected", "count": 3, "text": "3 families", "by": "me"}]"#;
    assert_eq!(read(known), [expected]);
    for (later, sentence) in [
        (r#"{"kind": "moonlit", "text": "by moonlight"}"#, "by moonlight"),
        (r#"{"kind": "ties", "count": "many", "text": "many ties"}"#, "many ties"),
        (r#"{"kind": "moonlit"}"#, r#"{"kind":"moonlit"}"#),
        ("7", "7"),
    ] {
        assert_eq!(read(&format!(r#""structured_remarks": [{later}]"#)), [Remark::Other(sentence.into())]);
    }
}

proptest! {
    #[test]
    fn round_trip_is_exact(phylogeny in any_phylogeny()) {
        let file = written(&phylogeny);
        let read = read_json(file.as_slice()).unwrap();
        prop_assert_eq!(&read, &phylogeny);
        prop_assert_eq!(written(&read), file);
        let compact = serde_json::to_string(&phylogeny).unwrap();
        prop_assert_eq!(serde_json::from_str::<Phylogeny>(&compact).unwrap(), phylogeny);
    }

    #[test]
    fn damaged_files_never_panic(phylogeny in any_phylogeny(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut file = written(&phylogeny);
        let at = at.index(file.len());
        file[at] = byte;
        let _ = read_json(file.as_slice());
        let _ = read_json(&file[..at]);
    }
}

#[test]
fn reasons_are_read_back() {
    let phylogeny = models(
        r#"{"name": "a"}, {"name": "b", "parents": [{"name": "a", "movements":
            {"compared": 30, "untouched": 4, "largest": [{"parameter": "w", "size": 9, "relative": null, "rank": 2}]}}],
            "candidates": [{"parent": null, "probability": 0.25},
            {"parent": "a", "probability": 0.75, "evidence": [{"signal": "moon", "weight": -1.5}]}]}"#,
    )
    .unwrap();
    let [a, b] = [0, 1].map(ModelId::new);
    let [first, second] = phylogeny.candidates(b) else { panic!("{:?}", phylogeny.candidates(b)) };
    assert_eq!(
        (first.parent, first.score(), first.evidence[0].signal.clone()),
        (Some(a), -1.5, Signal::from_spelling("moon"))
    );
    assert_eq!((second.parent, second.evidence.len()), (None, 0));
    assert_eq!(phylogeny.movements(a, b), [Movement::new("w", 9, f64::INFINITY).with_rank(2)]);
    assert_eq!((phylogeny.compared(a, b), phylogeny.untouched(a, b)), (30, 4));
}

#[test]
fn the_foremost_stand_apart_and_nothing_is_lost() {
    let [a, b] = [0, 1].map(ModelId::new);
    let movements = (0..50).map(|i| Movement::new(format!("w{i}"), 1, f64::from(i / 10))).collect();
    let candidates = (0..8).map(|i| Candidate::new(Some(ModelId::new(i + 2)), 0.1, Vec::new())).collect();
    let builder = PhylogenyBuilder::new(10).with_edge(Edge::new(a, b));
    let phylogeny = builder.with_movements(a, b, movements).with_candidates(b, candidates).build().unwrap();
    let file = written(&phylogeny);
    assert_eq!(read_json(file.as_slice()).unwrap(), phylogeny);
    let mut file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let length = |value: &serde_json::Value| value.as_array().unwrap().len();
    let model = file["models"][1].as_object_mut().unwrap();
    assert_eq!((length(&model["candidates"]), length(&model["more_candidates"])), (5, 3));
    let movements = model["parents"][0]["movements"].as_object_mut().unwrap();
    assert_eq!((length(&movements["largest"]), length(&movements["others"])), (20, 30));

    // A file of the first form has no such list.
    movements.remove("others");
    model.remove("more_candidates");
    let read = read_json(file.to_string().as_bytes()).unwrap();
    assert_eq!((read.movements(a, b).len(), read.compared(a, b), read.untouched(a, b)), (20, 50, 10));
    assert_eq!(read.candidates(b).len(), 5);
    assert_eq!(read_json(written(&read).as_slice()).unwrap(), read);

    let mut whole = Vec::new();
    write_explanation_json(&phylogeny, b, &mut whole).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(whole["model"]["parents"][0]["movements"]["largest"].as_array().unwrap().len(), 50);
    assert_eq!(whole["model"]["candidates"].as_array().unwrap().len(), 8);
    assert_eq!(whole["family"]["members"].as_array().unwrap().len(), 2);
}

#[test]
fn reasons_out_of_range_are_refused_and_a_truth_needs_none() {
    let candidate = r#"{"name": "a"}, {"name": "b", "candidates": [{"parent": "x", "probability": 1}]}"#;
    models_refused(candidate, "not a phylogeny: model `b` has a candidate `x`, which is not among the models");
    models_refused(
        r#"{"name": "b", "candidates": [{"parent": null, "probability": 1.5}]}"#,
        "invalid phylogeny: model `b` has a candidate of probability 1.5, expected 0 to 1",
    );
    models_refused(
        r#"{"name": "a"}, {"name": "b", "parents": [{"name": "a", "movements":
            {"largest": [{"parameter": "w", "size": 1, "relative": -1}]}}]}"#,
        "invalid phylogeny: model `b` has a parameter `w` that moved by -1, expected at least 0",
    );
    models_refused(
        r#"{"name": "a", "residual": 0.5}"#,
        "invalid phylogeny: model `a` has a residual and 0 parents, expected 2 or more",
    );
    let file = format!(r#"{{"version": 1, "models": [{candidate}]}}"#);
    assert!(crate::write::parse(file.as_bytes()).unwrap().build(Parents::MayBeUnlisted).is_ok());
}
