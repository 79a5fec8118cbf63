//! From folders as people have them to named models.

use crate::support::{TestResult, bytes, f32_file, text, values, write};
use neural_phylogeny::SourceError;
use neural_phylogeny::discover::{Discovered, Discovery, FileLayout};
use std::path::Path;

fn model(value: f32) -> Vec<u8> {
    f32_file(&[("w", &[1], &[value])])
}

fn names(found: &Discovered) -> Vec<&str> {
    found.models.iter().map(|m| m.name.as_str()).collect()
}

fn ignored(found: &Discovered, folder: &Path) -> Vec<String> {
    let tell = |path: &Path, reason: &str| format!("{}: {reason}", path.display());
    let folder = folder.display().to_string();
    found.ignored.iter().map(|i| tell(&i.path, &i.reason).replace(&folder, "DIR")).collect()
}

fn unreadable(found: &Discovered, folder: &Path) -> Vec<String> {
    found.unreadable.iter().map(|u| format!("{}: {}", u.name, text(&u.error, folder))).collect()
}

#[test]
fn files_and_folders_are_named_by_their_path() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "b.safetensors", model(1.0));
    write(dir, "a/step-1.5.safetensors", model(2.0));
    write(dir, "a/deep/er/c.safetensors", model(3.0));
    write(dir, "run/config.json", "{}");
    write(dir, "run/model.safetensors", model(4.0));
    write(dir, "run/checkpoint-500/config.json", "{}");
    write(dir, "run/checkpoint-500/model.safetensors", model(5.0));
    write(dir, ".cache/hidden.safetensors", model(6.0));
    write(dir, "a/._b.safetensors", "resource fork");
    write(dir, "README.md", "words");
    let found = Discovery::new().search([dir])?;
    assert_eq!(names(&found), ["a/deep/er/c", "a/step-1.5", "b", "run", "run/checkpoint-500"]);
    assert_eq!(values(&*found.models[3].source, "w")?, [4.0]);
    assert_eq!(found.models[3].layout, FileLayout::Transformers);
    assert_eq!(found.models[3].path, dir.join("run"));
    assert!(found.unreadable.is_empty() && found.ignored.is_empty());

    let hidden = Discovery::new().search([dir.join(".cache")])?;
    assert_eq!(names(&hidden), ["hidden"]);
    Ok(())
}

#[test]
fn a_given_path_may_be_a_model_itself() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    let file = write(dir, "x/b.safetensors", model(1.0));
    write(dir, "run/config.json", "{}");
    write(dir, "run/model.safetensors", model(4.0));
    let shard = write(dir, "s/m-00001-of-00001.safetensors", model(1.0));
    let document = write(dir, "truth.json", "{}");
    let program = write(dir, "p.tflite", "");
    let found = Discovery::new().search([file, dir.join("run"), shard, document, program])?;
    assert_eq!(names(&found), ["b", "m", "run"]);
    assert_eq!(ignored(&found, dir), ["DIR/truth.json: no weights file by its name"]);
    assert_eq!(
        unreadable(&found, dir),
        ["p: DIR/p.tflite is a TensorFlow Lite model: not supported, convert it to safetensors"]
    );
    let opened = Discovery::new().open(dir.join("run"))?;
    assert_eq!((opened.name.as_str(), opened.layout), ("run", FileLayout::Transformers));
    Ok(())
}

#[test]
fn equal_names_are_told_apart() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "one/a.safetensors", model(1.0));
    write(dir, "one/a/config.json", "{}");
    write(dir, "one/a/model.safetensors", model(2.0));
    write(dir, "two/a/config.json", "{}");
    write(dir, "two/a/model.safetensors", model(3.0));
    assert_eq!(names(&Discovery::new().search([dir.join("one")])?), ["a", "a.safetensors"]);
    let both = Discovery::new().search([dir.join("one"), dir.join("two")])?;
    assert_eq!(names(&both), ["a.safetensors", "one/a", "two/a"]);
    let given = Discovery::new().search([dir.join("one/a"), dir.join("two/a")])?;
    assert_eq!(names(&given), ["one/a", "two/a"]);
    let reversed = Discovery::new().search([dir.join("two"), dir.join("one")])?;
    assert_eq!(names(&reversed), names(&both));
    // As many folders stand in front as tell them apart.
    for (root, value) in [("x/runs/one/a", 4.0), ("y/runs/one/a", 5.0), ("y/runs/b", 6.0)] {
        write(dir, &format!("{root}/config.json"), "{}");
        write(dir, &format!("{root}/model.safetensors"), model(value));
    }
    let deep = Discovery::new().search(["x/runs/one/a", "y/runs/one", "y/runs/b"].map(|path| dir.join(path)))?;
    assert_eq!(names(&deep), ["b", "x/runs/one/a", "y/runs/one/a"]);
    Ok(())
}

#[test]
fn what_was_reached_twice_is_one_model() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "run/a.safetensors", model(1.0));
    let found = Discovery::new().search([dir.to_owned(), dir.join("run"), dir.join("run/a.safetensors")])?;
    assert_eq!(names(&found), ["run/a"]);
    assert_eq!(
        ignored(&found, dir),
        ["DIR/run: the same folder as DIR/run", "DIR/run/a.safetensors: the same file as DIR/run/a.safetensors"]
    );
    Ok(())
}

#[test]
fn shards_are_one_model_and_bad_ones_unreadable() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    let (a, b) = (f32_file(&[("a", &[1], &[1.0])]), f32_file(&[("b", &[1], &[2.0])]));
    let map = r#"{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#;
    for name in ["flat/model", "t/model"] {
        write(dir, &format!("{name}-00001-of-00002.safetensors"), &a);
        write(dir, &format!("{name}-00002-of-00002.safetensors"), &b);
        write(dir, &format!("{name}.safetensors.index.json"), map);
    }
    write(dir, "t/config.json", "{}");
    write(dir, "numbered/x-00001-of-00002.safetensors", &a);
    write(dir, "numbered/x-00002-of-00002.safetensors", &b);
    write(dir, "gone/model-00001-of-00002.safetensors", &a);
    write(dir, "gone/model.safetensors.index.json", map);
    write(dir, "odd/named.safetensors", &a);
    write(dir, "odd/m.safetensors.index.json", r#"{"weight_map":{"a":"named.safetensors"}}"#);
    write(dir, "both/m.safetensors", model(1.0));
    write(dir, "both/m.safetensors.index.json", r#"{"weight_map":{"a":"m-00001-of-00001.safetensors"}}"#);
    write(dir, "both/m-00001-of-00001.safetensors", &a);
    let found = Discovery::new().search([dir])?;
    assert_eq!(names(&found), ["both/m", "flat/model", "numbered/x", "odd/m", "t"]);
    let layouts: Vec<String> = found.models.iter().map(|m| m.layout.to_string()).collect();
    assert_eq!(
        layouts,
        ["safetensors file", "safetensors shards", "safetensors shards", "safetensors shards", "transformers folder"]
    );
    assert_eq!(found.models[4].source.parameters()?.len(), 2);
    assert_eq!(
        unreadable(&found, dir),
        ["gone/model: shard DIR/gone/model-00002-of-00002.safetensors is missing, \
          needed by DIR/gone/model.safetensors.index.json"]
    );
    assert_eq!(
        ignored(&found, dir),
        ["DIR/both/m.safetensors.index.json: beside m.safetensors, which is the one taken"]
    );
    Ok(())
}

#[test]
fn every_file_of_a_folder_may_be_given() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    let shards = ["x-00001-of-00002.safetensors", "x-00002-of-00002.safetensors"];
    let shards = [write(dir, shards[0], f32_file(&[("a", &[1], &[1.0])])), write(dir, shards[1], model(1.0))];
    let found = Discovery::new().search([&shards[1], &shards[0]])?;
    assert_eq!(names(&found), ["x"]);
    let map = r#"{"weight_map":{"a":"x-00001-of-00002.safetensors","w":"x-00002-of-00002.safetensors"}}"#;
    let index = write(dir, "x.safetensors.index.json", map);
    let found = Discovery::new().search([&shards[0], &shards[1], &index])?;
    assert_eq!(names(&found), ["x"]);
    assert_eq!(found.models[0].path, index);
    Ok(())
}

#[test]
fn other_formats_are_noted_and_trainer_state_is_not() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "old/config.json", "{}");
    write(dir, "old/model.tflite", "");
    write(dir, "tf/config.json", "{}");
    write(dir, "tf/tf_model.h5", "");
    write(dir, "new/config.json", "{}");
    write(dir, "new/model.safetensors", model(1.0));
    write(dir, "new/consolidated.safetensors", model(1.0));
    for name in ["model.tflite", "optimizer.pt", "scheduler.pt", "rng_state_0.pth", "training_args.bin", "vocab.txt"] {
        write(dir, &format!("new/{name}"), "");
    }
    let found = Discovery::new().search([dir])?;
    assert_eq!(names(&found), ["new"]);
    let empty = match cfg!(feature = "keras") {
        true => {
            "tf: DIR/tf/tf_model.h5 is not a valid keras file: it begins neither like an HDF5 file nor like an archive"
        }
        false => "tf: DIR/tf/tf_model.h5 is a Keras file: not supported, convert it to safetensors",
    };
    let old = "old: DIR/old/model.tflite is a TensorFlow Lite model: not supported, convert it to safetensors";
    assert_eq!(unreadable(&found, dir), [old, empty]);
    assert_eq!(
        ignored(&found, dir),
        [
            "DIR/new/consolidated.safetensors: beside model.safetensors, which is the one taken",
            "DIR/new/model.tflite: a TensorFlow Lite model: not read, convert it to safetensors",
        ]
    );
    Ok(())
}

#[test]
fn each_part_of_a_pipeline_is_a_model_or_the_one_asked_for() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    let index =
        r#"{"_class_name":"P","unet":["diffusers","U"],"vae":["diffusers","V"],"text_encoder":["transformers","T"]}"#;
    write(dir, "sd/model_index.json", index);
    write(dir, "sd/unet/config.json", "{}");
    write(dir, "sd/unet/diffusion_pytorch_model.safetensors", model(1.0));
    write(dir, "sd/unet/diffusion_pytorch_model.fp16.safetensors", model(1.0));
    write(dir, "sd/vae/config.json", "{}");
    write(dir, "sd/vae/diffusion_pytorch_model.safetensors", model(2.0));
    write(dir, "sd/text_encoder/config.json", "{}");
    write(dir, "sd/text_encoder/model.safetensors", model(3.0));
    write(dir, "sd/checkpoint-5/unet/config.json", "{}");
    write(dir, "sd/checkpoint-5/unet/diffusion_pytorch_model.safetensors", model(4.0));
    write(dir, "flux/model_index.json", r#"{"transformer":["diffusers","T"]}"#);
    write(dir, "flux/transformer/diffusion_pytorch_model.fp16.safetensors", model(5.0));
    write(dir, "flux/single.safetensors", model(6.0));
    let found = Discovery::new().search([dir])?;
    // The main part has the name of its pipeline.
    assert_eq!(names(&found), ["flux", "sd", "sd/checkpoint-5/unet", "sd/text_encoder", "sd/vae"]);
    assert_eq!(found.models[0].layout, FileLayout::Diffusers { part: "transformer".to_owned() });
    let read = found.models[1..].iter().map(|m| values(&*m.source, "w")).collect::<Result<Vec<_>, _>>()?;
    assert_eq!(read, [[1.0], [4.0], [3.0], [2.0]]);
    assert_eq!((&found.models[1].path, &found.models[3].path), (&dir.join("sd"), &dir.join("sd/text_encoder")));
    let opened = Discovery::new().open(dir.join("sd"))?;
    assert_eq!((opened.name.as_str(), values(&*opened.source, "w")?), ("sd", vec![1.0]));
    assert_eq!(
        ignored(&found, dir),
        [
            "DIR/flux/single.safetensors: beside a diffusers pipeline, which is the model taken",
            "DIR/sd/unet/diffusion_pytorch_model.fp16.safetensors: \
             beside diffusion_pytorch_model.safetensors, which is the one taken",
        ]
    );

    let text_encoder = Discovery::new().with_part("text_encoder").search([dir.join("sd")])?;
    assert_eq!(values(&*text_encoder.models[1].source, "w")?, [3.0]);
    let absent = Discovery::new().with_part("prior").search([dir.join("sd")])?;
    assert_eq!(unreadable(&absent, dir), ["sd: DIR/sd holds no weights: expected a part `prior`"]);
    Ok(())
}

#[test]
fn a_damaged_file_is_unreadable_and_the_others_are_found() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "a.safetensors", model(1.0));
    write(dir, "b.safetensors", bytes("{", &[]));
    let found = Discovery::new().search([dir])?;
    assert_eq!(names(&found), ["a"]);
    assert_eq!(found.unreadable[0].name, "b");
    assert!(matches!(found.unreadable[0].error, SourceError::Json { .. }));
    Ok(())
}

#[test]
fn a_missing_path_is_an_error() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let error = Discovery::new().search([scratch.path().join("none")]).unwrap_err();
    assert_eq!(text(&error, scratch.path()), "DIR/none does not exist");
    Ok(())
}

#[cfg(unix)]
mod links {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_and_real_folders_come_first() -> TestResult {
        let scratch = tempfile::tempdir()?;
        let dir = scratch.path();
        write(dir, "blobs/0f3a", model(1.0));
        write(dir, "snapshots/main/config.json", "{}");
        symlink("../../blobs/0f3a", dir.join("snapshots/main/model.safetensors"))?;
        symlink("snapshots/main", dir.join("latest"))?;
        symlink("gone", dir.join("x.safetensors"))?;
        symlink("gone", dir.join("x.txt"))?;
        let found = Discovery::new().search([dir])?;
        assert_eq!(names(&found), ["snapshots/main"]);
        assert_eq!(unreadable(&found, dir), ["x: DIR/x.safetensors does not exist"]);
        assert_eq!(ignored(&found, dir), ["DIR/latest: the same folder as DIR/snapshots/main"]);
        Ok(())
    }

    #[test]
    fn a_loop_is_an_error() -> TestResult {
        let scratch = tempfile::tempdir()?;
        let dir = scratch.path().canonicalize()?;
        write(&dir, "a/m.safetensors", model(1.0));
        symlink("..", dir.join("a/up"))?;
        let error = Discovery::new().search([&dir]).unwrap_err();
        assert_eq!(
            text(&error, &dir),
            "DIR/a/up leads back to DIR: symbolic link loop, remove the link or give a folder below it"
        );
        std::fs::remove_file(dir.join("a/up"))?;
        symlink("self", dir.join("a/self"))?;
        let error = Discovery::new().search([&dir]).unwrap_err();
        assert!(matches!(error, SourceError::SymlinkLoop { .. }), "{error}");
        Ok(())
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_are_told_apart() -> TestResult {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let scratch = tempfile::tempdir()?;
    let dir = &scratch.path().join("d");
    std::fs::create_dir(dir)?;
    let file = |name: &[u8], value| std::fs::write(dir.join(OsStr::from_bytes(name)), model(value));
    file(b"a\xe8.safetensors", 1.0)?;
    file(b"a\xe9.safetensors", 2.0)?;
    file(b"s\xe8-00001-of-00001.safetensors", 3.0)?;
    file(b"s\xe9-00001-of-00001.safetensors", 4.0)?;
    let found = Discovery::new().search([dir])?;
    let mut read: Vec<f32> = Vec::new();
    for model in &found.models {
        read.extend(values(&*model.source, "w")?);
    }
    // Shards are found by the names of each other, which cannot be spelled here.
    assert_eq!(names(&found), ["d/a\u{fffd}.safetensors", "d/a\u{fffd}.safetensors#2"]);
    assert_eq!(read, [1.0, 2.0]);
    assert_eq!((found.unreadable.len(), found.ignored.len()), (2, 0));
    Ok(())
}
