use crate::support::Zoo;
use std::fs;

const STAR_A: &str = r#"{"version": 1, "models": [{"name": "a"}, {"name": "a1", "parents": [{"name": "a"}]},
    {"name": "a2", "parents": [{"name": "a"}]}, {"name": "a3", "parents": [{"name": "a"}]}, {"name": "alone"}]}"#;
const STAR_B: &str = r#"{"version": 1, "models": [{"name": "b"}, {"name": "b1", "parents": [{"name": "b"}]},
    {"name": "b2", "parents": [{"name": "b1"}]}, {"name": "b3", "parents": [{"name": "b"}]}]}"#;

fn evaluated() -> Zoo {
    let zoo = Zoo::two_stars();
    zoo.output("detect zoo --format json --output result.json");
    zoo.write("a.json", STAR_A);
    zoo.write("b.json", STAR_B);
    zoo
}

#[test]
fn a_result_is_measured_against_one_truth_or_several() {
    let zoo = evaluated();
    let table = zoo.output("evaluate result.json a.json");
    assert!(table.starts_with("5 models evaluated, 4 not in the truth, 0 not in the result\n"), "{table}");
    assert!(table.contains("accuracy, children                      3      3      1.000\n"), "{table}");
    // The truth of b has a grandchild, which a star has wrong.
    let table = zoo.output("evaluate result.json a.json b.json");
    assert!(table.contains("accuracy, children                      5      6      0.833\n"), "{table}");
    assert!(table.starts_with("9 models evaluated, 0 not in the truth, 0 not in the result\n"), "{table}");
    for part in ["\nedges by confidence ", "\nexpected calibration error 0.", "\nedges at least this sure "] {
        assert!(table.contains(part), "{table}");
    }
}

#[test]
fn a_result_is_a_truth_for_another_result() {
    let zoo = evaluated();
    zoo.output("detect zoo --format json --selector smallest-norm --output other.json");
    let table = zoo.output("evaluate other.json result.json");
    assert!(table.contains("adjusted Rand index of families 1.000"), "{table}");
}

#[test]
fn the_evaluation_can_be_json_in_a_file() {
    let zoo = evaluated();
    assert_eq!(zoo.output("evaluate result.json a.json b.json --format json --output evaluation.json"), "");
    let text = fs::read_to_string(zoo.path("evaluation.json")).unwrap();
    assert_eq!(text, zoo.output("evaluate result.json a.json b.json --format json"));
    let evaluation: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(evaluation["models"], 9);
    assert_eq!(evaluation["reliability"]["coverage"][0]["answered"]["share"], 1.0);
    assert_eq!((&evaluation["accuracy"]["right"], &evaluation["accuracy"]["of"]), (&5.into(), &6.into()));
}

#[test]
fn what_cannot_be_evaluated_is_named() {
    let zoo = evaluated();
    zoo.write("broken.json", "{");
    zoo.write("later.json", r#"{"version": 3, "models": []}"#);
    zoo.write("strange.json", r#"{"version": 1, "models": [{"name": "x"}]}"#);
    zoo.write(
        "against.json",
        r#"{"version": 1, "models": [{"name": "b"}, {"name": "a", "parents": [{"name": "b"}]}]}"#,
    );
    for (words, part) in [
        ("broken.json a.json", "error: cannot read broken.json: not a phylogeny: "),
        ("result.json later.json", "error: cannot read later.json: not a phylogeny: version is 3, expected 1 or 2"),
        ("result.json strange.json", "error: cannot evaluate: result and truth have no model in common"),
        ("result.json a.json broken.json", "error: cannot read broken.json: "),
        ("result.json", "<TRUTH.json>..."),
    ] {
        let said = zoo.refusal(&format!("evaluate {words}"));
        assert!(said.contains(part), "{words}: {said}");
    }
    let said = zoo.refusal("evaluate result.json a.json against.json");
    assert!(said.starts_with("error: ") && said.contains("`a`"), "{said}");
}
