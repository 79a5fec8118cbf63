//! Folders as caches and programs leave them, and the names of the models in them.

use crate::support::{TestResult, f32_file, text, values, write};
use neural_phylogeny::discover::{Discovered, Discovery, IgnoredKind};
use std::path::Path;

fn model(value: f32) -> Vec<u8> {
    f32_file(&[("w", &[1], &[value])])
}

fn names(found: &Discovered) -> Vec<&str> {
    found.models.iter().map(|m| m.name.as_str()).collect()
}

fn ignored(found: &Discovered, folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    found.ignored.iter().map(|i| format!("{}: {}", i.path.display(), i.reason).replace(&folder, "DIR")).collect()
}

/// A folder of transformers.
fn transformers(dir: &Path, name: &str, value: f32) {
    write(dir, &format!("{name}/config.json"), "{}");
    write(dir, &format!("{name}/model.safetensors"), model(value));
}

#[test]
fn a_name_does_not_depend_on_how_a_path_is_spelled() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = &scratch.path().join("zoo");
    transformers(dir, "run", 1.0);
    transformers(dir, "run/checkpoint-5", 2.0);
    write(dir, "flat/a.safetensors", model(3.0));
    let whole = ["flat/a", "run", "run/checkpoint-5"];
    for spelled in ["", "/", "/.", "/run/..", "/../zoo/"] {
        let path = format!("{}{spelled}", dir.display());
        assert_eq!(names(&Discovery::new().search([&path])?), whole, "{path}");
    }
    for spelled in ["run", "run/", "run/.", "flat/../run", "run/checkpoint-5/.."] {
        let path = dir.join(spelled);
        assert_eq!(names(&Discovery::new().search([&path])?), ["checkpoint-5", "run"], "{spelled}");
        assert_eq!(Discovery::new().open(&path)?.name, "run", "{spelled}");
    }
    // The order of the given paths and repetitions do not matter either.
    for paths in [vec!["", "run", "flat/a.safetensors"], vec!["flat/a.safetensors", "run/", "", "run"]] {
        let found = Discovery::new().search(paths.iter().map(|p| dir.join(p)))?;
        assert_eq!(names(&found), whole, "{paths:?}");
    }
    Ok(())
}

#[test]
fn a_folder_as_mistral_writes_it_is_one_model_of_its_name() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    for name in ["with", "without"] {
        write(dir, &format!("{name}/consolidated.safetensors"), model(1.0));
        write(dir, &format!("{name}/lora.safetensors"), model(2.0));
    }
    write(dir, "with/params.json", "{}");
    let found = Discovery::new().search([dir])?;
    assert_eq!(names(&found), ["with", "without/consolidated", "without/lora"]);
    let beside = "DIR/with/lora.safetensors: beside consolidated.safetensors, which is the one taken";
    assert_eq!(ignored(&found, dir), [beside]);
    Ok(())
}

#[test]
fn chosen_names_stand_for_a_model_or_before_several() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    transformers(dir, "one/a", 1.0);
    transformers(dir, "two/a", 2.0);
    write(dir, "two/b/x.safetensors", model(3.0));
    let discovery = Discovery::new().with_name(dir.join("one/a/"), "acme/base").with_name(dir.join("two"), "tuned");
    let found = discovery.search([dir])?;
    assert_eq!(names(&found), ["acme/base", "tuned/a", "tuned/b/x"]);
    assert_eq!(discovery.open(dir.join("one/a"))?.name, "acme/base");
    // A longer path is nearer to the model.
    let nearer = discovery.clone().with_name(dir.join("two/b/x.safetensors"), "b");
    assert_eq!(names(&nearer.search([dir])?), ["acme/base", "b", "tuned/a"]);
    // A chosen name stays, and the other model of that name gives way.
    let taken = Discovery::new().with_name(dir.join("one/a"), "a").search([dir.join("one/a"), dir.join("two")])?;
    assert_eq!(names(&taken), ["a", "b/x", "two/a"]);
    Ok(())
}

#[test]
fn sentence_transformers_and_mlflow_have_the_name_of_their_folder() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "old/modules.json", r#"[{"idx":0,"path":"0_Transformer"},{"idx":1,"path":"1_Pooling"}]"#);
    transformers(dir, "old/0_Transformer", 1.0);
    write(dir, "old/1_Pooling/config.json", "{}");
    transformers(dir, "new", 2.0);
    write(dir, "new/modules.json", r#"[{"idx":0,"path":""},{"idx":1,"path":"2_Dense"}]"#);
    transformers(dir, "new/2_Dense", 3.0);
    write(dir, "mlruns/0/r1/artifacts/model/MLmodel", "flavors: {}");
    write(dir, "mlruns/0/r1/artifacts/model/data/model.safetensors", model(4.0));
    write(dir, "mlruns/0/r2/artifacts/model/MLmodel", "flavors: {}");
    transformers(dir, "mlruns/0/r2/artifacts/model/model", 5.0);
    write(dir, "lightning_logs/version_0/checkpoints/epoch=1-step=2.safetensors", model(6.0));
    write(dir, "lightning_logs/version_0/hparams.yaml", "{}");
    let found = Discovery::new().search([dir])?;
    assert_eq!(
        names(&found),
        [
            "lightning_logs/version_0/checkpoints/epoch=1-step=2",
            "mlruns/0/r1/artifacts/model",
            "mlruns/0/r2/artifacts/model",
            "new",
            "new/2_Dense",
            "old",
        ]
    );
    assert!(found.unreadable.is_empty() && found.ignored.is_empty(), "{found:?}");
    assert_eq!(values(&*found.models[5].source, "w")?, [1.0]);
    // A damaged list of modules, and one that leads out of the folder, name no model.
    write(dir, "old/modules.json", r#"[{"path":"../new"}]"#);
    assert_eq!(names(&Discovery::new().search([dir.join("old")])?), ["0_Transformer"]);
    write(dir, "old/modules.json", "[");
    assert_eq!(names(&Discovery::new().search([dir.join("old")])?), ["0_Transformer"]);
    Ok(())
}

#[test]
fn models_of_ollama_have_the_names_that_it_shows() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    let blob = |digest: &str| format!("models/blobs/sha256-{digest}");
    let manifest = |layers: &[(&str, &str)]| {
        let layer = |(kind, digest): &(&str, &str)| {
            format!(r#"{{"mediaType":"application/vnd.ollama.image.{kind}","digest":"sha256:{digest}","size":1}}"#)
        };
        format!(r#"{{"schemaVersion":2,"layers":[{}]}}"#, layers.iter().map(layer).collect::<Vec<_>>().join(","))
    };
    let named = |name: &str| format!("models/manifests/registry.ollama.ai/{name}");
    write(dir, &blob("aa"), model(1.0));
    write(dir, &blob("bb"), model(2.0));
    write(dir, &blob("cc"), "template");
    write(dir, &named("library/llama3/8b"), manifest(&[("model", "aa"), ("template", "cc"), ("projector", "dd")]));
    write(dir, &named("library/llama3/latest"), manifest(&[("model", "aa")]));
    write(dir, &named("eve/tuned/q4"), manifest(&[("model", "bb")]));
    write(dir, &named("library/odd/1"), manifest(&[("model", "cc")]));
    write(dir, &named("library/out/1"), manifest(&[("model", "../../../x")]));
    write(dir, &named("library/cut/1"), "{");
    for path in [dir.to_owned(), dir.join("models")] {
        let found = Discovery::new().search([path])?;
        assert_eq!(names(&found), ["eve/tuned:q4", "llama3:8b"]);
        assert_eq!(values(&*found.models[1].source, "w")?, [1.0]);
        assert_eq!(found.models[1].format.as_deref(), Some("safetensors"));
        let said = ignored(&found, dir).join("\n");
        for part in [
            "DIR/models/blobs/sha256-cc: the weights of odd:1: not read",
            "DIR/models/blobs/sha256-dd: the projector of llama3:8b, which is not read",
            "library/llama3/latest: the same file as llama3:8b",
            "library/cut/1 is not valid JSON",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    Ok(())
}

#[test]
fn a_comfy_tree_and_a_library_of_files_are_models_each() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    for file in ["checkpoints/sd15", "vae/ema", "diffusion_models/flux", "text_encoders/t5"] {
        write(dir, &format!("models/{file}.safetensors"), model(1.0));
    }
    write(dir, "models/checkpoints/put_checkpoints_here", "");
    write(dir, "publisher/repo/file-Q8.safetensors", model(2.0));
    let found = Discovery::new().search([dir])?;
    assert_eq!(
        names(&found),
        [
            "models/checkpoints/sd15",
            "models/diffusion_models/flux",
            "models/text_encoders/t5",
            "models/vae/ema",
            "publisher/repo/file-Q8"
        ]
    );
    assert!(found.ignored.is_empty() && found.unreadable.is_empty());
    Ok(())
}

#[test]
fn a_part_that_is_not_read_is_named_and_stops_nothing() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "sd/model_index.json", r#"{"unet":["d","U"],"text_encoder":["t","T"],"safety_checker":[null,null]}"#);
    write(dir, "sd/unet/diffusion_pytorch_model.safetensors", model(1.0));
    write(dir, "sd/text_encoder/model.txt", "x");
    write(dir, "sd/text_encoder/model.nemo", "x");
    let found = Discovery::new().search([dir])?;
    assert_eq!((names(&found), found.unreadable.len()), (vec!["sd"], 0));
    let [only] = &found.ignored[..] else { panic!("{:?}", found.ignored) };
    assert!(only.path.ends_with("text_encoder/model.nemo"));
    assert_eq!(only.kind, IgnoredKind::Unread { format: "a NeMo archive".to_owned() });
    let tokenizer = Discovery::new().with_part("text_encoder").search([dir.join("sd")])?;
    assert_eq!(tokenizer.unreadable.len(), 1);
    Ok(())
}

#[test]
fn a_text_in_place_of_a_model_is_named() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    for (number, page) in ["<!DOCTYPE html>", "{\"error\": 404}", "Entry not found"].iter().enumerate() {
        write(dir, &format!("m{number}.safetensors"), page);
    }
    let found = Discovery::new().search([dir])?;
    let said: Vec<String> = found.unreadable.iter().map(|u| text(&u.error, dir)).collect();
    assert_eq!(said.len(), 3);
    for (said, begin) in said.iter().zip(["<!DOCTYP", "{\"error\"", "Entry no"]) {
        let expected = format!("is not a valid safetensors file: it is a text that begins `{begin}`");
        assert!(said.contains(&expected), "{said}");
    }
    Ok(())
}

#[cfg(unix)]
mod links {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    const MAIN: &str = "a1a1a1a1c0ffee";
    const OTHER: &str = "b2b2b2b2c0ffee";

    /// Adds a file of a snapshot, as the hub's client does: a link to a blob.
    fn add(dir: &Path, repository: &str, revision: &str, file: &str, content: &[u8]) {
        let blob: u64 = content.iter().fold(7, |hash, &b| hash.wrapping_mul(31).wrapping_add(u64::from(b)));
        let folder = dir.join(format!("models--{repository}"));
        write(&folder, &format!("blobs/{blob:016x}"), content);
        let link = folder.join("snapshots").join(revision).join(file);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let up = "../".repeat(2 + file.matches('/').count());
        symlink(format!("{up}blobs/{blob:016x}"), link).unwrap();
    }

    fn hub(dir: &Path) -> PathBuf {
        let hub = dir.join("hub");
        for revision in [MAIN, OTHER] {
            add(&hub, "acme--base", revision, "config.json", b"{}");
            add(&hub, "acme--base", revision, "model.safetensors", &model(1.0));
        }
        write(&hub, "models--acme--base/refs/main", OTHER);
        add(&hub, "eve--tuned", MAIN, "config.json", b"{}");
        add(&hub, "eve--tuned", MAIN, "model.safetensors", &model(2.0));
        add(&hub, "eve--tuned", OTHER, "config.json", b"{}");
        add(&hub, "eve--tuned", OTHER, "model.safetensors", &model(3.0));
        add(&hub, "gpt2", MAIN, "model.safetensors", &model(4.0));
        add(&hub, "many", MAIN, "x-Q4.safetensors", &model(5.0));
        add(&hub, "many", MAIN, "x-Q8.safetensors", &model(6.0));
        add(&hub, "pipe--line", MAIN, "model_index.json", br#"{"unet":["d","U"],"vae":["d","V"]}"#);
        add(&hub, "pipe--line", MAIN, "unet/diffusion_pytorch_model.safetensors", &model(7.0));
        add(&hub, "pipe--line", MAIN, "vae/diffusion_pytorch_model.safetensors", &model(8.0));
        hub
    }

    #[test]
    fn a_hub_cache_has_the_names_of_its_repositories() -> TestResult {
        let scratch = tempfile::tempdir()?;
        let dir = scratch.path();
        let hub = hub(dir);
        let tuned = ["eve/tuned@a1a1a1a1", "eve/tuned@b2b2b2b2"];
        let all =
            [&["acme/base"], &tuned[..], &["gpt2", "many/x-Q4", "many/x-Q8", "pipe/line", "pipe/line/vae"]].concat();
        for path in [dir.to_owned(), hub.clone(), hub.join("models--eve--tuned/..")] {
            let found = Discovery::new().search([path])?;
            assert_eq!(names(&found), all);
            // The revision of `refs/main` stands for the others of the same blobs.
            assert!(found.models[0].path.ends_with(OTHER), "{:?}", found.models[0]);
            let same = format!("models--acme--base/snapshots/{OTHER}");
            let said = |i: &String| i.contains(&format!("{MAIN}: the same blobs as DIR")) && i.ends_with(&same);
            assert!(ignored(&found, dir).iter().any(said), "{:?}", found.ignored);
        }
        assert_eq!(names(&Discovery::new().search([hub.join("models--eve--tuned")])?), tuned);
        let snapshot = hub.join("models--eve--tuned/snapshots").join(MAIN);
        assert_eq!(names(&Discovery::new().search([&snapshot])?), ["eve/tuned"]);
        assert_eq!(names(&Discovery::new().search([snapshot.join("model.safetensors")])?), ["eve/tuned"]);

        // The folder of a repository stands for its main revision, or for its only one.
        for (path, name, value) in
            [("acme--base", "acme/base", 1.0), ("gpt2", "gpt2", 4.0), ("pipe--line", "pipe/line", 7.0)]
        {
            let opened = Discovery::new().open(hub.join(format!("models--{path}")))?;
            assert_eq!((opened.name.as_str(), values(&*opened.source, "w")?), (name, vec![value]));
        }
        assert!(Discovery::new().open(hub.join("models--eve--tuned")).is_err());
        Ok(())
    }

    #[test]
    fn revisions_of_copied_files_and_broken_links_stay_apart() -> TestResult {
        let scratch = tempfile::tempdir()?;
        let hub = scratch.path();
        for revision in [MAIN, OTHER] {
            transformers(hub, &format!("models--a--b/snapshots/{revision}"), 1.0);
        }
        assert_eq!(names(&Discovery::new().search([hub])?), ["a/b@a1a1a1a1", "a/b@b2b2b2b2"]);
        add(hub, "c--d", MAIN, "model.safetensors", &model(1.0));
        fs::remove_dir_all(hub.join("models--c--d/blobs"))?;
        let found = Discovery::new().search([hub])?;
        assert_eq!(found.unreadable.iter().map(|u| u.name.as_str()).collect::<Vec<_>>(), ["c/d"]);
        Ok(())
    }

    #[test]
    fn folders_that_cannot_be_searched_are_listed_when_asked_for() -> TestResult {
        let scratch = tempfile::tempdir()?;
        let dir = &scratch.path().canonicalize()?;
        write(dir, "run/m.safetensors", model(1.0));
        symlink(".", dir.join("run/latest"))?;
        symlink("self", dir.join("run/self"))?;
        symlink("itself.safetensors", dir.join("run/itself.safetensors"))?;
        let listing = Discovery::new().with_unsearchable_listed();
        let unreadable = |found: &Discovered| {
            found.unreadable.iter().map(|u| format!("{}: {}", u.name, text(&u.error, dir))).collect::<Vec<_>>()
        };
        let found = listing.search([dir])?;
        assert_eq!(names(&found), ["run/m"]);
        let said = unreadable(&found).join("\n");
        for part in
            ["run/itself: ", "run/latest: DIR/run/latest leads back to DIR/run", "run/self: DIR/run/self leads back"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(Discovery::new().search([dir]).is_err());
        assert!(listing.search([dir.join("run/self")]).is_err());

        // Root reads everything, so that permissions show nothing then.
        let closed = dir.join("closed");
        write(&closed, "n.safetensors", model(2.0));
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000))?;
        if fs::read_dir(&closed).is_err() {
            assert!(unreadable(&listing.search([dir])?).iter().any(|u| u.starts_with("closed: cannot read ")));
        }
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700))?;
        Ok(())
    }
}
