use crate::support::Zoo;
use std::fs;

#[test]
fn one_model_is_explained_with_the_options_of_detect() {
    let zoo = Zoo::two_stars();
    let text = zoo.output("explain a1 zoo");
    for part in [
        "a1: generation 1 of family 0, 4 models, root a\n",
        "\n  parent  relation   distance  confidence   kin  direction  in the set\n  a       fine-tune",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let root = zoo.output("explain a zoo --exclude-models b* --selector smallest-norm");
    assert!(root.starts_with("a: generation 0 of family 0, 4 models, root a\n3 children: a1, a2, a3\n"), "{root}");
    let alone = zoo.output("explain alone zoo");
    assert!(alone.contains("\nNo other model of the set is its kin.\n"), "{alone}");
    let unsure = zoo.output("explain a1 zoo --minimum-confidence 1");
    assert!(unsure.starts_with("a1: of family 0, 4 models, root a; its parent is withheld\n"), "{unsure}");
}

#[test]
fn an_explanation_can_be_json_in_a_file() {
    let zoo = Zoo::two_stars();
    assert_eq!(zoo.output("explain b2 zoo --format json --output why.json"), "");
    let text = fs::read_to_string(zoo.path("why.json")).unwrap();
    assert_eq!(text, zoo.output("explain b2 zoo --format json"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["version"], &value["model"]["name"]), (&2.into(), &"b2".into()));
    assert_eq!(value["model"]["parents"][0]["name"], "b");
    assert_eq!(value["family"]["members"].as_array().unwrap().len(), 4);
}

#[test]
fn a_name_that_is_not_there_is_found_before_the_work() {
    let zoo = Zoo::two_stars();
    for (words, said) in [
        ("explain a4 zoo", "error: no model is named `a4`, nearest: `a`, `a1`, `a2`, `a3`\n"),
        ("explain ALONE zoo", "error: no model is named `ALONE`, nearest: `alone`\n"),
        ("explain something-else zoo", "error: no model is named `something-else`\n"),
        ("explain a1 nowhere", "error: cannot search for models: nowhere does not exist\n"),
        ("explain a1 zoo --output gone/why", "error: output folder gone does not exist\n"),
        (
            "explain a1 zoo --minimum-confidence 2",
            "error: `--minimum-confidence` is 2, expected a number from 0 to 1\n",
        ),
    ] {
        assert_eq!(zoo.refusal(words), said, "{words}");
    }
    assert!(zoo.refusal("explain a1").contains("<PATH>..."));
    assert!(zoo.refusal("explain").contains("<MODEL>"));
}
