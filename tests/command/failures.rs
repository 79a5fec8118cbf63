use crate::support::{SHAPES, Zoo, network, write, write_plain};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fs;

#[track_caller]
fn says(zoo: &Zoo, words: &str, parts: &[&str]) {
    let said = zoo.refusal(words);
    for part in parts {
        assert!(said.contains(part), "{words}: expected `{part}` in: {said}");
    }
}

#[test]
fn no_model_and_one_model_have_their_own_words() {
    let zoo = Zoo::empty();
    says(&zoo, "detect zoo", &["error: found no model", "expected at least two checkpoints to compare"]);
    write(&zoo.path("zoo/only.safetensors"), &SHAPES, &network(&mut ChaCha8Rng::seed_from_u64(1), &SHAPES));
    says(&zoo, "detect zoo", &["error: found one model, `only`: expected at least two to compare"]);
}

#[test]
fn a_missing_path_is_named() {
    let zoo = Zoo::two_stars();
    for command in ["detect", "inspect"] {
        says(&zoo, &format!("{command} nowhere"), &["error: cannot search for models: nowhere does not exist\n"]);
    }
    says(&zoo, "evaluate nowhere.json truth.json", &["error: cannot read nowhere.json: "]);
    let initialization = "--selector nearest-to-initialization --initialization nowhere";
    says(&zoo, &format!("detect zoo {initialization}"), &["error: ", "initialization", "nowhere"]);
}

#[test]
fn a_damaged_file_is_named_with_what_was_found_and_expected() {
    let zoo = Zoo::two_stars().with_damaged();
    let whole = fs::metadata(zoo.path("zoo/a.safetensors")).unwrap().len();
    let lengths = format!("is truncated: found {} bytes, expected {whole}", whole - 100);
    says(&zoo, "detect zoo", &["error: model `damaged`: ", "damaged.safetensors", &lengths]);
}

#[test]
fn a_value_that_is_not_finite_is_named() {
    let zoo = Zoo::two_stars();
    let mut diverged = network(&mut ChaCha8Rng::seed_from_u64(2), &SHAPES);
    diverged[2][123] = f32::INFINITY;
    write(&zoo.path("zoo/diverged.safetensors"), &SHAPES, &diverged);
    says(&zoo, "detect zoo", &["error: model `diverged`: parameter `fc2.weight` holds inf at element 123"]);
}

#[test]
fn settings_out_of_range_are_named_with_their_range() {
    let zoo = Zoo::two_stars();
    let cases: [(&str, &[&str]); 15] = [
        ("--include [", &["error: `--include` is `[`", "expected a pattern"]),
        ("--exclude-models a[", &["error: `--exclude-models` is `a[`", "expected a pattern"]),
        ("--include nothing", &["has no parameter to compare: found 4 tensors"]),
        ("--include-models nothing", &["error: found no model"]),
        ("--memory 1KiB", &["error: `--memory` is 1024 bytes, expected at least 1 MiB"]),
        ("--memory lots", &["'lots'", "--memory <SIZE>"]),
        ("--families 99", &["error: found 99 families to divide into, expected 1 to 9: "]),
        ("--families 0", &["'0'", "expected 1 or more, or `auto`"]),
        ("--families few", &["'few'", "--families <N|auto>", "expected a number or `auto`"]),
        ("--false-alarm 1.5", &["error: `--false-alarm` is 1.5, expected a probability between 0 and 1"]),
        ("--minimum-shared 0", &["error: `--minimum-shared` is 0, expected a share in (0, 1]"]),
        ("--minimum-confidence 1.5", &["error: `--minimum-confidence` is 1.5, expected a number from 0 to 1"]),
        ("--minimum-confidence nan", &["error: `--minimum-confidence` is NaN, expected a number from 0 to 1"]),
        (
            "--detector hdbscan",
            &["'hdbscan'", "possible values: lineage, independence, kmeans, mean-shift, dbscan, gmm"],
        ),
        ("--format yaml", &["'yaml'", "possible values: table, json, dot, newick"]),
    ];
    for (options, parts) in cases {
        says(&zoo, &format!("detect zoo {options}"), parts);
    }
}

#[test]
fn unknown_words_are_bad_usage() {
    let zoo = Zoo::two_stars();
    says(&zoo, "detect zoo --colour red", &["unexpected argument '--colour'", "Usage: "]);
    says(&zoo, "detect", &["<PATH>..."]);
    says(&zoo, "guess zoo", &["unrecognized subcommand 'guess'"]);
    says(&zoo, "", &["Usage: "]);
    assert!(zoo.output("--version").contains("neural-phylogeny"));
    let commands = ["", "detect ", "explain ", "inspect ", "evaluate ", "sketch ", "query ", "store ", "store list "];
    for command in commands {
        assert!(zoo.output(&format!("{command}--help")).contains("neural-phylogeny"), "{command}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_found_before_the_work() {
    let zoo = Zoo::two_stars().with_damaged();
    says(&zoo, "detect zoo --output zoo", &["error: output zoo is a folder, expected a file"]);
    says(&zoo, "detect zoo --output gone/result", &["error: output folder gone does not exist"]);
    says(&zoo, "evaluate a.json b.json --output gone/result", &["error: output folder gone does not exist"]);
}

#[test]
fn files_that_are_no_models_are_noted() {
    let zoo = Zoo::two_stars();
    zoo.write("zoo/model.tflite", "program");
    let run = zoo.run("detect zoo");
    assert_eq!(run.code, 0);
    assert!(run.stderr.starts_with("note: ") && run.stderr.contains("model.tflite is not read: "), "{}", run.stderr);
    says(&zoo, "detect zoo/model.tflite zoo/a.safetensors", &["model.tflite is ", "convert it to safetensors"]);
}

#[test]
fn a_setting_of_another_detector_is_refused() {
    let zoo = Zoo::two_stars();
    for (words, of, found) in [
        ("--alpha 0.5", "`--detector kmeans` and `--detector mean-shift`", "lineage"),
        ("--alpha sweep --detector dbscan", "`--detector kmeans` and `--detector mean-shift`", "dbscan"),
        ("--alpha 0.5 --detector gmm", "`--detector kmeans` and `--detector mean-shift`", "gmm"),
        ("--bandwidth 1 --detector kmeans", "`--detector mean-shift`", "kmeans"),
        ("--eps 1 --detector kmeans", "`--detector dbscan`", "kmeans"),
        ("--min-points 2 --detector mean-shift", "`--detector dbscan`", "mean-shift"),
        ("--restarts 2 --detector mean-shift", "`--detector kmeans`", "mean-shift"),
        ("--seeding plus-plus --detector gmm", "`--detector kmeans`", "gmm"),
        ("--lambda 0.3", "`--detector arborescence`", "lineage"),
        ("--kurtosis rises --detector neighbor-joining", "`--detector arborescence`", "neighbor-joining"),
        ("--alpha 0.5 --detector arborescence", "`--detector kmeans` and `--detector mean-shift`", "arborescence"),
    ] {
        let setting = words.split_whitespace().next().unwrap();
        let parts = format!("error: `{setting}` is a setting of {of}, found with `--detector {found}`");
        says(&zoo, &format!("detect zoo {words}"), &[&parts]);
    }
}

#[test]
fn a_setting_out_of_range_names_what_was_expected() {
    let zoo = Zoo::two_stars();
    for (words, expected) in [
        ("kmeans --alpha 1.5", "`--alpha` is 1.5, expected a number from 0 to 1"),
        ("kmeans --alpha often", "expected a number from 0 to 1, or `sweep`"),
        ("kmeans --alpha nan", "`--alpha` is NaN"),
        ("kmeans --restarts 0", "restarts"),
        ("kmeans --seeding likely-parents:0", "the share of `--seeding` is 0"),
        ("kmeans --seeding likely-parents:nan", "the share of `--seeding` is NaN"),
        ("kmeans --seeding first", "expected `plus-plus`, `likely-parents`"),
        ("mean-shift --bandwidth wide", "`quantile:Q`"),
        ("mean-shift --bandwidth quantile:2", "the quantile of `--bandwidth` is 2"),
        ("mean-shift --bandwidth 0", "bandwidth"),
        ("dbscan --eps near", "expected a distance above 0"),
        ("dbscan --eps 0", "`--eps` is 0"),
        ("dbscan --min-points 1", "`--min-points` is 1"),
        ("arborescence --lambda=-1", "`--lambda` is -1, expected a finite number from 0"),
        ("arborescence --lambda nan", "`--lambda` is NaN"),
        ("arborescence --kurtosis stays", "expected `falls` or `rises`"),
    ] {
        says(&zoo, &format!("detect zoo --detector {words}"), &["error: ", expected]);
    }
}

#[test]
fn an_adapter_without_a_base_names_the_option_that_gives_one() {
    let zoo = Zoo::two_stars();
    let factors: [(&str, &[usize]); 2] =
        [("lora_unet_fc1.lora_down.weight", &[2, 30]), ("lora_unet_fc1.lora_up.weight", &[40, 2])];
    let values = network(&mut ChaCha8Rng::seed_from_u64(6), &factors);
    write_plain(&zoo.path("zoo/styles/ink.safetensors"), &factors, &values);
    let option = "give it with a base option, as `--base styles/ink=PATH`";
    for command in ["detect zoo", "sketch zoo --store sketches"] {
        says(&zoo, command, &["error: model `styles/ink`: adapter ", option]);
    }
    // A run that goes on without it says the same, and the option helps.
    let text = zoo.run("detect zoo --skip-unreadable");
    assert!(text.code == 0 && format!("{}{}", text.stdout, text.stderr).contains(option), "{}", text.stderr);
    let listed = zoo.output("inspect zoo");
    assert!(listed.contains("would be skipped: styles/ink: ") && listed.contains(option), "{listed}");
    let given = zoo.output("inspect zoo --base styles/ink=zoo/a.safetensors");
    assert!(given.contains("  styles/ink: ") && !given.contains("would be skipped"), "{given}");
}
