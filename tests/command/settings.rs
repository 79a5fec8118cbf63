//! Settings that are wrong are found before anything is read.

use crate::support::Zoo;

/// Settings that no models could have, and what is said of each.
const DETECT: [(&str, &str); 27] = [
    ("--families 0", "expected 1 or more"),
    ("--families x", "--families"),
    ("--false-alarm 2", "`--false-alarm` is 2"),
    ("--false-alarm 0", "`--false-alarm` is 0"),
    ("--false-alarm nan", "`--false-alarm` is NaN"),
    ("--minimum-confidence 2", "`--minimum-confidence` is 2"),
    ("--minimum-confidence nan", "`--minimum-confidence` is NaN"),
    ("--presence-prior 1", "--presence-prior"),
    ("--memory 10", "`--memory` is 10 bytes"),
    ("--first-values 0", "`--first-values` is 0"),
    ("--minimum-shared 0", "`--minimum-shared` is 0"),
    ("--minimum-shared nan", "`--minimum-shared` is NaN"),
    ("--include [", "`--include` is `[`"),
    ("--exclude [", "`--exclude` is `[`"),
    ("--include-models [", "`--include-models` is `[`"),
    ("--exclude-models [", "`--exclude-models` is `[`"),
    ("--detector kmeans --alpha 2", "`--alpha` is 2"),
    ("--detector kmeans --restarts 0", "`--restarts` is 0"),
    ("--detector kmeans --seeding likely-parents:2", "the share of `--seeding` is 2"),
    ("--detector mean-shift --bandwidth=-1", "`--bandwidth` is -1"),
    ("--detector mean-shift --bandwidth quantile:2", "the quantile of `--bandwidth` is 2"),
    ("--detector dbscan --eps=-1", "`--eps` is -1"),
    ("--detector dbscan --min-points 0", "`--min-points` is 0"),
    ("--detector arborescence --lambda=-1", "`--lambda` is -1"),
    ("--detector lineage --selector medoid", "uses no selector"),
    ("--base gone", "gone does not exist"),
    ("--base acme/base=gone", "gone does not exist"),
];

/// The search for models would fail, so that what is said comes before it.
#[test]
fn settings_of_a_detection_come_before_the_search() {
    let zoo = Zoo::two_stars();
    for (words, said) in DETECT {
        for command in ["detect", "explain a", "rebuild 0 -o made"] {
            let refused = zoo.refusal(&format!("{command} nowhere {words}"));
            assert!(refused.contains(said), "{command} {words}: {refused}");
        }
    }
    for words in ["--resume nowhere/sums", "--initialization nowhere", "-o nowhere/result"] {
        let refused = zoo.refusal(&format!("detect gone {words}"));
        assert!(refused.contains("nowhere"), "{words}: {refused}");
    }
}

#[test]
fn settings_of_the_other_commands_come_before_the_search() {
    let zoo = Zoo::two_stars();
    zoo.output("sketch zoo --store store --size 64KiB");
    for (words, said) in [
        ("inspect nowhere --include [", "`--include` is `[`"),
        ("inspect nowhere --include-models [", "`--include-models` is `[`"),
        ("inspect nowhere --first-values 0", "`--first-values` is 0"),
        ("inspect nowhere --minimum-shared 2", "`--minimum-shared` is 2"),
        ("inspect nowhere --base gone", "gone does not exist"),
        ("query nowhere --store store --count 0", "`--count` is 0"),
        ("query nowhere --store store --minimum-confidence 2", "`--minimum-confidence` is 2"),
        ("query nowhere --store store --base gone", "gone does not exist"),
        ("query nowhere --store gone", "gone is not a store"),
        ("query nowhere --store store -o gone/result", "output folder gone does not exist"),
        ("sketch nowhere --store store --seed 5", "expected seed 5"),
        ("sketch nowhere --store store --size 10", "size 10 bytes"),
        ("sketch nowhere --store store --include-models [", "`--include-models` is `[`"),
        ("sketch nowhere --store store --base gone", "gone does not exist"),
        ("sketch nowhere --store zoo/a.safetensors", "cannot make a folder at zoo/a.safetensors"),
        ("sketch nowhere --store zoo/a.safetensors/store", "cannot make a folder at zoo/a.safetensors/store"),
        ("compare nowhere nowhere2 --memory 10", "`--memory` is 10 bytes"),
        ("compare nowhere nowhere2 --base gone", "gone does not exist"),
        ("rebuild 0 nowhere -o zoo/a.safetensors", "cannot make a folder at zoo/a.safetensors"),
    ] {
        let refused = zoo.refusal(words);
        assert!(refused.contains(said), "{words}: {refused}");
    }
}

/// One model holds NaN, so that the pass would fail. What depends on the models alone comes before it.
#[test]
fn settings_that_depend_on_the_models_come_before_the_pass() {
    let zoo = Zoo::two_stars();
    let mut bytes = std::fs::read(zoo.path("zoo/b2.safetensors")).unwrap();
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    zoo.write("zoo/b2.safetensors", bytes);
    for (words, said) in [
        ("detect zoo", "NaN"),
        ("detect zoo --families 1000", "found 1000 families"),
        ("detect zoo --include nope*", "has no parameter to compare"),
        ("detect zoo --include-models nope*", "found no model"),
        ("explain nope zoo", "no model is named `nope`"),
        ("rebuild nope zoo -o made", "no model is named `nope`"),
        ("sketch zoo --store store --size 10", "model `a`: a sketch of 3 tensors needs at least"),
    ] {
        let refused = zoo.refusal(words);
        assert!(refused.contains(said), "{words}: {refused}");
    }
    assert_eq!(zoo.beside(), ["zoo"]);
}

/// A model of too many tensors for a sketch of the size costs the others nothing.
#[test]
fn a_model_of_too_many_tensors_is_skipped_before_anything_is_read() {
    use rand::SeedableRng;
    let zoo = Zoo::two_stars();
    let names: Vec<String> = (0..200).map(|i| format!("layers.{i}.weight")).collect();
    let shapes: Vec<(&str, &[usize])> = names.iter().map(|name| (name.as_str(), [30, 20].as_slice())).collect();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    crate::support::write(&zoo.path("zoo/many.safetensors"), &shapes, &crate::support::network(&mut rng, &shapes));
    let refused = zoo.refusal("sketch zoo --store store --size 64KiB");
    assert!(refused.contains("model `many`: a sketch of 200 tensors needs at least"), "{refused}");
    assert!(!zoo.path("store").exists());
    let run = zoo.run("sketch zoo --store store --size 64KiB --skip-unreadable");
    assert_eq!((run.code, run.stdout.lines().count()), (0, 9), "{}", run.stderr);
    assert!(run.stderr.contains("skipped `many`"), "{}", run.stderr);
}
