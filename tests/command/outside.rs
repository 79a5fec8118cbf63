//! What lies outside the given folders is not read unless that is allowed, and no byte of it is shown.

use crate::support::{SHAPES, Zoo, network, tuned, write, write_plain};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::os::unix::fs::symlink;

const SECRET: &str = "correct-horse-battery-staple";

/// Models in `zoo`, and a model and a secret beside it.
fn zoo() -> Zoo {
    let zoo = Zoo::two_stars();
    fs::create_dir(zoo.path("other")).unwrap();
    fs::rename(zoo.path("zoo/b.safetensors"), zoo.path("other/b.safetensors")).unwrap();
    zoo.write("other/secret", format!("\"{SECRET}\" and more"));
    zoo
}

/// An adapter over a network of the zoo, which records its base.
fn adapter(zoo: &Zoo, folder: &str, recorded: &str) {
    let config = format!(
        r#"{{"peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": ["fc1"], "base_model_name_or_path": "{recorded}"}}"#
    );
    zoo.write(&format!("{folder}/adapter_config.json"), config);
    let shapes: [(&str, &[usize]); 2] =
        [("base_model.model.fc1.lora_A.weight", &[2, 30]), ("base_model.model.fc1.lora_B.weight", &[40, 2])];
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    write_plain(&zoo.path(&format!("{folder}/adapter_model.safetensors")), &shapes, &network(&mut rng, &shapes));
}

/// Every way out of `zoo`, in a folder of its own each: the words for a run, and what it says of it.
fn ways_out(zoo: &Zoo) -> Vec<(&'static str, &'static str)> {
    let made = |folder: &str| fs::create_dir_all(zoo.path(folder)).unwrap();
    let link = |to: &str, at: &str| {
        let at = zoo.path(at);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(zoo.path(to), at).unwrap();
    };
    link("other/b.safetensors", "link/b.safetensors");
    link("other/secret", "secret/b.safetensors");
    link("other/secret", "pickle/pytorch_model.bin");
    link("other/secret", "gguf/model.gguf");
    link("other/secret", "array/model.npz");
    // Settings and indexes beside weights that are there.
    made("config");
    fs::copy(zoo.path("zoo/a.safetensors"), zoo.path("config/model.safetensors")).unwrap();
    link("other/secret", "config/config.json");
    link("other/secret", "index/model.safetensors.index.json");
    zoo.write("shard/model.safetensors.index.json", r#"{"weight_map": {"w": "part.safetensors"}}"#);
    link("other/secret", "shard/part.safetensors");
    zoo.write("index-up/model.safetensors.index.json", r#"{"weight_map": {"w": "../other/secret"}}"#);
    adapter(zoo, "settings", "nothing");
    fs::remove_file(zoo.path("settings/adapter_config.json")).unwrap();
    link("other/secret", "settings/adapter_config.json");
    link("other/secret", "pipeline/model_index.json");
    adapter(zoo, "base-up", "../other/b.safetensors");
    adapter(zoo, "base-secret", "../other/secret");
    adapter(zoo, "base-linked", "b.safetensors");
    link("other/b.safetensors", "base-linked/b.safetensors");
    let absolute = zoo.path("other/b.safetensors").display().to_string();
    adapter(zoo, "base-absolute", &absolute);
    vec![
        ("link", "leads outside the given folders"),
        ("secret", "leads outside the given folders"),
        ("pickle", "leads outside the given folders"),
        ("gguf", "leads outside the given folders"),
        ("array", "leads outside the given folders"),
        ("index", ""),
        ("shard", "leads outside the given folders"),
        ("index-up", ""),
        ("settings", "leads outside the given folders"),
        ("pipeline", "leads outside the given folders"),
        ("base-up", "leads outside the given folders"),
        ("base-secret", "leads outside the given folders"),
        ("base-linked", "leads outside the given folders"),
        ("base-absolute", "leads outside the given folders"),
    ]
}

#[test]
fn no_way_leads_out_and_no_byte_is_shown() {
    let zoo = zoo();
    for (folder, said) in ways_out(&zoo).into_iter().chain([("config", "")]) {
        for words in [
            format!("detect zoo {folder}"),
            format!("detect zoo {folder} --skip-unreadable --format json"),
            format!("inspect {folder} --tensors"),
            format!("sketch {folder} --store store-of-{folder}"),
            format!("compare zoo/a.safetensors {folder}"),
        ] {
            let run = zoo.run(&words);
            let all = format!("{}{}", run.stdout, run.stderr);
            assert!(!SECRET.split('-').any(|word| all.contains(word)), "{words}: {all}");
            if words.starts_with("detect") && !words.contains("skip") && !said.is_empty() {
                assert!(run.code == 2 && run.stderr.contains(said), "{words}: {} {all}", run.code);
            }
            // Without it, the others are there.
            if words.contains("skip") {
                assert_eq!(run.code, 0, "{words}: {all}");
            }
        }
    }
}

#[test]
fn ways_out_are_followed_where_that_is_allowed_or_given() {
    let zoo = zoo();
    ways_out(&zoo);
    zoo.output("sketch zoo --store store --size 64KiB");
    for folder in ["link", "base-up", "base-linked", "base-absolute"] {
        let run = zoo.run(&format!("detect zoo {folder} --allow-outside"));
        assert!(run.code == 0 && run.stdout.contains("9 models"), "{folder}: {}{}", run.stdout, run.stderr);
        // The place is given.
        assert!(zoo.run(&format!("detect zoo {folder} other")).stdout.contains("models"), "{folder}");
        assert!(zoo.refusal(&format!("query {folder} --store store")).contains("leads outside"), "{folder}");
        assert_eq!(zoo.run(&format!("query {folder} --store store --allow-outside")).code, 0, "{folder}");
    }
    for folder in ["base-up", "base-linked", "base-absolute"] {
        let told = zoo.run(&format!("inspect {folder} --base other/b.safetensors")).stdout;
        assert!(told.contains("peft adapter over ") && told.contains("b.safetensors"), "{folder}: {told}");
        assert_eq!(zoo.run(&format!("query {folder} --store store --base other/b.safetensors")).code, 0, "{folder}");
    }
}

#[test]
fn a_linked_folder_outside_is_passed_over_and_told() {
    let zoo = zoo();
    symlink(zoo.path("other"), zoo.path("zoo/out")).unwrap();
    let run = zoo.run("detect zoo");
    assert!(run.code == 0 && run.stdout.contains("8 models"), "{}", run.stdout);
    assert!(run.stderr.contains("note: ") && run.stderr.contains("zoo/out") && run.stderr.contains("--allow-outside"));
    assert!(zoo.run("detect zoo --allow-outside").stdout.contains("9 models"));
    // A link within is no way out.
    symlink("a.safetensors", zoo.path("zoo/again.safetensors")).unwrap();
    fs::create_dir(zoo.path("zoo/deep")).unwrap();
    symlink("../../zoo", zoo.path("zoo/deep/linked")).unwrap();
    fs::remove_file(zoo.path("zoo/out")).unwrap();
    assert!(zoo.run("detect zoo --skip-unreadable").stdout.contains("8 models"));
}

#[test]
fn a_hub_cache_reads_its_own_blobs_and_the_bases_of_its_adapters() {
    let zoo = Zoo::two_stars();
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let root = network(&mut rng, &SHAPES);
    let child = tuned(&mut rng, &root);
    for (name, weights) in [("base", &root), ("chat", &child)] {
        let blobs = format!("hub/models--acme--{name}/blobs");
        write(&zoo.path(&format!("{blobs}/x{name}")), &SHAPES, weights);
        zoo.write(&format!("{blobs}/config"), "{}");
        let snapshot = format!("hub/models--acme--{name}/snapshots/0a");
        fs::create_dir_all(zoo.path(&snapshot)).unwrap();
        for (blob, file) in [(format!("x{name}"), "model.safetensors"), ("config".to_owned(), "config.json")] {
            symlink(format!("../../blobs/{blob}"), zoo.path(&format!("{snapshot}/{file}"))).unwrap();
        }
    }
    adapter(&zoo, "hub/models--acme--lora/snapshots/1b", "acme/base");
    for given in ["hub", "hub/models--acme--base hub/models--acme--chat hub/models--acme--lora"] {
        assert!(zoo.output(&format!("detect {given}")).contains("3 models"), "{given}");
    }
    // A revision alone stands for its repository, and the base is found in the cache that holds the adapter.
    let alone = "hub/models--acme--chat/snapshots/0a hub/models--acme--lora/snapshots/1b";
    let run = zoo.run(&format!("inspect {alone}"));
    assert!(run.stdout.contains("found in the hub cache"), "{}{}", run.stdout, run.stderr);
    // A link into the blobs of another repository, which is not given, is a way out.
    fs::remove_file(zoo.path("hub/models--acme--chat/snapshots/0a/model.safetensors")).unwrap();
    symlink(
        "../../../models--acme--base/blobs/xbase",
        zoo.path("hub/models--acme--chat/snapshots/0a/model.safetensors"),
    )
    .unwrap();
    assert!(zoo.refusal("detect zoo hub/models--acme--chat").contains("leads outside the given folders"));
}
