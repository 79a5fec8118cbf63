use crate::support::{SHAPES, Zoo, network, write};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::path::PathBuf;

const SKETCH: &str = "sketch zoo --store store --size 64KiB";

fn entries(zoo: &Zoo) -> Vec<PathBuf> {
    let all = fs::read_dir(zoo.path("store")).unwrap().map(|e| e.unwrap().path());
    all.filter(|p| p.extension().is_some_and(|e| e == "safetensors")).collect()
}

#[test]
fn sketching_again_leaves_a_store_as_it_is() {
    let zoo = Zoo::two_stars();
    let first = zoo.output(SKETCH);
    assert!(first.starts_with("added      a\nadded      a1\n") && first.lines().count() == 9, "{first}");
    let again = zoo.output("sketch zoo --store store");
    assert!(again.lines().all(|l| l.starts_with("unchanged  ")) && again.lines().count() == 9, "{again}");
    let said = zoo.refusal("sketch zoo --store store --seed 1");
    assert!(said.contains("was made with seed 0, size 65536 bytes, expected seed 1"), "{said}");
}

#[test]
fn another_model_of_the_name_needs_to_be_told() {
    let zoo = Zoo::two_stars();
    zoo.output(SKETCH);
    write(&zoo.path("zoo/a.safetensors"), &SHAPES, &network(&mut ChaCha8Rng::seed_from_u64(9), &SHAPES));
    let said = zoo.refusal("sketch zoo --store store");
    assert!(said.contains("the store has another model `a`"), "{said}");
    let replaced = zoo.output("sketch zoo --store store --replace --include-models a?  --include-models a");
    assert!(replaced.starts_with("replaced   a\nunchanged  a1\n"), "{replaced}");
}

#[test]
fn entries_are_listed_and_removed() {
    let zoo = Zoo::two_stars();
    zoo.output(SKETCH);
    assert_eq!(zoo.output("store remove a b --store store"), "");
    let table = zoo.output("store list --store store");
    assert!(table.starts_with("model ") && table.lines().count() == 8, "{table}");
    let json: serde_json::Value = serde_json::from_str(&zoo.output("store list --store store --format json")).unwrap();
    assert_eq!(json["sketches"][0]["name"], "a1");
    assert_eq!(json["sketches"][0]["values"], 2041);
    assert!(zoo.refusal("store remove a --store store").contains("no model is named `a`"));
    for words in ["store list --store gone", "store verify --store gone", "store remove a --store gone"] {
        assert!(zoo.refusal(words).contains("gone is not a store of sketches"), "{words}");
    }
}

#[test]
fn damage_is_listed_and_repaired_by_replacing() {
    let zoo = Zoo::two_stars();
    zoo.output(SKETCH);
    assert_eq!(zoo.output("store verify --store store"), "");
    for path in entries(&zoo).iter().take(2) {
        let mut bytes = fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let run = zoo.run("store verify --store store");
    assert_eq!((run.code, run.stdout.lines().count()), (2, 2), "{}", run.stdout);
    assert!(run.stdout.contains("is damaged: its checksum is ") && run.stderr.contains("found 2 problems"));
    zoo.output("sketch zoo --store store --replace");
    assert_eq!(zoo.output("store verify --store store"), "");
}

#[test]
fn several_processes_add_to_one_store() {
    let zoo = Zoo::two_stars();
    let words = ["zoo", "zoo", "zoo/a.safetensors", "zoo/b.safetensors"];
    let started: Vec<_> = words
        .iter()
        .map(|p| zoo.command(["sketch", p, "--store", "store"]).stdout(std::process::Stdio::null()).spawn().unwrap())
        .collect();
    for mut process in started {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(entries(&zoo).len(), 9);
    assert_eq!(zoo.output("store verify --store store"), "");
}

#[test]
fn a_store_among_the_models_is_no_model_and_damage_is_told() {
    let zoo = Zoo::two_stars();
    zoo.output("sketch zoo --store zoo/store");
    let run = zoo.with_damaged().run("sketch zoo --store zoo/store --skip-unreadable");
    assert_eq!((run.code, run.stdout.lines().count()), (0, 9), "{}", run.stdout);
    assert!(run.stderr.contains("store is not read: a store of sketches"), "{}", run.stderr);
    assert!(run.stderr.contains("warning: skipped `damaged`: "), "{}", run.stderr);
}

#[test]
fn detection_from_a_store_is_that_from_the_models_where_they_are_held_whole() {
    let zoo = Zoo::two_stars();
    zoo.output(SKETCH);
    // Paths are known of files, and contents of sketches; all else is the same.
    let found = |words: &str| {
        let mut file: serde_json::Value = serde_json::from_str(&zoo.output(words)).unwrap();
        for model in file["models"].as_array_mut().unwrap() {
            let model = model.as_object_mut().unwrap();
            for field in ["path", "format", "layout", "content"] {
                model.remove(field);
            }
        }
        file
    };
    let from_models = found("detect zoo --format json");
    fs::rename(zoo.path("zoo"), zoo.path("elsewhere")).unwrap();
    assert_eq!(found("detect --store store --format json"), from_models);
    assert!(zoo.output("explain a1 --store store").contains('a'));
    let some = zoo.output("detect --store store --include-models a*");
    assert!(some.contains("a1") && !some.contains("b1"), "{some}");
    let said = zoo.refusal("detect");
    assert!(said.contains("PATH"), "{said}");
    assert!(zoo.refusal("detect --store gone").contains("gone is not a store of sketches"));
}

#[test]
fn a_flipped_bit_is_found_by_whatever_reads_it() {
    let zoo = Zoo::two_stars();
    zoo.output("sketch zoo --store store --size 100KB");
    let path = entries(&zoo).remove(0);
    let whole = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let step = (whole.len() - header) / 7;
    for at in (header..whole.len()).step_by(step) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        for words in [
            "detect --store store",
            "store list --store store",
            "explain alone --store store",
            "query --name alone --store store",
        ] {
            let run = zoo.run(words);
            let (code, said) = (run.code, run.stderr);
            assert!(code == 2 && said.contains("is damaged: its "), "{at} {words}: {said}");
            assert!(said.contains(".safetensors"), "{at} {words}: {said}");
        }
        let run = zoo.run("detect --store store --skip-unreadable");
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.stdout.contains("8 models") && run.stdout.contains("skipped: 1 model"), "{}", run.stdout);
        assert!(run.stderr.contains("warning: skipped ") && run.stderr.contains("is damaged"), "{}", run.stderr);
    }
}
