use crate::support::{SHAPES, Zoo, network, write};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::fs;

/// A store of all but `a1`, which lies beside it.
fn store() -> Zoo {
    let zoo = Zoo::two_stars();
    fs::rename(zoo.path("zoo/a1.safetensors"), zoo.path("a1.safetensors")).unwrap();
    zoo.output("sketch zoo --store store --size 64KiB");
    zoo
}

/// Standard output, and the note that tells what it took.
fn asked(zoo: &Zoo, words: &str) -> (String, String) {
    let run = zoo.run(&format!("query --store store {words}"));
    assert_eq!(run.code, 0, "{words}: {}", run.stderr);
    (run.stdout, run.stderr)
}

fn json(zoo: &Zoo, words: &str) -> Value {
    serde_json::from_str(&asked(zoo, &format!("{words} --format json")).0).unwrap()
}

#[test]
fn what_a_new_model_is_derived_from_is_told() {
    let zoo = store();
    let (table, note) = asked(&zoo, "a1.safetensors");
    assert!(table.starts_with("a1: 8 models stored, 3 like kin, 3 compared\n\n  parent  relation "), "{table}");
    assert!(table.contains("\n  a       fine-tune ") && table.contains("\n2 siblings: a"), "{table}");
    assert!(note.starts_with("note: sketched in ") && note.contains(", answered in "), "{note}");
    assert!(note.ends_with(", index brought up to date by 8 of 8 sketches\n"), "{note}");
    let (again, note) = asked(&zoo, "a1.safetensors");
    assert!(again == table && !note.contains("index"), "{note}");

    let answer = json(&zoo, "a1.safetensors");
    assert_eq!((&answer["model"], &answer["parents"][0]["name"]), (&"a1".into(), &"a".into()));
    assert!(answer["parents"][0]["confidence"].as_f64().unwrap() > 0.5);
    assert_eq!((&answer["stored"], &answer["nearest"][0]["name"]), (&8.into(), &"a".into()));
}

#[test]
fn a_stored_model_is_asked_about_by_name() {
    let zoo = store();
    let (table, note) = asked(&zoo, "--name b");
    assert!(
        table.contains("a root: nothing compared was before it") && table.contains("\n  child  relation "),
        "{table}"
    );
    assert!(!table.contains("identical") && note.starts_with("note: answered in "), "{table}{note}");
    let answer = json(&zoo, "--name b --count 2");
    assert_eq!((answer["children"].as_array().unwrap().len(), &answer["related"]), (2, &3.into()));
    assert!(zoo.refusal("query --store store --name c").contains("no model is named `c`"));
}

#[test]
fn an_identical_model_and_a_stranger_are_told() {
    let zoo = store();
    let (table, _) = asked(&zoo, "zoo/b1.safetensors");
    assert!(table.contains("\nidentical to b1\n") && table.contains("\n  b       fine-tune "), "{table}");
    write(&zoo.path("new.safetensors"), &SHAPES, &network(&mut ChaCha8Rng::seed_from_u64(77), &SHAPES));
    let (table, _) = asked(&zoo, "new.safetensors");
    assert!(table.contains("\nno kin in the store\n"), "{table}");
    assert_eq!(json(&zoo, "new.safetensors")["parents"], Value::Array(Vec::new()));
}

#[test]
fn the_answer_goes_to_a_file() {
    let zoo = store();
    assert_eq!(asked(&zoo, "a1.safetensors -o answer.txt").0, "");
    assert!(fs::read_to_string(zoo.path("answer.txt")).unwrap().starts_with("a1: 8 models"));
    assert!(zoo.refusal("query --store store a1.safetensors -o gone/answer.txt").contains("gone does not exist"));
}

#[test]
fn a_damaged_sketch_is_told_and_the_others_answer() {
    let zoo = store();
    let all = fs::read_dir(zoo.path("store")).unwrap().map(|e| e.unwrap().path());
    let path = all.filter(|p| p.extension().is_some_and(|e| e == "safetensors")).min().unwrap();
    fs::write(&path, b"damaged").unwrap();
    assert!(zoo.refusal("query --store store a1.safetensors").contains(" is truncated: "));
    let (table, note) = asked(&zoo, "a1.safetensors --skip-unreadable");
    assert!(table.starts_with("a1: 7 models stored"), "{table}");
    assert!(note.starts_with("warning: left out ") && note.contains(" is truncated: "), "{note}");
}

#[test]
fn what_is_missing_is_said() {
    let zoo = store();
    assert!(zoo.refusal("query --store gone a1.safetensors").contains("gone is not a store of sketches"));
    assert!(zoo.refusal("query --store store gone").contains("gone does not exist"));
    assert!(zoo.refusal("query --store store").contains("<MODEL>"));
    assert!(zoo.refusal("query --store store --name a zoo").contains("cannot be used with"));
}

/// Damages the sketch of a model, and returns its file.
fn damage(zoo: &Zoo, name: &str) -> String {
    let listed = zoo.output("store list --store store");
    let before = listed.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap().to_owned();
    let content = before.split_whitespace().last().unwrap();
    let of_model = |path: &std::path::PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).contains(content);
    let files = fs::read_dir(zoo.path("store")).unwrap().map(|entry| entry.unwrap().path());
    let entries = files.filter(|p| !["sketches.json", "index.safetensors"].iter().any(|other| p.ends_with(other)));
    let path = entries.into_iter().find(of_model).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 3;
    bytes[end] ^= 4;
    fs::write(&path, bytes).unwrap();
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_damaged_sketch_is_said_and_never_reverses_an_answer_in_silence() {
    let zoo = store();
    // Without its parent, a child looks like one of an absent model.
    assert_eq!(json(&zoo, "a1.safetensors")["parents"][0]["name"], "a");
    let file = damage(&zoo, "a");
    for words in ["query --store store a1.safetensors", "query --store store --name a2", "query --store store --name a"]
    {
        assert!(zoo.refusal(words).contains(&file), "{words}");
    }
    let run = zoo.run("query --store store a1.safetensors --skip-unreadable");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("warning: left out ") && run.stderr.contains(&file), "{}", run.stderr);
    let said = "1 sketch of the store cannot be read and took no part, so that kin may be missing";
    assert!(run.stdout.contains(said) && run.stdout.contains(&file), "{}", run.stdout);
    let answer = json(&zoo, "a1.safetensors --skip-unreadable");
    assert_eq!((answer["unreadable"].as_array().unwrap().len(), &answer["stored"]), (1, &7.into()));
    // The model in question itself.
    let run = zoo.run("query --store store --name a --skip-unreadable");
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stdout.contains("could not be compared") && run.stdout.contains(&file), "{}", run.stdout);
}

#[test]
fn a_list_has_the_others_and_names_what_is_damaged() {
    let zoo = store();
    let file = damage(&zoo, "a");
    let run = zoo.run("store list --store store");
    assert_eq!((run.code, run.stdout.lines().count()), (2, 8));
    assert!(run.stderr.contains(&file) && run.stderr.contains("found one problem in the store"), "{}", run.stderr);
    let run = zoo.run("store list --store store --format json");
    let list: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, list["sketches"].as_array().unwrap().len()), (2, 7));
    assert!(list["unreadable"][0].as_str().unwrap().contains(&file));
    zoo.output("store remove a --store store");
    assert_eq!(zoo.output("store list --store store").lines().count(), 8);
}
